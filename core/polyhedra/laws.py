"""How well samples obey laws, fast enough to ask of every sample."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem, compensated_residual, half_spacing
from lawful.core.linear.exact import matvec, ulp_ratio
from lawful.core.linear.system import LAWFUL_ULPS

_MEMBERS = (1, 2, 4, 8, 16, 32)

_SAMPLES = 512
"""At a time, so that what sums take on their way stays in the processor's cache."""


def coefficients(system: LinearSystem) -> Tensor:
    """Coefficients (..., m, n) of laws, dense."""
    return system.A if system.A.layout == torch.strided else system.A.to_dense()


def keep_limits(C: Tensor, d: Tensor, z: Tensor, stored: torch.dtype) -> Tensor:
    """Whether z (..., n) obeys `C z <= d` to 8 rounding units of z as `stored` and of d, (...)."""
    allowed = matvec(C.abs(), half_spacing(z, stored)) + half_spacing(d, torch.float64)
    return (compensated_residual(C, z, d) <= LAWFUL_ULPS * allowed).all(-1)


class Laws:
    """Compensated residuals of a system whose laws have few members for the most part."""

    def __init__(self, system: LinearSystem):
        self.system = system

    @cached_property
    def _groups(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Laws of about as many members, their variables, and their coefficients: sums take as many terms as a group's
        longest."""
        A = coefficients(self.system)
        members = (A != 0).sum(-1)
        group = torch.bucketize(members, torch.tensor(_MEMBERS, device=members.device))
        found = []
        for k in group.unique():
            rows = (group == k).nonzero()[:, 0]
            variables = (A[rows] != 0).any(0).nonzero()[:, 0]
            found.append((rows, variables, A[rows][:, variables]))
        return found

    def residual(self, z: Tensor, b: Tensor) -> Tensor:
        """`A z - b` (B, m) of z (B, n), in twice the working precision; b (m,) or (B, m)."""
        b = b.expand(len(z), -1)
        return torch.cat([self._residual(*part) for part in zip(z.split(_SAMPLES), b.split(_SAMPLES), strict=True)])

    def _residual(self, z: Tensor, b: Tensor) -> Tensor:
        result = z.new_empty(len(z), self.system.m)
        for rows, variables, A in self._groups:
            result[:, rows] = compensated_residual(A, z[:, variables], b[:, rows])
        return result

    def ulps(self, z: Tensor, residual: Tensor, rounding: Tensor, stored: torch.dtype = torch.float64) -> Tensor:
        """(B,), the worst misfit of a law in rounding units of z as `stored` and of its right-hand side."""
        spacing = torch.where(self.system.free, half_spacing(z, stored), 0.0)
        ratio = ulp_ratio(residual, spacing @ coefficients(self.system).abs().T + rounding)
        return ratio.amax(-1) if ratio.shape[-1] else ratio.new_zeros(len(z))
