"""The training stage: from prepared data to a model file, or the finished one that is already there."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lawful import __version__
from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, Batch, Model
from lawful.domains import InputError
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.members import fit_members
from lawful.pipeline.model_file import changed, describe, load_model, mark_started, save_model
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import RunSettings
from lawful.pipeline.train_windows import train_windows


def train_or_reuse(
    settings: RunSettings, prepared: Prepared, fold: int, folder: Path, console: Console
) -> tuple[Model, dict[str, Any]]:
    """A model trained on these data, laws and settings, from `folder` where it is finished there, and what it is."""
    facts = training_facts(settings, prepared, fold)
    description = _described(folder, console)
    if description and not changed(description, facts):
        console.say(f"reusing the finished training in {folder}")
        return load_model(folder, prepared.problem, facts, prepared.steps), description
    _say_why(description, facts, mark_started(folder), folder, console)
    began = time.perf_counter()
    model, outcome = train(settings, prepared, fold, console)
    seconds = round(time.perf_counter() - began, 2)
    return model, save_model(folder, model, {**facts, **outcome, "seconds": seconds})


def _say_why(
    description: dict[str, Any] | None, facts: dict[str, Any], interrupted: bool, folder: Path, console: Console
) -> None:
    if description:
        others = ", ".join(changed(description, facts))
        console.say(f"the model in {folder} was trained with other {others}; starting over")
    elif interrupted:
        console.say(f"an earlier training in {folder} was cut off; starting over")


def train(settings: RunSettings, prepared: Prepared, fold: int, console: Console) -> tuple[Model, dict[str, Any]]:
    """Fit the chart and the model; the numbers say how the training went."""
    domain, ds = prepared.domain, prepared.train
    rng = np.random.default_rng([settings.seed, fold])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    if prepared.steps is not None:
        return train_windows(settings, prepared, prepared.steps, rng, generator, console)
    z = prepared_data.values(ds, domain)
    chart, ids = Chart.fit(prepared.problem, z)
    contexts = prepared_data.shifted_contexts(ds, domain, rng)
    views = [Batch(ids, chart.encode(z, ids, generator), context, z) for context in contexts]
    torch.manual_seed(int(rng.integers(2**31)))
    model = BaggedModel(settings.model, chart, contexts[0].shape[1], settings.network).to(settings.torch_device())
    facts = fit_members(model, views, prepared, settings, rng, generator, console)
    return model.cpu(), facts


def training_facts(settings: RunSettings, prepared: Prepared, fold: int) -> dict[str, Any]:
    """What a trained model depends on, in types that JSON knows."""
    return {**model_facts(settings, prepared, fold), **_how_trained(settings)}


def model_facts(settings: RunSettings, prepared: Prepared, fold: int) -> dict[str, Any]:
    """What a model must agree with to be used: all but how long, where and by which version it was trained."""
    domain = prepared.domain
    return {
        "domain": domain.name,
        "model": settings.model,
        "given": list(settings.given),
        "seed": settings.seed,
        "fold": fold,
        "data": prepared.sha256,
        "mapping": settings.mapping,
        "laws": domain.law_hash(),
        "blocks": domain.blocks.model_dump(),
        "context": [context.model_dump(exclude={"description"}) for context in domain.context],
        "context_size": prepared_data.context_size(prepared),
        "closure": domain.closure,
        "network": asdict(settings.network),
    }


def _how_trained(settings: RunSettings) -> dict[str, Any]:
    return {
        "schedule": asdict(settings.schedule),
        "views": prepared_data.VIEWS,
        "day_shift": prepared_data.DAY_SHIFT,
        "device": settings.torch_device().type,
        "made_with": f"lawful {__version__}",
    }


def _described(folder: Path, console: Console) -> dict[str, Any] | None:
    try:
        return describe(folder)
    except InputError as error:
        console.say(f"{error}")
        return None
