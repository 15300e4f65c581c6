"""The training stage: from prepared data to a model file, or the finished one that is already there."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lawful import __version__
from lawful.core.coordinates import Chart
from lawful.core.models import AutoregressiveModel, Batch
from lawful.core.training import fit
from lawful.domains import InputError
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.model_file import describe, load_model, mark_started, save_model
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import RunSettings


def train_or_reuse(settings: RunSettings, prepared: Prepared, fold: int, folder: Path, console: Console) -> Any:
    """A trained model for these data, laws and settings, from `folder` where it is finished there already."""
    facts = _facts(settings, prepared, fold)
    if _finished(folder, facts["key"], console):
        console.say(f"reusing the finished training in {folder}")
        return load_model(folder, prepared.problem, facts["law_hash"])
    if mark_started(folder, facts["key"]):
        console.say(f"an earlier training in {folder} was cut off; starting over")
    model, outcome = train(settings, prepared, fold, console)
    save_model(folder, model, {**facts, **outcome})
    return model


def train(
    settings: RunSettings, prepared: Prepared, fold: int, console: Console
) -> tuple[AutoregressiveModel, dict[str, Any]]:
    """Fit the chart and the model; the numbers say how the training went."""
    domain, ds = prepared.domain, prepared.train
    rng = np.random.default_rng([settings.seed, fold])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    z = prepared_data.values(ds, domain)
    chart, ids = Chart.fit(prepared.problem, z)
    contexts = prepared_data.shifted_contexts(ds, domain, rng)
    views = [Batch(ids, chart.encode(z, ids, generator), context, z) for context in contexts]
    torch.manual_seed(int(rng.integers(2**31)))
    model = AutoregressiveModel(chart, contexts[0].shape[1], settings.network).to(settings.torch_device())
    validation = prepared_data.validation_mask(ds, domain, rng)
    with console.progress(f"training on {len(z)} events", settings.schedule.steps) as bar:
        fitted = fit(
            model, views, validation, settings.schedule, generator,
            report=lambda p: bar.to(p.step, f"loss {p.loss:.3g}, validation {p.validation:.3g}"),
        )  # fmt: skip
    facts = {"validation_loss": fitted.validation, "best_step": fitted.step, "states": len(chart.states.table)}
    return model.cpu(), facts


def _facts(settings: RunSettings, prepared: Prepared, fold: int) -> dict[str, Any]:
    """What a trained model depends on, and the hash of it."""
    facts = {
        "domain": settings.domain,
        "model": settings.model,
        "given": list(settings.given),
        "seed": settings.seed,
        "fold": fold,
        "data_sha256": prepared.sha256,
        "law_hash": prepared.domain.law_hash(),
        "schedule": asdict(settings.schedule),
        "network": asdict(settings.network),
        "device": settings.torch_device().type,
        "made_with": __version__,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return {**facts, "key": key}


def _finished(folder: Path, key: str, console: Console) -> bool:
    try:
        description = describe(folder)
    except InputError as error:
        console.say(f"{error}")
        return False
    return description is not None and description.get("key") == key
