"""Least moves of many points against residuals that have a row for each law, and bounds on what such moves leave.

Bounds are single numbers for all points, from Euclidean norms; laws are scaled to lengths of at most one.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from lawful.core.linear.exact import UNIT
from lawful.core.linear.gram_factors import GramFactors
from lawful.core.linear.gram_metric import EvenLaws, GramMetric
from lawful.core.linear.metric import WeightedMetric

WORST_DEFECT = 1e-6
"""A gain that misses the inverse of its laws by more is no proof of anything: laws follow from others."""


class Mover(Protocol):
    """Moves by one metric, for all points or those `at` some places of the batch.

    Attributes:
        remainder: (m, m), `1 - A gain` where laws follow from others, which have no move of their own, else None.
    """

    remainder: Tensor | None

    def at(self, here: slice) -> "Mover": ...
    def move(self, residual: Tensor) -> Tensor:
        """The moves (N, n) against residuals (m, N)."""

    def moved(self, point: Tensor, residual: Tensor, own: bool) -> Tensor:
        """`point - move`, in place of the points (N, n) if they are its `own`."""

    def left(self, size: float) -> float:
        """What a move against a residual of length `size` leaves of it, but for the `remainder`."""

    def reach(self, size: float) -> float:
        """A bound on any entry of a move against a residual of length `size`."""


class GainMover:
    """Moves `gain residual` by a metric without batch, of laws A (m, n) after division by `lengths` (m,)."""

    def __init__(self, metric: WeightedMetric, A: Tensor, lengths: Tensor):
        self._across = (metric.gain * lengths).mT.contiguous()
        defect = torch.eye(len(A), dtype=A.dtype, device=A.device) - A @ self._across.mT
        self._gain, self._reach = self._across.norm().item(), self._across.norm(dim=0).max().item()
        self._defect, self.remainder = _defect(defect)
        self._roundings = (sum(A.shape) + 4) * UNIT

    def at(self, here: slice) -> "GainMover":
        return self

    def move(self, residual: Tensor) -> Tensor:
        return residual.mT @ self._across

    def moved(self, point: Tensor, residual: Tensor, own: bool) -> Tensor:
        return torch.addmm(point, residual.mT, self._across, alpha=-1, out=point if own else None)

    def left(self, size: float) -> float:
        defect = self._defect if self.remainder is None else 0.0
        return (defect + self._roundings * (1 + self._gain + self._defect)) * size

    def reach(self, size: float) -> float:
        return self._reach * size


class ScaledLaws:
    """Laws of a `GramMetric` as moves of scaled residuals need them: `mix`, and norms that bound what they leave."""

    def __init__(self, laws: EvenLaws, A: Tensor, lengths: Tensor):
        scaled, self.mix, self.across = A * laws.typical, laws.mix * lengths, laws.scaled.mT.contiguous().mT
        defect = torch.eye(len(A), dtype=A.dtype, device=A.device) - scaled @ laws.basis.mT @ self.mix
        self.mixing, self.longest = self.mix.norm().item(), scaled.norm(dim=-1).max().item()
        self.typical = laws.typical.max().item()
        self.defect, self.remainder = _defect(defect)


class GramMover:
    """Moves by weights (N, n) of each point in float64: `left` as in `GramMetric.bounded_move`.

    The laws are orthonormal, so no Gram matrix has an eigenvalue below the least weight.
    """

    def __init__(self, laws: ScaledLaws, weights: Tensor, factors: GramFactors, least: float, most: float):
        self._laws, self._weights, self._factors, self._range = laws, weights, factors, (least, most)
        self.remainder = laws.remainder

    @classmethod
    def of(cls, metric: GramMetric, laws: ScaledLaws) -> "GramMover":
        return cls(laws, metric.weights, metric.factors, metric.least, metric.most)

    def at(self, here: slice) -> "GramMover":
        return GramMover(self._laws, self._weights[here], self._factors[here], *self._range)

    def move(self, residual: Tensor) -> Tensor:
        multipliers = self._factors.solved(self._laws.mix @ residual)
        return (multipliers.mT @ self._laws.across).mul_(self._weights)

    def moved(self, point: Tensor, residual: Tensor, own: bool) -> Tensor:
        return torch.sub(point, self.move(residual), out=point if own else None)

    def left(self, size: float) -> float:
        laws, (least, most), (r, m), n = self._laws, self._range, self._laws.mix.shape, self._weights.shape[-1]
        solving = (4 * r * r + 2 * n + 4 * r + 10) * UNIT * n * most / least
        if not solving < WORST_DEFECT:
            return math.inf
        by_solving = solving * 1.01 * laws.mixing * size
        defect = laws.defect if laws.remainder is None else 0.0
        return laws.longest * (by_solving + (m + 4) * UNIT * laws.mixing * size) + defect * size

    def reach(self, size: float) -> float:
        least, most = self._range
        return 1.01 * self._laws.typical * most / least * self._laws.mixing * size


def _defect(defect: Tensor) -> tuple[float, Tensor | None]:
    """The largest length of its rows, and the `defect` itself where it is that of laws that follow from others."""
    size = defect.norm(dim=-1).max().item()
    return size, None if size < WORST_DEFECT else defect
