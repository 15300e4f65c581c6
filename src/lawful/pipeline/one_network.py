"""Trains one network on events of its own kind in a folder, with checkpoints, and loads it again."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from lawful.core.models.base import Events, Trainable
from lawful.core.training import Schedule, fit, launched
from lawful.domains import InputError
from lawful.pipeline.keeping import Kept, found_in
from lawful.pipeline.model_file import mark_started, require_model, save_network, under
from lawful.pipeline.progress import Console

_VALIDATION_SHARE = 1 / 8


def judges(count: int, seed: int) -> Tensor:
    """Which of `count` events judge the training, (count,): an eighth of them."""
    chosen = np.random.default_rng(seed).permutation(count)[: max(1, round(_VALIDATION_SHARE * count))]
    return torch.from_numpy(np.isin(np.arange(count), chosen))


def train_network(
    model: Trainable,
    events: Events,
    validation: Tensor,
    out: Path,
    facts: dict[str, Any],
    schedule: Schedule,
    *,
    chart: dict[str, Tensor] | None = None,
    seed: int = 0,
    resume: bool = False,
    device: str = "cpu",
) -> None:
    """Train `model` and write it to `out` with the `facts` that it depends on, and the tensors of its `chart`.

    With `resume` a training that was cut off there goes on from its checkpoint.

    Raises:
        InputError: the training diverged, or what is to be resumed is another one.
    """
    console = Console()
    kept = found_in(out, facts, console) if resume else None
    mark_started(out, over=kept is None)
    kept = kept or Kept(out, facts, console)
    generator = torch.Generator().manual_seed(seed)
    with kept.ending_well(), launched(device) as fabric:
        fitted = fit(model, [events], validation, schedule, generator, fabric=fabric, keeper=kept, state=kept.state)
    if not np.isfinite(fitted.validation):
        raise InputError("the training diverged: no step had a finite loss; look for extreme values, or another seed")
    outcome = {"validation_loss": fitted.validation, "best_step": fitted.step}
    named = {f"chart.{name}": tensor for name, tensor in (chart or {}).items()}
    save_network(out, model.cpu(), {**facts, **outcome}, named)


def read_tensors(folder: Path, facts: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of the finished model in a folder, `chart.` and `network.` before their names.

    Raises:
        InputError: there is none, it is damaged, or it was made of other facts; the message names them.
    """
    try:
        return load(require_model(folder, facts))
    except SafetensorError as error:
        raise InputError(f"{folder}: not a model of lawful ({' '.join(str(error).split())[:200]})") from error


def load_weights(model: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Put the weights of a network in their places; InputError when they do not fit."""
    try:
        model.load_state_dict(under("network.", tensors))
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: not a model for this domain ({' '.join(str(error).split())[:200]})") from error
    model.eval()
