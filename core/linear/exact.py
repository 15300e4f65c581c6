"""Error-free transformations and the ulp measure: residuals that do not depend on how a sum is ordered.

Dot products in twice the working precision: Ogita, Rump, Oishi, SIAM J. Sci. Comput. 26 (2005) 1955, Algorithm 5.3
(Dot2), with the sums taken pairwise. Valid for magnitudes below 1e290.
"""

from typing import Any

import torch
from torch import Tensor

from lawful.core.linear.arrays import as_float64, batch_of, float_dtype

UNIT = 2.0**-53
"""Largest relative error of one float64 operation."""

HALF = {torch.float32: 2.0**-24, torch.float64: UNIT}
"""Half a spacing of numbers of a dtype is at most this part of a number, and at least half of it."""

_SPLITTER = 2.0**27 + 1.0
"""Splits a float64 into two halves of its digits (Veltkamp)."""

_CHUNK = 2**18
"""Terms that are summed at a time: what fits a cache."""

_FEW = 2**14
"""Numbers that are summed faster together than in several parts."""

_WASTE = 3
"""Zeros that may be summed with every member of a law."""


def two_sum(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """`s = fl(a + b)` and `e` with `s + e = a + b` exactly (Knuth)."""
    s = a + b
    v = s - a
    return s, (a - (s - v)) + (b - v)


def _split(a: Tensor) -> tuple[Tensor, Tensor]:
    c = _SPLITTER * a
    high = c - (c - a)
    return high, a - high


def two_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """`p = fl(a b)` and `e` with `p + e = a b` exactly (Veltkamp, Dekker)."""
    p = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return p, al * bl - (((p - ah * bh) - al * bh) - ah * bl)


def pairwise_sum(terms: Tensor, dim: int = -1) -> tuple[Tensor, Tensor]:
    """`sum(terms)` over a dimension, taken pairwise, and what rounding lost on the way."""
    error = terms.new_zeros(()).expand_as(terms.narrow(dim, 0, 0).sum(dim))
    while (size := terms.shape[dim]) > 1:
        half = size // 2
        first, second, rest = terms.split((half, half, size - 2 * half), dim)
        terms, lost = two_sum(first, second)
        error = error + lost.sum(dim)
        terms = torch.cat((terms, rest), dim) if size % 2 else terms
    return terms.sum(dim), error


class _ValueOf(torch.autograd.Function):
    """The value of one expression with the derivative of another that equals it up to rounding."""

    generate_vmap_rule = True

    @staticmethod
    def forward(smooth: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Nothing is kept; `torch.func` wants to be told so."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return tangents[0]


def with_gradient_of(smooth: Tensor, value: Tensor) -> Tensor:
    """`value`, differentiated as `smooth` is (any order)."""
    if not smooth.requires_grad:
        return value
    return _ValueOf.apply(smooth, value.expand_as(smooth))


def matvec(A: Tensor, z: Tensor) -> Tensor:
    """`A z` for batches that broadcast: (..., m, n), (..., n) -> (..., m)."""
    if A.dim() == 2:
        return z @ A.mT
    return torch.einsum("...mn,...n->...m", A, z)


def length_of(x: Tensor) -> Tensor:
    """Euclidean lengths (..., 1) over the last dimension."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def largest_of(x: Tensor) -> Tensor:
    """max |x| (..., 1) over the last dimension."""
    return torch.maximum(x.amax(-1, keepdim=True), -x.amin(-1, keepdim=True))


def _by_width(A: Tensor, points: int) -> list[tuple[Tensor | slice, Tensor | None]]:
    """Laws of `A` (m, n) with the places (k, width) of their members, which zeros fill up; None for all places.

    All laws together, or those of like width where that leaves far fewer zeros in sums of many `points`.
    """
    present = A != 0
    counts = present.sum(-1)
    widest, members = int(counts.max()), int(counts.sum())
    if widest == A.shape[1]:
        return [(slice(None), None)]
    order = torch.sort(present, dim=-1, descending=True, stable=True).indices
    if len(A) * widest <= max(_WASTE * members, _FEW // max(points, 1)):
        return [(slice(None), order[:, : max(widest, 1)])]
    classes = counts.clamp(min=1).double().log2().ceil().long()
    rows = [(classes == k).nonzero().flatten() for k in classes.unique().tolist()]
    return [(some, order[some, : int(counts[some].max().clamp(min=1))]) for some in rows]


def _less(A: Tensor, z: Tensor, b: Tensor) -> Tensor:
    """`sum(A z) - b` over the last dimension of A and z, in twice float64's precision and rounded once (Dot2)."""
    terms, errors = two_product(A, z)
    total, lost = pairwise_sum(torch.cat((terms, -b.unsqueeze(-1)), -1))
    return total + (errors.sum(-1) + lost)


def _in_chunks(A: Tensor, z: Tensor, b: Tensor, members: Tensor | None) -> Tensor:
    """`A z - b` (..., m) for z (..., n) and b (..., m) of one batch shape; A is (..., m, n), or (m, k) of `members`."""

    def part(A: Tensor, z: Tensor, b: Tensor) -> Tensor:
        return _less(A, z.unsqueeze(-2) if members is None else z[..., members], b)

    terms = b.numel() * A.shape[-1]
    if b.dim() == 1 or terms <= _CHUNK:
        return part(A, z, b)
    pieces = min(-(-terms // _CHUNK), len(b))
    every = [A] * pieces if A.dim() == 2 else A.tensor_split(pieces)
    chunks = zip(every, z.tensor_split(pieces), b.tensor_split(pieces), strict=True)
    return torch.cat([part(*chunk) for chunk in chunks])


def _residual(A: Tensor, z: Tensor, b: Tensor) -> Tensor:
    lead = batch_of(A.shape[:-2], z.shape[:-1], b.shape[:-1])
    z, b = z.expand(*lead, z.shape[-1]), b.expand(*lead, b.shape[-1])
    if A.dim() > 2 or not len(A):
        return _in_chunks(A.expand(*lead, *A.shape[-2:]), z, b, None)
    groups = _by_width(A, lead.numel())
    parts = [
        _in_chunks(A[rows] if places is None else A[rows].gather(-1, places), z, b[..., rows], places)
        for rows, places in groups
    ]
    if len(parts) == 1:
        return parts[0]
    back = torch.cat([rows for rows, _ in groups if isinstance(rows, Tensor)]).argsort()
    return torch.cat(parts, -1)[..., back]


def compensated_residual(A: Any, z: Any, b: Any) -> Tensor:
    """`A z - b` in twice float64's precision, rounded once to float64; differentiable.

    Shapes (..., m, n), (..., n), (..., m) -> (..., m), broadcasting.
    """
    A, z, b = as_float64(A), as_float64(z), as_float64(b)
    value = _residual(A.detach(), z.detach(), b.detach())
    if not (A.requires_grad or z.requires_grad or b.requires_grad):
        return value
    return with_gradient_of(matvec(A, z) - b, value)


def half_spacing(x: Any, dtype: Any) -> Tensor:
    """Half the distance from |x| to the next larger number of `dtype` (float32 or float64), as float64.

    `x` may hold float32 values in a float64 array. At zero it is half the smallest subnormal, which is 0 in float64.
    """
    magnitude = as_float64(x).detach().to(float_dtype(dtype)).abs()
    above = torch.nextafter(magnitude, torch.full_like(magnitude, torch.inf))
    return (above.double() - magnitude.double()) / 2


def ulp_ratio(residual: Tensor, allowance: Tensor) -> Tensor:
    """`|residual| / allowance`, with 0/0 = 0."""
    size = residual.abs()
    return torch.where(size == 0, torch.zeros_like(size), size / allowance)


def ulps(A: Any, z: Any, b: Any, h_z: Any, h_b: Any) -> Tensor:
    """How badly each law is broken, in units of storage rounding: 1 is rounding alone, 8 is allowed.

    `|a.z - b| / (sum_j |a_j| h(z_j) + h(b))`, with 0/0 = 0. Shapes (..., m, n), (..., n), (..., m), (..., n), (..., m)
    -> (..., m); `h_z`, `h_b` are half spacings of the stored representation (`half_spacing`, or half a packing step).
    """
    A, h_z, h_b = as_float64(A), as_float64(h_z), as_float64(h_b)
    return ulp_ratio(compensated_residual(A, z, b), matvec(A.abs(), h_z) + h_b)
