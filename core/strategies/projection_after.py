"""Training without constraints, projection of finished samples: repair after the fact."""

import torch
from torch import Tensor

from lawful.core.strategies.base import Guarantee
from lawful.core.strategies.unconstrained import Unconstrained


class ProjectionAfter(Unconstrained):
    """Raw values in training; the nearest points on the laws when done. The density is that of the raw values."""

    name = "projection-after"

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, training=False, density=True)

    @torch.no_grad()
    def finish(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        return self.system.project(self.apply(y))
