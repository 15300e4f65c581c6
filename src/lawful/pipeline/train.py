"""The training stage: from prepared data to a model file, or the finished one that is already there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lawful import __version__
from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, Batch, Model
from lawful.domains.context import in_own_units
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.keeping import Kept
from lawful.pipeline.members import Part, Trainer
from lawful.pipeline.model_file import load_model, save_model
from lawful.pipeline.progress import Console
from lawful.pipeline.reuse import trained_or_reused
from lawful.pipeline.settings import RunSettings
from lawful.pipeline.train_windows import train_windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train_or_reuse(
    settings: RunSettings, prepared: Prepared, fold: int, folder: Path, console: Console, *, resume: bool = False
) -> tuple[Model, dict[str, Any]]:
    """A model trained on these data, laws and settings, from `folder` where it is finished there, and what it is."""
    facts = training_facts(settings, prepared, fold)
    return trained_or_reused(
        folder, facts, console, resume=resume, device=settings.torch_device().type, mixed=settings.mixed,
        load=lambda: load_model(folder, prepared.problem, facts, prepared.steps),
        train=lambda fabric, kept: train(settings, prepared, fold, fabric, kept),
        save=lambda model, outcome: save_model(folder, model, outcome),
    )  # fmt: skip


def train(
    settings: RunSettings, prepared: Prepared, fold: int, fabric: Fabric, kept: Kept
) -> tuple[Model, dict[str, Any]]:
    """Fit the chart and the model, as far as that was not `kept` before; the numbers say how the training went."""
    rng = np.random.default_rng([settings.seed, fold])
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    trainer = Trainer(settings, prepared, rng, generator, fabric, kept)
    model, facts = train_events(trainer) if prepared.steps is None else train_windows(trainer, prepared.steps)
    return model, {**facts, "processes": fabric.world_size}


def train_events(trainer: Trainer) -> tuple[Model, dict[str, Any]]:
    """A model of events that are generated whole."""
    settings, domain, ds = trainer.settings, trainer.prepared.domain, trainer.prepared.train
    z = prepared_data.values(ds, domain)
    chart, ids = Chart.fit(trainer.prepared.problem, z)
    contexts = prepared_data.shifted_contexts(trainer.prepared, trainer.rng)
    blocks = prepared_data.blocks(ds, domain)
    views = [Batch(ids, chart.encode(z, ids, trainer.generator), context, z, blocks) for context in contexts]
    torch.manual_seed(int(trainer.rng.integers(2**31)))
    model = BaggedModel(trainer.prepared.family, chart, contexts[0].shape[1], settings.network)
    (facts,) = trainer.fit_members([Part(model, views)])
    return model.cpu(), facts


def training_facts(settings: RunSettings, prepared: Prepared, fold: int) -> dict[str, Any]:
    """What a trained model depends on, in types that JSON knows."""
    return {**model_facts(settings, prepared, fold), **_how_trained(settings)}


def model_facts(settings: RunSettings, prepared: Prepared, fold: int) -> dict[str, Any]:
    """What a model must agree with to be used: all but how long, where and by which version it was trained."""
    domain, own = prepared.domain, prepared.steps is None and in_own_units(prepared.train, prepared.domain).any()
    return {
        "domain": domain.name,
        "model": prepared.family,
        "given": list(settings.given),
        "seed": settings.seed,
        "fold": fold,
        "data": prepared.sha256,
        "mapping": settings.mapping,
        "laws": domain.law_hash(),
        "blocks": domain.blocks.model_dump(),
        "context": [context.model_dump(exclude={"description"}) for context in domain.context],
        "context_size": prepared_data.context_size(prepared),
        **({"context_units": [x.tolist() for x in prepared.context_units]} if own else {}),
        "closure": domain.closure,
        "network": asdict(settings.network),
    }


def _how_trained(settings: RunSettings) -> dict[str, Any]:
    return {
        "schedule": asdict(settings.schedule),
        "views": prepared_data.VIEWS,
        "day_shift": prepared_data.DAY_SHIFT,
        "device": settings.torch_device().type,
        "mixed": settings.mixed,
        "made_with": f"lawful {__version__}",
    }
