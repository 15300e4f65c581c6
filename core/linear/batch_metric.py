"""Which way leads a batch of weights to its metric: Gram matrices where their condition allows it, else QR.

The least share of a row of a Gram matrix that its predecessors leave unexplained, which the Cholesky factor shows,
judges each sample. One whose matrix is too close to singular takes the next safer way: float32 Gram matrices, float64
Gram matrices, orthogonal factors.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.factor import Factor
from lawful.core.linear.gram_factors import GramFactors, gram_factors
from lawful.core.linear.gram_metric import EvenLaws, GramMetric
from lawful.core.linear.metric import WeightedMetric, weighted_metric
from lawful.core.precision import full_precision

LEAST_SHARE = {torch.float32: 1e-2, torch.float64: 1e-6}
"""Share of a row of the Gram matrix that must be independent of those before it, by working precision."""

_LARGE = 32
"""From so many laws on, Gram matrices of float32 weights are first tried in float32."""

_SOME = 64
"""Samples that a typical weight is the geometric mean of, about."""

_NEARLY_EVEN = 4.0
"""Square roots of weights that are within this factor of one are served by laws made for equal weights."""

_RANGE = {torch.float32: 1e15, torch.float64: 1e140}
"""Typical square roots are kept within this factor of one, so that their squares neither overflow nor vanish."""


class PatchedMetric:
    """A `base` metric with some samples exchanged for those of `patch`; `index` (K,) into the flat batch of `base`."""

    def __init__(self, base: GramMetric, patch: "BatchMetric", index: Tensor, root: Tensor):
        self._base, self._patch, self._index, self.root = base, patch, index, root

    @property
    def batch_shape(self) -> torch.Size:
        return self._base.batch_shape

    def _patched(self, whole: Tensor, part: Tensor, tail: int) -> Tensor:
        """`whole` (..., *batch, *tail) with `part` (..., K, *tail) put in."""
        lead = whole.dim() - tail - len(self.batch_shape)
        flat = whole.flatten(lead, lead + len(self.batch_shape) - 1)
        return flat.index_copy(lead, self._index, part.to(whole.dtype)).reshape(whole.shape)

    def _part(self, x: Tensor) -> Tensor:
        """The samples (..., K, k) of x (..., *batch, k) that are patched."""
        x = x.expand(*torch.broadcast_shapes(x.shape[:-1], self.batch_shape), x.shape[-1])
        lead = x.dim() - 1 - len(self.batch_shape)
        return x.flatten(lead, -2).index_select(lead, self._index)

    def move(self, residual: Tensor) -> Tensor:
        return self._patched(self._base.move(residual), self._patch.move(self._part(residual)), 1)

    def adjoint(self, gradient: Tensor, wants_b: bool = True) -> tuple[Tensor, Tensor | None]:
        by_z, by_b = self._base.adjoint(gradient, wants_b)
        patch_z, patch_b = self._patch.adjoint(self._part(gradient), wants_b)
        by_b = None if by_b is None or patch_b is None else self._patched(by_b, patch_b, 1)
        return self._patched(by_z, patch_z, 1), by_b

    @property
    def log_det(self) -> Tensor:
        return self._patched(self._base.log_det, self._patch.log_det, 0)

    @property
    def explained(self) -> Tensor:
        return self._patched(self._base.explained, self._patch.explained, 1)


BatchMetric = WeightedMetric | GramMetric | PatchedMetric


def batch_metric(factor: Factor, root: Tensor, common: Callable[[], EvenLaws] | None = None) -> BatchMetric:
    """The metric of square roots of weights (..., n), for a `factor` without batch, in the precision of `root`.

    `common` gives laws that are orthonormal for equal weights, which serve weights that are nearly so.
    """
    count = root.shape[:-1].numel()
    if root.dim() == 1 or count < 2 or factor.rows.dim() > 2 or not factor.all_valid:
        return weighted_metric(factor, root.double())
    with torch.no_grad():
        flat = root.detach().reshape(count, -1)
        laws = _even_laws(factor, flat, common)
        # Where a Gram matrix is small, its passes over the values count, and float64 needs fewer of them.
        weights = laws.relative(flat.double() if len(laws.basis) < _LARGE else flat).square()
        bounds = _bounds(weights)
        with full_precision(weights):
            factors = gram_factors(laws.basis.to(weights.dtype), weights, laws.pairs)
        least = LEAST_SHARE[weights.dtype]
        # No share is below the ratio of the extreme weights, as the laws are orthonormal.
        if bounds[0] >= 2 * least * bounds[1]:
            return GramMetric(laws, root, weights, factors, bounds)
        weak = ~(factors.share >= least)
        if not weak.any():
            return GramMetric(laws, root, weights, factors, bounds)
    if weak.all():
        return _safer(factor, root, weights.dtype)
    return _patched(factor, root, laws, weights, factors, weak)


def _even_laws(factor: Factor, root: Tensor, common: Callable[[], EvenLaws] | None) -> EvenLaws:
    """Orthonormal for geometric means over some of the samples (N, n), which a few extreme ones do not move far."""
    if common is not None and _nearly_even(root):
        return common()
    typical = root[:: max(1, len(root) // _SOME)].double().log().mean(0).exp_()
    if common is not None and _nearly_even(typical):
        return common()
    bound = _RANGE[root.dtype]
    return EvenLaws(factor, typical.clamp(1 / bound, bound))


def _nearly_even(root: Tensor) -> bool:
    least, most = _bounds(root)
    return least >= 1 / _NEARLY_EVEN and most <= _NEARLY_EVEN


def _bounds(weights: Tensor) -> tuple[float, float]:
    least, most = torch.aminmax(weights)
    return least.item(), most.item()


def _safer(factor: Factor, root: Tensor, failed: torch.dtype) -> BatchMetric:
    return batch_metric(factor, root.double()) if failed == torch.float32 else weighted_metric(factor, root.double())


def _patched(
    factor: Factor, root: Tensor, laws: EvenLaws, weights: Tensor, factors: GramFactors, weak: Tensor
) -> PatchedMetric:
    """A safer metric for the `weak` samples; in the other one they stand with the typical weights."""
    index, column = weak.nonzero().squeeze(-1), weak.unsqueeze(-1)
    tame = torch.where(column.reshape(*root.shape[:-1], 1), laws.typical.to(root.dtype), root)
    weights = weights.where(~column, 1.0)
    base = GramMetric(laws, tame, weights, factors.where(~weak), _bounds(weights))
    return PatchedMetric(base, _safer(factor, root.flatten(0, -2)[index], weights.dtype), index, root)
