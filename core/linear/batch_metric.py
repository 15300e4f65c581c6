"""Which way leads a batch of weights to its metric: Gram matrices where their condition allows it, else QR.

The least share of a row of a Gram matrix that its predecessors leave unexplained, which the Cholesky factor shows,
judges each sample. One whose matrix is too close to singular takes the next safer way: float32 Gram matrices, float64
Gram matrices, orthogonal factors.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.factor import Factor
from lawful.core.linear.gram import factored, lower_gram
from lawful.core.linear.gram_metric import EvenLaws, GramMetric
from lawful.core.linear.metric import WeightedMetric, weighted_metric
from lawful.core.precision import full_precision

LEAST_SHARE = {torch.float32: 1e-2, torch.float64: 1e-6}
"""Share of a row of the Gram matrix that must be independent of those before it, by working precision."""

_LARGE = 32
_SOME = 64
_NEARLY_EVEN = 4.0
_RANGE = {torch.float32: 1e15, torch.float64: 1e140}


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
    if root.dim() == 1 or count < 2 or factor.rows.dim() > 2 or not factor.valid.all():
        return weighted_metric(factor, root.double())
    with torch.no_grad():
        flat = root.detach().reshape(count, -1)
        laws = _even_laws(factor, flat, common)
        # Where a Gram matrix is small, its passes over the values count, and float64 needs fewer of them.
        work = flat.double() if len(laws.basis) < _LARGE else flat
        ratio = work / laws.typical.to(work.dtype)
        with full_precision(work):
            lower, weak = _factors(laws, ratio)
        if not weak.any():
            return GramMetric(laws, root, ratio, lower)
    if weak.all():
        return _safer(factor, root, ratio.dtype)
    return _patched(factor, root, laws, ratio, lower, weak)


def _even_laws(factor: Factor, root: Tensor, common: Callable[[], EvenLaws] | None) -> EvenLaws:
    """Orthonormal for geometric means over some of the samples (N, n), which a few extreme ones do not move far."""
    typical = root[:: max(1, len(root) // _SOME)].double().log().mean(0).exp_()
    least, most = torch.aminmax(typical)
    if common is not None and bool(((least >= 1 / _NEARLY_EVEN) & (most <= _NEARLY_EVEN)).item()):
        return common()
    bound = _RANGE[root.dtype]
    return EvenLaws(factor, typical.clamp(1 / bound, bound))


def _factors(laws: EvenLaws, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Cholesky factors (N, r, r) of the Gram matrices, and which of them (N,) are not to be trusted."""
    K = lower_gram(laws.basis.to(ratio.dtype), ratio.square())
    diagonal = K.diagonal(dim1=-2, dim2=-1).clone()
    lower = factored(K)
    share = lower.diagonal(dim1=-2, dim2=-1).square() / diagonal
    return lower, ~(share.amin(-1) >= LEAST_SHARE[ratio.dtype])


def _safer(factor: Factor, root: Tensor, failed: torch.dtype) -> BatchMetric:
    return batch_metric(factor, root.double()) if failed == torch.float32 else weighted_metric(factor, root.double())


def _patched(factor: Factor, root: Tensor, laws: EvenLaws, ratio: Tensor, lower: Tensor, weak: Tensor) -> PatchedMetric:
    """A safer metric for the `weak` samples; in the other one they stand with the typical weights."""
    index, column = weak.nonzero().squeeze(-1), weak.unsqueeze(-1)
    eye = torch.eye(lower.shape[-1], dtype=lower.dtype, device=lower.device)
    tame = torch.where(column.reshape(*root.shape[:-1], 1), laws.typical.to(root.dtype), root)
    base = GramMetric(laws, tame, ratio.where(~column, 1.0), lower.where(~column.unsqueeze(-1), eye))
    return PatchedMetric(base, _safer(factor, root.flatten(0, -2)[index], ratio.dtype), index, root)
