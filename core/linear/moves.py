"""Least moves onto laws `A z = b`, and by how much points miss them."""

from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from lawful.core.linear.arrays import batch_of
from lawful.core.linear.exact import half_spacing, ulp_ratio
from lawful.core.linear.laws import Laws, LeastMoves
from lawful.core.linear.noise import determined, left_by_moves, without
from lawful.core.linear.on_laws import moved
from lawful.core.linear.rhs import RightHandSide
from lawful.core.linear.settle import SETTLED_ULPS, settle, settle_by_size

_NO_BATCH = torch.Size()


class Moves:
    """Of points (..., n) by metrics, over the free variables; what judges the points is kept for each dtype."""

    def __init__(self, laws: Laws, rhs: RightHandSide):
        self._laws, self._rhs = laws, rhs
        self._judges: dict[torch.dtype, Any] = {}

    @cached_property
    def batch_shape(self) -> torch.Size:
        """Common batch shape of coefficients, free sets and right-hand sides."""
        return batch_of(self._laws.batch_shape, self._laws.free.shape[:-1], self._rhs.values.shape[:-1])

    def residual(self, z: Tensor, b: Tensor | None = None) -> Tensor:
        """`A z - b` (..., m) in float64 with compensated sums, for their own right-hand sides or b; differentiable."""
        free = torch.where(self._laws.free, z.double(), 0.0)
        return self._laws.residual(free, self._rhs.values if b is None else b)

    def allowance(self, z: Tensor, dtype: Any) -> Tensor:
        """The misfit (..., m) that rounding of z (..., n) to `dtype`, and of b, explains: one ulp of each law."""
        spacing = torch.where(self._laws.free, half_spacing(z, dtype), 0.0)
        return self._laws.absolute(spacing) + self._rhs.rounding

    def __call__(self, metric: LeastMoves, z: Tensor, stored: torch.dtype) -> Tensor:
        """Lawful points, in the dtype of z; differentiable.

        z that is lawful to the rounding of `stored` is left alone.
        """
        return moved(z, self._rhs.values, metric, partial(self._settled, metric, stored), self.residual)

    def _settled(self, metric: LeastMoves, stored: torch.dtype, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Lawful points and, where their gradient needs them, the moves that lead there, both in the dtype of z."""
        if stored not in self._judges:
            self._judges[stored] = self._laws.judge(self._rhs, stored)
        if z.shape[:-1] != self.batch_shape or metric.batch_shape not in (_NO_BATCH, self.batch_shape):
            z = z.expand(*batch_of(z.shape[:-1], metric.batch_shape, self.batch_shape), z.shape[-1])
        value, step, done = self._laws.settle_quickly(z, self._judges[stored], metric, stored)
        if done is None or done.all():
            return value, step
        careful = self._carefully(metric, z.double(), stored)
        step = None if step is None else torch.where(done.unsqueeze(-1), step, (z.double() - careful).to(z.dtype))
        return torch.where(done.unsqueeze(-1), value, careful.to(z.dtype)), step

    @cached_property
    def _movable(self) -> Tensor:
        """(..., m), laws with a free variable: others stay as they are, which a tolerance may have granted."""
        return self._laws.absolute(self._laws.free.double()) > 0

    def _left(self, z: Tensor) -> Tensor:
        """The residual (..., m) that moves can change."""
        return torch.where(self._movable, self.residual(z), 0.0)

    def _carefully(self, metric: LeastMoves, z: Tensor, stored: torch.dtype) -> Tensor:
        def move(residual: Tensor, allowance: Tensor, share: bool) -> Tensor:
            share = share and self._laws.has_redundant
            return metric.move(self._laws.shared(residual, allowance) if share else residual)

        settled = settle(z, stored, self._left, self.allowance, move)
        settled = settle_by_size(settled, stored, self._left, self.allowance, move)
        broken = self._off(settled).any(-1)
        if not (broken.any() and self._determined[0].any()):
            return settled
        noise = left_by_moves(z, settled, self._laws, self._determined, lambda x: x - metric.move(self._left(x)))
        noise = noise & broken.unsqueeze(-1)
        return without(noise, settled, self._left, self.allowance, move) if noise.any() else settled

    @cached_property
    def _determined(self) -> tuple[Tensor, Tensor]:
        return determined(self._laws, self._left, self.allowance)

    def _off(self, z: Tensor) -> Tensor:
        """(..., m), laws that float64 points z (..., n) miss by more than rounding explains."""
        return ulp_ratio(self._left(z), self.allowance(z, torch.float64)) > SETTLED_ULPS
