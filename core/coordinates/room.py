"""What laws and bounds leave open at one set of known values, in coordinates that make it round and without end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lawful.core.coordinates.plan import independent
from lawful.core.coordinates.problem import Problem
from lawful.core.linear import LinearSystem
from lawful.core.polyhedra.bounds import Inequalities
from lawful.core.polyhedra.laws import coefficients
from lawful.core.polyhedra.limits import LimitsMap
from lawful.core.polyhedra.reduced import STILL, Reduced, balanced_moves
from lawful.core.polyhedra.walk import Target, Walk, analytic_centre

_NOTHING = 1e-12
"""Of the largest variable: what rounding leaves of one that is pinned to zero."""

_NUDGE = 1e-6
_CHAINS = 1024


@dataclass(frozen=True)
class Face:
    """What rooms with the same implied equalities share.

    `laws` hold inequalities that are equalities too; `free` are these for the variables that no bound pins, `moving`
    for those that laws do not pin either. `columns` (D,) are the first variables that determine an event; inequalities
    that are `tight` (k,) are held, each at its `slack` (k,).
    """

    laws: LinearSystem
    free: LinearSystem
    moving: LinearSystem
    columns: Tensor
    tight: Tensor
    slack: Tensor

    @classmethod
    def of(cls, problem: Problem, free: Tensor, tight: Tensor, slack: Tensor) -> Face:
        """The face of `free` variables (n,) and inequalities that are `tight` (k,), each at its `slack` (k,)."""
        A, b = torch.cat([problem.A, problem.C[tight]]), torch.cat([problem.b, (problem.d - slack)[tight]])
        system, nothing = LinearSystem(A, b, check=False), torch.zeros(problem.n, dtype=torch.float64)
        of_free = system.restrict(free, nothing, check=False)
        moves, unit = balanced_moves(of_free)
        moved = free & (moves.norm(dim=1) > STILL * unit)
        moving = system.restrict(moved, nothing, check=False)
        columns = independent(moves, moved.nonzero()[:, 0].tolist(), limit=moves.shape[1])
        return cls(system, of_free, moving, torch.tensor(columns, dtype=torch.long), tight, slack)

    def on_laws(self, z: Tensor, system: LinearSystem) -> Tensor:
        """Events (B, n) with laws to rounding, by least moves of the variables of `system`, all alike."""
        z = z - system.unweighted.move(z @ coefficients(self.laws).T - self.laws.b)
        return z - system.unweighted.move(self.laws.residual(z))

    def point(self, z: Tensor) -> Tensor:
        """A point z (n,) with laws to rounding, and what they pin to zero exactly there."""
        z = self.on_laws(z[None], self.free)[0]
        pinned = self.free.free & ~self.moving.free & (z.abs() <= _NOTHING * z.abs().max())
        cleaned = self.on_laws(torch.where(pinned, 0.0, z)[None], self.moving)
        # What is small beside other variables may be all that there is in a law of its own.
        return cleaned[0] if self._holds(cleaned) else self.on_laws(z[None], self.moving)[0]

    def _holds(self, z: Tensor) -> bool:
        return bool(self.laws.holds(z).all())


@dataclass(frozen=True)
class Room:
    """Events `z = centre + moves s` of one set of known values, and their coordinates w (D,), which have no limits.

    The centre is the analytic one, and s are the coordinates in which the log barrier has unit curvature there: they
    round a polyhedron up to a factor that does not depend on how thin it is (Nesterov & Nemirovskii 1994), and events
    of rooms of different shapes have like coordinates. They do not depend on how null spaces were computed:
    `s = root (z - centre)[columns]` with an upper triangular root. From there w is what `LimitsMap` makes of s.
    """

    face: Face
    reduced: Reduced
    sharpness: float

    @classmethod
    def of(cls, problem: Problem, face: Face, z: Tensor, sharpness: float) -> Room:
        """The room around a point z (n,) strictly inside all bounds and inequalities that the face leaves open.

        Raises:
            UnboundedError: it has no end.
        """
        limits = Inequalities(problem.C[~face.tight], problem.d[~face.tight])
        reduced = Reduced.of(face.moving, face.point(z), problem.bounds, limits).merged()
        t, curvature = analytic_centre(Target.uniform(reduced))
        # In units of the columns the root is the same whatever basis the moves were.
        basis = torch.linalg.inv(reduced.moves[face.columns])
        root = torch.linalg.qr(curvature @ basis).R
        root = root * root.diagonal().sign()[:, None]
        return cls(face, reduced.around(t, basis @ torch.linalg.inv(root)), sharpness)

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.face.columns)

    @cached_property
    def _map(self) -> LimitsMap:
        reduced = self.reduced
        return LimitsMap(reduced.rows, reduced.start, reduced.low, reduced.high, self.sharpness)

    def inverse(self, z: Tensor) -> Tensor:
        """Coordinates (B, D) of events z (B, n)."""
        return self._map.inverse(self.reduced.values(z))

    def log_det(self, z: Tensor) -> Tensor:
        """`log |dw / ds|` (B,) at events z (B, n)."""
        return self._map.log_det(self.reduced.values(z))

    def inside(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Points s (B, D) of coordinates (B, D), and which of them (B,) are those; others are inside too."""
        return self._map.solve(w)

    def walked(self, s: Tensor, sweeps: int, reflected: float, generator: torch.Generator) -> Tensor:
        """Points (B, D) after sweeps of hit-and-run along the axes, from such inside."""
        target, still = Target.uniform(self.reduced), torch.zeros(self.dimension, dtype=torch.float64)
        steps, eye = sweeps * self.dimension, torch.eye(self.dimension, dtype=torch.float64)
        walks = [Walk(target, still, eye, part.T) for part in s.split(_CHAINS)]
        return torch.cat([walk.stepped(steps, generator, reflected=reflected).t for walk in walks])

    def events(self, s: Tensor) -> Tensor:
        """Events (B, n) of points (B, D) inside, with laws to rounding."""
        return self.face.on_laws(self.reduced.z(s), self.face.moving)

    def nudged(self, z: Tensor) -> Tensor:
        """Events a little closer to the centre: what rounding took over a bound comes back."""
        return self.face.on_laws(z + _NUDGE * (self.reduced.base - z), self.face.moving)
