"""The mirror map onto the relative interior of a polyhedron, inequalities by slack variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra.lagrangian import NotConvergedError
from lawful.core.polyhedra.laws import coefficients
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.mirror import MirrorMap

if TYPE_CHECKING:
    from lawful.core.polyhedra.polyhedron import Polyhedron

_PINNED = 1e-12
"""Length of a variable's row of the null space below which laws pin it."""


class InteriorMap:
    """Points strictly inside a polyhedron from coordinates `y` (B, F): the free variables, then one slack for each
    inequality that is not implied.

    Each free variable has a link onto its range over the polyhedron (2n linear programmes), so that thin directions
    have units of their own; without them wide y would press variables onto their bounds to the last digit. `scale`
    (F,) serves where a range is infinite; by default it is how far a point inside is from the finite end, or one.
    """

    def __init__(self, polyhedron: Polyhedron, scale: Tensor | None = None):
        self.polyhedron = polyhedron
        hull, inequalities = polyhedron.hull, polyhedron.inequalities
        loose = ~polyhedron.tight
        # A variable that laws alone determine has no room to be linked onto.
        self.moving = hull.free & (hull.nullspace().norm(dim=1) > _PINNED)
        self.C, self.d = inequalities.C[loose], inequalities.d[loose]
        base = polyhedron.reduced.base
        self.still = torch.where(self.moving, 0.0, base)
        lifted, self.b = self._lifted_laws(hull)
        centre = torch.cat([base[self.moving], self.d - self.C @ base])
        self.mirror = MirrorMap(lifted, self._link(polyhedron, centre, scale), centre)

    def _lifted_laws(self, hull: LinearSystem) -> tuple[Tensor, Tensor]:
        """Laws over moving variables and slacks: coefficients (M, F), and right-hand sides (M,) less what is still."""
        every, k = coefficients(hull), len(self.d)
        A = torch.where(self.moving, every, 0.0)
        # Of moving variables alone: laws that differ in others say the same.
        rows = ~LinearSystem(A, A.new_zeros(len(A)), check=False).redundant_mask
        A = A[rows][:, self.moving]
        b = torch.cat([hull.b[rows] - every[rows] @ self.still, self.d - self.C @ self.still])
        eye = torch.eye(k, dtype=torch.float64)
        return torch.cat([torch.cat([A, A.new_zeros(len(A), k)], 1), torch.cat([self.C[:, self.moving], eye], 1)]), b

    def _link(self, polyhedron: Polyhedron, centre: Tensor, scale: Tensor | None) -> Link:
        """Of moving variables onto their ranges, of slacks onto all that is not negative."""
        none, k = torch.zeros(len(self.d), dtype=torch.float64), len(self.d)
        low, high = (end[self.moving] for end in polyhedron.ranges)
        low, high = torch.cat([low, none]), torch.cat([high, torch.full((k,), torch.inf, dtype=torch.float64)])
        return Link(low, high, self._scale(low, high, centre) if scale is None else scale)

    @staticmethod
    def _scale(low: Tensor, high: Tensor, centre: Tensor) -> Tensor:
        away = torch.minimum(centre - low, high - centre)
        return torch.where(away.isfinite() & (away > 0), away, 1.0)

    def __call__(self, y: Tensor) -> Tensor:
        """Points (B, n), float64, of coordinates y (B, F); differentiable.

        Raises:
            NotConvergedError: for some y.
        """
        if not y.shape[-1]:
            return self.still.expand(len(y), -1).clone()
        solution = self.mirror.solve(y.double(), self.b)
        if not solution.converged.all():
            raise NotConvergedError(f"{int((~solution.converged).sum())} of {len(y)} coordinates have no point yet.")
        return self._placed(solution.z)

    def _placed(self, lifted: Tensor) -> Tensor:
        columns = self.moving.nonzero()[:, 0]
        z = self.still.expand(len(lifted), -1)
        return z.index_put((torch.arange(len(z))[:, None], columns), lifted[:, : len(columns)])

    def finish(self, z: Tensor) -> Tensor:
        """Points (B, n) strictly inside with their laws to rounding (see `MirrorMap.finish`).

        Raises:
            NotConvergedError: for some points.
        """
        lifted = self._lifted(z)
        finished = self._placed(self.mirror.finish(lifted, self.b) if lifted.shape[-1] else lifted)
        off = ~self.polyhedron.contains(finished)
        if off.any():
            raise NotConvergedError(
                f"{int(off.sum())} of {len(z)} points miss a law by more than {LAWFUL_ULPS:g} ulps: draw coordinates "
                "nearer to zero, or project the points."
            )
        return finished

    def inverse(self, z: Tensor) -> Tensor:
        """Coordinates (B, F) of points z (B, n) strictly inside."""
        return self.mirror.inverse(self._lifted(z))

    def log_det(self, z: Tensor) -> Tensor:
        """`log |dz / dy|` (B,), both in orthonormal coordinates: z of the affine hull, y as in `MirrorMap.log_det`."""
        moves = self.polyhedron.reduced.moves
        if not moves.shape[1]:
            return z.new_zeros(len(z), dtype=torch.float64)
        lifted = torch.cat([moves, self.C @ moves])
        slacks = torch.linalg.svdvals(lifted).log().sum() - torch.linalg.svdvals(moves).log().sum()
        return self.mirror.log_det(self._lifted(z)) - slacks

    def _lifted(self, z: Tensor) -> Tensor:
        z = z.double()
        return torch.cat([z[:, self.moving], self.d - z @ self.C.T], -1)
