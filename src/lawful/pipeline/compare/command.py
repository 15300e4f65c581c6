"""Trains and judges cell after cell; what is finished is kept, so that a comparison can go on where it was cut off."""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from lawful import __version__
from lawful.core.errors import LawfulError
from lawful.data_recipes import ensure_writable
from lawful.domains import InputError
from lawful.pipeline.compare.judging import Judge
from lawful.pipeline.compare.making import Maker, thinned
from lawful.pipeline.compare.settings import CompareSettings
from lawful.pipeline.data import Prepared, blocks, context, prepare, values
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import FOLDS
from lawful.reports.comparison import write_comparison
from lawful.reports.files import write_atomically

_CELLS = "cells"


def compare(settings: CompareSettings, console: Console) -> dict[str, Any]:
    """Compare strategies; writes compare.json, compare.html, compare.md and figures into the folder.

    Seeds are paired: each has the same fold of the data, the same first weights and the same noise under every
    strategy, as far as their networks agree.

    Raises:
        InputError: data and domain do not fit, or there are finished cells in the folder and `resume` is not asked for.
    """
    folder = ensure_writable(settings.out / _CELLS)
    if not settings.resume and any(folder.glob("*.json")):
        raise InputError(f"{settings.out}: there is a comparison here; go on with --resume, or choose another --out")
    cells = []
    for seed in range(settings.seeds):
        prepared = thinned(_split(settings, seed), settings.events, seed)
        bench = _Bench(prepared, seed, settings)
        cells += [_cell(bench, model, strategy, folder, console) for model, strategy in settings.cells()]
    return write_comparison(cells, settings.load_domain(), _about(settings, prepared), settings.out)


def _split(settings: CompareSettings, seed: int) -> Prepared:
    """The data of a seed: folds of one random split, then of the next, so that no two seeds have the same data."""
    split, fold = divmod(seed, FOLDS)
    return prepare(settings.run(split), fold, settings.load_domain())


class _Bench:
    """What makes and judges the cells of one seed; ready only where a cell is not kept."""

    def __init__(self, prepared: Prepared, seed: int, settings: CompareSettings):
        self.prepared, self.seed, self.settings = prepared, seed, settings
        self.facts = _facts(settings, prepared)

    @cached_property
    def maker(self) -> Maker:
        return Maker(self.prepared, self.seed, self.settings.steps, self.settings.members)

    @cached_property
    def judge(self) -> Judge:
        return Judge(self.prepared, self.seed)


def _cell(bench: _Bench, model: str, strategy: str, folder: Path, console: Console) -> dict[str, Any]:
    path = folder / f"{model}.{strategy}.{bench.seed}.json"
    kept = _kept(path, bench.facts)
    if kept:
        return kept
    heading = {"model": model, "strategy": strategy, "seed": bench.seed, "facts": bench.facts}
    try:
        made = bench.maker.make(model, strategy)
        cell = {**heading, "failed": None, **bench.judge(made)}
        console.say(f"{model}, {strategy}, seed {bench.seed}: {made.training:.0f} s of training")
    except (LawfulError, InputError, torch.linalg.LinAlgError) as error:
        cell = {**heading, "failed": str(error)}
        console.say(f"{model}, {strategy}, seed {bench.seed}: {error}")
    write_atomically(path, json.dumps(cell, indent=1).encode())
    return cell


def _kept(path: Path, facts: str) -> dict[str, Any] | None:
    """A cell that was finished before under the same facts."""
    try:
        cell = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return cell if isinstance(cell, dict) and cell.get("facts") == facts else None


def _facts(settings: CompareSettings, prepared: Prepared) -> str:
    """A hash of all that a cell depends on beside its model, strategy and seed."""
    content = [
        settings.steps,
        settings.members,
        settings.events,
        prepared.sha256,
        prepared.domain.law_hash(),
        prepared.domain.leave_out,
        _digest(prepared),
        __version__,
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _digest(prepared: Prepared) -> str:
    """A hash of events, context and blocks: what blocks, mapping and closure of a domain made of the file."""
    domain, found = prepared.domain, hashlib.sha256()
    for events in (prepared.train, prepared.test):
        for part in (values(events, domain), context(events, prepared), blocks(events, domain)):
            found.update(part.numpy().tobytes())
    return found.hexdigest()


def _about(settings: CompareSettings, prepared: Prepared) -> dict[str, Any]:
    dim = prepared.domain.event_dim
    return {
        "command": settings.command,
        "seeds": settings.seeds,
        "steps": settings.steps,
        "members": settings.members,
        "events": settings.events,
        "strategies": list(settings.strategies),
        "models": list(settings.models),
        "data_sha256": prepared.sha256,
        "training events": prepared.train.sizes[dim],
        "held-out events": prepared.test.sizes[dim],
        "version": __version__,
    }
