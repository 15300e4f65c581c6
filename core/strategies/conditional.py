"""The normal distribution conditioned on the laws (Li, Sahu, Van den Broeck, Zeng, arXiv:2502.05416)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lawful.core.distributions import ConstrainedNormal
from lawful.core.errors import InvalidValueError
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.moments import require_moments


class Conditional(Strategy):
    """Draws of `ConstrainedNormal`: the raw draw moves back to the laws, uncertain variables most."""

    name = "conditional"

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, density=True)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """`y + G (b - A y)` with the gain G of variances `scale^2`: for a normal draw y, a draw given the laws."""
        if scale is None:
            raise InvalidValueError("The strategy 'conditional' weighs by scales: give `scale`, or take 'projection'.")
        return self.system.project(self._prepared(y), weights=scale.double().square())

    def rsample(self, loc: Tensor, scale: Tensor, sample_shape: Sequence[int] = ()) -> Tensor:
        loc, scale = require_moments(self.system, loc, scale)
        return ConstrainedNormal(loc, scale, self.system).rsample(torch.Size(sample_shape))

    @torch.no_grad()
    def sample(self, loc: Tensor, scale: Tensor, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.rsample(loc, scale, sample_shape)

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """See `ConstrainedNormal.log_prob`; raises `OffSupportError` where z breaks a law."""
        loc, scale = require_moments(self.system, loc, scale)
        return ConstrainedNormal(loc, scale, self.system, validate_args=True).log_prob(z)
