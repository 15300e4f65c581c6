"""A plain training loop, the same for every strategy."""

import copy

import torch
from torch import Tensor, nn

from lawful.core.models.raw import RawModel
from lawful.core.training import Schedule


def budget(steps: int, batch_size: int = 128) -> Schedule:
    """The schedule that every strategy gets."""
    return Schedule(steps, batch_size, weight_decay=0.01, check_every=max(1, steps // 10), averaging=0.99)


def fit_raw(model: RawModel, u: Tensor, context: Tensor, validation: Tensor, schedule: Schedule) -> float:
    """Train a model in place on prepared events u (N, n); gives the least validation loss. Draws torch's numbers."""
    train, judge = (~validation).nonzero()[:, 0], validation.nonzero()[:, 0]
    average, optimizer = copy.deepcopy(model).eval(), torch.optim.AdamW(
        model.parameters(), lr=schedule.rate, weight_decay=schedule.weight_decay
    )  # fmt: skip
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.rate, total_steps=schedule.steps + 1, pct_start=0.1)
    best, best_loss = copy.deepcopy(average.state_dict()), torch.inf
    for step in range(1, schedule.steps + 1):
        rows = train[torch.randint(len(train), (schedule.batch_size,))]
        _step(model.train(), u[rows], context[rows], optimizer, schedule.clip)
        cycle.step()
        _follow(average, model, min(schedule.averaging, step / (step + 10)))
        if step % schedule.check_every == 0 or step == schedule.steps:
            loss = _judged(average, u[judge], context[judge])
            if loss < best_loss:
                best, best_loss = copy.deepcopy(average.state_dict()), loss
    model.load_state_dict(best)
    model.eval()
    return float(best_loss)


def _step(model: RawModel, u: Tensor, context: Tensor, optimizer: torch.optim.Optimizer, clip: float) -> None:
    loss = model.loss(u, context)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()


@torch.no_grad()
def _judged(model: RawModel, u: Tensor, context: Tensor) -> float:
    """The loss with the same noise at every check, which does not move the training's own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.loss(u, context).item()


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    for mean, current in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(current, 1 - keep)
