"""Few passes over many variables: least moves in chunks that fit a cache, in the dtype that the values have.

Accepts a point only where bounds on all rounding errors say that it is on the laws; others are left to `settle`.
"""

import torch
from torch import Tensor

from lawful.core.linear.exact import HALF, UNIT
from lawful.core.linear.rhs import RightHandSide
from lawful.core.linear.settle import SETTLED_ULPS
from lawful.core.linear.structure.metric import StructuredMetric
from lawful.core.linear.structure.segments import Workspace, pick

_STEPS = 3
"""Moves of a point at most; what is not on the laws then is left to `settle`."""


def settle_in_chunks(
    z: Tensor, rhs: RightHandSide, metric: StructuredMetric, stored: torch.dtype
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Points (..., n) after a few least moves of z, rounded to `stored`, the moves, and which (...) surely are lawful.

    Moves are only wanted for derivatives by the weights; without, there are none.
    """
    laws, half = _Residuals(metric, rhs.values), HALF[stored]
    residual, size, error = laws.at(z, accurate=False)
    moving = (residual.abs() - error > SETTLED_ULPS * (half * size + rhs.rounding)).any(-1)
    sure, start = torch.zeros_like(moving), z
    for _ in range(_STEPS):
        if (sure | ~moving).all():
            break
        out = torch.empty(z.shape, dtype=z.dtype, device=z.device) if z is start else z
        z = _moved(z, out, metric, residual, stored)
        residual, size, error = laws.at(z, accurate=stored == torch.float64)
        sure = (residual.abs() + error <= SETTLED_ULPS * (half / 2 * size + rhs.rounding)).all(-1)
    return z, start - z if metric.root.requires_grad else None, moving & sure


class _Residuals:
    """Residuals of laws with right-hand sides `b` (..., m) over the free variables, without gradients."""

    def __init__(self, metric: StructuredMetric, b: Tensor):
        self._A, self._b = metric.coefficients, b.detach()
        self._free = None if metric.all_free else metric.free
        self._terms = self._A.columns.longest + self._A.rows.longest + 4

    def at(self, z: Tensor, accurate: bool) -> tuple[Tensor, Tensor, Tensor]:
        """`A z - b`, `|A| |z|` and a bound on the error of the first, all (..., m) in float64."""
        A, z = self._A, z if self._free is None else torch.where(self._free, z, 0.0)
        high, low, sizes = A.columns.sums_in_chunks(z, A.scale, accurate)
        size = A.rows.sum(A.value.abs() * pick(sizes, A.cls))
        if accurate:
            residual = A.compensated(high, low, self._b)
            return residual, size, 4 * UNIT * residual.abs() + (self._terms * UNIT) ** 2 * size
        residual = A.rows.sum(A.value * pick(high, A.cls)) - self._b
        return residual, size, self._terms * UNIT * (size + self._b.abs())


def _moved(z: Tensor, out: Tensor, metric: StructuredMetric, residual: Tensor, stored: torch.dtype) -> Tensor:
    """`out`, which may be z (..., n), after the least move of z against `residual`, chunk by chunk, as `stored`."""
    scale, steps = metric.coefficients.scale, Workspace()
    for here, times in metric.coefficients.columns.times_in_chunks(metric.pulled(residual)):
        root = metric.root[..., here]
        step = steps(root.expand(*z.shape[:-1], root.shape[-1]))
        times(step.mul_(step))
        if scale is not None:
            step.mul_(scale[here])
        if not metric.all_free:
            step.mul_(metric.free[..., here])
        point = torch.sub(z[..., here], step, out=step)
        out[..., here] = point if stored == out.dtype else point.to(stored)
    return out
