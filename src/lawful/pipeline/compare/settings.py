"""What is compared, checked before anything starts."""

import shlex
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from lawful.core.strategies import STRATEGIES
from lawful.domains import Domain, InputError, find_domain
from lawful.pipeline.compare.peers import PEERS, SAMPLERS, SHIELD, require_peer
from lawful.pipeline.settings import Checked, RunSettings

STATES = "states"
"""What `lawful run` does: a state says which variables are on a bound, and the mirror map does the rest."""

OWN = (*STRATEGIES, "repair", STATES)
FAMILIES = ("vae", "flow-matching")
AFTERWARDS = ("unconstrained", "projection-after", "repair")
"""Strategies that work on samples of any origin."""


class CompareSettings(Checked):
    """Settings of a comparison; cells are all models x strategies x seeds that can be combined.

    At most `events` training events are learned from, and at most a quarter as many are held out, drawn at random.
    """

    domain: str
    out: Path
    data: Path | None = None
    mapping: dict[str, str] = Field(default_factory=dict)
    strategies: tuple[str, ...] = OWN
    models: tuple[str, ...] = FAMILIES
    seeds: Annotated[int, Field(ge=1, le=100)] = 5
    steps: Annotated[int, Field(ge=1)] = 1000
    members: Annotated[int, Field(ge=1)] = 2
    events: Annotated[int, Field(ge=8)] = 1000
    resume: bool = False

    @classmethod
    def checked(cls, **values: object) -> Self:
        """Settings, or InputError with one line on the first that is wrong."""
        settings = super().checked(**values)
        _require_known("--strategies", settings.strategies, (*OWN, SHIELD))
        _require_known("--models", settings.models, (*FAMILIES, *SAMPLERS))
        for peer in {*settings.strategies, *settings.models} & set(PEERS):
            require_peer(peer)
        if not settings.cells():
            raise InputError(f"--strategies: {' and '.join(SAMPLERS)} take {', '.join(AFTERWARDS)} only")
        kinds = [v.name for v in settings.load_domain().variables if v.categorical]
        if kinds:
            raise InputError(f"compare: {', '.join(kinds)} is a category, which strategies of laws do not generate")
        return settings

    def load_domain(self) -> Domain:
        """The domain by its name, or from its file."""
        return find_domain(self.domain)

    def cells(self) -> list[tuple[str, str]]:
        """Models and strategies; samplers that are no network take repairs afterwards only."""
        pairs = [(model, name) for model in self.models for name in self.strategies]
        return [(model, name) for model, name in pairs if model not in SAMPLERS or name in AFTERWARDS]

    def run(self, split: int = 0) -> RunSettings:
        """The settings under which a run prepares the same data; `split` numbers random splits into folds."""
        return RunSettings(domain=self.domain, out=self.out, data=self.data, mapping=self.mapping, seed=split)

    @property
    def command(self) -> str:
        """The command line that does this again."""
        words = ["lawful", "compare", self.domain, "--strategies", ",".join(self.strategies), "--models"]
        words += [",".join(self.models), "--seeds", str(self.seeds), "--steps", str(self.steps)]
        words += ["--members", str(self.members), *(["--data", str(self.data)] if self.data else [])]
        words += [word for name, path in self.mapping.items() for word in ("--map", f"{name}={path}")]
        return shlex.join(words)


def _require_known(option: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{option}: no {name!r}; there is {', '.join(known)}")
    if not names:
        raise InputError(f"{option}: name at least one of {', '.join(known)}")
