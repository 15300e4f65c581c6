"""Everything that a run depends on, checked before anything starts."""

import shlex
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lawful.core.models import FAMILIES, Settings
from lawful.core.polyhedra import Bounds
from lawful.core.training import Schedule
from lawful.domains import Domain, InputError, ShapedDomain, find_any_domain

AUTO, FAMILY, FAMILY_OF_FEW = "auto", "autoregressive", "kernel"
"""Let data choose the family of models: the first, or the second where they have few events of each state."""
MODELS = (AUTO, *FAMILIES)
FOLDS = 5
"""Into how many parts data are split; a run judges the first, or as many as asked for."""


# What stands in a file may be anything: lists of lists of lists.
_SHORT = Repr()
_SHORT.maxlevel = 1

Members = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Dtype = Literal["float32", "float64"]


class Checked(BaseModel):
    """A frozen record that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def checked(cls, **values: object) -> Self:
        """The record, or InputError with one line on the first option that is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"--{first_fault(error)}") from error


def first_fault(error: ValidationError) -> str:
    """Where a record is wrong, how, and what stands there."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {_SHORT.repr(first['input'])}"


def require_numbers(domain: Domain, dtype: str) -> None:
    """Raise InputError where bounds leave a variable no number of a type: those of a flux that is 8.39 in float32."""
    for v in domain.variables:
        if v.lower is None or v.upper is None:
            continue
        bounds = Bounds(*(torch.tensor([end], dtype=torch.float64) for end in (v.lower, v.upper)))
        if bounds.without_numbers(dtype).any():
            raise InputError(
                f"--dtype {dtype}: no {dtype} lies within the bounds {v.lower:g} and {v.upper:g} of {v.name}; store "
                "float64, or widen the bounds"
            )


class Drawing(Checked):
    """How an ensemble is drawn from a trained model; `events` is a data file, None for the held-out events."""

    members: Members = 20
    seed: Seed = 0
    dtype: Dtype = "float64"
    events: Path | None = None
    mapping: dict[str, str] = Field(default_factory=dict)

    def command(self, out: Path) -> str:
        """The command line that draws this ensemble again in the folder of the run."""
        options = {"data": self.events, "map": self.mapping, "members": self.members, "seed": self.seed}
        return " ".join(["lawful generate", shlex.quote(str(out)), *_words({**options, "dtype": self.dtype})])


class RunSettings(Checked):
    """Settings of a run; `out` is where its files go."""

    domain: str
    out: Path
    data: Path | None = None
    mapping: dict[str, str] = Field(default_factory=dict)
    members: Members = 20
    given: tuple[str, ...] = ()
    model: str = AUTO
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mixed: bool = False
    folds: int = Field(default=1, ge=1, le=FOLDS)
    dtype: Dtype = "float64"
    max_events: int = Field(default=1_000_000, ge=1)
    fast: bool = False

    @classmethod
    def checked(cls, **values: object) -> Self:
        """Settings, or InputError with one line on the first that is wrong."""
        settings = super().checked(**values)
        settings.require_names(settings.load_domain())
        return settings

    def require_names(self, domain: Domain | ShapedDomain) -> None:
        """Raise InputError when the model, or a variable in `given`, does not exist."""
        if isinstance(domain, ShapedDomain):
            self._require_plain(domain)
            return
        if self.model not in MODELS:
            raise InputError(f"--model: no model {self.model!r}; there is {', '.join(MODELS)}")
        domain.expanded(self.given)
        require_numbers(domain, self.dtype)

    def _require_plain(self, domain: ShapedDomain) -> None:
        if self.model != AUTO:
            raise InputError(f"--model: domain {domain.name!r} is one of graphs or fields, with a model of its own")
        if self.given:
            raise InputError(f"--given: in domain {domain.name!r} totals or block means are given, and nothing else is")

    def load_domain(self) -> Domain | ShapedDomain:
        """The domain by its name, or from its file."""
        return find_any_domain(self.domain)

    def torch_device(self) -> torch.device:
        """The device to train on; InputError when CUDA is asked for and absent."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: PyTorch sees no CUDA device here; use --device cpu or auto")
        chosen = "cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu"
        return torch.device(chosen)

    @property
    def drawing(self) -> Drawing:
        """How a run draws its ensemble: for the held-out events."""
        return Drawing(members=self.members, seed=self.seed, dtype=self.dtype)

    def command(self, stage: str = "run", *, with_out: bool = True) -> str:
        """The command line that does this again, without the settings that stand at their defaults."""
        plain = type(self).model_construct(domain=self.domain, out=None)
        names = [name for name in type(self).model_fields if name != "domain" and (with_out or name != "out")]
        changed = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(plain, name)}
        return " ".join(
            ["lawful", stage, shlex.quote(self.domain), *_words({_OPTIONS.get(k, k): v for k, v in changed.items()})]
        )

    @property
    def schedule(self) -> Schedule:
        """How long to train."""
        return Schedule(steps=300, check_every=50) if self.fast else Schedule()

    @property
    def network(self) -> Settings:
        """How large the networks are."""
        return Settings(networks=1, width=32) if self.fast else Settings()


_OPTIONS = {"mapping": "map", "max_events": "max-events"}


def _words(options: dict[str, Any]) -> list[str]:
    return [word for name, value in options.items() for word in _option(name, value)]


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"--{name} {shlex.quote(f'{key}={there}')}" for key, there in value.items()]
    if value is None or isinstance(value, bool):
        return [f"--{name}"] if value else []
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return [f"--{name} {shlex.quote(text)}"]
