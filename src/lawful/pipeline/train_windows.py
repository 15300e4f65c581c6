"""Trains a model of windows in time: on all their steps, and on the states that steps start from."""

from typing import Any

import torch
from torch import Tensor

from lawful.core.coordinates import Chart, Steps
from lawful.core.models import BaggedModel, Batch, WindowModel
from lawful.pipeline import data as prepared_data
from lawful.pipeline.members import Part, Trainer


def train_windows(trainer: Trainer, steps: Steps) -> tuple[WindowModel, dict[str, Any]]:
    """Fit charts and models of a step and of first states; the numbers say how the training went."""
    settings, prepared = trainer.settings, trainer.prepared
    cut = steps.cut(prepared_data.values(prepared.train, prepared.domain))
    contexts = prepared_data.shifted_contexts(prepared, trainer.rng, stepwise=True)
    of_step, of_start = steps.require(prepared.problem)
    first = cut[..., : steps.carried]
    chart, ids = Chart.fit(of_step, cut.flatten(0, 1))
    start, start_ids = (None, ids) if of_start.given.all() else Chart.fit(of_start, first.flatten(0, 1))
    torch.manual_seed(int(trainer.rng.integers(2**31)))
    model = WindowModel(prepared.family, steps, chart, start, contexts[0].shape[-1], settings.network)
    model.fit_features(contexts[0], cut, ids)

    windows = prepared_data.blocks(prepared.train, prepared.domain)

    def part(of: BaggedModel, ids: Tensor, known: list[Tensor], z: Tensor) -> Part:
        told, blocks = [each.flatten(0, 1) for each in known], windows.repeat_interleave(z.shape[1])
        return Part(of, _views(of.chart, ids, told, z.flatten(0, 1), blocks, trainer.generator))

    parts = [part(model.step, ids, [model.known(context, cut) for context in contexts], cut)]
    if model.start is not None:
        parts.append(part(model.start, start_ids, [model.standard(context) for context in contexts], first))
    facts, *of_first = trainer.fit_members(parts)
    return model.cpu(), {**facts, **({"first_states": of_first[0]} if of_first else {})}


def _views(
    chart: Chart, ids: Tensor, known: list[Tensor], z: Tensor, blocks: Tensor, generator: torch.Generator
) -> list[Batch]:
    """Versions of the events `z`, encoded once where no resolution is to be spread at random."""
    once = None if chart.problem.quantised.any() else chart.encode(z, ids, generator)
    return [Batch(ids, chart.encode(z, ids, generator) if once is None else once, told, z, blocks) for told in known]
