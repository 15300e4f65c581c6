"""Orthogonal projection as the last layer, in training and after it (KKT-hPINN: Chen, Flores, Li, arXiv:2402.07251)."""

from torch import Tensor

from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.subspace import coordinates, projected_log_prob


class Projection(Strategy):
    """The nearest point on the laws; lawful points stay. Bounds and inequalities are not looked at."""

    name = "projection"

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, density=True)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        return self.system.project(self._prepared(y))

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Density of the projected normal, `N(N' loc, N' S N)` in orthonormal coordinates `N' z` of the null space."""
        basis = self.system.nullspace()
        return projected_log_prob(basis, coordinates(basis, z.double()), loc, scale).to(z.dtype)
