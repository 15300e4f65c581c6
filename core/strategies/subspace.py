"""Normal densities on the subspace of the laws, in orthonormal coordinates of its null space."""

import math

import torch
from torch import Tensor

_LOG_2PI = math.log(2 * math.pi)


def normal_log_prob(z: Tensor, loc: Tensor, scale: Tensor, chosen: Tensor) -> Tensor:
    """Log density (...) of independent normal variables z (..., n), over those `chosen` (..., n)."""
    gap = (z.double() - loc.double()) / scale.double()
    terms = -0.5 * (gap.square() + _LOG_2PI) - scale.double().log()
    return torch.where(chosen, terms, 0.0).sum(-1).to(z.dtype)


def coordinates(basis: Tensor, z: Tensor) -> Tensor:
    """`N' z`, (..., n) to (..., f), for an orthonormal basis N (..., n, f)."""
    return torch.einsum("...nf,...n->...f", basis, z)


def projected_log_prob(basis: Tensor, t: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Log density (...) of t (..., f) under `N(N' loc, N' diag(scale^2) N)`."""
    weighted = basis * scale.double().unsqueeze(-1)
    factor = torch.linalg.cholesky(weighted.mT @ weighted)
    gap = (t - coordinates(basis, loc.double())).unsqueeze(-1)
    white = torch.linalg.solve_triangular(factor, gap, upper=False).squeeze(-1)
    log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * (white.square().sum(-1) + t.shape[-1] * _LOG_2PI) - log_det
