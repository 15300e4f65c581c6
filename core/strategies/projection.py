"""Orthogonal projection as the last layer, in training and after it (KKT-hPINN: Chen, Flores, Li, arXiv:2402.07251)."""

from functools import cached_property

from torch import Tensor

from lawful.core.polyhedra import Polyhedron
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.moments import require_density
from lawful.core.strategies.subspace import Subspace


class Projection(Strategy):
    """The nearest lawful point; lawful points stay.

    Args:
        polyhedron: what to hold.
        limits: keep bounds and inequalities too, by `Polyhedron.project`. Draws then lie on them with a positive
            probability, and have no density.
    """

    name = "projection"

    def __init__(self, polyhedron: Polyhedron, limits: bool = False):
        super().__init__(polyhedron)
        self.limits = limits

    @property
    def guarantee(self) -> Guarantee:
        kept = self.limits
        return Guarantee(equalities=True, bounds=kept, inequalities=kept, zeros=kept, density=not kept)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        space = self.polyhedron if self.limits else self.system
        return space.project(self._prepared(y))

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Density of the projected normal, `N(N' loc, N' S N)` in orthonormal coordinates `N' z` of the null space."""
        if self.limits:
            return super().log_prob(z, loc, scale)
        loc, scale = require_density(self.system, z, loc, scale)
        free = self.system.free
        return self._subspace.log_prob(z[..., free], loc[..., free], scale[..., free]).to(z.dtype)

    @cached_property
    def _subspace(self) -> Subspace:
        return Subspace(self.system.nullspace()[self.system.free])
