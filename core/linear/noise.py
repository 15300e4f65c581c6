"""Variables that are zero but for rounding: no finite number of least moves makes them exactly that.

Each move leaves rounding in them, small but many ulps of a law all of whose members are zero. What is rounding becomes
less with every further move, by the more the better the laws are conditioned, and is soon next to nothing beside what
there was before the moves; what is not rounding stays.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.settle import Allowance, Move, Residual, settle, settle_by_size, worst_ulps

_NOTHING = 2.0**-30
"""Of the terms that a law had before the moves: what is left of them is rounding."""


_FURTHER = 2
"""Moves, after those that brought points to the laws."""


def pinned(
    start: Tensor,
    z: Tensor,
    broken: Tensor,
    further: Callable[[Tensor], Tensor],
    size_of: Callable[[Tensor], Tensor],
    members_of: Callable[[Tensor], Tensor],
) -> Tensor:
    """(..., n), True for variables of samples that are `broken` (...) which moves from `start` to z left as rounding.

    Args:
        further: another least move of points (..., n). size_of: sums of magnitudes (..., m) of terms of free variables.
        members_of: free variables of the laws (..., m) marked.
    """
    for _ in range(_FURTHER):
        z = further(z)
    nothing = size_of(z) <= _NOTHING * size_of(start)
    return members_of(nothing & broken.unsqueeze(-1))


def without(noise: Tensor, z: Tensor, residual_of: Residual, allowance_of: Allowance, move: Move) -> Tensor:
    """z (..., n) settled once more with zeros where `noise` (..., n) is marked, in samples that gain by it."""

    def held(residual: Tensor, allowance: Tensor, share: bool) -> Tensor:
        return torch.where(noise, 0.0, move(residual, allowance, share))

    cleaned = settle(torch.where(noise, 0.0, z), torch.float64, residual_of, allowance_of, held)
    cleaned = settle_by_size(cleaned, torch.float64, residual_of, allowance_of, held)
    before, after = (worst_ulps(residual_of(point), allowance_of(point, torch.float64)) for point in (z, cleaned))
    return torch.where((after < before).unsqueeze(-1), cleaned, z)
