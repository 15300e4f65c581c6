"""Fine fields with the coarse ones that they must average to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import ShapeError
from lawful.core.linear.arrays import as_float64


@dataclass(frozen=True)
class Fields:
    """`coarse` (B, C, h, w) float64 is given, `z` (B, C, H, W) float64 generated, `context` (B, k, H, W) known.

    Where a grid has no cells (`Blocks`), all of them may be anything, such as NaN.
    """

    coarse: Tensor
    z: Tensor
    context: Tensor

    @classmethod
    def of(cls, coarse: Any, *, z: Any = None, context: Any = None, shape: tuple[int, int] | None = None) -> Fields:
        """Fields from arrays; without fine ones `z` there is nothing to learn from, and `shape` (H, W) is needed.

        Raises:
            ShapeError: arrays that do not fit.
        """
        coarse = as_float64(coarse)
        if coarse.dim() != 4:
            raise ShapeError(f"Expected coarse fields of shape (B, C, h, w), got {tuple(coarse.shape)}.")
        count, channels = coarse.shape[:2]
        if z is None and shape is None:
            raise ShapeError("Expected fine fields z, or their shape.")
        z = torch.full((count, channels, *(shape or ())), torch.nan).double() if z is None else as_float64(z)
        context = torch.zeros(count, 0, *z.shape[-2:]) if context is None else torch.as_tensor(context).float()
        for name, field, expected in (("z", z, channels), ("context", context, context.shape[1])):
            if field.dim() != 4 or field.shape != (count, expected, *z.shape[-2:]):
                wanted = (count, expected, *z.shape[-2:])
                raise ShapeError(f"Expected {name} of shape {tuple(wanted)}, got {tuple(field.shape)}.")
        return cls(coarse, z, context)

    def __len__(self) -> int:
        return len(self.coarse)

    def __getitem__(self, rows: Tensor) -> Fields:
        return Fields(self.coarse[rows], self.z[rows], self.context[rows])
