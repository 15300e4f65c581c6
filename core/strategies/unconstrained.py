"""No constraints at all: the baseline."""

from torch import Tensor

from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.moments import require_density
from lawful.core.strategies.subspace import normal_log_prob


class Unconstrained(Strategy):
    """Samples are raw values; given variables have their values."""

    name = "unconstrained"

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(density=True)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        return self._prepared(y)

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Density of independent normal variables, over those that are not given."""
        return normal_log_prob(z, *require_density(self.system, z, loc, scale), self.system.free)
