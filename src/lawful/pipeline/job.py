"""The folder of a run: what was done there so far, and the stages that add to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
from torch import nn

from lawful.core.training import is_main_process
from lawful.data_recipes import ensure_writable, write_ensemble
from lawful.data_recipes.machine import memory
from lawful.domains import InputError
from lawful.pipeline.data import Split
from lawful.pipeline.generate import attributes
from lawful.pipeline.progress import Console
from lawful.pipeline.record import Record, keep_domain, kept_domain, read_record
from lawful.pipeline.settings import Drawing, RunSettings
from lawful.pipeline.shapes import shape_of

ENSEMBLE, MODEL = "ensemble.nc", "model"
_BYTES_A_VALUE = 100
"""Peak memory for each value of an ensemble: drawn, written, read again and judged; measured."""


class Job:
    """One folder; `record` is what run.yaml holds, and is written after each stage."""

    def __init__(self, record: Record, prepared: Split, out: Path, console: Console):
        self.record, self.prepared, self.out, self.console = record, prepared, out, console
        self.shape = shape_of(prepared.domain)

    def update(self, **changes: Any) -> None:
        """Change the record and write run.yaml."""
        self.record = self.record.model_copy(update=changes)
        if is_main_process():
            self.record.write(self.out)

    def record_command(self, command: str) -> None:
        """Remember a command, in place of the last of its kind; run.yaml is written with the stage that it starts."""
        verb = command.split()[:2]
        others = tuple(c for c in self.record.commands if c.split()[:2] != verb)
        self.record = self.record.model_copy(update={"commands": (*others, command)})

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Seconds of a stage, for the record."""
        began = time.perf_counter()
        yield
        self.record = self.record.model_copy(update={"seconds": {**self.record.seconds, stage: _since(began)}})

    def train(self, *, resume: bool = False) -> nn.Module:
        """A trained model, of this command or of a finished one before; `resume` goes on with one that was cut off."""
        model, training = self.shape.train(
            self.record.settings, self.prepared, self.record.fold, self.out / MODEL, self.console, resume=resume
        )
        self.update(training=training, seconds={"training": training["seconds"]})
        return model

    def model(self) -> nn.Module:
        """The model that was trained here; InputError when it is not the one of the record."""
        return self.shape.load(self.record.settings, self.prepared, self.record.fold, self.out / MODEL)

    def draw(self, model: nn.Module, drawing: Drawing) -> Path:
        """Write an ensemble; gives its path."""
        events, prepared = self.events(drawing), self.prepared
        require_memory(drawing, events, prepared)
        with self.timed("generating"):
            ensemble = self.shape.generate(drawing, prepared, events, model, self.console)
            weights = self.record.training["weights_sha256"]
            facts = attributes(self.record.settings, drawing, prepared, events, weights)
            path = write_ensemble(ensemble.assign_attrs(facts), self.out / ENSEMBLE)
        self.update(drawing=drawing)
        return path

    def events(self, drawing: Drawing) -> xr.Dataset:
        """The events that an ensemble is drawn for."""
        if drawing.events is None:
            return self.prepared.test
        events, notes = self.shape.read(drawing.events, self.prepared, drawing.mapping)
        for note in notes:
            self.console.say(f"note: {note}")
        return events


def new_job(settings: RunSettings, fold: int, out: Path, stage: str, console: Console) -> Job:
    """The job of a command that starts from data; InputError on all that can be wrong before the training."""
    settings.torch_device()
    domain = settings.load_domain()
    prepared = shape_of(domain).prepare(settings, fold, domain)
    require_memory(settings.drawing, prepared.test, prepared)
    keep_domain(settings.domain, ensure_writable(out))
    # Every fold reads the same file.
    for note in prepared.notes if fold == 0 else ():
        console.say(f"note: {note}")
    record = Record(
        commands=(settings.command(stage),), settings=settings, fold=fold, data_sha256=prepared.sha256,
        law_hash=prepared.domain.law_hash(), notes=prepared.notes,
    )  # fmt: skip
    return Job(record, prepared, out, console)


def old_job(out: Path, console: Console) -> Job:
    """The job of a command that goes on from a folder.

    Raises:
        InputError: the folder is not that of a run, or its data or laws are others now.
    """
    record = read_record(out)
    domain = kept_domain(record.settings.domain, out)
    prepared = shape_of(domain).prepare(record.settings, record.fold, domain)
    if prepared.sha256 != record.data_sha256:
        file = record.settings.data or prepared.domain.sample
        raise InputError(f"{file}: changed since the run in {out}; run it again")
    if prepared.domain.law_hash() != record.law_hash:
        raise InputError(f"domain {prepared.domain.name!r} has other laws than when {out} was run; run it again")
    return Job(record, prepared, out, console)


def require_memory(drawing: Drawing, events: xr.Dataset, prepared: Split) -> None:
    """Raise InputError when an ensemble is larger than this machine can hold, before it is trained for."""
    values = drawing.members * shape_of(prepared.domain).values(events, prepared)
    need, have = values * _BYTES_A_VALUE, memory()
    if need > have:
        raise InputError(
            f"--members {drawing.members}: takes about {need / 2**30:,.0f} GiB of memory, and this machine has "
            f"{have / 2**30:,.0f}; ask for fewer, and for more in further folders with a --seed each"
        )


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 2)
