"""What a strategy is asked to hold: laws, bounds and inequalities, and how they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem, compensated_residual, half_spacing
from lawful.core.linear.arrays import as_float64, at_sample, labels, require_finite, require_last
from lawful.core.linear.exact import matvec, with_gradient_of
from lawful.core.linear.settle import SETTLED_ULPS
from lawful.core.linear.system import LAWFUL_ULPS

_LEAST_REACH = 1e-150


class Constraints:
    """`{z : A z = b, lower <= z <= upper, C z <= d}`; variables that the system does not leave free are given.

    Args:
        system: the laws; right-hand sides and given values may differ per sample.
        lower, upper: bounds (n,), infinite where there is none; None for no bounds at all.
        C, d: inequalities (k, n) and (..., k).
        names: one name per inequality.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit, or a given value out of its bounds.
    """

    def __init__(
        self,
        system: LinearSystem,
        lower: Any = None,
        upper: Any = None,
        C: Any = None,
        d: Any = None,
        *,
        names: Sequence[str] | None = None,
    ):
        self.system, n, device = system, system.n, system.device
        self.lower = _bounds(-torch.inf if lower is None else lower, n, device)
        self.upper = _bounds(torch.inf if upper is None else upper, n, device)
        self.C = (
            torch.zeros(0, n, dtype=torch.float64) if C is None else require_last(as_float64(C), n, "C", "variable")
        )
        self.C = self.C.to(device)
        self.names = labels(names, len(self.C), "inequality", "names of inequalities")
        d = torch.zeros(len(self.C), dtype=torch.float64) if d is None else as_float64(d)
        self.d = require_last(d.to(device), len(self.C), "d", "inequality")
        require_finite(self.C, "The coefficient", system.columns)
        require_finite(self.d, "The limit", self.names)
        self._require_order()
        self._require_given_inside()

    def _require_order(self) -> None:
        bad = ~(self.lower <= self.upper)
        if bad.any():
            name = self.system.columns[int(bad.nonzero()[0])]
            raise InvalidValueError(f"The bounds of {name!r} leave no value between them.")

    def _require_given_inside(self) -> None:
        given = self.system.fixed
        bad = ~self.system.free & ((given < self.lower) | (given > self.upper))
        if bad.any():
            where = tuple(bad.nonzero()[0].tolist())
            raise InvalidValueError(
                f"The given {self.system.columns[where[-1]]!r} is {given.expand(bad.shape)[where].item():g}"
                f"{at_sample(where[:-1])}, not within its bounds."
            )

    @property
    def bounded(self) -> Tensor:
        """(n,), True for variables with a bound."""
        return self.lower.isfinite() | self.upper.isfinite()

    def inside(self, z: Tensor) -> Tensor:
        """(...), True where every value of z (..., n) is within its bounds, exactly."""
        exact = z.double()
        return ((exact >= self.lower) & (exact <= self.upper)).all(-1)

    def excess(self, z: Tensor) -> Tensor:
        """By how many ulps each inequality is passed, (..., k): zero where it holds."""
        exact = z.double()
        rounding = matvec(self.C.abs(), half_spacing(exact, z.dtype)) + half_spacing(self.d, torch.float64)
        over = compensated_residual(self.C, exact, self.d).clamp(min=0.0)
        return torch.where(over > 0, over / rounding, 0.0)

    def holds(self, z: Tensor, ulps: float = LAWFUL_ULPS) -> Tensor:
        """(...), True where laws and inequalities hold to `ulps` of the dtype of z (..., n), and bounds exactly."""
        return self.system.holds(z, ulps) & self.inside(z) & (self.excess(z) <= ulps).all(-1)

    @cached_property
    def lifted(self) -> LinearSystem:
        """The laws, and `C z + s = d` for a slack s >= 0 of each inequality, in variables (z, s)."""
        if not len(self.C):
            return self.system
        system, k = self.system, len(self.C)
        C = self.C * system.free.unsqueeze(-2)
        slacks = torch.eye(k, dtype=torch.float64, device=system.device).expand(*C.shape[:-1], k)
        upper = torch.cat([system.A, system.A.new_zeros(*system.A.shape[:-1], k)], -1)
        batch = torch.broadcast_shapes(upper.shape[:-2], C.shape[:-2])
        rows = [x.expand(*batch, *x.shape[-2:]) for x in (upper, torch.cat([C, slacks], -1))]
        limits = system.b, self.free_limits
        batch = torch.broadcast_shapes(*(x.shape[:-1] for x in limits))
        b = torch.cat([x.expand(*batch, x.shape[-1]) for x in limits], -1)
        return LinearSystem(torch.cat(rows, -2), b.detach(), check=False)

    @property
    def free_limits(self) -> Tensor:
        """The limits d (..., k) for the free variables, with what is given moved over."""
        given = torch.where(self.system.free, 0.0, self.system.fixed)
        return self.d - matvec(self.C, given)

    @torch.no_grad()
    def settled(self, z: Tensor, at_bound: Tensor, tight: Tensor) -> Tensor:
        """z (..., n), float64, with laws and tight inequalities to rounding.

        Moves the free variables that are not `at_bound` (..., n), the less the nearer they are to a bound or to zero,
        so that none passes one; inequalities (..., k) that are not `tight` stay so.
        """
        free = torch.cat([self.system.free & ~at_bound, ~tight], -1)
        slack = -compensated_residual(self.C, z, self.d).clamp(max=0.0)
        values = torch.cat([z, torch.where(tight, 0.0, slack)], -1)
        off = (self.lifted.ulps(values) > SETTLED_ULPS).any(-1, keepdim=True)
        if not off.any():
            return z
        k = len(self.C)
        lower, upper = pad(self.lower, (0, k)), pad(self.upper, (0, k), value=torch.inf)
        reach = torch.minimum(torch.minimum(values - lower, upper - values), values.abs()).clamp_min(_LEAST_REACH)
        system = self.lifted.restrict(free, values, check=False)
        moved = system.project_with(system.metric(torch.where(free, reach, 1.0)), values)
        moved = torch.minimum(torch.maximum(moved, lower), upper)
        return torch.where(off & free, moved, values)[..., : self.system.n]

    def stored(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        """z (..., n), within its bounds in float64, cast to `dtype` and still within them."""
        cast = z.to(dtype)
        value, infinity = cast.detach(), torch.full_like(cast, torch.inf)
        value = torch.where(value.double() > self.upper, torch.nextafter(value, -infinity), value)
        value = torch.where(value.double() < self.lower, torch.nextafter(value, infinity), value)
        return with_gradient_of(cast, value)


def _bounds(values: Any, n: int, device: torch.device) -> Tensor:
    bounds = as_float64(values).to(device)
    bounds = bounds.expand(n) if bounds.dim() == 0 else require_last(bounds, n, "bounds", "variable")
    if bounds.dim() != 1:
        raise InvalidValueError("Expected bounds (n,), the same for all samples.")
    return bounds
