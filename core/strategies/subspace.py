"""Normal densities on the subspace of the laws, in orthonormal coordinates of its null space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOG_2PI = math.log(2 * math.pi)


def normal_log_prob(z: Tensor, loc: Tensor, scale: Tensor, chosen: Tensor) -> Tensor:
    """Log density (...) of independent normal variables z (..., n), over those `chosen` (..., n)."""
    gap = (z.double() - loc.double()) / scale.double()
    terms = -0.5 * (gap.square() + _LOG_2PI) - scale.double().log()
    return torch.where(chosen, terms, 0.0).sum(-1).to(z.dtype)


class Subspace:
    """The null space of laws, spanned by the orthonormal columns of `basis` (n, f), and the rows' own space beside it.

    What is asked of matrices (f, f) is answered by (n - f, n - f) ones where these are smaller: a diagonal block of an
    orthogonal transform and the other block of its inverse determine each other (Jacobi's complementary minors; Horn
    and Johnson 2013, Matrix Analysis, 0.8.4).
    """

    def __init__(self, basis: Tensor):
        self.basis = basis
        self.complement = torch.linalg.qr(basis, mode="complete").Q[:, basis.shape[1] :]

    @property
    def thin(self) -> bool:
        """Whether there are fewer laws than dimensions."""
        return self.complement.shape[1] < self.basis.shape[1]

    def log_prob(self, x: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Log density (...) of the coordinates `N' x` of x (..., n) under `N(N' loc, N' diag(scale^2) N)`."""
        gap, scale = x.double() - loc.double(), scale.double()
        square, log_det = (self._outer if self.thin else self._inner)(gap, scale)
        return -0.5 * (square + self.basis.shape[1] * _LOG_2PI) - log_det

    def _inner(self, gap: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return _whitened(self.basis, gap, scale)

    def _outer(self, gap: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        off, log_det = _whitened(self.complement, gap / scale.square(), 1 / scale)
        return (gap / scale).square().sum(-1) - off, scale.log().sum(-1) + log_det

    def log_volume(self, weight: Tensor, other: Subspace) -> Tensor:
        """`log |det N'' diag(weight) N|` (...) for weights (..., n) and the basis N'' of another such subspace."""
        if self.thin:
            pair = other.complement.mT @ (self.complement / weight.unsqueeze(-1))
            return weight.log().sum(-1) + torch.linalg.slogdet(pair).logabsdet
        return torch.linalg.slogdet(other.basis.mT @ (self.basis * weight.unsqueeze(-1))).logabsdet


def _whitened(basis: Tensor, gap: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """`g' K^-1 g` and `log det K / 2` (...) of `g = basis' gap` and `K = basis' diag(scale^2) basis`."""
    weighted = basis * scale.unsqueeze(-1)
    factor = torch.linalg.cholesky(weighted.mT @ weighted)
    white = torch.linalg.solve_triangular(factor, (gap @ basis).unsqueeze(-1), upper=False).squeeze(-1)
    return white.square().sum(-1), factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
