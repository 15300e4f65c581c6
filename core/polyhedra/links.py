"""Increasing functions from the real line onto each variable's own open domain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class Link:
    """`g : R^n -> prod_i (lower_i, upper_i)`, one increasing function a variable.

    Linear `scale * y` where a variable has no bound, `lower + scale * softplus(y)` or `upper - scale * softplus(-y)`
    where it has one, a sigmoid where it has two. `lower`, `upper` and `scale` have shape `(n,)`, are float64 and in the
    units of the variable; `scale` is not used where both bounds are finite.
    """

    lower: Tensor
    upper: Tensor
    scale: Tensor

    def __getitem__(self, columns: Tensor) -> Link:
        """The link of some of the variables."""
        return Link(self.lower[columns], self.upper[columns], self.scale[columns])

    def forward(self, y: Tensor) -> Tensor:
        """`g(y)`; `y` and the result have shape `(..., n)`."""
        lower, upper = self._finite
        # The nearer bound is the origin, so that values close to either keep their relative precision.
        nearer_low = lower + (upper - lower) * torch.sigmoid(y)
        two = torch.where(y < 0, nearer_low, upper - (upper - lower) * torch.sigmoid(-y))
        low, high = lower + self.scale * softplus(y, threshold=50), upper - self.scale * softplus(-y, threshold=50)
        return self._pick(two, low, high, self.scale * y)

    def derivative(self, y: Tensor) -> Tensor:
        """`g'(y)`, positive, `(..., n)`."""
        lower, upper = self._finite
        rise, fall = torch.sigmoid(y), torch.sigmoid(-y)
        return self._pick((upper - lower) * rise * fall, self.scale * rise, self.scale * fall, self.scale.expand_as(y))

    def inverse(self, z: Tensor) -> Tensor:
        """`g^-1(z)`, `(..., n)`; NaN or infinite where `z` is not strictly inside its bounds."""
        lower, upper = self._finite
        low, high = z - lower, upper - z
        one_low, one_high = _inverse_softplus(low / self.scale), -_inverse_softplus(high / self.scale)
        return self._pick(torch.log(low) - torch.log(high), one_low, one_high, z / self.scale)

    @cached_property
    def _finite(self) -> tuple[Tensor, Tensor]:
        return torch.nan_to_num(self.lower, neginf=0.0), torch.nan_to_num(self.upper, posinf=0.0)

    def _pick(self, two: Tensor, low: Tensor, high: Tensor, none: Tensor) -> Tensor:
        below, above = self.lower.isfinite(), self.upper.isfinite()
        return torch.where(below, torch.where(above, two, low), torch.where(above, high, none))


def _inverse_softplus(x: Tensor) -> Tensor:
    """`log(exp(x) - 1)` without overflow."""
    return x + torch.log(-torch.expm1(-x))
