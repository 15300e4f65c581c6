"""Everything that a run depends on, checked before anything starts."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lawful.core.models import Settings
from lawful.core.training import Schedule
from lawful.domains import Domain, InputError, get_domain

MODELS = ("autoregressive",)
FOLDS = 5
"""Into how many parts data are split; a run judges the first, or as many as asked for."""


class RunSettings(BaseModel):
    """Settings of a run; `out` is where its files go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: str
    out: Path
    data: Path | None = None
    mapping: dict[str, str] = Field(default_factory=dict)
    members: int = Field(default=20, ge=1)
    given: tuple[str, ...] = ()
    model: str = MODELS[0]
    seed: int = Field(default=0, ge=0, lt=2**31)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    folds: int = Field(default=1, ge=1, le=FOLDS)
    dtype: Literal["float32", "float64"] = "float64"
    fast: bool = False

    @classmethod
    def checked(cls, **values: object) -> "RunSettings":
        """Settings, or InputError with one line on the first that is wrong."""
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"--{first['loc'][0]}: {first['msg']}, got {first['input']!r}") from error
        if settings.model not in MODELS:
            raise InputError(f"--model: no model {settings.model!r}; there is {', '.join(MODELS)}")
        settings.require_names()
        return settings

    def require_names(self) -> None:
        """Raise InputError when the domain, or a variable in `given`, does not exist."""
        domain = self.load_domain()
        for name in self.given:
            domain.variable(name)

    def load_domain(self) -> Domain:
        """The domain by its name."""
        return get_domain(self.domain)

    def torch_device(self) -> torch.device:
        """The device to train on; InputError when CUDA is asked for and absent."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: PyTorch sees no CUDA device here; use --device cpu or auto")
        chosen = "cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu"
        return torch.device(chosen)

    def command(self) -> str:
        """The command line that makes this run again."""
        plain = type(self).model_construct(domain=self.domain, out=self.out)
        words = ["lawful run", self.domain]
        for name in ("data", "members", "given", "model", "seed", "device", "folds", "dtype", "out"):
            value = getattr(self, name)
            if value != getattr(plain, name) or name == "out":
                words.append(f"--{name} {','.join(value) if isinstance(value, tuple) else value}")
        words += [f"--map {name}={there}" for name, there in self.mapping.items()]
        return " ".join([*words, *(["--fast"] if self.fast else [])])

    @property
    def schedule(self) -> Schedule:
        """How long to train."""
        return Schedule(steps=300, check_every=50) if self.fast else Schedule()

    @property
    def network(self) -> Settings:
        """How large the networks are."""
        return Settings(width=32) if self.fast else Settings()
