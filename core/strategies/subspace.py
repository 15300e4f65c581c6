"""Normal densities on the subspace of the laws, in orthonormal coordinates of its null space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LOG_2PI = math.log(2 * math.pi)
_LEAST_PIVOT = 1e-6


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
        scale = scale.double()
        white = (x.double() - loc.double()) / scale
        square, log_det = (self._outer if self.thin else self._inner)(white, scale)
        return -0.5 * (square + self.basis.shape[1] * _LOG_2PI) - log_det

    def _inner(self, white: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return _within(self.basis * scale.unsqueeze(-1), white)

    def _outer(self, white: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        off, log_det = _within(self.complement / scale.unsqueeze(-1), white)
        return white.square().sum(-1) - off, scale.log().sum(-1) + log_det


def _within(W: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """`|Q' x|^2` and `log |det R|` (...) of `W = Q R` (..., n, k) and x (..., n).

    By Cholesky factors of `W' W`, which are fast in batches but see the square of what columns differ by; where these
    are nearly dependent in any sample, by Q and R themselves.
    """
    factor, failed = torch.linalg.cholesky_ex(W.mT @ W)
    pivots = factor.diagonal(dim1=-2, dim2=-1)
    if not failed.any() and (pivots > _LEAST_PIVOT * pivots.norm(dim=-1, keepdim=True)).all():
        found = torch.linalg.solve_triangular(factor, W.mT @ x.unsqueeze(-1), upper=False)
    else:
        Q, R = torch.linalg.qr(W)
        found, pivots = Q.mT @ x.unsqueeze(-1), R.diagonal(dim1=-2, dim2=-1).abs()
    return found.square().sum((-2, -1)), pivots.log().sum(-1)
