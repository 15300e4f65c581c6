"""Least moves of a whole batch, judged by the worst of its points: few passes, in parts that fit a cache.

Points are proved to stand on the laws by a handful of numbers for all of them; where these do not suffice, nothing is
returned, and points are to be judged one by one. Residuals are held with a row for each law: products with few rows are
quicker than those with few columns.
"""

import math

import torch
from torch import Tensor

from lawful.core.linear.exact import HALF, UNIT
from lawful.core.linear.gram_metric import EvenLaws, GramMetric
from lawful.core.linear.metric import WeightedMetric
from lawful.core.linear.movers import GainMover, GramMover, Mover, ScaledLaws
from lawful.core.linear.sliced import SlicedLaws, power_above

_PART = 2**18
"""Numbers of a part, some copies of which fit a cache."""

_SURELY = 1.01
"""Bounds are themselves rounded; this covers it."""

_FEW = 4
_SHARE = {torch.float32: 64, torch.float64: 16}
"""Sizes of the terms of a law are first looked for in a few columns: at least 4, or one of so many."""

_RANGE = 1e-30, 1e30
"""Of magnitudes for which no bound over- or underflows."""

_ROOM = 3.0
"""Ulps of a law that a move may leave."""


def parts(x: Tensor) -> int:
    """How many rows of x (N, n) to take at a time, so that some copies of them stay in cache."""
    return max(1, _PART // x.shape[-1]) if x.device.type == "cpu" else max(1, len(x))


class SharedMoves:
    """Moves onto laws `A z = b`, each b (..., m) known to `rounding`, of points stored as `stored`.

    Laws are scaled by powers of two to lengths of at most one, so that one bound serves all of them. Euclidean lengths
    bound dot products; a product of n terms is off by at most n + 2 roundings.
    """

    def __init__(self, A: Tensor, b: Tensor, rounding: Tensor, stored: torch.dtype):
        lengths = power_above(A.norm(dim=-1, keepdim=True))
        self._stored, (self._m, self._n), self._lengths = stored, A.shape, lengths.squeeze(-1)
        self._laws, self._b = SlicedLaws(A / lengths), b / self._lengths
        self._minus_b = -self._b.reshape(-1, self._m).mT.contiguous()
        self._coefficients = [0.999 * part.abs() for part in _parts_of(self._laws.A, stored)]
        least, largest = torch.aminmax(self._b.abs())
        self._least_b, self._largest_b = least.item(), largest.item()
        self._rounding = (rounding / self._lengths).max().item()
        self._gain: tuple[WeightedMetric, GainMover] | None = None
        self._even: tuple[EvenLaws, ScaledLaws] | None = None

    def __call__(
        self, z: Tensor, metric: WeightedMetric | GramMetric, wants_move: bool = False
    ) -> tuple[Tensor, Tensor | None] | None:
        """Lawful points for z (..., n), of its dtype, all of which surely miss a law; None where that is not sure.

        Also the moves from there to z, if they are wanted.
        """
        if not z.numel():
            return None
        minus_b = self._minus_b
        if self._b.dim() > 1 and self._b.shape[:-1] != z.shape[:-1]:
            minus_b = -self._b.expand(*z.shape[:-1], self._m).reshape(-1, self._m).mT
        flat = z if z.dim() == 2 else z.flatten(0, -2)
        found = self._in_parts(flat, minus_b, self._mover(metric), wants_move)
        if found is None or z.dim() == 2:
            return found
        return found[0].view(z.shape), None if found[1] is None else found[1].view(z.shape)

    def _mover(self, metric: WeightedMetric | GramMetric) -> Mover:
        """What is the same for many metrics, or for all uses of one, is kept for the last of them."""
        if isinstance(metric, GramMetric):
            if self._even is None or self._even[0] is not metric.laws:
                self._even = metric.laws, ScaledLaws(metric.laws, self._laws.A, self._lengths)
            return GramMover.of(metric, self._even[1])
        if self._gain is None or self._gain[0] is not metric:
            self._gain = metric, GainMover(metric, self._laws.A, self._lengths)
        return self._gain[1]

    def _in_parts(
        self, z: Tensor, minus_b: Tensor, mover: Mover, wants_move: bool
    ) -> tuple[Tensor, Tensor | None] | None:
        """For z (N, n) and right-hand sides (m, N) or (m, 1)."""
        rows = parts(z)
        if z.shape[0] <= rows:
            found = self._moved(z, minus_b, mover, wants_move)
            return None if found is None else (found[0].to(z.dtype), found[1])
        out = torch.empty_like(z, memory_format=torch.contiguous_format)
        move = torch.empty_like(out) if wants_move else None
        for start in range(0, z.shape[0], rows):
            here = slice(start, start + rows)
            sides = minus_b if minus_b.shape[1] == 1 else minus_b[:, here]
            found = self._moved(z[here], sides, mover.at(here), wants_move)
            if found is None:
                return None
            out[here] = found[0]
            if move is not None and found[1] is not None:
                move[here] = found[1]
        return out, move

    def _moved(self, z: Tensor, minus_b: Tensor, mover: Mover, wants_move: bool) -> tuple[Tensor, Tensor | None] | None:
        """Points in float64, but such that they are lawful once they are stored, and their moves."""
        largest = _largest(z)
        if not _RANGE[0] < largest < _RANGE[1]:
            return None
        length = math.sqrt(self._n) * largest + self._largest_b
        start = z.double()
        residual = torch.addmm(minus_b, self._laws.A, start.mT)
        worst = torch.aminmax(residual.abs().amax(0))
        least, size = worst.min.item(), math.sqrt(self._m) * worst.max.item()
        error = (self._n + 2) * UNIT * length
        lawful = error + 2 * (HALF[self._stored] * length + self._rounding)
        reach = largest + mover.reach(size)
        if not (least > _SURELY * lawful and reach < _RANGE[1]):
            return None
        point = mover.moved(start, residual, own=start is not z and not wants_move)
        if self._stored == torch.float64:
            sure = self._again(point, minus_b, mover, _SURELY * reach)
        else:
            error += mover.left(size) + (self._m + 2) * UNIT * math.sqrt(self._n) * reach
            sure = self._fits(residual, error, point, mover.remainder)
        if not sure:
            return None
        return point, torch.sub(start, point, out=None if start is z else start).to(z.dtype) if wants_move else None

    def _again(self, point: Tensor, minus_b: Tensor, mover: Mover, reach: float) -> bool:
        """Whether a further move, in place, surely leaves no more than the rounding of the points, one ulp.

        Its residual has twice the precision.
        """
        residual, error = self._laws.accurate_below(point, minus_b, reach)
        point.sub_(mover.move(residual))  # apart from the product, which may round as often as it adds
        most = _largest(residual)
        error += 4 * UNIT * most + mover.left(math.sqrt(self._m) * most)
        return self._fits(residual, error, point, mover.remainder)

    def _fits(self, residual: Tensor, error: float, point: Tensor, remainder: Tensor | None) -> bool:
        """Whether what a move against `residual` leaves, up to an `error`, is below three ulps of every law.

        The rounding of a point adds one. A law that holds has terms whose sizes sum to no less than its right-hand
        side.
        """
        size = _SURELY * error / (_ROOM * HALF[self._stored] / 2)
        if remainder is not None:
            left = (remainder @ residual).abs_().mul_(_SURELY / (_ROOM * HALF[self._stored] / 2))
            return bool((left.add_(size) <= self._coefficients[-1] @ point.abs().mT).all())
        if size <= self._least_b - error:
            return True
        sums = (sizes @ point[:, : sizes.shape[1]].abs().mT for sizes in self._coefficients)
        return any(size <= sum_of.min().item() for sum_of in sums)


def _parts_of(A: Tensor, stored: torch.dtype) -> list[Tensor]:
    """Coefficients that tell what sizes the terms of laws at least have: a few, if large ones of every law, more, and
    all."""
    n = A.shape[1]
    least = max(_FEW, n // _SHARE[stored])
    some = [A[:, :k] for k in (least, n // 4) if least <= k < n]
    return [*(part for part in some if (part.abs().amax(-1) >= 0.1 * A.abs().amax(-1)).all()), A]


def _largest(x: Tensor) -> float:
    least, most = torch.aminmax(x)
    return max(most.item(), -least.item())
