"""The training loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lawful.core.models.base import Batch
from lawful.core.models.face import FaceModel


@dataclass(frozen=True)
class Schedule:
    """Steps of AdamW with a one-cycle rate; the average of weights that is best on the validation events is kept."""

    steps: int = 1500
    batch_size: int = 512
    rate: float = 2e-3
    weight_decay: float = 0.1
    check_every: int = 100
    averaging: float = 0.995
    clip: float = 5.0


@dataclass(frozen=True)
class Progress:
    """After a check: steps done, training loss of the last batch, validation loss of the averaged weights."""

    step: int
    loss: float
    validation: float


@dataclass(frozen=True)
class Fitted:
    """Best validation loss, the step it was reached at, and all checks."""

    validation: float
    step: int
    history: tuple[Progress, ...]


def fit(
    model: FaceModel,
    views: Sequence[Batch],
    validation: Tensor,
    schedule: Schedule,
    generator: torch.Generator,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Fitted:
    """Train `model` in place on `views`: the same events with different random spreading of steps and context.

    `validation` (N,) marks the events that judge and are not trained on. Leaves the weights with the least validation
    loss, averaged over steps (Polyak & Juditsky 1992).
    """
    train = (~validation).nonzero()[:, 0]
    judged = views[0][validation.nonzero()[:, 0]] if validation.any() else views[0]
    model.initialise(views[0], train)
    average = copy.deepcopy(model).eval()
    optimizer, rate = _optimizer(model, schedule)
    best, best_loss, best_step, history = copy.deepcopy(average.state_dict()), torch.inf, 0, []
    for step in range(1, schedule.steps + 1):
        view = views[int(torch.randint(len(views), (1,), generator=generator))]
        rows = train[torch.randint(len(train), (schedule.batch_size,), generator=generator)]
        loss = _step(model, view[rows], optimizer, schedule.clip)
        rate.step()
        _update_average(average, model, min(schedule.averaging, step / (step + 20)))
        if step % schedule.check_every == 0 or step == schedule.steps:
            history.append(Progress(step, loss, _evaluate(average, judged)))
            report(history[-1])
            if history[-1].validation < best_loss:
                best, best_loss, best_step = copy.deepcopy(average.state_dict()), history[-1].validation, step
    model.load_state_dict(best)
    model.eval()
    return Fitted(best_loss, best_step, tuple(history))


def _optimizer(
    model: FaceModel, schedule: Schedule
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups = model.parameter_groups(schedule.weight_decay)
    rates = [schedule.rate * group.pop("pace") for group in groups]
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=schedule.steps + 1, pct_start=0.05)
    return optimizer, cycle


def _step(model: FaceModel, batch: Batch, optimizer: torch.optim.Optimizer, clip: float) -> float:
    model.train()
    loss = model.loss(batch)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.item()


@torch.no_grad()
def _evaluate(model: FaceModel, batch: Batch) -> float:
    return model.loss(batch).item()


@torch.no_grad()
def _update_average(average: nn.Module, model: nn.Module, keep: float) -> None:
    for mean, current in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(current, 1 - keep)
