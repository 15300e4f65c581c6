"""Least moves of a whole batch by one metric, judged by the worst of its points: few passes, in parts that fit a cache.

Points are proved to stand on the laws by a handful of numbers for all of them; where these do not suffice, nothing is
returned, and points are to be judged one by one. Residuals are held with a row for each law: products with few rows are
quicker than those with few columns.
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
_FEW = 4
_SHARE = {torch.float32: 64, torch.float64: 16}
_RANGE = 1e-30, 1e30
_WORST_DEFECT = 1e-6
_ROOM = 3.0


def parts(x: Tensor) -> int:
    """How many rows of x (N, n) to take at a time, so that some copies of them stay in cache."""
    return max(1, _PART // x.shape[-1]) if x.device.type == "cpu" else max(1, len(x))


@dataclass(frozen=True)
class _Sizes:
    """Of `gain` (Frobenius norm, and of its rows), rows of `1 - A gain`, entries of b, and of its rounding."""

    gain: float
    row_of_gain: float
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
        self._laws, self._b = SlicedLaws(A / lengths), b / lengths.squeeze(-1)
        self._minus_b = -self._b.reshape(-1, self._m).mT.contiguous()
        self._across = (metric.gain * lengths.squeeze(-1)).mT.contiguous()
        self._coefficients = [0.999 * part.abs() for part in _parts_of(self._laws.A, stored)]
        defect = torch.eye(self._m, dtype=A.dtype, device=A.device) - self._laws.A @ self._across.mT
        self._sizes = _sizes(defect, self._across, self._b, rounding / lengths.squeeze(-1))
        # Laws that follow from others have no move of their own: what is left of them is computed.
        self._remainder = None if self._sizes.defect < _WORST_DEFECT else defect

    def __call__(self, z: Tensor) -> Tensor | None:
        """Lawful points for z (..., n), of its dtype, all of which surely miss a law; None where that is not sure."""
        if not z.numel():
            return None
        minus_b = self._minus_b
        if self._b.dim() > 1 and self._b.shape[:-1] != z.shape[:-1]:
            minus_b = -self._b.expand(*z.shape[:-1], self._m).reshape(-1, self._m).mT
        if z.dim() == 2:
            return self._in_parts(z, minus_b)
        found = self._in_parts(z.flatten(0, -2), minus_b)
        return None if found is None else found.view(z.shape)

    def _in_parts(self, z: Tensor, minus_b: Tensor) -> Tensor | None:
        """For z (N, n) and right-hand sides (m, N) or (m, 1)."""
        rows = parts(z)
        if len(z) <= rows:
            return self._moved(z, minus_b)
        out = torch.empty_like(z, memory_format=torch.contiguous_format)
        for start in range(0, len(z), rows):
            here = slice(start, start + rows)
            found = self._moved(z[here], minus_b if minus_b.shape[1] == 1 else minus_b[:, here])
            if found is None:
                return None
            out[here] = found
        return out

    def _moved(self, z: Tensor, minus_b: Tensor) -> Tensor | None:
        largest, sizes = _largest(z), self._sizes
        length = math.sqrt(self._n) * largest + sizes.largest_b
        if not _RANGE[0] < largest < _RANGE[1]:
            return None
        point = z.double()
        residual = torch.addmm(minus_b, self._laws.A, point.mT)
        worst = torch.aminmax(residual.abs().amax(0))
        least, most = worst.min.item(), worst.max.item()
        error = (self._n + 2) * UNIT * length
        lawful = error + 2 * (HALF[self._stored] * length + sizes.largest_rounding)
        reach = largest + sizes.row_of_gain * math.sqrt(self._m) * most
        if not (least > _SURELY * lawful and reach < _RANGE[1]):
            return None
        point = torch.addmm(point, residual.mT, self._across, alpha=-1)
        if self._stored == torch.float64:
            return self._again(point, minus_b, _SURELY * reach)
        error += self._rounding(most) + (self._m + 2) * UNIT * math.sqrt(self._n) * reach
        return point.to(z.dtype) if self._fits(residual, error, point) else None

    def _again(self, point: Tensor, minus_b: Tensor, reach: float) -> Tensor | None:
        """Moved once more, by a residual of twice the precision: it leaves the rounding of the points, one ulp."""
        residual, error = self._laws.accurate_below(point, minus_b, reach)
        point.sub_(residual.mT @ self._across)  # apart from the product, which may round as often as it adds
        most = _largest(residual)
        return point if self._fits(residual, error + 4 * UNIT * most + self._rounding(most), point) else None

    def _rounding(self, most: float) -> float:
        """What a move against residuals up to `most` leaves of them, but for laws that follow from others."""
        sizes, length = self._sizes, math.sqrt(self._m) * most
        defect = sizes.defect if self._remainder is None else 0.0
        return (defect + (self._m + self._n + 4) * UNIT * (1 + sizes.gain + sizes.defect)) * length

    def _fits(self, residual: Tensor, error: float, point: Tensor) -> bool:
        """Whether what a move against `residual` leaves, up to an `error`, is below three ulps of every law.

        The rounding of a point adds one. A law that holds has terms whose sizes sum to no less than its right-hand
        side.
        """
        size = _SURELY * error / (_ROOM * HALF[self._stored] / 2)
        if self._remainder is not None:
            left = (self._remainder @ residual).abs_().mul_(_SURELY / (_ROOM * HALF[self._stored] / 2))
            return bool((left.add_(size) <= self._coefficients[-1] @ point.abs().mT).all())
        if size <= self._sizes.least_b - error:
            return True
        sums = (sizes @ point[:, : sizes.shape[1]].abs().mT for sizes in self._coefficients)
        return any(size <= sum_of.min().item() for sum_of in sums)


def _parts_of(A: Tensor, stored: torch.dtype) -> list[Tensor]:
    """Coefficients that tell what sizes the terms of laws at least have: a few, if large ones of every law, and all."""
    few = A[:, : max(_FEW, A.shape[1] // _SHARE[stored])]
    return [few, A] if (few.abs().amax(-1) >= 0.1 * A.abs().amax(-1)).all() else [A]


def _sizes(defect: Tensor, across: Tensor, b: Tensor, rounding: Tensor) -> _Sizes:
    least, largest = torch.aminmax(b.abs())
    rows = across.norm(dim=0).max(), defect.norm(dim=-1).max()
    return _Sizes(*(size.item() for size in (across.norm(), *rows, largest, least, rounding.max())))


def _largest(x: Tensor) -> float:
    least, most = torch.aminmax(x)
    return max(most.item(), -least.item())
