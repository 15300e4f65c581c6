"""The last step of a repair: laws and tight inequalities to rounding, without passing a bound."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from lawful.core.linear import LinearSystem, compensated_residual
from lawful.core.linear.settle import SETTLED_ULPS, worst_ulps
from lawful.core.polyhedra import Polyhedron
from lawful.core.polyhedra.laws import coefficients, joined, limits_left

_LEAST_REACH = 1e-150


class Finishing:
    """The laws, and `C z + s = d` with a slack s >= 0 for each inequality, in variables (z, s) (..., n + k)."""

    def __init__(self, polyhedron: Polyhedron):
        self.polyhedron = polyhedron
        self.k = len(polyhedron.inequalities.C)
        self.lower = pad(polyhedron.bounds.lower, (0, self.k))
        self.upper = pad(polyhedron.bounds.upper, (0, self.k), value=torch.inf)
        self.laws = _lifted(polyhedron) if self.k else polyhedron.system

    @torch.no_grad()
    def __call__(self, z: Tensor, at_bound: Tensor, tight: Tensor) -> Tensor:
        """z (..., n), float64, with laws and tight inequalities to rounding.

        Moves the free variables that are not `at_bound` (..., n), the less the nearer they are to a bound or to zero,
        so that none passes one; inequalities (..., k) that are not `tight` stay so.
        """
        slack = self._slack(z)
        values = torch.cat([z, slack.clamp_min(0.0)], -1)
        before = self._worst(values)
        off = (before > SETTLED_ULPS).unsqueeze(-1)
        if not off.any():
            return z
        free = torch.cat([self.polyhedron.system.free & ~at_bound, ~tight & (slack > 0)], -1)
        moved = torch.where(off & free, self._moved(values, free), values)
        better = (self._worst(moved) < before).unsqueeze(-1)
        return torch.where(better, moved, values)[..., : z.shape[-1]]

    def _worst(self, values: Tensor) -> Tensor:
        return worst_ulps(self.laws.residual(values), self.laws.allowance(values, torch.float64))

    def _slack(self, z: Tensor) -> Tensor:
        inequalities = self.polyhedron.inequalities
        return -compensated_residual(inequalities.C, z, inequalities.d)

    def _moved(self, values: Tensor, free: Tensor) -> Tensor:
        room = torch.minimum(values - self.lower, self.upper - values)
        reach = torch.minimum(room, values.abs()).clamp_min(_LEAST_REACH)
        laws = self.laws.restrict(free, values, check=False)
        moved = laws.project_with(laws.metric(torch.where(free, reach, 1.0)), values)
        return torch.minimum(torch.maximum(moved, self.lower), self.upper)


def _lifted(polyhedron: Polyhedron) -> LinearSystem:
    system, C = polyhedron.system, polyhedron.inequalities.C
    limits, rounding = limits_left(system, polyhedron.inequalities)
    slacks = torch.eye(len(C), dtype=C.dtype, device=C.device)
    A = torch.cat([pad(coefficients(system), (0, len(C))), torch.cat([C * system.free, slacks], 1)])
    b, known = joined((system.b, limits)).detach(), joined((system.b_rounding, rounding))
    return LinearSystem(A, b, b_rounding=known, check=False)
