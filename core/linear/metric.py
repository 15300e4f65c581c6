"""Least moves back onto the laws in a weighted metric.

By QR of the weighted laws rather than a Gram matrix, which would square their condition number.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.errors import RankError
from lawful.core.linear.factor import Factor


@dataclass(frozen=True)
class Metric:
    """The solution operator of `min sum(dz_i^2 / weights_i)` subject to `A dz = residual`.

    Attributes:
        gain: (..., n, m), `dz = gain @ residual`; `W A^T (A W A^T)^-1` on the independent laws, zero columns elsewhere.
        basis: (..., n, r), `W^(1/2) Q` with orthonormal Q, so that `gain A W = basis basis^T`.
        log_det: (...), `log det(A W A^T)` over the independent laws, in the scaling of `Factor.rows`.
    """

    gain: Tensor
    basis: Tensor
    log_det: Tensor

    def take(self, group: Tensor | None) -> "Metric":
        index = 0 if group is None else group
        return Metric(self.gain[index], self.basis[index], self.log_det[index])

    @property
    def explained(self) -> Tensor:
        """(..., n), the diagonal of `gain A W`: what the laws take of variances `W`."""
        return self.basis.square().sum(-1)

    def move(self, residual: Tensor) -> Tensor:
        """The least move (..., n) that changes `A z` by `residual` (..., m)."""
        return torch.einsum("...nm,...m->...n", self.gain, residual)


def weighted_metric(factor: Factor, root_weights: Tensor) -> Metric:
    """The `Metric` of square roots of weights (..., n), positive at free variables; differentiable in them."""
    root = root_weights * factor.free
    laws = (factor.rows * root.unsqueeze(-2)).mT
    padding = torch.diag_embed((~factor.valid).double()).expand(*laws.shape[:-2], -1, -1)
    tall = torch.cat((laws, padding), -2) if not factor.valid.all() else laws
    Q, R = torch.linalg.qr(tall)
    basis = root.unsqueeze(-1) * Q[..., : laws.shape[-2], :]
    pick = factor.pick.expand(*laws.shape[:-2], -1, -1)
    gain = basis @ torch.linalg.solve_triangular(R.mT, pick, upper=False)
    log_det = 2 * R.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
    return Metric(gain, basis, log_det)


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
