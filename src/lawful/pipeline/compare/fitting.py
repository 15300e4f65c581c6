"""A plain training loop, the same for every strategy."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lawful.core.models.raw import RawModel


@dataclass(frozen=True)
class Budget:
    """Steps of AdamW with a one-cycle rate; averaged weights that do best on the validation events are kept."""

    steps: int
    batch_size: int = 128
    rate: float = 2e-3
    weight_decay: float = 0.01
    averaging: float = 0.99
    clip: float = 5.0
    checks: int = 10


def fit_raw(model: RawModel, u: Tensor, context: Tensor, validation: Tensor, budget: Budget) -> float:
    """Train a model in place on prepared events u (N, n); gives the least validation loss. Draws torch's numbers."""
    train, judge = (~validation).nonzero()[:, 0], validation.nonzero()[:, 0]
    average, optimizer = copy.deepcopy(model).eval(), torch.optim.AdamW(
        model.parameters(), lr=budget.rate, weight_decay=budget.weight_decay
    )  # fmt: skip
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, budget.rate, total_steps=budget.steps + 1, pct_start=0.1)
    best, best_loss, every = copy.deepcopy(average.state_dict()), torch.inf, max(1, budget.steps // budget.checks)
    for step in range(1, budget.steps + 1):
        rows = train[torch.randint(len(train), (budget.batch_size,))]
        _step(model.train(), u[rows], context[rows], optimizer, budget.clip)
        cycle.step()
        _follow(average, model, min(budget.averaging, step / (step + 10)))
        if step % every == 0 or step == budget.steps:
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
