"""Least moves of a whole batch by one metric, judged by the worst of its points: few passes, in parts that fit a cache.

Points are proved to stand on the laws by a handful of numbers for all of them; where these do not suffice, nothing is
returned, and points are to be judged one by one.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.linear.exact import HALF, UNIT
from lawful.core.linear.metric import WeightedMetric
from lawful.core.linear.sliced import SlicedLaws, power_above

_PART = 2**18
_SURELY = 1.01
_SOME = {torch.float32: 16, torch.float64: 128}
_STRIDE = {torch.float32: 64, torch.float64: 4}
_RANGE = 1e-30, 1e30
_WORST_DEFECT = 1e-6


def parts(x: Tensor) -> int:
    """How many rows of x (N, n) to take at a time, so that some copies of them stay in cache."""
    return max(1, _PART // x.shape[-1]) if x.device.type == "cpu" else max(1, len(x))


@dataclass(frozen=True)
class _Sizes:
    """Of `gain` (Frobenius norm), rows of `A gain - 1` (largest norm), entries of b, and of its rounding."""

    gain: float
    defect: float
    largest_b: float
    least_b: float
    largest_rounding: float


class SharedMoves:
    """Moves by `metric` onto laws `A z = b`, each b (..., m) known to `rounding`, of points stored as `stored`.

    Laws are scaled by powers of two to lengths of at most one, so that one bound serves all of them. Euclidean lengths
    bound dot products; a product of n terms is off by at most n + 2 roundings.
    """

    def __init__(self, A: Tensor, b: Tensor, rounding: Tensor, metric: WeightedMetric, stored: torch.dtype):
        lengths = power_above(A.norm(dim=-1, keepdim=True))
        self.metric, self._stored, (self._m, self._n) = metric, stored, A.shape
        some = max(_SOME[stored], self._n // _STRIDE[stored])
        self._laws, self._minus_b = SlicedLaws(A / lengths, some), -(b / lengths.squeeze(-1))
        self._across = (metric.gain * lengths.squeeze(-1)).mT.contiguous()
        self._sizes = _sizes(self._laws.A, self._across, self._minus_b, rounding / lengths.squeeze(-1))

    def __call__(self, z: Tensor) -> Tensor | None:
        """Lawful points for z (..., n), of its dtype, all of which surely miss a law; None where that is not sure."""
        if not self._sizes.defect < _WORST_DEFECT or not z.numel():
            return None
        b = self._minus_b
        b = b if b.dim() == 1 else b.expand(*z.shape[:-1], self._m)
        if z.dim() > 2:
            found = self._in_parts(z.flatten(0, -2), b if b.dim() == 1 else b.flatten(0, -2))
            return None if found is None else found.view(z.shape)
        return self._in_parts(z, b)

    def _in_parts(self, z: Tensor, b: Tensor) -> Tensor | None:
        rows = parts(z)
        if len(z) <= rows:
            return self._moved(z, b)
        out = torch.empty_like(z, memory_format=torch.contiguous_format)
        for start in range(0, len(z), rows):
            found = self._moved(z[start : start + rows], b if b.dim() == 1 else b[start : start + rows])
            if found is None:
                return None
            out[start : start + rows] = found
        return out

    def _moved(self, z: Tensor, minus_b: Tensor) -> Tensor | None:
        largest = _largest(z)
        length = math.sqrt(self._n) * largest + self._sizes.largest_b
        point = z.double()
        residual = torch.addmm(minus_b, point, self._laws.A.mT)
        least, most = (float(x) for x in torch.aminmax(residual.abs().amax(-1)))
        error = (self._n + 2) * UNIT * length
        lawful = 2 * (HALF[self._stored] * length + self._sizes.largest_rounding)
        reach = length + self._sizes.gain * math.sqrt(self._m) * most
        if not (least > _SURELY * (error + lawful) and largest > _RANGE[0] and reach < _RANGE[1]):
            return None
        point = torch.addmm(point, residual, self._across, alpha=-1)
        if self._stored == torch.float64:
            return self._again(point, minus_b)
        left = error + self._left(most) + (self._m + 2) * UNIT * length
        return point.to(z.dtype) if self._fits(left, point) else None

    def _again(self, point: Tensor, minus_b: Tensor) -> Tensor | None:
        """Moved once more, by a residual of twice the precision: it leaves the rounding of the points, one ulp."""
        residual, error = self._laws.accurate_below(point, minus_b, _largest(point))
        point.sub_(residual @ self._across)
        most = _largest(residual)
        left = error + 4 * UNIT * most + self._left(most)
        return point if self._fits(left, point) else None

    def _left(self, residual: float) -> float:
        """What a move against residuals up to `residual` leaves of them."""
        return (self._sizes.defect + (self._m + 2) * UNIT * self._sizes.gain) * math.sqrt(self._m) * residual

    def _fits(self, left: float, point: Tensor) -> bool:
        """Whether residuals up to `left` are less than an ulp of every law: the rounding of a point adds one.

        A law that holds has terms whose sizes sum to no less than its right-hand side.
        """
        size, ulp = _SURELY * left, 0.9 * HALF[self._stored] / 2
        return size <= ulp * (self._sizes.least_b - left) or size <= ulp * float(self._laws.least_size(point).min())


def _sizes(A: Tensor, across: Tensor, b: Tensor, rounding: Tensor) -> _Sizes:
    eye = torch.eye(len(A), dtype=A.dtype, device=A.device)
    defect = (A @ across.mT - eye).norm(dim=-1).max()
    least, largest = torch.aminmax(b.abs())
    return _Sizes(*(float(size) for size in (across.norm(), defect, largest, least, rounding.max())))


def _largest(x: Tensor) -> float:
    least, most = torch.aminmax(x)
    return max(float(most), -float(least))
