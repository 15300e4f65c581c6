"""What a strategy is asked to hold: laws, bounds and inequalities, and how they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem, compensated_residual, half_spacing
from lawful.core.linear.arrays import as_float64, at_sample, labels, require_finite, require_last
from lawful.core.linear.exact import matvec, with_gradient_of
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

    def room(self, z: Tensor) -> Tensor:
        """How far each variable of z (..., n) alone can move before a bound or an inequality stops it, (..., n)."""
        room = torch.minimum(z - self.lower, self.upper - z)
        if not len(self.C):
            return room
        slack = -compensated_residual(self.C, z, self.d).clamp(max=0.0).unsqueeze(-1)
        return torch.minimum(room, torch.where(self.C != 0, slack / self.C.abs(), torch.inf).amin(-2))

    @torch.no_grad()
    def settled(self, z: Tensor, free: Tensor) -> Tensor:
        """z (..., n), float64, with laws to rounding by moves of `free` variables (..., n) in proportion to their room.

        Nothing that is near a limit moves by more than a fraction of its distance, or of its size.
        """
        reach = torch.minimum(self.room(z), z.abs()).clamp_min(_LEAST_REACH)
        system = self.system.restrict(free, z, check=False)
        moved = system.project_with(system.metric(torch.where(free, reach, 1.0)), z)
        return torch.where(free, torch.minimum(torch.maximum(moved, self.lower), self.upper), z)

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
