"""Draws from a polyhedron: uniform, or normal and truncated to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear.arrays import as_float64, require_finite, require_last
from lawful.core.polyhedra.lagrangian import NotConvergedError
from lawful.core.polyhedra.walk import Target, Walk

if TYPE_CHECKING:
    from lawful.core.polyhedra.polyhedron import Polyhedron

_CHAINS = 1024
_STEPS_PER_DIMENSION = 15


class HitAndRun:
    """Draws by many chains side by side, rounded and past their burn-in when made.

    Args:
        polyhedron: with one right-hand side.
        loc, scale: means and standard deviations (n,) of independent normal variables, whose distribution given that
            they are on the polyhedron is drawn from; None for uniform draws from a bounded polyhedron.
        chains: how many walk at once, more than the dimension.
        generator: of the set-up.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit. UnboundedError: uniform draws from a set without an
            end. InfeasibleError: there is no point. NotConvergedError: there is one point, which no numbers are near,
            or a normal is so far off that its likeliest point was not found.
    """

    def __init__(
        self,
        polyhedron: Polyhedron,
        loc: Any = None,
        scale: Any = None,
        *,
        chains: int = _CHAINS,
        generator: torch.Generator,
    ):
        if (loc is None) != (scale is None):
            raise InvalidValueError("Expected both loc and scale, or neither for uniform draws.")
        if polyhedron.system.batch_shape:
            raise InvalidValueError("Expected one right-hand side: draw from the polyhedron of each sample.")
        self.polyhedron = polyhedron
        reduced = polyhedron.reduced.merged()
        if chains <= reduced.dimension:
            raise InvalidValueError(f"Expected more than {reduced.dimension} chains (the dimension), got {chains}.")
        target = Target.uniform(reduced)
        if loc is not None:
            loc, scale = (require_last(as_float64(x), polyhedron.n, "loc and scale", "variable") for x in (loc, scale))
            require_finite(loc, "The mean", polyhedron.system.columns)
            require_finite(scale, "The scale", polyhedron.system.columns)
            if not (scale > 0).all():
                raise InvalidValueError("Expected scales of more than zero.")
            target = Target.normal(reduced, loc, scale)
        self._walk = Walk.rounded(target, chains, generator) if reduced.dimension else None
        if self._walk is None and not polyhedron.contains(reduced.base):
            raise NotConvergedError("The only point of the polyhedron was not found to 8 ulps of each law.")

    def sample(self, count: int, generator: torch.Generator, *, steps: int | None = None) -> Tensor:
        """`count` points (count, n) in float64, inside bounds and on the laws to 8 ulps.

        Args:
            steps: of a chain between two of its draws; None takes 15 a dimension, after which they hardly depend on
                each other. Every chain gives every so many draws one, in order.
        """
        if count < 0:
            raise InvalidValueError(f"Expected a number of points of zero or more, got {count}.")
        reduced = self.polyhedron.reduced
        if self._walk is None or not count:
            return reduced.base.expand(count, -1).clone()
        steps = _STEPS_PER_DIMENSION * reduced.dimension if steps is None else steps
        kept, missing = [], count
        while missing > 0:
            self._walk = self._walk.stepped(steps, generator)
            kept.append(self._walk.t[:missing])
            missing -= len(kept[-1])
        return self.polyhedron.settle(reduced.z(torch.cat(kept)))
