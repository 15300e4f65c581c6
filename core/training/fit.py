"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from lawful.core.models.base import Events, Trainable
from lawful.core.training.launch import launched
from lawful.core.training.schedule import Fitted, Progress, Schedule

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from lawful.core.training.state import Training

_DRAWS = 256


class Keeper(Protocol):
    """Keeps what a training has become so far, so that it can go on after the process was ended."""

    def wanted(self) -> bool:
        """Whether to keep it now, between checks."""

    def keep(self, state: dict[str, Any]) -> None:
        """Keep the `state` of a `Training`: tensors, numbers, text, lists and dictionaries."""


class NoKeeper:
    """Keeps nothing."""

    def wanted(self) -> bool:
        """Never."""
        return False

    def keep(self, state: dict[str, Any]) -> None:
        """Nothing."""


def fit(
    model: Trainable,
    views: Sequence[Events],
    validation: Tensor,
    schedule: Schedule,
    generator: torch.Generator,
    report: Callable[[Progress], None] = lambda progress: None,
    *,
    fabric: Fabric | None = None,
    keeper: Keeper | None = None,
    state: dict[str, Any] | None = None,
) -> Fitted:
    """Train `model` in place on `views`: the same events with different random spreading of steps and context.

    `validation` (N,) marks the events that judge and are not trained on. Leaves the averaged weights with the least
    validation loss, on the device of `fabric` (see `launched`; None for the CPU). Going on from a `state` that was
    kept gives the weights of a training that was not interrupted; on a CPU, bit for bit.

    Each process of several draws the same batches and takes its share of the rows, so that they train as one would.
    """
    if fabric is None:
        with launched() as fabric:
            return fit(model, views, validation, schedule, generator, report, fabric=fabric, keeper=keeper, state=state)
    # Here, because Fabric is slow to import.
    from lawful.core.training.state import Training

    train = (~validation).nonzero()[:, 0]
    judged = views[0][validation.nonzero()[:, 0]] if validation.any() else views[0]
    if state is None:
        model.initialise(views[0], train)
    training, keeper = Training(model, schedule, generator, fabric), keeper or NoKeeper()
    if state is not None:
        training.load_state_dict(state)
    _own_noise(fabric)
    while training.step < schedule.steps:
        losses = [_take_turn(training, number, views, train) for number in range(len(training.turns))]
        training.advance()
        checked = training.step % schedule.check_every == 0 or training.step == schedule.steps
        if checked:
            training.record(_check(training, losses[0], judged))
            report(training.history[-1])
        if checked or keeper.wanted():
            keeper.keep(training.state_dict())
    model.load_state_dict(training.best)
    model.eval()
    return training.fitted


def _take_turn(training: Training, number: int, views: Sequence[Events], train: Tensor) -> float:
    """The steps in a row of one optimiser, each on a batch of its own; the last loss."""
    loss = torch.nan
    for _ in range(training.turns[number].repeats):
        loss = training.take(number, _batch(training, views, train))
    return loss


def _batch(training: Training, views: Sequence[Events], train: Tensor) -> Events:
    generator, fabric = training.generator, training.fabric
    view = views[int(torch.randint(len(views), (1,), generator=generator))]
    size = math.ceil(min(training.schedule.batch_size, training.model.batch_share * len(train)))
    rows = train[torch.randint(len(train), (size,), generator=generator)]
    return view[rows[fabric.global_rank :: fabric.world_size]]


@torch.no_grad()
def _check(training: Training, loss: float, judged: Events) -> Progress:
    """How good the averaged weights are on events that are not trained on, always by the same random numbers."""
    average, some = training.average, judged[torch.arange(min(_DRAWS, len(judged)))]
    ulps, unlawful = average.law_residual(some, torch.Generator().manual_seed(0))
    return Progress(training.step, loss, average.loss(judged).item(), ulps, unlawful)


def _own_noise(fabric: Fabric) -> None:
    """Other noise in each process, or their shares of a batch would have dropout and the like in common."""
    if fabric.global_rank:
        torch.manual_seed(int(torch.randint(2**31, ())) + fabric.global_rank)
