"""Weighted means over blocks of cells, the laws of fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import ShapeError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import as_float64


class Blocks:
    """Weighted means over blocks of cells, of C channels (..., C, H, W).

    Args:
        shape: (C, H, W). block: (rows, columns) of a block, which divide H and W; the whole grid for one total.
        weights: (H, W), such as areas of cells; None for equal ones. Cells of weight zero are not `inside`: they have
            no value, and a block without others has no mean.
    """

    def __init__(self, shape: Sequence[int], block: Sequence[int], weights: Any = None):
        self.shape, self.block = tuple(shape), tuple(block)
        C, H, W = self.shape
        self.system = LinearSystem.block_means((H, W), self.block, weights=weights)
        self.coarse_shape = (C, H // self.block[0], W // self.block[1])
        self.weights = torch.ones(H, W, dtype=torch.float64) if weights is None else as_float64(weights).expand(H, W)
        self.inside = self.weights > 0
        self.filled = self.split(self.inside).any(-1)
        self.whole = bool(self.inside.all())
        self.share = self.within(self.weights / self.spread(self._sums(self.weights)))

    def means(self, z: Tensor) -> Tensor:
        """(..., C, H, W) -> (..., C, h, w); NaN in blocks without a cell."""
        means = self._sums(self.within(z) * self.share)
        return means if self.whole else means.where(self.filled, torch.nan)

    def within(self, x: Tensor) -> Tensor:
        """x (..., H, W) where there are cells, zero elsewhere, whatever is there."""
        return x if self.whole else x.where(self.inside.to(x.device), 0.0)

    def of_filled(self, coarse: Tensor) -> Tensor:
        """Coarse values (..., h, w) of blocks with cells, zero for others, whatever is there."""
        return coarse if self.whole else coarse.where(self.filled, 0.0)

    def per_cell(self, x: Tensor) -> Tensor:
        """Means (C,) of x (N, C, H, W), which is zero where there are no cells, over all others."""
        return x.mean((0, 2, 3)) / self.inside.double().mean()

    def spread(self, coarse: Tensor) -> Tensor:
        """(..., h, w) -> (..., H, W), the same value in all cells of a block."""
        return coarse.repeat_interleave(self.block[0], -2).repeat_interleave(self.block[1], -1)

    def split(self, x: Tensor) -> Tensor:
        """(..., H, W) -> (..., h, w, cells of a block)."""
        rows, columns = self.block
        cut = x.unflatten(-1, (-1, columns)).unflatten(-3, (-1, rows))
        return cut.transpose(-3, -2).flatten(-2)

    def join(self, x: Tensor) -> Tensor:
        """(..., h, w, cells of a block) -> (..., H, W)."""
        return x.unflatten(-1, self.block).transpose(-3, -2).flatten(-4, -3).flatten(-2)

    def require(self, coarse: Tensor) -> None:
        """ShapeError where a coarse field does not fit the grid."""
        if coarse.shape[-3:] != self.coarse_shape:
            raise ShapeError(f"Expected coarse fields of shape {self.coarse_shape}, got {tuple(coarse.shape[-3:])}.")

    def _sums(self, x: Tensor) -> Tensor:
        return self.split(x).sum(-1)
