"""How well samples obey laws and inequalities."""

from __future__ import annotations

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem, compensated_residual, half_spacing
from lawful.core.linear.exact import matvec
from lawful.core.linear.settle import worst_ulps
from lawful.core.linear.system import LAWFUL_ULPS


def coefficients(system: LinearSystem) -> Tensor:
    """Coefficients (..., m, n) of laws, dense."""
    return system.A if system.A.layout == torch.strided else system.A.to_dense()


def keep_limits(C: Tensor, d: Tensor, z: Tensor, stored: torch.dtype) -> Tensor:
    """Whether z (..., n) obeys `C z <= d` to 8 rounding units of z as `stored` and of d, (...)."""
    allowed = matvec(C.abs(), half_spacing(z, stored)) + half_spacing(d, torch.float64)
    return (compensated_residual(C, z, d) <= LAWFUL_ULPS * allowed).all(-1)


def worst_misfit(
    system: LinearSystem, z: Tensor, residual: Tensor, rounding: Tensor, stored: torch.dtype = torch.float64
) -> Tensor:
    """(B,), the largest `residual` (B, m) in rounding units of z (B, n) as `stored` and of right-hand sides."""
    return worst_ulps(residual, half_spacing(z, stored) @ coefficients(system).abs().T + rounding)
