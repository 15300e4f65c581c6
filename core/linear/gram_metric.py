"""Least moves for weights that differ per sample, by Gram matrices.

The laws are first made orthonormal in a mean metric of the batch, once and by QR, so that the Gram matrices carry the
condition of what differs between samples and not that of the laws.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lawful.core.linear.exact import length_of
from lawful.core.linear.factor import Factor
from lawful.core.linear.gram import SMALL, gram, lower_gram, pair_sums, row_pairs
from lawful.core.linear.gram_factors import GramFactors
from lawful.core.precision import full_precision


class EvenLaws:
    """The laws of a `Factor` without batch, orthonormal in the metric of `typical` square roots of weights (n,).

    Attributes:
        basis: (r, n), orthonormal rows, `basis = mix @ (A * typical)`. mix: (r, m). log_volume: `log det` of what was
        divided out, twice.
    """

    def __init__(self, factor: Factor, typical: Tensor):
        self.typical = typical.where(factor.free, 1.0)
        Q, R = torch.linalg.qr((factor.rows * self.typical).mT)
        self.basis = Q.mT * factor.free
        self.mix = torch.linalg.solve_triangular(R.mT, factor.pick, upper=False)
        self.log_volume = 2 * R.diagonal().abs().log().sum()
        self.scaled, self.unscaled = self.basis * self.typical, self.basis / self.typical
        self._kept = self.scaled, self.unscaled
        self.pairs = row_pairs(self.basis) if len(self.basis) <= SMALL else None
        self._plain = bool((self.typical == 1).all())
        self._compared: tuple[Tensor, Tensor, Tensor] | None = None

    def relative(self, root: Tensor) -> Tensor:
        """Square roots of weights (..., n) in units of the typical ones, of their dtype."""
        return root if self._plain else root / self.typical.to(root.dtype)

    def both_ways(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """`scaled` and `unscaled`; they are kept for the last dtype."""
        if self._kept[0].dtype != dtype:
            self._kept = self.scaled.to(dtype), self.unscaled.to(dtype)
        return self._kept

    def compared(self, A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Lengths (m,) of `A * typical` and of the rows of `A * typical basis^T mix - 1`, and the norm of `mix`."""
        if self._compared is None:
            scaled = A * self.typical
            eye = torch.eye(len(A), dtype=A.dtype, device=A.device)
            defect = (scaled @ self.basis.mT @ self.mix - eye).norm(dim=-1)
            self._compared = scaled.norm(dim=-1), defect, self.mix.norm()
        return self._compared


