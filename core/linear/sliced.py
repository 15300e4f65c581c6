"""Residuals `A z - b` by matrix products, with a bound on their error that is sure.

Coefficients and values are cut into slices of few digits, so that the product of the leading slices is exact in float64
in whatever order a matrix product sums it; what is left is small enough for a plain product. Ozaki, Ogita, Oishi, Rump,
Numer. Algorithms 59 (2012) 95, doi:10.1007/s11075-011-9478-1. Valid for magnitudes between 1e-200 and 1e200.
"""

import math

import torch
from torch import Tensor

from lawful.core.linear.exact import matvec

_DIGITS = 53
_UNIT = 2.0**-53
_SHORT = 27
"""Coefficients of at most so many bits, as small integers and float32 numbers are, need no second slice."""


def power_above(x: Tensor) -> Tensor:
    """The least power of two above max |x| over the last dimension, (..., 1); one for zeros."""
    largest = torch.linalg.vector_norm(x, float("inf"), dim=-1, keepdim=True)
    return torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent)


def leading(x: Tensor, power: Tensor, bits: int) -> Tensor:
    """`x` rounded to multiples of `power / 2^bits`, where `power >= |x|`."""
    shift = 1.5 * 2.0 ** (_DIGITS - 1 - bits) * power
    return (x + shift) - shift


class SlicedLaws:
    """Coefficients (..., m, n) prepared for residuals with error bounds.

    Attributes:
        A: float64. one_norms: (..., m), `sum_j |a_ij|`.
    """

    def __init__(self, A: Tensor):
        self.A, self._n = A, A.shape[-1]
        self.one_norms = A.abs().sum(-1)
        power = power_above(A) if A.shape[-1] else A.new_ones(*A.shape[:-1], 1)
        room = _DIGITS - math.ceil(math.log2(max(self._n, 2)))
        short = torch.equal(leading(A, power, _SHORT), A)
        bits = _SHORT if short else room // 2
        self._head = leading(A, power, bits)
        self._tail = None if short else A - self._head
        self._bits = room - bits
        left = self.one_norms * 2.0**-self._bits + (0.0 if short else self._n * power.squeeze(-1) * 2.0**-bits)
        self._left = (self._n + 4) * _UNIT * left
        self._power = power
        self._relative = (A / power).abs().float()

    def plain(self, z: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """`A z - b` (..., m) by one product, and a bound on its error: for z (..., n), b (..., m)."""
        value = matvec(self.A, z) - b
        return value, (self._n + 2) * _UNIT * (self.one_norms * power_above(z) + b.abs())

    def accurate(self, z: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """`A z - b` (..., m) about as exact as if summed in twice the precision, and a bound on its error."""
        power = power_above(z)
        head = leading(z, power, self._bits)
        value = (matvec(self._head, head) - b) + matvec(self.A, z - head)
        if self._tail is not None:
            value = value + matvec(self._tail, head)
        return value, self._left * power + 4 * _UNIT * value.abs()

    def size(self, z: Tensor) -> Tensor:
        """`sum_j |a_ij z_j|` (..., m), at most a thousandth too small and never too large."""
        power = power_above(z)
        relative = (z / power).abs_().float()
        return 0.999 * matvec(self._relative, relative).double() * power * self._power.squeeze(-1)
