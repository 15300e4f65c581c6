"""Few passes over many variables: least moves in chunks that fit a cache, in the dtype that the values have.

Accepts a point only where bounds on all rounding errors say that it is on the laws; others are left to `settle`.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear.exact import HALF, UNIT, largest_of
from lawful.core.linear.rhs import RightHandSide
from lawful.core.linear.settle import SETTLED_ULPS
from lawful.core.linear.structure.metric import StructuredMetric
from lawful.core.linear.structure.workspace import Workspace

_STEPS = 3
"""Moves of a point at most; what is not on the laws then is left to `settle`."""


def settle_in_chunks(
    z: Tensor, rhs: RightHandSide, metric: StructuredMetric, stored: torch.dtype
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Points (..., n) after a few least moves of z, rounded to `stored`, the moves, and which (...) surely are lawful.

    Moves are only wanted for derivatives by the weights; without, there are none.
    """
    laws, half = _Residuals(metric, rhs.values), HALF[stored]
    at = laws.at(z, accurate=False)
    moving = at.surely_off(half, rhs.rounding)
    sure, start = torch.zeros_like(moving), z
    for _ in range(_STEPS):
        if (sure | ~moving).all():
            break
        out = torch.empty(z.shape, dtype=z.dtype, device=z.device) if z is start else z
        z = _moved(z, out, metric, at.residual, stored)
        at = laws.at(z, accurate=stored == torch.float64)
        sure = at.surely_on(half / 2, rhs.rounding)
    return z, start - z if metric.root.requires_grad else None, moving & sure


class _Residuals:
    """Residuals of laws with right-hand sides `b` (..., m) over the free variables, without gradients."""

    def __init__(self, metric: StructuredMetric, b: Tensor):
        self.A, self.b = metric.coefficients, b.detach()
        self._free = None if metric.all_free else metric.free
        self.terms = self.A.columns.longest + self.A.rows.longest + 4

    def at(self, z: Tensor, accurate: bool) -> "_Misfit":
        """What z (..., n) misses the laws by, in twice float64's precision if `accurate`."""
        A, z = self.A, z if self._free is None else torch.where(self._free, z, 0.0)
        high, low, sizes = A.columns.sums_in_chunks(z, A.scale, accurate)
        residual = A.compensated(high, low, self.b) if accurate else A.of_classes(high) - self.b
        return _Misfit(self, z, accurate, residual, sizes)


@dataclass(frozen=True)
class _Misfit:
    """The `residual` (..., m) of z (..., n), and what it says for sure.

    `sizes` (..., q) are the magnitudes of classes if they were had for little. If not, the largest value bounds them
    from above and their own sum from below, and they are summed only where this does not suffice.
    """

    laws: _Residuals
    z: Tensor
    accurate: bool
    residual: Tensor
    sizes: Tensor | None

    def surely_off(self, half: float, rounding: Tensor) -> Tensor:
        """Points (...) that miss a law by more than what spacings of `half` of a value and `rounding` explain."""

        def off(most: Tensor) -> Tensor:
            room = SETTLED_ULPS * (half * most + rounding)
            return (self.residual.abs() - self._error(most) > room).any(-1)

        if self.sizes is None and (found := off(self._most)).all():
            return found
        return off(self._size)

    def surely_on(self, half: float, rounding: Tensor) -> Tensor:
        """Points (...) that miss no law by more."""

        def on(least: Tensor, most: Tensor) -> Tensor:
            room = SETTLED_ULPS * (half * least + rounding)
            return (self.residual.abs() + self._error(most) <= room).all(-1)

        if self.sizes is None:
            sums = (self.residual + self.laws.b).abs() - self._error(self._most)
            found = on(sums.clamp(min=0.0), self._most)
            possible = (self.residual.abs() <= SETTLED_ULPS * (half * self._most + rounding)).all(-1)
            if not (possible & ~found).any():
                return found
        return on(self._size, self._size)

    def _error(self, size: Tensor) -> Tensor:
        """A bound on that of the residual, for values of which no law has more than `size` (..., m) in `|A| |z|`."""
        terms = self.laws.terms * UNIT
        if self.accurate:
            return 4 * UNIT * self.residual.abs() + terms**2 * size
        return terms * (size + self.laws.b.abs())

    @cached_property
    def _most(self) -> Tensor:
        return largest_of(self.z).double() * self.laws.A.spread

    @cached_property
    def _size(self) -> Tensor:
        A, sizes = self.laws.A, self.sizes
        return A.absolute_of_classes(A.columns.sizes_in_tiles(self.z, A.scale) if sizes is None else sizes)


def _moved(z: Tensor, out: Tensor, metric: StructuredMetric, residual: Tensor, stored: torch.dtype) -> Tensor:
    """`out`, which may be z (..., n), after the least move of z against `residual`, chunk by chunk, as `stored`."""
    scale, steps = metric.coefficients.scale, Workspace()
    for here, times in metric.coefficients.columns.times_in_chunks(metric.pulled(residual)):
        root = metric.root[..., here]
        step = steps.square(root.expand(*z.shape[:-1], root.shape[-1]))
        times(step)
        if scale is not None:
            step.mul_(scale[here])
        if not metric.all_free:
            step.mul_(metric.free[..., here])
        if stored == out.dtype == torch.float64:
            torch.sub(z[..., here], step, out=out[..., here])
            continue
        point = torch.sub(z[..., here], step, out=step)
        out[..., here] = point if stored == out.dtype else point.to(stored)
    return out
