"""The interface of strategies: from what a network puts out to a sample, in training and after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear.arrays import batch_of, float_dtype, require_finite, require_last
from lawful.core.linear.exact import with_gradient_of
from lawful.core.polyhedra import Polyhedron
from lawful.core.polyhedra.laws import limits_left
from lawful.core.strategies.moments import require_moments


@dataclass(frozen=True)
class Guarantee:
    """What holds for every finished sample, and what training can use.

    Attributes:
        equalities: laws hold to 8 ulps. bounds: no bound is passed. inequalities: they hold to 8 ulps.
        zeros: values come out exactly on a bound. training: all this already holds for `apply`.
        density: `log_prob` exists.
    """

    equalities: bool = False
    bounds: bool = False
    inequalities: bool = False
    zeros: bool = False
    training: bool = True
    density: bool = False


class Strategy(ABC):
    """One way to hold the laws, bounds and inequalities of a polyhedron; what its system does not leave free is given.

    A network puts out raw values y (..., n), or a location and a scale of which `rsample` draws them. `apply` makes of
    y what a loss in training sees; `finish` makes the sample that is kept. Variables that are given have their values
    in both. Results have the dtype of y; computation is in float64.
    """

    name: ClassVar[str]

    def __init__(self, polyhedron: Polyhedron):
        self.polyhedron, self.system, self.bounds = polyhedron, polyhedron.system, polyhedron.bounds

    @property
    @abstractmethod
    def guarantee(self) -> Guarantee:
        """What this strategy guarantees for its polyhedron."""

    @abstractmethod
    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """Samples (..., n) for a loss in training, differentiable in y.

        Args:
            y: raw values (..., n), float32 or float64, finite.
            scale: their standard deviations (..., n); only `conditional` needs them.
        """

    @torch.no_grad()
    def finish(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """Samples (..., n) to keep."""
        return self.apply(y, scale)

    def penalty(self, z: Tensor) -> Tensor:
        """What to add to the loss of a sample z (..., n): zero (...), unless the strategy lives by it."""
        return z.new_zeros(z.shape[:-1])

    def rsample(self, loc: Tensor, scale: Tensor, sample_shape: Sequence[int] = ()) -> Tensor:
        """`apply` of normal draws, (*sample_shape, ..., n); differentiable in loc and scale (..., n).

        Raises:
            ShapeError, InvalidValueError: another number of variables, or a negative scale.
        """
        return self.apply(self._normal(loc, scale, sample_shape), scale)

    @torch.no_grad()
    def sample(self, loc: Tensor, scale: Tensor, sample_shape: Sequence[int] = ()) -> Tensor:
        """`finish` of normal draws, (*sample_shape, ..., n)."""
        return self.finish(self._normal(loc, scale, sample_shape), scale)

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Log density (...) of the draws of `rsample` at z (..., n), on the free variables that obey the laws.

        Raises:
            InvalidValueError: the strategy has no density, or a scale of a free variable is not above zero.
            ShapeError: another number of variables, or batches that do not broadcast.
        """
        raise InvalidValueError(
            f"Draws of the strategy {self.name!r} have no density: train it by a loss on samples, or take one of which "
            "`guarantee.density` is true."
        )

    def _prepared(self, y: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Raw values checked, with given values in place; in `dtype`, or their own."""
        float_dtype(y.dtype)
        y = y if dtype is None else y.to(dtype)
        require_last(y, self.system.n, "raw values", "variable")
        require_finite(y, "The raw value", self.system.columns)
        return self.system.with_fixed(y)

    def _stored(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        """z (..., n) in `dtype`, with values that rounding put beyond a bound at the nearest number within.

        Raises:
            InvalidValueError: within some bounds there is no number of `dtype`.
        """
        self.polyhedron.require_numbers(dtype)
        cast = z.to(dtype)
        return with_gradient_of(cast, torch.where(self.system.free, self.bounds.clip(cast.detach()), cast.detach()))

    @property
    def _limits(self) -> Tensor:
        """The limits d (..., k) of inequalities for the free variables, with what is given moved over."""
        return limits_left(self.system, self.polyhedron.inequalities)[0]

    def _normal(self, loc: Tensor, scale: Tensor, sample_shape: Sequence[int]) -> Tensor:
        """Draws of their own for each right-hand side, (*sample_shape, ..., n)."""
        float_dtype(loc.dtype)
        loc, scale = require_moments(self.system, loc, scale)
        batch = batch_of(loc.shape[:-1], scale.shape[:-1], self.system.batch_shape)
        shape = (*sample_shape, *batch, self.system.n)
        return loc + scale * torch.randn(shape, dtype=loc.dtype, device=loc.device)
