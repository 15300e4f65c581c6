"""Training without constraints, projection of finished samples: repair after the fact."""

import torch
from torch import Tensor

from lawful.core.polyhedra import Polyhedron
from lawful.core.strategies.base import Guarantee
from lawful.core.strategies.projection import Projection
from lawful.core.strategies.unconstrained import Unconstrained


class ProjectionAfter(Unconstrained):
    """Raw values in training; what `Projection` makes of them when done. The density is that of the raw values."""

    name = "projection-after"

    def __init__(self, polyhedron: Polyhedron, limits: bool = False):
        super().__init__(polyhedron)
        self.repair = Projection(polyhedron, limits)

    @property
    def guarantee(self) -> Guarantee:
        kept = self.repair.limits
        return Guarantee(equalities=True, bounds=kept, inequalities=kept, zeros=kept, training=False, density=True)

    @torch.no_grad()
    def finish(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        return self.repair.finish(y)
