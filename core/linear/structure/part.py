"""What a solver for one part of a system offers. All solve `min sum(dz^2 / w)` subject to `A dz = residual`."""

from typing import Protocol

import torch
from torch import Tensor


class Prepared(Protocol):
    """A part with its weights, factorised. With `K = A W A^T` over the laws that are kept:"""

    def solve(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """`A^T K^-1 residual` (..., l), of which the least move is `W` times, and `K^-1 residual` (..., k)."""

    @property
    def log_det(self) -> Tensor:
        """(...), `log det K`."""

    @property
    def leverage(self) -> Tensor:
        """(..., l), the diagonal of `A^T K^-1 A W`."""


class Part(Protocol):
    """Laws solved together. `laws` and `classes` are flat, with -1 for padding."""

    @property
    def kind(self) -> str: ...

    @property
    def laws(self) -> Tensor: ...

    @property
    def classes(self) -> Tensor: ...

    def prepare(self, weights: Tensor, keep: Tensor) -> Prepared:
        """Factor for weights of classes (..., l) and the laws kept (..., k); differentiable in the weights."""

    def to(self, device: torch.device) -> "Part": ...
