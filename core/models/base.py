"""What every generative model of lawful events offers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """Training events: number of the state `ids` (B,), coordinates `w` (B, columns) float64, `context` (B, c), and the
    events `z` (B, n) in physical units, of which only the given variables are read; the number of the `block` (B,) that
    each belongs to, without which each is one by itself."""

    ids: Tensor
    w: Tensor
    context: Tensor
    z: Tensor
    block: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.block is None:
            object.__setattr__(self, "block", torch.arange(len(self.ids)))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(self.ids[rows], self.w[rows], self.context[rows], self.z[rows], self.block[rows])


@dataclass(frozen=True)
class Settings:
    """Number, size and regularisation of the networks; `floor` is the least standard deviation, in standard units.

    `width`, `experts` and `dropout` are those of the networks of single coordinates and of the state; `joint_*`,
    `depth` and what follows those of families that generate all coordinates at once.
    """

    networks: int = 3
    width: int = 64
    experts: int = 6
    dropout: float = 0.3
    floor: float = 3e-3
    joint_width: int = 128
    joint_dropout: float = 0.1
    joint_floor: float = 0.02
    depth: int = 3
    steps: int = 20
    churn: float = 0.0
    latent: int = 4
    transforms: int = 2
    bins: int = 8


@dataclass(frozen=True)
class Turn:
    """One optimiser of a model: `loss` names the method that it minimises, from `Batch` to `()`.

    It takes `repeats` steps in a row. `groups` are its parameters with their weight decay and their `pace`, by which
    the schedule's rate is multiplied. Without `betas` the first moment's decay follows the cycle of the rate.
    """

    loss: str
    groups: list[dict[str, Any]]
    repeats: int = 1
    betas: tuple[float, float] | None = None


class Events(Protocol):
    """Training events of any kind: as many as `len` says, of which some can be picked by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Tensor) -> Self: ...


class Trainable(nn.Module):
    """What the training loop asks of a model of one kind of `Events`."""

    batch_share: float = math.inf
    """How many times the training events a batch holds at most; a family for few events has less than one."""

    def initialise(self, events: Any, train: Tensor) -> None:
        """Scaling, and where to start from, by the rows `train` of `events`."""
        raise NotImplementedError

    def loss(self, batch: Any) -> Tensor:
        """Scalar to minimise."""
        raise NotImplementedError

    def law_residual(self, events: Any, generator: torch.Generator) -> tuple[float, float]:
        """The largest misfit of a law in draws, in ulps, and the share of draws that are not lawful."""
        raise NotImplementedError

    def turns(self, decay: float) -> list[Turn]:
        """The optimisers that take turns in every step of a training: one, but for models that play a game."""
        return [Turn("loss", self.parameter_groups(decay))]

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        """Parameters with their weight decay and their `pace`, by which the schedule's rate is multiplied."""
        matrices = [p for p in self.parameters() if p.dim() > 1 and p.shape[-2] > 1]
        rest = [p for p in self.parameters() if p.dim() <= 1 or p.shape[-2] == 1]
        return [
            {"params": matrices, "weight_decay": decay, "pace": 1.0},
            {"params": rest, "weight_decay": 0.0, "pace": 1.0},
        ]


class GenerativeModel(Protocol):
    """A distribution over states and coordinates, given context and the values of given variables."""

    def loss(self, batch: Batch) -> Tensor:
        """Scalar to minimise."""

    def sample(self, context: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """States `(B,)` and coordinates `(B, columns)` for contexts `(B, c)` and given values in `z` (B, n)."""
