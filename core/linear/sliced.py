"""Residuals `A z - b` by matrix products, with a bound on their error that is sure.

Coefficients and values are cut into slices of few digits, so that the product of the leading slices is exact in float64
in whatever order a matrix product sums it; what is left is small enough for a plain product. Ozaki, Ogita, Oishi, Rump,
Numer. Algorithms 59 (2012) 95, doi:10.1007/s11075-011-9478-1. Valid for magnitudes between 1e-200 and 1e200.
"""

import math
from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear.exact import UNIT, largest_of, matvec

_DIGITS = 53
"""Binary digits of a float64."""

_SHORT = 27
"""Coefficients of at most so many bits, as small integers and float32 numbers are, need no second slice."""

_EXPONENT = 0x7FF0000000000000
"""The bits of a float64 that say its power of two."""


def power_above(x: Tensor) -> Tensor:
    """The least power of two above max |x| over the last dimension, (..., 1); one for zeros."""
    largest = largest_of(x)
    return torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent)


def powers_below(x: Tensor) -> Tensor:
    """The largest power of two not above |x|, elementwise, by its bits; zero for zero and subnormal numbers."""
    return (x.contiguous().view(torch.int64) & _EXPONENT).view(torch.float64)


def leading(x: Tensor, power: Tensor | float, bits: int) -> Tensor:
    """`x` rounded to multiples of `power / 2^bits`, where `power >= |x|`."""
    shift = 1.5 * 2.0 ** (_DIGITS - 1 - bits) * power
    return (x + shift).sub_(shift)


class SlicedLaws:
    """Coefficients (..., m, n) prepared for residuals with error bounds; `some` variables, at least, tell sizes.

    Attributes:
        A: float64. norms: (..., m), Euclidean lengths of the rows.
    """

    def __init__(self, A: Tensor, some: int = 32):
        self.A, self.n, self.norms = A, A.shape[-1], A.norm(dim=-1)
        self._power = power_above(A)
        room = _DIGITS - math.ceil(math.log2(max(self.n, 2)))
        short = torch.equal(leading(A, self._power, _SHORT), A)
        bits = _SHORT if short else room // 2
        self._head = leading(A, self._power, bits)
        self._tail = None if short else A - self._head
        self._bits = room - bits
        left = A.abs().sum(-1) * 2.0**-self._bits
        left = left if self._tail is None else left + self._tail.abs().sum(-1) * 1.01
        self._left = (self.n + 4) * UNIT * left
        self._sizes = (A / self._power).abs().float()
        self._stride = self._wide_stride(A.abs(), max(1, self.n // some))
        self._some_sizes = 0.999 * A[..., :: self._stride].abs()

    @staticmethod
    def _wide_stride(size: Tensor, stride: int) -> int:
        """The `stride` over variables, if it meets a large coefficient of every law, or one."""
        return stride if (size[..., ::stride].amax(-1) >= 0.1 * size.amax(-1)).all() else 1

    def accurate(self, z: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`A z - b` (..., m) about as exact as if summed in twice the precision.

        Returns:
            The value, a bound on its error, and `sum_j |a_ij| h(z_j)` with half spacings h, at most a thousandth too
            small and never too large.
        """
        power = power_above(z)
        head = leading(z, power, self._bits)
        value = matvec(self._head, head).sub_(b).add_(matvec(self.A, z - head))
        if self._tail is not None:
            value.add_(matvec(self._tail, head))
        error = torch.add(self._left * power, value.abs(), alpha=4 * UNIT)
        spacings = matvec(self._sizes, powers_below(z).div_(power).float()).double()
        return value, error, spacings.mul_(self._power.squeeze(-1) * 0.999 * UNIT).mul_(power)

    def accurate_below(self, z: Tensor, minus_b: Tensor, largest: float) -> tuple[Tensor, float]:
        """`A z - b` (m, N) as by `accurate` for z (N, n) with no entry above `largest`, and a bound on any error.

        Two roundings of the value itself come to that.
        """
        power = 2.0 ** math.frexp(largest)[1]
        head = leading(z, power, self._bits)
        rest = self.A @ (z - head).mT
        if self._tail is not None:
            rest.addmm_(self._tail, head.mT)
        value = (self._head @ head.mT).add_(minus_b).add_(rest)
        return value, self._most_left * power

    @cached_property
    def _most_left(self) -> float:
        return float(self._left.max())

    def least_size(self, z: Tensor) -> Tensor:
        """A lower bound (..., m) of `sum_j |a_ij z_j|`, from some variables."""
        return matvec(self._some_sizes, z[..., :: self._stride].abs())
