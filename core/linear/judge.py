"""Which points surely stand on the laws, and which surely do not: bounds that cost little beside a product with `A`."""

from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear.exact import HALF, UNIT, half_spacing, length_of, matvec
from lawful.core.linear.shared import SharedMoves
from lawful.core.linear.sliced import SlicedLaws

_ENOUGH = {torch.float32: 0.5, torch.float64: 2.0}
"""Ulps to which a point that stays float64 may miss a law; rounding to float32 adds one more."""

_VAGUE = 1.002
"""Spacings come out up to a thousandth too small (`SlicedLaws.accurate`): what surely is off exceeds them by more."""


class Judge:
    """Laws with right-hand sides `b` (..., m), each known to `rounding` (..., m), for numbers stored as `stored`.

    Lengths are Euclidean: `|sum_j a_ij z_j| <= |a_i| |z|`, and a product of n terms is off by at most n + 2 roundings.
    """

    def __init__(self, laws: SlicedLaws, b: Tensor, rounding: Tensor, stored: torch.dtype):
        self._laws, self._b, self._rounding, self.stored = laws, b, rounding, stored
        relative = (laws.n + 2) * UNIT
        self._error, self._error_of_b = relative * laws.norms, relative * b.abs()
        self._off, self._off_of_b = self._error + 2 * HALF[stored] * laws.norms, self._error_of_b + 2 * rounding
        self._room = _ENOUGH[stored] * rounding
        self._room_per_size = _ENOUGH[stored] * HALF[stored] / 2

    @cached_property
    def moves(self) -> SharedMoves:
        """Moves of whole batches."""
        return SharedMoves(self._laws.A, self._b, self._rounding, self.stored)

    def residual(self, z: Tensor) -> Tensor:
        """`A z - b` (..., m) by one float64 product."""
        return matvec(self._laws.A, z) - self._b

    def surely_off(self, residual: Tensor, length: Tensor) -> Tensor:
        """Points (...) of `length` (..., 1) that miss a law by more than two ulps, by their `residual` (..., m)."""
        return (residual.abs() > torch.addcmul(self._off_of_b, length, self._off)).any(-1)

    def decided(self, z: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Points (...) of z (..., n) that surely hold every law to two ulps as they are stored, and that surely do not.

        `residual` (..., m) is that of `residual`. This takes another product or more, where norms do not tell.
        """
        if self.stored == torch.float32:
            error = torch.addcmul(self._error_of_b, length_of(z), self._error)
            spacings = matvec(self._laws.A.abs(), half_spacing(z, self.stored))
        else:
            residual, error, spacings = self._laws.accurate(z, self._b)
        size, allowed = residual.abs(), 2 * (spacings + self._rounding)
        return (size + error <= allowed).all(-1), (size - error > _VAGUE * allowed).any(-1)

    def judged(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The residual (..., m) of z (..., n), and which points (...) surely stand on the laws."""
        residual, error, room = self.precise(z)
        return residual, (residual.abs() + error <= room).all(-1)

    def precise(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The residual of z (..., n), a bound on its error and one on what a lawful point may miss, all (..., m)."""
        if self.stored == torch.float32:
            return self.residual(z), torch.addcmul(self._error_of_b, length_of(z), self._error), self._least_room(z)
        residual, error, spacings = self._laws.accurate(z, self._b)
        return residual, error, torch.add(self._room, spacings, alpha=_ENOUGH[self.stored])

    def foreseen(self, z: Tensor, before: Tensor, left: Tensor) -> Tensor:
        """Points (...) z that surely stand on the laws as float32 after a move that left out `left`.

        `left` (..., m) bounds `A move - residual`; roundings of the residual and of the point come to it, by the
        length of the point and its length (..., 1) `before`.
        """
        error = torch.addcmul(self._error_of_b, before + length_of(z), self._error, value=2.0)
        return (error.add_(left) <= self._least_room(z)).all(-1)

    def _least_room(self, z: Tensor) -> Tensor:
        return torch.add(self._room, self._laws.least_size(z), alpha=self._room_per_size)
