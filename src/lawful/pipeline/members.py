"""Trains the members of models, each with validation blocks of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lawful.core.models import BaggedModel, Batch
from lawful.core.models.base import Events, Trainable
from lawful.core.training import Fitted, Schedule, fit
from lawful.domains import InputError
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.keeping import Kept
from lawful.pipeline.settings import RunSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Part:
    """A mixture to be trained on `views`, which hold one or several rows to each training event, such as the steps of
    a window, in order."""

    model: BaggedModel
    views: list[Batch]


@dataclass(frozen=True)
class Trainer:
    """What all trainings of one command have in common."""

    settings: RunSettings
    prepared: Prepared
    rng: np.random.Generator
    generator: torch.Generator
    fabric: Fabric
    kept: Kept

    def fit_members(self, parts: list[Part]) -> list[dict[str, Any]]:
        """Train all members of all parts, as far as that was not `kept` before; how it went, for each part."""
        # Before the first training, so that one that goes on later draws the same.
        masks = [[self._mask(part) for _ in part.model.members] for part in parts]
        number, total, facts = 0, sum(map(len, masks)), []
        with self.kept.ending_well():
            for part, of_part in zip(parts, masks, strict=True):
                fitted = []
                for member, mask in zip(part.model.members, of_part, strict=True):
                    fitted.append(self._fit_member(number, total, member, part.views, mask))
                    number += 1
                facts.append({**_facts(part, fitted), "stretch": self._calibrated(part, of_part)})
        return facts

    def _calibrated(self, part: Part, masks: list[Tensor]) -> dict[str, float]:
        """By which factors coordinates were stretched, by name; those of windows, which make a chain, are not."""
        return part.model.calibrate(part.views[0], masks) if self.prepared.steps is None else {}

    def _mask(self, part: Part) -> Tensor:
        mask = prepared_data.validation_mask(self.prepared.train, self.prepared.domain, self.rng)
        return mask.repeat_interleave(len(part.views[0]) // len(mask))

    def _fit_member(self, number: int, total: int, member: Any, views: list[Batch], validation: Tensor) -> Fitted:
        if number < len(self.kept.finished):
            return self.kept.outcome(number, member)
        title = f"training on {len(validation)} events, network {number + 1} of {total}"
        fitted = fit_kept(
            member, views, validation, self.settings.schedule, self.generator, self.fabric, self.kept, title
        )
        self.kept.finish(member, fitted)
        return fitted


def fit_kept(
    model: Trainable,
    views: Sequence[Events],
    validation: Tensor,
    schedule: Schedule,
    generator: torch.Generator,
    fabric: Fabric,
    kept: Kept,
    title: str,
) -> Fitted:
    """Train one network with a bar on the terminal, and checkpoints; InputError when the training diverged."""
    with kept.console.progress(title, schedule.steps) as bar:
        fitted = fit(
            model, views, validation, schedule, generator,
            report=lambda p: bar.to(
                p.step, f"loss {p.loss:.3g}, validation {p.validation:.3g}, laws within {p.ulps:.2g} ulps"
            ),
            fabric=fabric, keeper=kept, state=kept.state,
        )  # fmt: skip
    if not np.isfinite(fitted.validation):
        raise InputError("the training diverged: no step had a finite loss; look for extreme values, or try --seed")
    return fitted


def _facts(part: Part, fitted: list[Fitted]) -> dict[str, Any]:
    return {
        "validation_loss": [f.validation for f in fitted],
        "best_step": [f.step for f in fitted],
        "states": len(part.model.chart.states.table),
    }
