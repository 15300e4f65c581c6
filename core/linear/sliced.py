"""Residuals `A z - b` by matrix products, with a bound on their error that is sure.

Coefficients and values are cut into slices of few digits, so that the product of the leading slices is exact in float64
in whatever order a matrix product sums it; what is left is small enough for a plain product. Ozaki, Ogita, Oishi, Rump,
Numer. Algorithms 59 (2012) 95, doi:10.1007/s11075-011-9478-1. Valid for magnitudes between 1e-200 and 1e200.
"""

import math

import torch
from torch import Tensor

from lawful.core.linear.exact import matvec

UNIT = 2.0**-53
"""Largest relative error of one float64 operation."""

_DIGITS = 53
_SHORT = 27
"""Coefficients of at most so many bits, as small integers and float32 numbers are, need no second slice."""

_SOME = 32


def power_above(x: Tensor) -> Tensor:
    """The least power of two above max |x| over the last dimension, (..., 1); one for zeros."""
    largest = torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True))
    return torch.ldexp(torch.ones_like(largest), torch.frexp(largest).exponent)


def leading(x: Tensor, power: Tensor, bits: int) -> Tensor:
    """`x` rounded to multiples of `power / 2^bits`, where `power >= |x|`."""
    shift = 1.5 * 2.0 ** (_DIGITS - 1 - bits) * power
    return (x + shift).sub_(shift)


class SlicedLaws:
    """Coefficients (..., m, n) prepared for residuals with error bounds.

    Attributes:
        A: float64. norms: (..., m), Euclidean lengths of the rows.
    """

    def __init__(self, A: Tensor):
        self.A, self.n, self.norms = A, A.shape[-1], A.norm(dim=-1)
        self._power = power_above(A)
        room = _DIGITS - math.ceil(math.log2(max(self.n, 2)))
        short = torch.equal(leading(A, self._power, _SHORT), A)
        bits = _SHORT if short else room // 2
        self._head = leading(A, self._power, bits)
        self._tail = None if short else A - self._head
        self._bits = room - bits
        left = A.abs().sum(-1) * 2.0**-self._bits
        left = left if short else left + self.n * self._power.squeeze(-1) * 2.0**-bits
        self._left = (self.n + 4) * UNIT * left
        self._sizes = (A / self._power).abs().float()
        self._some = torch.arange(0, self.n, max(1, self.n // _SOME), device=A.device)
        if not (self._sizes[..., self._some] > 0.1).any(-1).all():
            self._some = torch.arange(self.n, device=A.device)

    def plain(self, z: Tensor, b: Tensor) -> Tensor:
        """`A z - b` (..., m) by one product, for z (..., n), b (..., m)."""
        return matvec(self.A, z) - b

    def plain_error(self, length: Tensor, b: Tensor) -> Tensor:
        """A bound (..., m) on the error of `plain` for z of a Euclidean `length` (..., 1)."""
        return (self.n + 2) * UNIT * torch.addcmul(b.abs(), length, self.norms)

    def accurate(self, z: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """`A z - b` (..., m) about as exact as if summed in twice the precision, and a bound on its error."""
        power = power_above(z)
        head = leading(z, power, self._bits)
        value = (matvec(self._head, head) - b) + matvec(self.A, z - head)
        if self._tail is not None:
            value += matvec(self._tail, head)
        return value, torch.add(self._left * power, value.abs(), alpha=4 * UNIT)

    def size(self, z: Tensor) -> Tensor:
        """`sum_j |a_ij z_j|` (..., m), at most a thousandth too small and never too large."""
        power = power_above(z)
        relative = (z / power).float().abs_()
        return matvec(self._sizes, relative).double() * (0.999 * power * self._power.squeeze(-1))

    def least_size(self, z: Tensor) -> Tensor:
        """A lower bound (..., m) of `size`, from some variables."""
        some = z.index_select(-1, self._some).abs_()
        return 0.999 * matvec(self._sizes[..., self._some].double() * self._power, some)
