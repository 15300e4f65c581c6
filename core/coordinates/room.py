"""What laws and bounds leave open at one set of given values, in coordinates that make it round."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lawful.core.coordinates.plan import independent
from lawful.core.coordinates.problem import Problem
from lawful.core.linear import LinearSystem
from lawful.core.polyhedra.bounds import Inequalities
from lawful.core.polyhedra.laws import Laws
from lawful.core.polyhedra.reduced import Reduced
from lawful.core.polyhedra.walk import Target, Walk, analytic_centre

_NOTHING = 1e-12
"""Of the largest variable: what rounding leaves of one that is pinned to zero."""

_INWARD = 0.99
_NUDGE = 1e-6
_CHAINS = 1024


@dataclass(frozen=True)
class Room:
    """Events `z = centre + moves s` of one set of given values, s (D,).

    The centre is the analytic one, and the coordinates are those in which the log barrier has unit curvature there:
    they round a polyhedron up to a factor that does not depend on how thin it is (Nesterov & Nemirovskii 1994), and
    events of rooms of different shapes have like coordinates. They do not depend on how null spaces were computed:
    `s = root (z - centre)[columns]`, with the first columns that determine an event and an upper triangular root.
    """

    laws: Laws
    reduced: Reduced
    columns: Tensor
    root: Tensor

    @classmethod
    def of(cls, problem: Problem, system: LinearSystem, free: Tensor, loose: Tensor, z: Tensor) -> Room:
        """The room around a point z (n,) strictly inside the bounds of `free` (n,) variables and `loose` inequalities.

        `system` are the laws, and the inequalities that hold with equality.

        Raises:
            UnboundedError: it has no end.
        """
        laws = Laws(system.restrict(free, z, check=False))
        z = _on_laws(laws, z[None])[0]
        limits = Inequalities(problem.C[loose], problem.d[loose])
        reduced = Reduced.of(laws.system, z, problem.bounds, limits).merged()
        still = free & (reduced.moves == 0).all(1)
        pinned = still & (z.abs() <= _NOTHING * z.abs().max())
        z = torch.where(pinned, 0.0, z)
        laws = Laws(system.restrict(free & ~still, z, check=False))
        t, hessian = analytic_centre(Target.uniform(reduced))
        columns = independent(reduced.moves, list(range(problem.n)), limit=reduced.dimension)
        return cls._around(laws, replace(reduced, base=z), t, hessian, torch.tensor(columns, dtype=torch.long))

    @classmethod
    def _around(cls, laws: Laws, reduced: Reduced, t: Tensor, hessian: Tensor, columns: Tensor) -> Room:
        # In units of the columns the factor is the same whatever basis the moves were.
        basis = torch.linalg.inv(reduced.moves[columns])
        root = torch.linalg.cholesky(basis.T @ hessian @ basis).T
        return cls(laws, reduced.around(t, basis @ torch.linalg.inv(root)), columns, root)

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.columns)

    def inverse(self, z: Tensor) -> Tensor:
        """Coordinates (B, D) of events z (B, n)."""
        return (z - self.reduced.base)[:, self.columns] @ self.root.T

    def within(self, s: Tensor) -> Tensor:
        """Coordinates (B, D) as they are where they are inside, and moved towards the centre until they are."""
        change = s @ self.reduced.columns
        room = torch.where(change > 0, self.reduced.high, self.reduced.low) - self.reduced.start
        share = torch.where(change == 0, torch.inf, room / change)
        reach = share.amin(-1, keepdim=True) if share.shape[-1] else torch.full_like(s[:, :1], torch.inf)
        return torch.where(reach > 1, s, _INWARD * reach.clamp_max(1.0) * s)

    def walked(self, s: Tensor, sweeps: int, reflected: float, generator: torch.Generator) -> Tensor:
        """Coordinates (B, D) after sweeps of hit-and-run along the axes, from such inside."""
        target, still = Target.uniform(self.reduced), torch.zeros(self.dimension, dtype=torch.float64)
        steps, eye = sweeps * self.dimension, torch.eye(self.dimension, dtype=torch.float64)
        walks = [Walk(target, still, eye, part.T) for part in s.split(_CHAINS)]
        return torch.cat([walk.stepped(steps, generator, reflected=reflected).t for walk in walks])

    def events(self, s: Tensor) -> Tensor:
        """Events (B, n) of coordinates (B, D) inside, with laws to rounding."""
        return _on_laws(self.laws, self.reduced.z(s))

    def nudged(self, z: Tensor) -> Tensor:
        """Events a little closer to the centre: what rounding took over a bound comes back."""
        return _on_laws(self.laws, z + _NUDGE * (self.reduced.base - z))


def _on_laws(laws: Laws, z: Tensor) -> Tensor:
    """Events (B, n) with laws to rounding by least moves of variables alike, which are of that size themselves."""
    system = laws.system
    z = z - system.unweighted.move(z @ system.A.T - system.b)
    return z - system.unweighted.move(laws.residual(z, system.b))
