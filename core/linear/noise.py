"""Variables that the laws alone make zero: no finite number of least moves makes them exactly that.

Each move leaves rounding in them, small but many ulps of a law all of whose members are zero. Which variables these are
is a property of the laws, not of sizes: their unit vectors are combinations of laws, whose right-hand sides give zero.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.laws import Laws
from lawful.core.linear.settle import Allowance, Move, Residual, settle, settle_by_size, worst_ulps

_FREEDOM = 1e-10
"""Square of the part of a unit vector, in balanced columns, that laws leave free: below it, they fix the variable."""

_STEPS, _ZERO = 5, 2.0**-80
"""Moves from zero to the values that laws determine, and the part of the largest value that is rounding of these."""

_FURTHER, _SHRUNK, _NOTHING = 2, 2.0**-10, 2.0**-45
"""Rounding that is left of moves becomes less by further ones, or is next to nothing beside other values already."""


def determined(laws: Laws, residual_of: Residual, allowance_of: Allowance) -> tuple[Tensor, Tensor]:
    """Free variables (..., n) that have one value in all points on the laws, whatever the metric, and such a point."""
    scale = torch.where(laws.free, laws.column_scale, 1.0)
    metric = laws.metric(scale)
    point = torch.zeros_like(scale)
    for _ in range(_STEPS):
        residual = residual_of(point)
        # Contradictions by rounding of right-hand sides would stay, and show in variables that others make zero.
        point = point - metric.move(laws.shared(residual, allowance_of(point, torch.float64)))
    return laws.free & (metric.explained >= (1.0 - _FREEDOM) * scale.square()), point


def left_by_moves(
    start: Tensor, z: Tensor, laws: Laws, fixed: tuple[Tensor, Tensor], further: Callable[[Tensor], Tensor]
) -> Tensor:
    """(..., n), True for values of points z (..., n) that are rounding of the moves that led there from `start`.

    Args:
        fixed: what laws determine, see `determined`. further: another least move of points (..., n).
    """
    after = z
    for _ in range(_FURTHER):
        after = further(after)
    start, value, before, after = (
        torch.where(laws.free, x / laws.column_scale, 0.0).abs() for x in (start, fixed[1], z, after)
    )
    most = torch.maximum(torch.maximum(start, after), value).amax(-1, keepdim=True)
    return fixed[0] & (value <= _ZERO * most) & ((after <= _SHRUNK * before) | (after <= _NOTHING * most))


def without(noise: Tensor, z: Tensor, residual_of: Residual, allowance_of: Allowance, move: Move) -> Tensor:
    """z (..., n) settled once more with zeros where `noise` (..., n) is marked, in samples that gain by it."""

    def held(residual: Tensor, allowance: Tensor, share: bool) -> Tensor:
        return torch.where(noise, 0.0, move(residual, allowance, share))

    cleaned = settle(torch.where(noise, 0.0, z), torch.float64, residual_of, allowance_of, held)
    cleaned = settle_by_size(cleaned, torch.float64, residual_of, allowance_of, held)
    before, after = (worst_ulps(residual_of(point), allowance_of(point, torch.float64)) for point in (z, cleaned))
    return torch.where((after < before).unsqueeze(-1), cleaned, z)
