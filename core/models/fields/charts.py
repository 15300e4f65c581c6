"""Coordinates of fields on their laws: every one decodes to a field whose block means are exact."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import as_float64
from lawful.core.models.fields.blocks import Blocks
from lawful.core.models.fields.positive import PositiveFields


class LinearFields:
    """Fields of any sign: the coarse field in every cell of a block, plus what averages to zero there.

    Args:
        shape, block, weights: see `Blocks`. scale: (C,), the unit of each channel.
        cell_laws: (k, C), coefficients of laws `sum of c_i z_i = 0` between the channels in every cell; the coarse
            field must obey them too.
    """

    def __init__(
        self, shape: Sequence[int], block: Sequence[int], scale: Any, *, weights: Any = None, cell_laws: Any = None
    ):
        self.blocks, self.scale = Blocks(shape, block, weights), as_float64(scale)[:, None, None]
        self.cell_laws = torch.zeros(0, shape[0]).double() if cell_laws is None else as_float64(cell_laws)
        self.coordinates = shape[0]

    @classmethod
    def fit(cls, z: Tensor, block: Sequence[int], *, weights: Any = None, cell_laws: Any = None) -> LinearFields:
        """For training fields (N, C, H, W)."""
        blocks = Blocks(z.shape[1:], block, weights)
        apart = blocks.within(z - blocks.spread(blocks.means(z)))
        scale = blocks.per_cell(apart.square()).sqrt().clamp_min(1e-300)
        return cls(z.shape[1:], block, scale, weights=weights, cell_laws=cell_laws)

    def tensors(self) -> dict[str, Tensor]:
        """What, with shape and block, makes the chart again."""
        return {"scale": self.scale.flatten(), "weights": self.blocks.weights, "cell_laws": self.cell_laws}

    def encode(self, z: Tensor, coarse: Tensor, generator: torch.Generator | None) -> Tensor:
        """Coordinates (B, C, H, W) of fields."""
        return self.blocks.within(z - self.blocks.spread(coarse)) / self.scale

    def decode(self, x: Tensor, coarse: Tensor) -> Tensor:
        """Fields (B, C, H, W) float64 on the laws, to rounding that `finish` removes."""
        return self.blocks.within(self.blocks.spread(coarse) + self.scale * self.tangent(x.double()))

    def tangent(self, x: Tensor) -> Tensor:
        """The nearest coordinates whose block means, and cell laws, are zero."""
        return self._tangent.project(self.blocks.within(x).flatten(1)).view_as(x)

    def possible(self, coarse: Tensor) -> Tensor:
        """Where coarse values (B, C, h, w) are means of lawful fields: all, but for cell laws that they break."""
        off = torch.einsum("kc,bchw->bkhw", self.cell_laws, coarse).abs()
        room = 1e-12 * torch.einsum("kc,bchw->bkhw", self.cell_laws.abs(), coarse.abs())
        return (off <= room).all(1, keepdim=True).expand(coarse.shape)

    def told(self, coarse: Tensor) -> Tensor:
        """What networks see of the coarse field, (B, C, h, w)."""
        return coarse / self.scale

    def finish(self, z: Tensor, coarse: Tensor, dtype: torch.dtype) -> Tensor:
        """The nearest fields in `dtype` that obey the laws to rounding."""
        return (
            self.system(coarse)
            .project(z.flatten(1).to(dtype), (self.scale**2).expand(z.shape[1:]).flatten())
            .view_as(z)
        )

    def system(self, coarse: Tensor) -> LinearSystem:
        """The laws of fields (B, C H W) in C order."""
        zeros = coarse.new_zeros(len(coarse), len(self.cell_laws) * self.blocks.share.numel())
        return LinearSystem(self._matrix, torch.cat([self.blocks.of_filled(coarse).flatten(1), zeros], 1))

    @cached_property
    def _matrix(self) -> Any:
        return self._laws(torch.ones(self.blocks.shape[0], dtype=torch.float64))._matrix()

    @cached_property
    def _tangent(self) -> LinearSystem:
        return self._laws(self.scale.flatten())

    def _laws(self, unit: Tensor) -> LinearSystem:
        means = LinearSystem.repeated(self.blocks.system, self.blocks.shape[0])
        if not len(self.cell_laws):
            return means
        cells = LinearSystem.repeated(LinearSystem(self.cell_laws * unit), self.blocks.share.numel(), copies_last=True)
        return LinearSystem.stacked([means, cells])


FieldChart = LinearFields | PositiveFields
