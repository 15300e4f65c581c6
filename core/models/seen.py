"""Which states go with which kind of event: no irrigation without a crop, where data show none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lawful.core.models.bagged import BaggedModel
from lawful.core.models.base import Batch

_CHANCE = 1e-3
_REDRAWS = 50


class SeenStates(nn.Module):
    """States that the training events would have shown beside a feature of 0 or 1, had they been possible.

    A state of n events that is never seen beside a value that a share p of events has, is held to be impossible beside
    it if by chance that would happen with a probability `(1 - p)^n` below 0.001. A network alone gives such a state a
    small probability, which is many events in a large ensemble.
    """

    possible: Tensor

    def __init__(self, states: int, features: int):
        super().__init__()
        self.register_buffer("possible", torch.ones(states, features, 2, dtype=torch.bool))

    def fit(self, ids: Tensor, features: Tensor) -> None:
        """Count states `ids` (N,) beside `features` (N, c), of which only those that are 0 or 1 throughout tell."""
        binary = ((features == 0) | (features == 1)).all(0)
        for value in (0, 1):
            beside = (features == value).double()
            counts = torch.zeros(self.possible.shape[:2], dtype=torch.float64).index_add_(0, ids, beside)
            by_chance = (1 - beside.mean(0)) ** torch.bincount(ids, minlength=len(counts))[:, None]
            self.possible[..., value] = (counts > 0) | (by_chance > _CHANCE) | ~binary

    def agree(self, ids: Tensor, on: Tensor) -> Tensor:
        """Whether states `ids` (B,) are possible beside all features, of which `on` (B, c) says whether they are 1."""
        possible = self.possible[ids]
        return torch.where(on, possible[..., 1], possible[..., 0]).all(-1)


class SeenModel:
    """A model whose draws are repeated until their states are possible, so that others keep their shares.

    Features are the first of the context, with means taken out: those above 0 are 1.
    """

    def __init__(self, model: BaggedModel, seen: SeenStates):
        self.model, self.seen = model, seen
        self.features = seen.possible.shape[1]

    def loss(self, batch: Batch) -> Tensor:
        """That of the model: what is possible is counted, not learned."""
        return self.model.loss(batch)

    def sample(self, context: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """States `(B,)` and coordinates `(B, columns)`; see `GenerativeModel`."""
        ids, w = self.model.sample(context, z, generator)
        on = context[:, : self.features] > 0
        for _ in range(_REDRAWS):
            odd = (~self.seen.agree(ids, on)).nonzero()[:, 0]
            if not len(odd):
                break
            ids[odd], w[odd] = self.model.sample(context[odd], z[odd], generator)
        return ids, w
