"""Trains a model of windows in time: on all their steps, and on the states that steps start from."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lawful.core.coordinates import Chart, Steps
from lawful.core.models import BaggedModel, Batch, WindowModel
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.members import fit_members
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import RunSettings


def train_windows(
    settings: RunSettings,
    prepared: Prepared,
    steps: Steps,
    rng: np.random.Generator,
    generator: torch.Generator,
    console: Console,
) -> tuple[WindowModel, dict[str, Any]]:
    """Fit charts and models of a step and of first states; the numbers say how the training went."""
    cut = steps.cut(prepared_data.values(prepared.train, prepared.domain))
    contexts = prepared_data.shifted_contexts(prepared.train, prepared.domain, rng, stepwise=True)
    of_step, of_start = steps.require(prepared.problem)
    first = cut[..., : steps.carried]
    chart, ids = Chart.fit(of_step, cut.flatten(0, 1))
    start, start_ids = (None, ids) if of_start.given.all() else Chart.fit(of_start, first.flatten(0, 1))
    torch.manual_seed(int(rng.integers(2**31)))
    model = WindowModel(settings.model, steps, chart, start, contexts[0].shape[-1], settings.network)
    model.fit_features(contexts[0], cut, ids)

    def trained(part: BaggedModel, ids: Tensor, known: list[Tensor], z: Tensor) -> dict[str, Any]:
        views = _views(part.chart, ids, [told.flatten(0, 1) for told in known], z.flatten(0, 1), generator)
        return fit_members(part.to(settings.torch_device()), views, prepared, settings, rng, generator, console)

    facts = trained(model.step, ids, [model.known(context, cut) for context in contexts], cut)
    if model.start is not None:
        known = [model.standard(context) for context in contexts]
        facts["first_states"] = trained(model.start, start_ids, known, first)
    return model.cpu(), facts


def _views(chart: Chart, ids: Tensor, known: list[Tensor], z: Tensor, generator: torch.Generator) -> list[Batch]:
    """Versions of the events `z`, encoded once where no resolution is to be spread at random."""
    once = None if chart.problem.quantised.any() else chart.encode(z, ids, generator)
    return [Batch(ids, chart.encode(z, ids, generator) if once is None else once, told, z) for told in known]
