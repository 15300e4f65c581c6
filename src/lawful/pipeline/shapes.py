"""What a run does with samples of each shape: events (vectors and windows), or graphs and fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
from torch import nn

from lawful.data_recipes import read_ensemble, sample_path
from lawful.data_recipes.read import MINIMUM_EVENTS
from lawful.data_recipes.shaped import read_shaped
from lawful.data_recipes.windows import other_hours
from lawful.domains import Domain, InputError, ShapedDomain
from lawful.domains.blocks import fold_masks
from lawful.pipeline.data import Prepared, load, prepare
from lawful.pipeline.generate import generate
from lawful.pipeline.model_file import load_model
from lawful.pipeline.one_network import generate_shaped, kind_of, load_shaped, train_shaped
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import FOLDS, Drawing, RunSettings
from lawful.pipeline.train import model_facts, train_or_reuse
from lawful.reports.page import build_report
from lawful.reports.shaped import build_shaped_report

Trained = tuple[nn.Module, dict[str, Any]]


class Shape(Protocol):
    """The steps of a run, each for samples of one shape."""

    def prepare(self, settings: RunSettings, fold: int, domain: Any) -> Any:
        """Read the data of a run and split them; InputError on all that is wrong with them."""

    def read(self, path: Path, prepared: Any, mapping: dict[str, str]) -> tuple[xr.Dataset, Sequence[str]]:
        """Samples of another file to draw for, and notes."""

    def values(self, events: xr.Dataset, prepared: Any) -> int:
        """How many numbers a realization of `events` holds."""

    def train(
        self, settings: RunSettings, prepared: Any, fold: int, folder: Path, console: Console, *, resume: bool
    ) -> Trained:
        """A model, of this command or of a finished training before, and what it is."""

    def load(self, settings: RunSettings, prepared: Any, fold: int, folder: Path) -> nn.Module:
        """The finished model of a folder; InputError when it was made of something else."""

    def generate(self, drawing: Drawing, prepared: Any, events: xr.Dataset, model: Any, console: Console) -> xr.Dataset:
        """An ensemble."""

    def stored(self, path: Path, prepared: Any) -> xr.Dataset:
        """The ensemble of a file."""

    def report(
        self, ensemble: xr.Dataset, events: xr.Dataset, prepared: Any, about: dict[str, Any], out: Path
    ) -> dict[str, Any]:
        """Judge an ensemble of `events` and write what was found."""


def shape_of(domain: Domain | ShapedDomain) -> Shape:
    """The steps of a run for samples of a domain."""
    return _Shaped() if isinstance(domain, ShapedDomain) else _Events()


class _Events:
    """Vectors and windows: the same variables in every event."""

    def prepare(self, settings: RunSettings, fold: int, domain: Domain) -> Prepared:
        return prepare(settings, fold, domain)

    def read(self, path: Path, prepared: Prepared, mapping: dict[str, str]) -> tuple[xr.Dataset, Sequence[str]]:
        reading = load(path, prepared.domain, mapping, minimum_events=1, needed=prepared.given, given=prepared.given)
        return reading.dataset, [*reading.notes, *other_hours(reading.dataset, prepared.data, prepared.domain)]

    def values(self, events: xr.Dataset, prepared: Prepared) -> int:
        return events.sizes[prepared.domain.event_dim] * len(prepared.domain.names)

    def train(
        self, settings: RunSettings, prepared: Prepared, fold: int, folder: Path, console: Console, *, resume: bool
    ) -> Trained:
        return train_or_reuse(settings, prepared, fold, folder, console, resume=resume)

    def load(self, settings: RunSettings, prepared: Prepared, fold: int, folder: Path) -> nn.Module:
        return load_model(folder, prepared.problem, model_facts(settings, prepared, fold), prepared.steps)

    def generate(
        self, drawing: Drawing, prepared: Prepared, events: xr.Dataset, model: Any, console: Console
    ) -> xr.Dataset:
        return generate(drawing, prepared, events, model, console)

    def stored(self, path: Path, prepared: Prepared) -> xr.Dataset:
        return read_ensemble(path, prepared.domain).dataset

    def report(
        self, ensemble: xr.Dataset, events: xr.Dataset, prepared: Prepared, about: dict[str, Any], out: Path
    ) -> dict[str, Any]:
        return build_report(ensemble, prepared.train, events, prepared.domain, about, out, data=prepared.data)


@dataclass(frozen=True)
class PreparedShaped:
    """A domain of graphs or fields with its data, split."""

    domain: ShapedDomain
    data: xr.Dataset
    train: xr.Dataset
    test: xr.Dataset
    notes: tuple[str, ...]
    sha256: str
    family: str
    given: tuple[str, ...] = ()


class _Shaped:
    """Graphs and fields: one network each, which knows the samples' shape."""

    def prepare(self, settings: RunSettings, fold: int, domain: ShapedDomain) -> PreparedShaped:
        path = settings.data or sample_path(domain)
        ds, notes, sha256 = read_shaped(path, domain, settings.mapping, most=settings.max_events)
        _require_learnable(ds, domain, path)
        train, test = (
            domain.chosen(ds, np.flatnonzero(mask)) for mask in fold_masks(ds, domain, fold, FOLDS, settings.seed)
        )
        return PreparedShaped(domain, ds, train, test, tuple(notes), sha256, kind_of(domain).family)

    def read(self, path: Path, prepared: PreparedShaped, mapping: dict[str, str]) -> tuple[xr.Dataset, Sequence[str]]:
        ds, notes, _ = read_shaped(path, prepared.domain, mapping, like=prepared.data)
        return ds, notes

    def values(self, events: xr.Dataset, prepared: PreparedShaped) -> int:
        return sum(events[name].size for name in prepared.domain.names if name in events)

    def train(
        self, settings: RunSettings, prepared: PreparedShaped, fold: int, folder: Path, console: Console, *,
        resume: bool,
    ) -> Trained:  # fmt: skip
        kind, domain = kind_of(prepared.domain), prepared.domain
        return train_shaped(
            domain, prepared.train, folder, seed=settings.seed, settings=kind.settings(domain, settings.fast),
            schedule=kind.schedule(settings.fast), resume=resume, device=settings.torch_device().type,
            mixed=settings.mixed, facts=_facts(prepared, fold), console=console,
        )  # fmt: skip

    def load(self, settings: RunSettings, prepared: PreparedShaped, fold: int, folder: Path) -> nn.Module:
        size = kind_of(prepared.domain).settings(prepared.domain, settings.fast)
        return load_shaped(prepared.domain, folder, size, _facts(prepared, fold))

    def generate(
        self, drawing: Drawing, prepared: PreparedShaped, events: xr.Dataset, model: Any, console: Console
    ) -> xr.Dataset:
        count = drawing.members * events.sizes[prepared.domain.event_dim]
        with console.progress(f"generating {drawing.members} x {count // drawing.members} samples", count) as bar:
            return generate_shaped(
                model, prepared.domain, events, members=drawing.members, seed=drawing.seed + 1, dtype=drawing.dtype,
                done=bar.advance,
            )  # fmt: skip

    def stored(self, path: Path, prepared: PreparedShaped) -> xr.Dataset:
        try:
            return xr.load_dataset(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read; it may be damaged: {' '.join(str(error).split())}") from error

    def report(
        self, ensemble: xr.Dataset, events: xr.Dataset, prepared: PreparedShaped, about: dict[str, Any], out: Path
    ) -> dict[str, Any]:
        return build_shaped_report(ensemble, prepared.train, events, prepared.domain, about, out, data=prepared.data)


def _require_learnable(ds: xr.Dataset, domain: ShapedDomain, path: Path) -> None:
    absent = [name for name in domain.names if name not in ds]
    if absent:
        raise InputError(f"{path}: has no {', '.join(absent)}, so there is nothing to learn from")
    count = ds.sizes[domain.event_dim]
    if count < MINIMUM_EVENTS:
        raise InputError(f"{path}: {count} complete {domain.event_dim}s, {MINIMUM_EVENTS} at least are needed")


def _facts(prepared: PreparedShaped, fold: int) -> dict[str, Any]:
    return {"data": prepared.sha256, "fold": fold, "events": prepared.train.sizes[prepared.domain.event_dim]}
