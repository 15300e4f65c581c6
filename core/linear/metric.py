"""Least moves back onto the laws in a weighted metric, by orthogonal factors.

QR of the weighted laws rather than a Gram matrix, which would square their condition number.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from lawful.core.errors import RankError
from lawful.core.linear.exact import UNIT, length_of
from lawful.core.linear.factor import Factor
from lawful.core.precision import full_precision

_SMALL = 32
"""Up to so many variables one float32 product with a square matrix takes less time than two with thin ones."""


class Root(Protocol):
    """A square root `F` (n, k) of a covariance `F F^T`, known by its products."""

    def times(self, X: Tensor) -> Tensor:
        """`F X` (..., n, r) for X (..., k, r)."""

    def transposed_times(self, X: Tensor) -> Tensor:
        """`F^T X` (..., k, r) for X (..., n, r)."""


@dataclass
class Metric:
    """The solution operator of `min dz^T S^-1 dz` subject to `A dz = residual`.

    Attributes:
        gain: (..., n, m), `dz = gain @ residual`; `S A^T (A S A^T)^-1` on the independent laws, zero columns elsewhere.
        basis: (..., n, r), `S^(1/2) Q` with orthonormal Q, so that `gain A S = basis basis^T`.
        log_det: (...), `log det(A S A^T)` over the independent laws, in the scaling of `Factor.rows`.
    """

    gain: Tensor
    basis: Tensor
    log_det: Tensor

    @property
    def batch_shape(self) -> torch.Size:
        return self.gain.shape[:-2]

    @property
    def explained(self) -> Tensor:
        """(..., n), the diagonal of `gain A S`: what the laws take of the variances."""
        return self.basis.square().sum(-1)

    def move(self, residual: Tensor) -> Tensor:
        """The least move (..., n) that changes `A z` by `residual` (..., m); differentiable in both."""
        return _product(residual, self.gain.mT)


@dataclass
class WeightedMetric(Metric):
    """The metric of a diagonal `S = W`, that is of `min sum(dz_i^2 / weights_i)`.

    Attributes:
        root: (..., n), square roots of the weights, one at variables that are not free.
    """

    root: Tensor
    _left: Tensor | None = field(default=None, init=False, repr=False)
    _dual: tuple[Tensor, Tensor, Tensor | None] | None = field(default=None, init=False, repr=False)

    def take(self, group: Tensor | None) -> "WeightedMetric":
        index = 0 if group is None else group
        return WeightedMetric(self.gain[index], self.basis[index], self.log_det[index], self.root[index])

    def adjoint(self, gradient: Tensor, wants_b: bool = True) -> tuple[Tensor, Tensor | None]:
        """Gradients (..., n) and (..., m) by z and b of `z - move(A z - b)`, for that of the result (..., n)."""
        by_b = _product(gradient.double(), self.gain) if wants_b else None
        with full_precision(gradient):
            return self._kept(gradient), by_b

    def _kept(self, gradient: Tensor) -> Tensor:
        basis, unweighted, kept = self._pair(gradient.dtype)
        if kept is not None:
            return gradient @ kept
        if basis.dim() == 2 and gradient.dim() == 2:
            across = basis.mT @ gradient.mT  # products with few rows are quicker than those with few columns
            return torch.addmm(gradient, across.mT, unweighted, alpha=-1)
        across = _product(_product(gradient, basis), unweighted)
        return torch.sub(gradient, across, out=across)

    def _pair(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor | None]:
        """The basis (..., n, r), what it is dual to (..., r, n) and, where n is small, one less their product.

        They are kept for the last dtype.
        """
        if self._dual is None or self._dual[0].dtype != dtype:
            basis, root = self.basis.detach(), self.root.detach()
            unweighted = (basis / root.square().unsqueeze(-1)).mT.contiguous()
            kept = None
            if basis.dim() == 2 and dtype == torch.float32 and len(basis) <= _SMALL:
                kept = (torch.eye(len(basis), dtype=basis.dtype, device=basis.device) - basis @ unweighted).to(dtype)
            self._dual = basis.mT.contiguous().mT.to(dtype), unweighted.to(dtype), kept
        return self._dual

    def bounded_move(self, residual: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
        """`move` without gradient, and a bound (..., m) on `A move - residual` as computed, for `A` without batch."""
        if self._left is None:
            eye = torch.eye(A.shape[-2], dtype=A.dtype, device=A.device)
            defect = (A @ self.gain - eye).norm(dim=-1)
            self._left = defect + (A.shape[-2] + 4) * UNIT * self.gain.norm() * A.norm(dim=-1)
        return self.move(residual), self._left * length_of(residual)


def _product(x: Tensor, M: Tensor) -> Tensor:
    """`x M` for x (..., k) and M (..., k, l)."""
    return x @ M if M.dim() == 2 else torch.einsum("...k,...kl->...l", x, M)


def weighted_metric(factor: Factor, root_weights: Tensor) -> WeightedMetric:
    """The metric of square roots of weights (..., n), positive at free variables; differentiable in them."""
    root = (root_weights * factor.free).unsqueeze(-1)
    gain, basis, log_det = _orthogonal(factor, root * factor.rows.mT, lambda Q: root * Q)
    return WeightedMetric(gain, basis, log_det, root_weights.expand(basis.shape[:-1]))


def covariance_metric(factor: Factor, root: Root) -> Metric:
    """The metric of a covariance, zero at variables that are not free; differentiable in it."""
    return Metric(*_orthogonal(factor, root.transposed_times(factor.rows.mT), root.times))


def _orthogonal(factor: Factor, laws: Tensor, times: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Gain, basis and log det from `laws = F^T A^T` (..., k, r) and `times`, the product with F."""
    padding = torch.diag_embed((~factor.valid).double()).expand(*laws.shape[:-2], -1, -1)
    tall = torch.cat((laws, padding), -2) if not factor.valid.all() else laws
    Q, R = torch.linalg.qr(tall)
    basis = times(Q[..., : laws.shape[-2], :])
    pick = factor.pick.expand(*laws.shape[:-2], -1, -1)
    gain = basis @ torch.linalg.solve_triangular(R.mT, pick, upper=False)
    return gain, basis, 2 * R.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)


def null_space(factor: Factor, unweighted: Metric) -> Tensor:
    """Orthonormal bases (P, n, n_F - r) of the moves of free variables that keep the laws.

    Raises:
        RankError: its dimension differs between patterns.
    """
    dimensions = factor.free.sum(-1) - factor.rank
    if (dimensions != dimensions[0]).any():
        raise RankError(
            f"The null space has {int(dimensions.min())} to {int(dimensions.max())} dimensions, depending on the "
            "sample: take samples of one pattern together, or project moves with b = 0 instead."
        )
    projector = torch.diag_embed(factor.free.double()) - unweighted.basis @ unweighted.basis.mT
    n = projector.shape[-1]
    # The projector's eigenvalues are 0 and 1, in ascending order, so the last ones span the null space.
    vectors = torch.linalg.eigh(projector).eigenvectors[..., n - int(dimensions[0]) :]
    return vectors * factor.free.unsqueeze(-1)
