"""What domains of graphs and of fields have in common: samples that are no vector of the same variables each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from pydantic import Field

from lawful.domains.declarations import Blocks, Declaration, Variable
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError

Place = dict[str, Any]
"""A sample as judges name it: "event", "place" and "index", among others."""

PADDED = "lawful_padded"
"""Key of the encoding of a variable in which +inf stands for what is not there: a zero without rounding."""


def as_it_is(ds: xr.Dataset, place: Place) -> Place:
    """The place of a sample in a view that has the dimensions of the file."""
    return place


@dataclass(frozen=True)
class View:
    """Samples seen as events of a vector `domain`, which `of` makes of a data set of the shaped domain.

    `at` says where in that data set a sample of the view is. Where the view is there for one law, `law` is what the
    domain calls it; its own name may have a number.
    """

    domain: Domain
    of: Callable[[xr.Dataset], xr.Dataset]
    at: Callable[[xr.Dataset, Place], Place] = as_it_is
    law: str = ""


@dataclass(frozen=True)
class Views:
    """How samples are judged: `laws` for their sums and means, `parts` (nodes, cells) for bounds and further laws,
    `likeness` for comparison with data, and `grid` for whole fields; None for what has no grid.

    Variables that are missing in some places by nature are in `there` with where they are not.
    """

    laws: tuple[View, ...]
    parts: View
    likeness: View
    grid: View | None = None
    there: Mapping[str, xr.DataArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Whole:
    """Samples with everything that is lawful or not in them: a `view` whose bounds and laws are all that there are.

    Its variables are the parts (nodes, cells) of `variables`, one variable after another, and then what they are held
    to. No part is in two views of one domain.
    """

    view: View
    variables: tuple[Variable, ...]

    @property
    def parts(self) -> int:
        """How many parts of each variable there are."""
        return sum(name.startswith(f"{self.variables[0].name}[") for name in self.view.domain.names)


class ShapedDomain(Declaration):
    """Names and words; `blocks` says which samples belong together when data are split."""

    name: str = Field(pattern=r"^\w[\w.-]*$")
    title: str
    description: str = ""
    blocks: Blocks = Blocks(kind="order")
    sample: str = ""
    note: str = ""
    references: tuple[str, ...] = ()
    missing: tuple[float, ...] = ()
    density: str | None = None

    @property
    def noun(self) -> str:
        """What a sample is."""
        raise NotImplementedError

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the variables that a file holds."""
        raise NotImplementedError

    @property
    def generated(self) -> tuple[Variable, ...]:
        """The variables that are generated."""
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables that are generated."""
        return tuple(variable.name for variable in self.generated)

    def require_variable(self, name: str) -> None:
        """Raise InputError where laws speak of no variable of that name."""
        known = (*self.names, *self.held_to)
        if name not in known:
            raise InputError(f"domain {self.name!r} has no variable {name!r}; it has {', '.join(known)}")

    @property
    def held_to(self) -> tuple[str, ...]:
        """Names of the given variables of a file that laws hold values to: totals, means."""
        raise NotImplementedError

    @property
    def judged_by(self) -> tuple[str, ...]:
        """Names of all variables of a file that judging it takes."""
        raise NotImplementedError

    @property
    def tolerances(self) -> dict[str, float | None]:
        """The laws by their names, and how well data close in units of the law where that is declared."""
        raise NotImplementedError

    @property
    def event_dim(self) -> str:
        """The dimension along which samples lie."""
        raise NotImplementedError

    @property
    def equations(self) -> dict[str, str]:
        """The laws as they are written, by their names."""
        raise NotImplementedError

    def views(self, *datasets: xr.Dataset) -> Views:
        """How data sets of this domain are judged beside one another."""
        raise NotImplementedError

    def wholes(self, ds: xr.Dataset) -> tuple[Whole, ...]:
        """The samples of a data set that can be mended each by itself."""
        raise NotImplementedError

    def single(self, ds: xr.Dataset) -> xr.Dataset:
        """One set of values for each sample, where a data set may hold several, in turn."""
        return ds

    def chosen(self, ds: xr.Dataset, rows: np.ndarray) -> xr.Dataset:
        """The samples of these numbers, in rising order."""
        return ds.isel({self.event_dim: np.sort(rows)})

    def law_hash(self) -> str:
        """SHA-256 over all but wording: what a model or an ensemble was made for."""
        content = _without_words(self.model_dump(mode="json"))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_WORDS = {"title", "description", "note", "sample", "references", "reference"}


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_words(item) for key, item in value.items() if key not in _WORDS}
    return [_without_words(item) for item in value] if isinstance(value, list) else value
