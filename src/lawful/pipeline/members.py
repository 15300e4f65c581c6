"""Trains the members of a model, each with validation blocks of its own."""

from typing import Any

import numpy as np
import torch

from lawful.core.models import BaggedModel, Batch
from lawful.core.training import Fitted, fit
from lawful.domains import InputError
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import RunSettings


def fit_members(
    model: BaggedModel,
    views: list[Batch],
    prepared: Prepared,
    settings: RunSettings,
    rng: np.random.Generator,
    generator: torch.Generator,
    console: Console,
) -> dict[str, Any]:
    """Train all members of the mixture on `views`; the numbers say how the training went.

    Views hold one or several rows to each training event, such as the steps of a window, in order.
    """
    fitted = [
        _fit_member(number, member, views, prepared, settings, rng, generator, console)
        for number, member in enumerate(model.members, 1)
    ]
    return {
        "validation_loss": [f.validation for f in fitted],
        "best_step": [f.step for f in fitted],
        "states": len(model.chart.states.table),
    }


def _fit_member(
    number: int,
    member: Any,
    views: list[Batch],
    prepared: Prepared,
    settings: RunSettings,
    rng: np.random.Generator,
    generator: torch.Generator,
    console: Console,
) -> Fitted:
    validation = prepared_data.validation_mask(prepared.train, prepared.domain, rng)
    validation = validation.repeat_interleave(len(views[0]) // len(validation))
    title = f"training on {len(validation)} events, network {number} of {settings.network.networks}"
    with console.progress(title, settings.schedule.steps) as bar:
        fitted = fit(
            member, views, validation, settings.schedule, generator,
            report=lambda p: bar.to(p.step, f"loss {p.loss:.3g}, validation {p.validation:.3g}"),
        )  # fmt: skip
    if not np.isfinite(fitted.validation):
        raise InputError("the training diverged: no step had a finite loss; look for extreme values, or try --seed")
    return fitted
