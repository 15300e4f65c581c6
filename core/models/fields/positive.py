"""Coordinates of fields of zero or more, with exact zeros, whose block means are exact."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import as_float64
from lawful.core.models.fields.blocks import Blocks
from lawful.core.models.fields.neighbours import around, carried_on

_FAR = 30.0
_JITTER, _DRY = 0.1, 0.3


class PositiveFields:
    """Fields of zero or more, with exact zeros: a pattern of cells above zero, and there the share of their block.

    Coordinates (B, 2 C, H, W): above zero where the field is, and y whose softplus `log(1 + exp(y))` is the value in
    units of the mean of values above zero. Fields decoded have `mean * softplus(y) / sum over the block's cells above
    zero of share * softplus(y)`: small values are as free as logarithms, large ones move no more than y does. In a
    block whose mean is not zero the cell of the largest first coordinate is above zero whatever its sign.

    Any y in dry cells, and any first coordinate of the right sign, decodes to the same field. What is encoded goes on
    from cell to cell, across the edges of blocks and of rain, with some noise: white noise there would be learned as
    roughness of all cells.

    Args:
        moments: (5, C): mean and standard deviation of y, of the logarithm of block means above zero, and the unit.
    """

    def __init__(self, shape: Sequence[int], block: Sequence[int], moments: Any, *, weights: Any = None):
        self.blocks, self.moments = Blocks(shape, block, weights), as_float64(moments)
        self.coordinates = 2 * shape[0]

    @classmethod
    def fit(cls, z: Tensor, block: Sequence[int], *, weights: Any = None) -> PositiveFields:
        """For training fields (N, C, H, W).

        Raises:
            InvalidValueError: a value is below zero or not finite.
        """
        blocks = Blocks(z.shape[1:], block, weights)
        z = blocks.within(z)
        if not ((z >= 0) & z.isfinite()).all():
            raise InvalidValueError("Expected fields of zero or more: for others there is LinearFields.")
        coarse, above = blocks.means(z), z > 0
        unit = z.sum((0, 2, 3)) / above.sum((0, 2, 3)).clamp_min(1)
        unit = unit.where(unit > 0, 1.0)
        sizes = _inverse_softplus(z / unit[:, None, None])
        pairs = [_moments(sizes.where(above, torch.nan)), _moments(coarse.log().where(coarse > 0, torch.nan))]
        return cls(z.shape[1:], block, torch.cat([*(torch.stack(pair) for pair in pairs), unit[None]]), weights=weights)

    def tensors(self) -> dict[str, Tensor]:
        """What, with shape and block, makes the chart again."""
        return {"moments": self.moments, "weights": self.blocks.weights}

    def encode(self, z: Tensor, coarse: Tensor, generator: torch.Generator | None) -> Tensor:
        """Coordinates of fields."""
        above, (mean, std, unit) = z > 0, self.moments[[0, 1, 4], :, None, None]
        noise = torch.randn(2, *z.shape, generator=generator, dtype=torch.float64)
        sign = torch.where(above, 1.0, -1.0).double()
        if not self.blocks.whole:
            sign = carried_on(sign, self.blocks.inside.expand(sign.shape))
        pattern = sign + 0.5 * (around(sign) - sign) + _JITTER * noise[0]
        pattern = torch.where(above, pattern.clamp_min(_JITTER), pattern.clamp_max(-_JITTER))
        sizes = (_inverse_softplus(z / unit) - mean) / std
        dry = carried_on(sizes, above) + _DRY * (noise[1] - 1)
        return self.blocks.within(torch.cat([pattern, sizes.where(above, dry)], 1))

    def decode(self, x: Tensor, coarse: Tensor) -> Tensor:
        """Fields (B, C, H, W) float64."""
        pattern, sizes = (self.blocks.split(part) for part in x.double().chunk(2, 1))
        if not self.blocks.whole:
            pattern = pattern.where(self.blocks.split(self.blocks.inside), -torch.inf)
        mean, std = self.moments[:2, :, None, None, None]
        highest = pattern >= pattern.amax(-1, keepdim=True)
        above = ((pattern > 0) | highest) & (coarse > 0)[..., None]
        size = softplus((sizes * std + mean).clamp_min(-_FAR)).where(above, 0.0)
        share = self.blocks.split(self.blocks.share.expand(x.shape[-2:]))
        whole = (share * size).sum(-1, keepdim=True)
        return self.blocks.join(torch.where(above, coarse[..., None] * size / whole.where(whole > 0, 1.0), 0.0))

    def tangent(self, x: Tensor) -> Tensor:
        """All coordinates of cells are free."""
        return self.blocks.within(x)

    def possible(self, coarse: Tensor) -> Tensor:
        """Where coarse values (B, C, h, w) are means of such fields."""
        return coarse >= 0

    def told(self, coarse: Tensor) -> Tensor:
        """What networks see of the coarse field, (B, 2 C, h, w): whether it is above zero, and its logarithm."""
        mean, std = self.moments[2:4, :, None, None]
        above = coarse > 0
        return torch.cat([above.double(), ((coarse.log() - mean) / std).where(above, 0.0)], 1)

    def finish(self, z: Tensor, coarse: Tensor, dtype: torch.dtype) -> Tensor:
        """Fields in `dtype` that obey the laws to rounding; zeros stay, others move in proportion to themselves."""
        flat = z.flatten(1)
        return self.system(coarse).project(flat.to(dtype), flat).view_as(z)

    def system(self, coarse: Tensor) -> LinearSystem:
        """The laws of fields (B, C H W) in C order."""
        return LinearSystem(self._matrix, self.blocks.of_filled(coarse).flatten(1))

    @cached_property
    def _matrix(self) -> Any:
        return LinearSystem.repeated(self.blocks.system, self.blocks.shape[0])._matrix()


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) of (N, C, ...) where it is no NaN."""
    flat = x.transpose(0, 1).flatten(1)
    mean = flat.nanmean(1).nan_to_num(0.0)
    std = (flat - mean[:, None]).square().nanmean(1).sqrt().nan_to_num(1.0)
    return mean, std.where(std > 1e-12, 1.0)


def _inverse_softplus(x: Tensor) -> Tensor:
    """y with `log(1 + exp(y)) = x`; minus infinity at zero."""
    return x + (-torch.expm1(-x)).log()
