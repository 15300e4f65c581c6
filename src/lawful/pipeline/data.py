"""Data as a run uses them: read, snapped to instrument steps, split by blocks, turned into tensors."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lawful.core.coordinates import Problem, States, Steps
from lawful.core.errors import InconsistentSystemError
from lawful.core.polyhedra import InfeasibleError
from lawful.data_recipes import Reading, read, sample_path
from lawful.data_recipes.read import MINIMUM_EVENTS
from lawful.data_recipes.undeclared import undeclared
from lawful.domains import Domain, InputError, ShapedDomain
from lawful.domains.blocks import block_labels, fold_masks
from lawful.domains.calendar import days, time_name
from lawful.domains.context import context_features, in_own_units, step_features
from lawful.domains.problem import problem_of
from lawful.domains.steps import chain_of
from lawful.pipeline.closing import closed
from lawful.pipeline.settings import AUTO, FAMILY, FAMILY_OF_FEW, FOLDS, RunSettings
from lawful.pipeline.storage import restored

VIEWS = 8
"""How many versions of the training events there are beside the first, each with its own random spreading."""

DAY_SHIFT = 30.0
"""Standard deviation, in days, of the random shift of the day of the year in these versions, for data of one year."""

FEW_EVENTS = 30
"""Training events are remembered where each state has fewer than these in the mean; see `docs/models.md`."""

_VALIDATION_SHARE = 1 / 8
_NAMED = 4
_STILL = 1e-12


class Split(Protocol):
    """A domain of any shape, its data split into training and held-out ones, and the family of models for it."""

    @property
    def domain(self) -> Domain | ShapedDomain: ...
    @property
    def data(self) -> xr.Dataset: ...
    @property
    def train(self) -> xr.Dataset: ...
    @property
    def test(self) -> xr.Dataset: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def sha256(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def given(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Prepared:
    """A domain, the problem its laws pose, the data split into training and held-out events, and the family of models
    that is to learn them."""

    domain: Domain
    problem: Problem
    data: xr.Dataset
    train: xr.Dataset
    test: xr.Dataset
    notes: tuple[str, ...]
    sha256: str
    family: str

    @property
    def given(self) -> tuple[str, ...]:
        """Variables that come from the data, by the domain or by the settings."""
        return tuple(name for name, given in zip(self.domain.names, self.problem.given.tolist(), strict=True) if given)

    @property
    def steps(self) -> Steps | None:
        """How windows are made of steps that are all alike; None for other events."""
        return chain_of(self.domain, self.problem)

    @cached_property
    def context_units(self) -> tuple[np.ndarray, np.ndarray]:
        """Origins and units `(k,)` that a model sees context features in.

        Mean and standard deviation of training events, or the size where they are all alike, for those in units of
        their own, and 0 and 1 for others.
        """
        features, own = context_features(self.train, self.domain)[0], in_own_units(self.train, self.domain)
        spread, size = features.std(0), np.abs(features).max(0, initial=0.0)
        unit = np.where(spread > _STILL * size, spread, np.where(size > 0, size, 1.0))
        return np.where(own, features.mean(0), 0.0), np.where(own, unit, 1.0)


def prepare(settings: RunSettings, fold: int, domain: Domain) -> Prepared:
    """Read the data of a run and split them; InputError on all that is wrong with data, laws or given variables."""
    problem = None if domain.waiting else _problem(domain, settings.given)
    reading = load(
        settings.data or sample_path(domain), domain, settings.mapping, most=settings.max_events, given=settings.given
    )
    domain = reading.domain
    problem = problem or _problem(domain, settings.given)
    require_given_lawful(problem, reading.dataset, domain)
    train, test = fold_masks(reading.dataset, domain, fold, FOLDS, settings.seed)
    lawful, notes = closed(reading.dataset.isel({domain.event_dim: np.flatnonzero(train)}), problem, domain)
    held_out = reading.dataset.isel({domain.event_dim: np.flatnonzero(test)})
    said = (*reading.notes, *notes, *_undeclared(lawful, domain, problem))
    family = _family(problem, domain, lawful) if settings.model == AUTO else settings.model
    return Prepared(domain, problem, reading.dataset, lawful, held_out, said, reading.sha256, family)


def _undeclared(train: xr.Dataset, domain: Domain, problem: Problem) -> list[str]:
    """A note on relations of the data that nobody declared; to find out whether they are laws is the user's."""
    given = [name for name, is_given in zip(domain.names, problem.given.tolist(), strict=True) if is_given]
    found = undeclared(train, domain, given)
    more = f", and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    shown = ", ".join(repr(equation) for equation in found[:_NAMED])
    advice = "an ensemble will not keep what is not declared: add it to the laws of the domain if it is one"
    return [f"in these data {shown}{more} holds to rounding, and no law says so; {advice}"] if found else []


