"""A soft loss on what is violated: nothing is guaranteed."""

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.polyhedra import Polyhedron
from lawful.core.polyhedra.laws import coefficients
from lawful.core.strategies.unconstrained import Unconstrained


class Penalty(Unconstrained):
    """Raw values, and `weight` times the sum of squared distances to each law, inequality and bound as extra loss.

    The distance of z to a law is `|a.z - b| / |a|`, with variables in units of `unit` (n,), such as their standard
    deviations: without, a penalty weighs watts as it weighs grams.
    """

    name = "penalty"

    def __init__(self, polyhedron: Polyhedron, weight: float = 1.0, unit: Tensor | None = None):
        super().__init__(polyhedron)
        if not weight >= 0:
            raise InvalidValueError(f"Expected a weight of zero or more, got {weight}.")
        self.weight = weight
        self.unit = torch.ones(self.system.n, dtype=torch.float64) if unit is None else unit.double()

    def penalty(self, z: Tensor) -> Tensor:
        """(...), differentiable in z (..., n)."""
        limits, exact = self.polyhedron.inequalities, z.double()
        laws = self.system.residual(exact) / _length(coefficients(self.system) * self.unit)
        over = (exact @ limits.C.mT - limits.d).relu() / _length(limits.C * self.unit)
        outside = ((exact - self.bounds.upper).relu() + (self.bounds.lower - exact).relu()) / self.unit
        total = laws.square().sum(-1) + over.square().sum(-1) + outside.square().sum(-1)
        return (self.weight * total).to(z.dtype)


def _length(rows: Tensor) -> Tensor:
    length = rows.norm(dim=-1)
    return torch.where(length > 0, length, 1.0)
