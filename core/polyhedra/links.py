"""Increasing functions from the real line onto each variable's own open domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus


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

    @cached_property
    def unit(self) -> Tensor:
        """What a variable is measured in, `(n,)`: its width where it has two bounds, else its scale."""
        width = self.upper - self.lower
        return torch.where(width.isfinite(), width, self.scale)

    @cached_property
    def origin(self) -> Tensor:
        """The largest finite bound in size `(n,)`, whose rounding `forward` may carry; 0 without bounds."""
        return torch.maximum(
            torch.nan_to_num(self.lower.abs(), posinf=0.0), torch.nan_to_num(self.upper.abs(), posinf=0.0)
        )

    def forward(self, y: Tensor) -> Tensor:
        """`g(y)`; `y` and the result have shape `(..., n)`."""
        return self._each(y, lambda kind, part, y: _VALUES[kind](part, y))

    def derivative(self, y: Tensor) -> Tensor:
        """`g'(y)`, positive, `(..., n)`."""
        return self.unit * self.slope(y)

    def slope(self, y: Tensor) -> Tensor:
        """`g'(y) / unit`, in (0, 1], `(..., n)`."""
        return self._each(y, lambda kind, part, y: _SLOPES[kind](y))

    @torch.no_grad()
    def value_and_slope(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """`forward` and `slope` at little more than the price of one, without gradients."""
        y = y.double()
        pairs = [_PAIRS[kind](part, y[..., columns]) for kind, columns, part in self._parts]
        if len(pairs) <= 1:
            return pairs[0] if pairs else (y, torch.ones_like(y))
        value, slope = (torch.cat(part, -1)[..., self._places] for part in zip(*pairs, strict=True))
        return value, slope

    def log_slope(self, y: Tensor) -> Tensor:
        """`log(g'(y) / unit)`, `(..., n)`, also where the slope itself is too small for a float."""
        return self._each(y, lambda kind, part, y: _LOG_SLOPES[kind](y))

    def inverse(self, z: Tensor) -> Tensor:
        """`g^-1(z)`, `(..., n)`; NaN or infinite where `z` is not strictly inside its bounds."""
        return self._each(z, lambda kind, part, z: _INVERSES[kind](part, z))

    @cached_property
    def _parts(self) -> list[tuple[str, slice | Tensor, Link]]:
        """For each kind of link present: its columns, and the link of those columns."""
        below, above = self.lower.isfinite(), self.upper.isfinite()
        kinds = {"none": ~below & ~above, "low": below & ~above, "high": ~below & above, "two": below & above}
        found: list[tuple[str, slice | Tensor, Link]] = []
        for kind, mask in kinds.items():
            if mask.all() and len(mask):
                return [(kind, slice(None), self)]
            if mask.any():
                columns = mask.nonzero()[:, 0]
                found.append((kind, columns, self[columns]))
        return found

    @cached_property
    def _places(self) -> Tensor:
        """Where each column is once the columns of each kind stand together."""
        return torch.cat([torch.as_tensor(columns) for _, columns, _ in self._parts]).argsort()

    def _each(self, x: Tensor, function: Callable[[str, Link, Tensor], Tensor]) -> Tensor:
        if len(self._parts) == 1:
            kind, _, part = self._parts[0]
            return function(kind, part, x)
        result = torch.empty_like(x)
        for kind, columns, part in self._parts:
            result[..., columns] = function(kind, part, x[..., columns])
        return result


# The nearer bound is the origin, so that values close to either keep their relative precision.
_VALUES: dict[str, Callable[[Link, Tensor], Tensor]] = {
    "none": lambda link, y: link.scale * y,
    "low": lambda link, y: link.lower + link.scale * softplus(y, threshold=50),
    "high": lambda link, y: link.upper - link.scale * softplus(-y, threshold=50),
    "two": lambda link, y: torch.where(
        y < 0, link.lower + link.unit * torch.sigmoid(y), link.upper - link.unit * torch.sigmoid(-y)
    ),
}

_SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.ones_like,
    "low": torch.sigmoid,
    "high": lambda y: torch.sigmoid(-y),
    "two": lambda y: torch.sigmoid(y) * torch.sigmoid(-y),
}


# In place where they can be: memory that is new for every intermediate result costs more than the arithmetic.
def _softplus(y: Tensor) -> Tensor:
    return torch.abs(y).neg_().exp_().log1p_().add_(y.clamp_min(0))


def _low_pair(link: Link, y: Tensor) -> tuple[Tensor, Tensor]:
    return _softplus(y).mul_(link.scale).add_(link.lower), torch.sigmoid(y)


def _high_pair(link: Link, y: Tensor) -> tuple[Tensor, Tensor]:
    y = -y
    return torch.sub(link.upper, near := _softplus(y).mul_(link.scale), out=near), y.sigmoid_()


def _two_pair(link: Link, y: Tensor) -> tuple[Tensor, Tensor]:
    share, high = torch.abs(y).neg_().sigmoid_(), (y >= 0).to(y.dtype)
    low = 1 - high
    value = (low - high).mul_(share).mul_(link.unit).addcmul_(low, link.lower).addcmul_(high, link.upper)
    return value, torch.sub(share, square := share.square(), out=square)


_PAIRS: dict[str, Callable[[Link, Tensor], tuple[Tensor, Tensor]]] = {
    "none": lambda link, y: (link.scale * y, torch.ones_like(y)),
    "low": _low_pair,
    "high": _high_pair,
    "two": _two_pair,
}

_LOG_SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.zeros_like,
    "low": logsigmoid,
    "high": lambda y: logsigmoid(-y),
    "two": lambda y: logsigmoid(y) + logsigmoid(-y),
}

_INVERSES: dict[str, Callable[[Link, Tensor], Tensor]] = {
    "none": lambda link, z: z / link.scale,
    "low": lambda link, z: _inverse_softplus((z - link.lower) / link.scale),
    "high": lambda link, z: -_inverse_softplus((link.upper - z) / link.scale),
    "two": lambda link, z: torch.log(z - link.lower) - torch.log(link.upper - z),
}


def _inverse_softplus(x: Tensor) -> Tensor:
    """`log(exp(x) - 1)` without overflow."""
    return x + torch.log(-torch.expm1(-x))