def _family(problem: Problem, domain: Domain, train: xr.Dataset) -> str:
    """The default: few events of each state are remembered, but for steps of windows and uniform events."""
    if problem.uniform or chain_of(domain, problem) is not None:
        return FAMILY
    _, ids = States.of_data(problem, problem.extend(values(train, domain)))
    return FAMILY_OF_FEW if len(ids) < FEW_EVENTS * len(ids.unique()) else FAMILY


def _problem(domain: Domain, given: tuple[str, ...]) -> Problem:
    problem = problem_of(domain, given)
    try:
        problem.require_feasible()
        _ = problem.system
    except (InfeasibleError, InconsistentSystemError) as error:
        raise InputError(f"domain {domain.name!r}: {error}") from error
    return problem


def load(
    path: Path,
    domain: Domain,
    mapping: dict[str, str],
    minimum_events: int = MINIMUM_EVENTS,
    needed: tuple[str, ...] | None = None,
    most: int | None = None,
    given: tuple[str, ...] = (),
) -> Reading:
    """Events of a file, as they were before they were stored; `needed` and `most` as for `read`, `given` as for
    `restored`."""
    reading = read(path, domain, mapping or None, minimum_events=minimum_events, needed=needed, most=most)
    dataset, notes = restored(reading.dataset, reading.domain, given)
    return replace(reading, dataset=dataset, notes=[*reading.notes, *notes])


def values(ds: xr.Dataset, domain: Domain) -> Tensor:
    """Events as a float64 tensor `(events, variables)`; zero where there is no such variable, only conditions."""
    nothing = np.zeros(ds.sizes[domain.event_dim])
    columns = [ds[name].to_numpy() if name in ds else nothing for name in domain.names]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float64))


def context(ds: xr.Dataset, prepared: Prepared, day_shift: np.ndarray | float = 0.0) -> Tensor:
    """Context features of events as a model sees them, float32 `(events, k)`."""
    origin, unit = prepared.context_units
    return torch.from_numpy((context_features(ds, prepared.domain, day_shift)[0] - origin) / unit).float()


def step_context(ds: xr.Dataset, domain: Domain) -> Tensor:
    """Context features of each step of windows, float32 `(events, steps, k)`."""
    return torch.from_numpy(step_features(ds, domain)).float()


def context_size(prepared: Prepared) -> int:
    """Number of features of the context of an event, or of a step of one."""
    if prepared.steps is not None:
        return step_context(prepared.train, prepared.domain).shape[-1]
    return context(prepared.train, prepared).shape[-1]


def shifted_contexts(prepared: Prepared, rng: np.random.Generator, *, stepwise: bool = False) -> list[Tensor]:
    """The context of training events as it is, and `VIEWS` versions of it with days of the year shifted at random."""
    ds, domain = prepared.train, prepared.domain
    events = ds.sizes[domain.event_dim]
    spread = DAY_SHIFT / _years(ds, domain)
    shifts = [np.zeros(events), *(spread * rng.standard_normal(events) for _ in range(VIEWS))]
    if stepwise:
        return [torch.from_numpy(step_features(ds, domain, shift)).float() for shift in shifts]
    return [context(ds, prepared, shift) for shift in shifts]


def _years(ds: xr.Dataset, domain: Domain) -> float:
    """How many years the data span, one at least: in many years a date does not stand for the weather of one week."""
    name = time_name(ds, domain.event_dim)
    return max(1.0, float(np.ptp(days(ds[name]))) / 366) if name else 1.0


def blocks(ds: xr.Dataset, domain: Domain) -> Tensor:
    """Number of the block of each event, `(events,)`."""
    return torch.from_numpy(block_labels(ds, domain))


def validation_mask(ds: xr.Dataset, domain: Domain | ShapedDomain, rng: np.random.Generator) -> Tensor:
    """Which training events judge the others, `(events,)`: whole blocks, an eighth of them."""
    labels = block_labels(ds, domain)
    blocks = rng.permutation(np.unique(labels))
    return torch.from_numpy(np.isin(labels, blocks[: max(1, round(_VALIDATION_SHARE * len(blocks)))]))


def require_given_lawful(problem: Problem, ds: xr.Dataset, domain: Domain) -> None:
    """Raise InputError when given values decide a law by themselves and do not close it to rounding; names the law.

    They are kept exactly, so nothing that is generated could close it.
    """
    if not problem.given.any():
        return
    z = values(ds, domain)
    try:
        problem.system.restrict((~problem.given).expand(z.shape), z)
    except InconsistentSystemError as error:
        laws, event = " and ".join(map(repr, error.rows)), str(ds[domain.event_dim].values[error.samples[0][0]])
        raise InputError(
            f"--given: its values alone decide law {laws}, and do not close it to rounding in {len(error.samples)} "
            f"{domain.event}s, by {abs(error.clash):.2g} at {event[:19]}; leave one of its variables to be generated"
        ) from error
