"""The stages of a run, and all of them one after another."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lawful.core.models import AutoregressiveModel
from lawful.data_recipes import ensure_writable, read_ensemble, write_ensemble
from lawful.domains import InputError
from lawful.pipeline.data import Prepared, load, prepare
from lawful.pipeline.folds import over_folds, save_over_folds
from lawful.pipeline.generate import generate
from lawful.pipeline.model_file import load_model
from lawful.pipeline.progress import Console
from lawful.pipeline.record import read_record, write_record
from lawful.pipeline.settings import FOLDS, RunSettings
from lawful.pipeline.train import train_or_reuse
from lawful.reports.page import build_report

ENSEMBLE, MODEL = "ensemble.nc", "model"
HELD_OUT = "held-out events"


@dataclass(frozen=True)
class Outcome:
    """Where the files of a run are, and what its report says."""

    out: Path
    report: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Whether every law, bound and inequality holds in the stored file."""
        return bool(self.report["validity"]["ensemble"]["holds"])


def run(settings: RunSettings, console: Console) -> Outcome:
    """Train, generate and report; with several folds, each of them, and their means."""
    ensure_writable(settings.out)
    others = [
        _run_fold(settings, fold, settings.out / "folds" / str(fold), console) for fold in range(1, settings.folds)
    ]
    return _run_fold(settings, 0, settings.out, console, [outcome.report for outcome in others])


def _run_fold(
    settings: RunSettings, fold: int, out: Path, console: Console, others: list[dict[str, Any]] | None = None
) -> Outcome:
    ensure_writable(out)
    prepared = _prepare(settings, fold, console if fold == 0 or settings.folds == 1 else None)
    clock = _Clock()
    model = train_or_reuse(settings, prepared, fold, out / MODEL, console)
    clock.stop("training")
    ensemble = generate(settings, prepared, prepared.test, model, console)
    write_ensemble(ensemble, out / ENSEMBLE)
    clock.stop("generating")
    report = _report(settings, prepared, prepared.test, fold, out, clock, others)
    return Outcome(out, report)


def stage_train(settings: RunSettings, console: Console) -> Path:
    """Train only; leaves the model and run.yaml."""
    ensure_writable(settings.out)
    prepared = _prepare(settings, 0, console)
    clock = _Clock()
    train_or_reuse(settings, prepared, 0, settings.out / MODEL, console)
    clock.stop("training")
    write_record(settings.out, settings, _facts(prepared, 0, HELD_OUT, clock))
    return settings.out / MODEL


def stage_generate(out: Path, console: Console, **changes: Any) -> Path:
    """Generate from the trained model of a run, for its held-out events or for those of another file (`data`)."""
    settings, record = read_record(out)
    prepared, model = _trained(settings, record, out)
    source = changes.pop("data", None)
    settings = RunSettings.checked(**{**settings.model_dump(), **changes})
    events = prepared.test
    if source is not None:
        events = load(settings.model_copy(update={"data": source}), prepared.domain).dataset
    path = write_ensemble(generate(settings, prepared, events, model, console), out / ENSEMBLE)
    clock = _Clock(record.get("seconds"))
    clock.stop("generating")
    write_record(out, settings, _facts(prepared, record["fold"], str(source or HELD_OUT), clock))
    return path


def stage_report(out: Path, console: Console) -> Outcome:
    """Judge the ensemble that is in the folder of a run."""
    settings, record = read_record(out)
    prepared = _prepare(settings, record["fold"], None)
    source = record.get("generated_for", HELD_OUT)
    events = prepared.test
    if source != HELD_OUT:
        events = load(settings.model_copy(update={"data": Path(source)}), prepared.domain).dataset
    console.say(f"judging {out / ENSEMBLE}")
    report = _report(settings, prepared, events, record["fold"], out, _Clock(record.get("seconds")), None, source)
    return Outcome(out, report)


def _prepare(settings: RunSettings, fold: int, console: Console | None) -> Prepared:
    settings.torch_device()
    prepared = prepare(settings, fold)
    for note in prepared.notes if console else ():
        console.say(f"note: {note}")  # type: ignore[union-attr]
    return prepared


def _trained(settings: RunSettings, record: dict[str, Any], out: Path) -> tuple[Prepared, AutoregressiveModel]:
    prepared = _prepare(settings, record["fold"], None)
    return prepared, load_model(out / MODEL, prepared.problem, prepared.domain.law_hash())


def _report(
    settings: RunSettings,
    prepared: Prepared,
    events: xr.Dataset,
    fold: int,
    out: Path,
    clock: "_Clock",
    others: list[dict[str, Any]] | None = None,
    source: str = HELD_OUT,
) -> dict[str, Any]:
    """Judge the file, not what was in memory when it was written."""
    ensemble = read_ensemble(out / ENSEMBLE, prepared.domain).dataset
    _require_same_events(ensemble, events, prepared)
    facts = _facts(prepared, fold, source, clock)
    about = {
        "command": settings.command(),
        "given": list(settings.given),
        "seed": settings.seed,
        "fast": settings.fast,
        "model": settings.model,
        "members": int(ensemble.sizes.get("realization", 1)),
        "held-out fold": f"{fold} of {FOLDS}",
        "generated for": source,
        "training events": prepared.train.sizes[prepared.domain.event_dim],
        "data": {"file": (settings.data or Path(prepared.domain.sample)).name, "sha256": prepared.sha256},
        "seconds": facts["seconds"],
        "notes": list(prepared.notes),
    }
    report = build_report(ensemble, prepared.train, events, prepared.domain, about, out, data=prepared.data)
    clock.stop("reporting")
    write_record(out, settings, _facts(prepared, fold, source, clock))
    if others:
        save_over_folds(out, over_folds([report, *others]))
    return report


def _require_same_events(ensemble: xr.Dataset, events: xr.Dataset, prepared: Prepared) -> None:
    dim = prepared.domain.event_dim
    same = ensemble.sizes.get(dim) == events.sizes[dim]
    if same and dim in ensemble.coords and dim in events.coords:
        same = bool(np.array_equal(ensemble[dim].values, events[dim].values))
    if not same:
        raise InputError(f"{ENSEMBLE} was not generated for these events: run `lawful generate` again")


def _facts(prepared: Prepared, fold: int, source: str, clock: "_Clock") -> dict[str, Any]:
    return {
        "fold": fold,
        "folds": FOLDS,
        "generated_for": source,
        "data_sha256": prepared.sha256,
        "law_hash": prepared.domain.law_hash(),
        "notes": list(prepared.notes),
        "seconds": dict(clock.seconds),
    }


class _Clock:
    """Seconds of each stage, added to those of earlier commands."""

    def __init__(self, earlier: dict[str, float] | None = None):
        self.seconds = dict(earlier or {})
        self._last = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._last, 2)
        self._last = now
