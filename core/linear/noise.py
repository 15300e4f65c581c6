"""Variables that are zero but for rounding: no finite number of least moves makes them exactly that.

Each move leaves rounding in them, small but many ulps of a law all of whose members are zero. Where the laws pin them,
such laws have terms that are next to nothing beside what they were before the moves. Where they came as rounding, as
zeros of a simulator do, some other law that they are in cannot tell them from zero.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.settle import settle, worst_ulps

_NOTHING = 2.0**-30
"""Of the terms that a law had before the moves: what is left of them is rounding."""

_UNSEEN = 64.0
"""Ulps of a law that its members may make up and still be as good as zero in it."""

_ALIKE = 2.0**-10
"""Of the terms of a law: members that make up more of it are of one kind with the others."""

_ROUNDS = 8

Residual = Callable[[Tensor], Tensor]
Allowance = Callable[[Tensor, torch.dtype], Tensor]
Move = Callable[[Tensor, Tensor, bool], Tensor]


def pinned(
    start: Tensor,
    z: Tensor,
    broken: Tensor,
    size_of: Callable[[Tensor], Tensor],
    members_of: Callable[[Tensor], Tensor],
) -> Tensor:
    """(..., n), True for variables of samples that are `broken` (...) which moves from `start` to z left as rounding.

    Args:
        size_of: sums of magnitudes of terms (..., m). members_of: free variables of the laws (..., m) marked.
    """
    nothing = size_of(z.abs()) <= _NOTHING * size_of(start.abs())
    return members_of(nothing & broken.unsqueeze(-1))


def unseen(
    z: Tensor,
    off: Tensor,
    allowance: Tensor,
    size_of: Callable[[Tensor], Tensor],
    members_of: Callable[[Tensor], Tensor],
) -> Tensor:
    """(..., n), True for variables in laws that are `off` (..., m) which some law with larger terms does not notice.

    Members of laws that consist of such variables are so too. Those that a law does notice, beside larger terms, are
    not.

    Args:
        allowance: of the laws (..., m), one ulp. size_of, members_of: as of `pinned`.
    """
    size, whole = z.abs(), size_of(z.abs())

    def noticed(some: Tensor) -> tuple[Tensor, Tensor]:
        """Laws that notice `some` variables, and which of them have few terms besides."""
        part = size_of(torch.where(some, size, 0.0))
        seen = (part > _UNSEEN * allowance) & (part < whole)
        return seen, seen & (part >= _ALIKE * whole)

    marked, barred = members_of(off), torch.zeros_like(z, dtype=torch.bool)
    for _ in range(_ROUNDS):
        seen, alike = noticed(marked)
        if not seen.any():
            break
        barred = barred | (marked & members_of(seen & ~alike))
        barred = barred | (marked & members_of(noticed(barred)[1]))
        marked = (marked | members_of(alike)) & ~barred
    marked = marked & ~members_of(noticed(marked)[0])
    part = size_of(torch.where(marked, size, 0.0))
    inside = part == whole
    held = marked & members_of((part > 0) & (part <= _UNSEEN * allowance) & ~inside)
    for _ in range(_ROUNDS):
        held = marked & (held | members_of(inside & (size_of(torch.where(held, size, 0.0)) > 0)))
    return held


def without(noise: Tensor, z: Tensor, residual_of: Residual, allowance_of: Allowance, move: Move) -> Tensor:
    """z (..., n) settled once more with zeros where `noise` (..., n) is marked, in samples that gain by it."""

    def held(residual: Tensor, allowance: Tensor, share: bool) -> Tensor:
        return torch.where(noise, 0.0, move(residual, allowance, share))

    cleaned = settle(torch.where(noise, 0.0, z), torch.float64, residual_of, allowance_of, held)
    before, after = (worst_ulps(residual_of(point), allowance_of(point, torch.float64)) for point in (z, cleaned))
    return torch.where((after < before).unsqueeze(-1), cleaned, z)
