"""Trains on fields of a grid, and loads what was trained."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lawful.core.models.fields import FieldModel, Fields, FieldSettings, LinearFields, PositiveFields
from lawful.core.models.fields.charts import FieldChart
from lawful.core.training import Schedule
from lawful.domains import InputError
from lawful.pipeline.one_network import judges, load_weights, read_tensors, train_network

CHARTS: dict[str, type[LinearFields] | type[PositiveFields]] = {"linear": LinearFields, "positive": PositiveFields}
SCHEDULE = Schedule(steps=1500, batch_size=32)


def train_fields(
    chart: FieldChart,
    fields: Fields,
    out: Path,
    *,
    seed: int = 0,
    settings: FieldSettings | None = None,
    schedule: Schedule = SCHEDULE,
    resume: bool = False,
    device: str = "cpu",
) -> FieldModel:
    """A model of `fields`, written to the folder `out`; an eighth of them judge the training.

    With `resume` a training that was cut off there goes on from its checkpoint.

    Raises:
        InputError: the training diverged.
    """
    settings, context = settings or FieldSettings(), fields.context.shape[1]
    facts = {**_facts(chart, context, settings), "seed": seed, "schedule": asdict(schedule), "fields": len(fields)}
    torch.manual_seed(seed)
    model = FieldModel(chart, context, settings)
    train_network(
        model, fields, judges(len(fields), seed), out, facts, schedule,
        chart=chart.tensors(), seed=seed, resume=resume, device=device,
    )  # fmt: skip
    return model


def load_field_model(
    kind: str,
    shape: tuple[int, int, int],
    block: tuple[int, int],
    folder: Path,
    *,
    context: int = 0,
    settings: FieldSettings | None = None,
) -> FieldModel:
    """The finished model in a folder, on the CPU.

    Args:
        kind: "linear" or "positive", the chart of its fields. shape: (C, H, W). block: rows and columns of a block.
        context: number of context fields.

    Raises:
        InputError: there is none, it is damaged, or it is one of other fields or settings.
    """
    settings = settings or FieldSettings()
    facts = {**_described(kind, shape, block), "context": context, "network": asdict(settings)}
    tensors = read_tensors(folder, facts)
    model = FieldModel(_chart(kind, shape, block, tensors, folder), context, settings)
    load_weights(model, tensors, folder)
    return model


def _chart(
    kind: str, shape: tuple[int, int, int], block: tuple[int, int], tensors: dict[str, Tensor], folder: Path
) -> FieldChart:
    numbers = {name.removeprefix("chart."): tensor for name, tensor in tensors.items() if name.startswith("chart.")}
    try:
        return CHARTS[kind](shape, block, **numbers)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: not a model of these fields ({' '.join(str(error).split())[:200]})") from error


def _facts(chart: FieldChart, context: int, settings: FieldSettings) -> dict[str, Any]:
    """What a model must agree with to be used, in types that JSON knows."""
    kind = next(name for name, made in CHARTS.items() if type(chart) is made)
    return {
        **_described(kind, chart.blocks.shape, chart.blocks.block), "context": context, "network": asdict(settings)
    }  # fmt: skip


def _described(kind: str, shape: tuple[int, ...], block: tuple[int, ...]) -> dict[str, Any]:
    return {"model": f"{kind} fields", "shape": list(shape), "block": list(block)}
