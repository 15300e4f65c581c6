"""How well samples obey laws and inequalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem, compensated_residual, half_spacing
from lawful.core.linear.arrays import batch_of
from lawful.core.linear.exact import matvec
from lawful.core.linear.settle import worst_ulps
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra.bounds import Inequalities


def coefficients(system: LinearSystem) -> Tensor:
    """Coefficients (..., m, n) of laws, dense."""
    return system.A if system.A.layout == torch.strided else system.A.to_dense()


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Parts (..., k) of right-hand sides side by side, for batches that broadcast."""
    batch = batch_of(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*batch, part.shape[-1]) for part in parts], -1)


def limits_left(system: LinearSystem, inequalities: Inequalities) -> tuple[Tensor, Tensor]:
    """Limits (..., k) of inequalities for the free variables, with what is given moved over, and their rounding."""
    C, d, given = inequalities.C, inequalities.d, torch.where(system.free, 0.0, system.fixed)
    rounding = half_spacing(d, torch.float64) + matvec(C.abs(), half_spacing(given, torch.float64))
    limits = d - matvec(C, given)
    return limits, rounding + torch.where(limits == d, 0.0, half_spacing(limits, torch.float64))


def even_right_hand_sides(system: LinearSystem) -> Tensor:
    """`b` (m,) for a linear programme, which takes rounding for a clash, or for the size of variables.

    What large given values leave of a right-hand side can be off by far more than its own last digit: it is zero where
    that explains it, and where redundant laws miss the others by no more than rounding, what one point on them has.
    """
    b, rounding = system.b.detach(), system.b_rounding
    if (rounding <= half_spacing(b, torch.float64)).all():
        return b
    b = torch.where(b.abs() <= LAWFUL_ULPS * rounding, 0.0, b)
    if not system.redundant_mask.any() or not system.consistent():
        return b
    even = LinearSystem(system.A, b, b_rounding=rounding, rank_tolerance=system.rank_tolerance, check=False)
    return b + even.residual(even.project(b.new_zeros(system.n)))


def keep_limits(C: Tensor, d: Tensor, z: Tensor, stored: torch.dtype) -> Tensor:
    """Whether z (..., n) obeys `C z <= d` to 8 rounding units of z as `stored` and of d, (...)."""
    allowed = matvec(C.abs(), half_spacing(z, stored)) + half_spacing(d, torch.float64)
    return (compensated_residual(C, z, d) <= LAWFUL_ULPS * allowed).all(-1)


def worst_misfit(
    system: LinearSystem, z: Tensor, residual: Tensor, rounding: Tensor, stored: torch.dtype = torch.float64
) -> Tensor:
    """(B,), the largest `residual` (B, m) in rounding units of z (B, n) as `stored` and of right-hand sides."""
    return worst_ulps(residual, half_spacing(z, stored) @ coefficients(system).abs().T + rounding)