class GramMetric:
    """The solution operator of `min sum(dz_i^2 / weights_i)`, `A dz = residual`, for a batch of weights.

    Args:
        laws: orthonormal in a typical metric. root: (..., n), square roots of weights, positive; float32 or float64.
        weights: (N, n), relative to the typical ones, of the dtype in which moves are computed. factors: of the Gram
        matrices.

    Attributes:
        least, most: bounds of `weights`.
    """

    def __init__(
        self, laws: EvenLaws, root: Tensor, weights: Tensor, factors: GramFactors, bounds: tuple[float, float]
    ):
        self.laws, self.root, self.weights, self.factors, (self.least, self.most) = laws, root, weights, factors, bounds
        self._weights = weights.reshape(root.shape)

    @cached_property
    def _total(self) -> Tensor:
        return self._weights.sum(-1, keepdim=True).double()

    @property
    def batch_shape(self) -> torch.Size:
        return self.root.shape[:-1]

    def move(self, residual: Tensor) -> Tensor:
        """The least move (..., n) that changes `A z` by `residual` (..., m), float64; differentiable in both."""
        mixed = residual @ self.laws.mix.mT
        if torch.is_grad_enabled() and (self.root.requires_grad or residual.requires_grad):
            weights = self._relative.square()
            K = gram(self.laws.basis, weights.flatten(0, -2)).reshape(*self.batch_shape, *[len(self.laws.basis)] * 2)
            solved = torch.linalg.solve(K, mixed.unsqueeze(-1)).squeeze(-1)
            return weights * (solved @ self.laws.basis) * self.laws.typical
        return self._moved(self._solved(mixed.to(self._weights.dtype)))

    def _moved(self, multipliers: Tensor) -> Tensor:
        with full_precision(multipliers):
            return (multipliers @ self.laws.scaled.to(multipliers.dtype)).mul_(self._weights).double()

    def bounded_move(self, residual: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
        """`move` without gradient, and a bound (..., m) on `A move - residual` as computed, for `A` without batch.

        Backward error of a Gram matrix of n terms and its Cholesky solution: Higham, Accuracy and Stability of
        Numerical Algorithms (2002), theorem 10.4. Norms stand for absolute values.
        """
        lengths, defect, mixing = self.laws.compared(A)
        (m, n), r, unit = A.shape, len(self.laws.basis), torch.finfo(self._weights.dtype).eps / 2
        multipliers = self._solved((residual @ self.laws.mix.mT).to(self._weights.dtype))
        size, own = length_of(multipliers).double() * self._total, length_of(residual)
        left = lengths * ((4 * r * r + n + 2 * r + 10) * unit * size + (m + 4) * unit * mixing * own) + defect * own
        return self._moved(multipliers), left

    def adjoint(self, gradient: Tensor, wants_b: bool = True) -> tuple[Tensor, Tensor | None]:
        """Gradients (..., n) and (..., m) by z and b of `z - move(A z - b)`, for that of the result (..., n)."""
        scaled, unscaled = self.laws.both_ways(gradient.dtype)
        weighted = (gradient * self._weights.to(gradient.dtype)).reshape(-1, gradient.shape[-1])
        with full_precision(gradient):
            rows = (scaled @ weighted.mT).to(self.weights.dtype)
        count = self.weights.shape[0]
        by_sample = rows if rows.shape[-1] == count else rows.view(rows.shape[0], -1, count)
        multipliers = self.factors.solved(by_sample).reshape(rows.shape)
        by_b = (multipliers.double().mT @ self.laws.mix).reshape(*gradient.shape[:-1], -1) if wants_b else None
        with full_precision(gradient):
            across = (multipliers.to(gradient.dtype).mT @ unscaled).view(gradient.shape)
        return torch.sub(gradient, across, out=across), by_b

    def _solved(self, x: Tensor) -> Tensor:
        """`K^-1 x` for x (..., *batch, r)."""
        with full_precision(x):
            extra, count = x.shape[: max(0, x.dim() - self.root.dim())], self.weights.shape[0]
            x = x.expand(*extra, *self.batch_shape, x.shape[-1])
            rows = x.reshape(*([extra.numel()] if extra else []), count, x.shape[-1]).movedim(-1, 0)
            return self.factors.solved(rows).movedim(0, -1).reshape(x.shape)

    @property
    def _relative(self) -> Tensor:
        return self.root.double() / self.laws.typical

    @cached_property
    def _inverse(self) -> Tensor:
        """(N, r, r) in float64, differentiable."""
        K = gram(self.laws.basis, self._relative.square().flatten(0, -2))
        return torch.cholesky_inverse(torch.linalg.cholesky(K))

    @property
    def log_det(self) -> Tensor:
        """(...), `log det(A W A^T)` over the independent laws, in the scaling of `Factor.rows`."""
        weights = self._relative.square().flatten(0, -2)
        return (_LogDet.apply(self.laws.basis, weights) + self.laws.log_volume).reshape(self.batch_shape)

    @property
    def explained(self) -> Tensor:
        """(..., n), the diagonal of `gain A W`: what the laws take of variances `W`."""
        relative = self._relative
        leverage = pair_sums(self.laws.basis, self._inverse).reshape(relative.shape)
        return (relative.square() * self.laws.typical).square() * leverage


class _LogDet(torch.autograd.Function):
    """`log det(A diag(v) A')` (B,) with derivative `a_j' K^-1 a_j` by v_j."""

    @staticmethod
    def forward(ctx: Any, A: Tensor, v: Tensor) -> Tensor:
        lower = torch.linalg.cholesky(lower_gram(A, v))
        ctx.save_for_backward(A, v, lower)
        return 2 * lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        A, v, lower = ctx.saved_tensors
        if torch.is_grad_enabled():
            lower = torch.linalg.cholesky(gram(A, v))
        return None, gradients[0].unsqueeze(-1) * pair_sums(A, torch.cholesky_inverse(lower))
