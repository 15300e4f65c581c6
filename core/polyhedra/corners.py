"""Points near corners, where more bounds meet than there are dimensions: which are active is a matter of distance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem
from lawful.core.linear.restrict import group_patterns
from lawful.core.polyhedra.bounds import Bounds
from lawful.core.polyhedra.laws import coefficients
from lawful.core.polyhedra.reduced import Reduced

_NEAR = (1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9)
"""How near a limit counts as on it, of how far a variable reaches: as little as will do."""
_ZEROS = (1e-20, 1e-15)
"""What is less comes of zeros: as a rule far below what any law tells, and at times the rounding of larger terms."""

_MOST = 20
_CHUNK = 2**20
"""Coefficients that are factorised together."""


def at_corners(
    system: LinearSystem, free: Tensor, bounds: Bounds, reduced: Reduced, z: Tensor, weights: Tensor,
    lawful: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Points (B, n) near z (B, n), which are lawful but for rounding, and which of them (B,) were found.

    Variables that are on a bound but for rounding are fixed there, ever more of them, and the laws solved for the
    others, by least moves in the metric of `weights` (B, n). Variables that are not `free` (n,) stay.

    Args:
        system: the laws, with right-hand sides (m,) or (B, m). reduced: with bases (n,) or (B, n).
        lawful: given points (K, n) and which samples (K,) they are of, whether (K,) they keep all laws and limits.
    """
    z, found = z.clone(), torch.zeros(len(z), dtype=torch.bool, device=z.device)
    away = z - reduced.base
    reach = reduced.base.abs() + away.abs() + away.norm(dim=-1, keepdim=True) * reduced.moves.norm(dim=1)
    corners = _Corners(system, free, bounds, *reduced.limits, z, weights, reach)
    before = torch.zeros(len(z), 0, dtype=torch.bool, device=z.device)
    for near in _NEAR:
        active = corners.active(near)
        new = ~found if near == _NEAR[0] else ~found & (active != before).any(-1)
        before = active
        for zero in _ZEROS:
            todo = (new & ~found).nonzero()[:, 0]
            for some in todo.split(max(1, _CHUNK // max(1, system.m * system.n))) if len(todo) else ():
                points, fit = corners.solved(some, active[some], zero)
                fit[fit.clone()] = lawful(points[fit], some[fit])
                z[some[fit]], found[some[fit]] = points[fit], True
    return z, found


@dataclass(frozen=True)
class _Corners:
    """The laws of samples z (B, n) that reach as far as `reach` (B, n), and their inequalities `C z <= d`."""

    system: LinearSystem
    free: Tensor
    bounds: Bounds
    C: Tensor
    d: Tensor
    z: Tensor
    weights: Tensor
    reach: Tensor

    def active(self, near: float) -> Tensor:
        """(B, n + n + k): what is on its lower bound, its upper one or its limit, up to `near` of how far z reaches."""
        gap = near * self.reach
        tight = self.d - self.z @ self.C.T <= gap @ self.C.abs().T
        return torch.cat([self.z - self.bounds.lower <= gap, self.bounds.upper - self.z <= gap, tight], -1)

    def solved(self, samples: Tensor, active: Tensor, zero: float) -> tuple[Tensor, Tensor]:
        """Points of `samples` (K,) with what is `active` on its bound, and which (K,) come to rest.

        Others leave their bounds time and again. Variables that this pins to zero come out less than `zero` of their
        reach.
        """
        n = self.z.shape[1]
        low, high, tight = active[:, :n], active[:, n : 2 * n], active[:, 2 * n :]
        points, rest = self.z[samples], torch.zeros_like(samples, dtype=torch.bool)
        group, patterns = group_patterns(tight, None)
        for k, pattern in enumerate(tight[patterns]):
            mine = (group == k).nonzero()[:, 0]
            laws = self._laws(samples[mine], pattern)
            points[mine], rest[mine] = self._with(laws, samples[mine], low[mine], high[mine], zero)
        return points, rest

    def _laws(self, samples: Tensor, tight: Tensor) -> LinearSystem:
        """The laws of `samples`, and `tight` inequalities as laws `C z = d`."""
        if self.system.b.dim() == 1 and not tight.any():
            return self.system
        b = self.system.b if self.system.b.dim() == 1 else self.system.b[samples]
        d = self.d[tight].expand(*b.shape[:-1], -1)
        return LinearSystem(torch.cat([coefficients(self.system), self.C[tight]]), torch.cat([b, d], -1), check=False)

    def _with(
        self, laws: LinearSystem, samples: Tensor, low: Tensor, high: Tensor, zero: float
    ) -> tuple[Tensor, Tensor]:
        points, rest = self.z[samples], torch.zeros_like(samples, dtype=torch.bool)
        none, nothing = torch.zeros_like(low), zero * self.reach[samples]
        todo = torch.arange(len(samples), device=samples.device)
        for _ in range(_MOST):
            z, lower, upper = self.z[samples[todo]], self.bounds.lower, self.bounds.upper
            places = torch.where(low, lower, torch.where(high, upper, torch.where(none, 0.0, z)))
            part = laws.restrict(self.free & ~(low | high | none), places, check=False)
            moved = part.with_fixed(part.project(places, self.weights[samples[todo]]))
            below, above, gone = moved < lower, moved > upper, (moved != 0) & (moved.abs() <= nothing[todo])
            leaving = (below | above | gone).any(-1)
            points[todo[~leaving]], rest[todo[~leaving]] = moved[~leaving], True
            if not leaving.any():
                break
            low, high, none = low | (below & ~gone), high | (above & ~gone), none | gone
            todo, low, high, none = (x[leaving] for x in (todo, low, high, none))
            laws = laws if laws.b.dim() == 1 else _some(laws, leaving)
        return points, rest


def _some(laws: LinearSystem, samples: Tensor) -> LinearSystem:
    return LinearSystem(coefficients(laws), laws.b[samples], check=False)
