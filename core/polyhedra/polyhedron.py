"""`Polyhedron`: where linear laws, bounds and linear inequalities meet."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear import LinearSystem, half_spacing
from lawful.core.linear.arrays import as_float64, at_sample, batch_of, require_finite, require_last, source_dtype
from lawful.core.linear.exact import matvec
from lawful.core.linear.settle import SETTLED_ULPS
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra.bounds import Bounds, Inequalities
from lawful.core.polyhedra.feasibility import require_feasible
from lawful.core.polyhedra.implied import EmptyError, Interior, ranges, relative_interior
from lawful.core.polyhedra.lagrangian import SINGULAR, NotConvergedError
from lawful.core.polyhedra.laws import coefficients, even_right_hand_sides, keep_limits, worst_misfit
from lawful.core.polyhedra.patterns import nearest_pattern, pattern_values, require_pattern
from lawful.core.polyhedra.projection import Projector
from lawful.core.polyhedra.reduced import Reduced

_LOOSE = 1e-7
"""The linear solver's tolerance where there is a point, but none to its tightest."""

_LARGE = 0.1
"""Share of the largest coefficient of a law from which one is large."""


class Polyhedron:
    """`{z : A z = b, C z <= d, lower <= z <= upper}`.

    Args:
        system: the laws, with one matrix for all samples; right-hand sides may differ per sample.
        bounds: none when None.
        inequalities: none when None.

    Raises:
        ShapeError: another number of variables, or coefficients that differ per sample.
    """

    def __init__(self, system: LinearSystem, bounds: Bounds | None = None, inequalities: Inequalities | None = None):
        self.system = system
        self.bounds = Bounds.none(system.n) if bounds is None else bounds
        self.inequalities = Inequalities.none(system.n) if inequalities is None else inequalities
        if system.A.dim() != 2:
            raise ShapeError(f"Expected coefficients that all samples share, got A of shape {tuple(system.A.shape)}.")
        for what, size in (("bounds", len(self.bounds.lower)), ("inequalities", self.inequalities.C.shape[1])):
            if size != system.n:
                raise ShapeError(f"Expected {what} on {system.n} variables, got {size}.")
        if system.free.dim() != 1:
            raise ShapeError("Expected the same fixed variables in all samples: make one polyhedron for each pattern.")
        if not system.free.all():
            self.bounds = _fixed_bounds(self.bounds, system)

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.system.n

    def contains(self, z: Any) -> Tensor:
        """(...), True where z (..., n) obeys all of it in its own precision.

        Bounds hold exactly for the numbers as stored; laws and inequalities, which take sums, to 8 ulps.
        """
        values, stored = require_last(as_float64(z), self.n, "z", "variable").detach(), source_dtype(z)
        batch = batch_of(values.shape[:-1], self.system.batch_shape)
        placed = self.system.free | (values == self.system.fixed.to(stored).double())
        # What is fixed has no bound of its own: stored in single precision, its value is another number.
        inside = ((self.bounds.contains(values) | ~self.system.free) & placed).all(-1).expand(batch).flatten().clone()
        # Sums take far longer than comparisons: only where these have not decided.
        rest = inside.nonzero()[:, 0]
        values, b, rounding = (_samples(x, rest, batch) for x in (values, self.system.b, self.system.b_rounding))
        worst = worst_misfit(self.system, values, self.system.residual(values, b), rounding, stored)
        inside[rest] = (worst <= LAWFUL_ULPS) & keep_limits(self.inequalities.C, self.inequalities.d, values, stored)
        return inside.reshape(batch)

    def require_feasible(self, where: str = "") -> None:
        """Raise `InfeasibleError`, which names the clashing laws, inequalities and bounds, when there is no point."""
        require_feasible(
            *self.arrays,
            law_names=self.system.names,
            inequality_names=tuple(self.inequalities.names or ()),
            names=self.system.columns,
            where=where,
        )

    @property
    def arrays(self) -> tuple[Any, ...]:
        """`A`, `b`, `C`, `d`, `lower`, `upper` as NumPy arrays; see `even_right_hand_sides`.

        Raises:
            InvalidValueError: right-hand sides differ per sample.
        """
        if self.system.batch_shape:
            raise InvalidValueError("Expected one right-hand side: ask this of the polyhedron of each sample.")
        C, d, bounds = self.inequalities.C, self.inequalities.d, self.bounds
        A = coefficients(self.system)
        parts = A, even_right_hand_sides(self.system), C, d, bounds.lower, bounds.upper
        return tuple(x.detach().cpu().numpy() for x in parts)

    @cached_property
    def interior(self) -> Interior:
        """Implied equalities, and a point strictly inside all else.

        Raises:
            InfeasibleError: there is no point. EmptyError: there is, but for a clash below the solver's tolerance.
            InvalidValueError: right-hand sides differ per sample.
        """
        try:
            return relative_interior(*self.arrays)
        except EmptyError:
            self.require_feasible()
            return relative_interior(*self.arrays, tolerance=_LOOSE)

    @cached_property
    def ranges(self) -> tuple[Tensor, Tensor]:
        """Least and largest value (n,) that each variable takes, by 2n linear programmes."""
        low, high = ranges(*self.arrays)
        return torch.from_numpy(low), torch.from_numpy(high)

    @property
    def hull(self) -> LinearSystem:
        """The laws of the affine hull: implied equalities are laws, and variables on implied bounds not free."""
        return self.system if self.system.batch_shape else self._hull_and_tight[0]

    @property
    def tight(self) -> Tensor:
        """(k,), True for inequalities that are laws of the hull; see `interior` for what is raised."""
        return self._hull_and_tight[1]

    @cached_property
    def _hull_and_tight(self) -> tuple[LinearSystem, Tensor]:
        """Of opposite inequalities that are next to nothing apart, but more than rounding, one is a law."""
        tight = torch.from_numpy(self.interior.tight)
        hull = self._hull_of(tight)
        z = hull.with_fixed(torch.from_numpy(self.interior.point))
        for _ in range(2):
            z = z - hull.unweighted.move(hull.residual(z))
        off = (hull.ulps(z) > LAWFUL_ULPS)[self.system.m :]
        if not off.any():
            return hull, tight
        tight = tight.masked_scatter(tight, ~off)
        return self._hull_of(tight), tight

    def _hull_of(self, tight: Tensor) -> LinearSystem:
        """With the inequalities that are `tight` (k,)."""
        at_lower, at_upper = (torch.from_numpy(x) for x in (self.interior.at_lower, self.interior.at_upper))
        A = torch.cat([coefficients(self.system), self.inequalities.C[tight]])
        d = self.inequalities.d[tight]
        b = torch.cat([self.system.b.detach(), d])
        rounding = torch.cat([self.system.b_rounding, half_spacing(d, torch.float64)])
        own = zip(self.inequalities.names or (), tight.tolist(), strict=True)
        names = [*self.system.names, *(name for name, held in own if held)]
        laws = LinearSystem(A, b, names=names, columns=self.system.columns, b_rounding=rounding, check=False)
        values = torch.where(at_lower, self.bounds.lower, self.bounds.upper)
        values = torch.where(self.system.free, values, self.system.fixed)
        inside = ~(at_lower | at_upper) & self.system.free
        free, solved = _pinned(A, b, inside, values)
        hull = laws.restrict(free, torch.where(free, solved, self.bounds.clip(solved)), check=False)
        # Solved one after the other, values may gather rounding, more than a redundant law lets them have.
        if ((hull.b.abs() > SETTLED_ULPS * hull.b_rounding) & ~((A != 0) & free).any(1)).any():
            return laws.restrict(inside, values, check=False)
        return hull

    @property
    def dimension(self) -> int:
        """Dimension of the affine hull."""
        return int(self.hull.free.sum()) - int(self.hull.rank)

    @cached_property
    def reduced(self) -> Reduced:
        """The polyhedron in orthonormal coordinates of its affine hull."""
        return self._reduced(None)

    def _reduced(self, unit: Tensor | None) -> Reduced:
        batch = bool(self.system.batch_shape)
        start = torch.zeros(self.n, dtype=torch.float64) if batch else torch.from_numpy(self.interior.point)
        base = self.hull.with_fixed(self.hull.project(start))
        return Reduced.of(self.hull, base, self.bounds, self.inequalities, unit)

    def _projector(self, weights: Tensor) -> Projector:
        """In units in which `weights` (..., n) are near one, where these tell variables of different size."""
        each = weights.detach().reshape(-1, self.n)[:, self.system.free]
        unit = _units(each) if len(each) else torch.ones(0)
        if len(unit.unique()) <= 1:
            return self._balanced
        key = tuple(unit.tolist())
        found = self._weighted.get(key)
        if found is None:
            whole = torch.ones(self.n, dtype=torch.float64).masked_scatter(self.system.free, unit)
            found = Projector(self.hull, self._reduced(whole), self.bounds)
            # Of the last weights alone: where they are learned, each step brings new ones.
            self._weighted.clear()
            self._weighted[key] = found
        return found

    @cached_property
    def _balanced(self) -> Projector:
        return Projector(self.hull, self.reduced, self.bounds)

    @cached_property
    def _weighted(self) -> dict[tuple[float, ...], Projector]:
        return {}

    def project(self, z: Any, weights: Any = None) -> Tensor:
        """The point of the polyhedron with least `sum((z' - z)^2 / weights)`, in the dtype of z.

        No bound is passed, as stored; laws hold to 8 ulps; what is on the active face is on it exactly. Points that
        `contains` accepts come back as they came. Differentiable almost everywhere, in z and, once, in weights;
        right-hand sides count as constants.

        Args:
            z: (..., n), float32 or float64.
            weights: (n,) or (..., n), positive: variances of a diagonal metric. None weighs all alike.

        Raises:
            InvalidValueError: no number of the dtype of z is within some bounds.
            InfeasibleError, EmptyError: there is no point; see `interior`.
            NotConvergedError: no answer, or none to 8 ulps, for some samples.
        """
        values = require_last(as_float64(z), self.n, "z", "variable")
        require_finite(values, "The value", self.system.columns)
        weights = torch.ones(self.n, dtype=torch.float64) if weights is None else as_float64(weights)
        weights = require_last(weights, self.n, "weights", "variable")
        if not ((weights > 0) & weights.isfinite()).all():
            raise InvalidValueError("Expected finite weights of more than zero; fix variables with `restrict`.")
        batch = batch_of(values.shape[:-1], weights.shape[:-1], self.system.batch_shape)
        stored = source_dtype(z)
        self.require_numbers(stored)
        inside = self.contains(values.detach().to(stored)).expand(batch)
        broken = (~self.reduced.keeps_still(self.reduced.base)).expand(batch).flatten().nonzero()
        if len(broken):
            self._explain(int(broken[0]), batch)
        try:
            return self._projector(weights)(values.expand(*batch, self.n), weights, inside, stored).to(stored)
        except NotConvergedError as error:
            if error.sample is not None:
                self._explain(error.sample, batch)
            raise
        except torch.linalg.LinAlgError as error:
            raise NotConvergedError(SINGULAR) from error

    def _explain(self, number: int, batch: torch.Size) -> None:
        """Raise `InfeasibleError` or `NotConvergedError` for the sample of this number in the flattened `batch`."""
        where = tuple(int(i) for i in np.unravel_index(number, batch)) if batch else ()
        system = self.system
        b, rounding = (x.detach().expand(*batch, system.m)[where] for x in (system.b, system.b_rounding))
        laws = LinearSystem(system.A, b, names=system.names, columns=system.columns, b_rounding=rounding, check=False)
        Polyhedron(laws, self.bounds, self.inequalities).require_feasible(at_sample(where))
        raise NotConvergedError(
            f"The projection did not come to rest{at_sample(where)}, though to the solver's tolerance there is a "
            "point: variables of very different size need weights, such as the squares of their standard deviations, "
            "and constraints that clash by less than 1e-9 of their size need more room.",
            number,
        )

    def require_numbers(self, dtype: torch.dtype) -> None:
        """Raise where no number of `dtype` is within the bounds of a free variable.

        Raises:
            InvalidValueError: names the first such variable.
        """
        if dtype == torch.float64:
            return
        none = (self.system.free & self.bounds.without_numbers(dtype)).nonzero()
        if len(none):
            i = int(none[0])
            low, high = (bound[i].item() for bound in (self.bounds.lower, self.bounds.upper))
            raise InvalidValueError(
                f"No {str(dtype).removeprefix('torch.')} lies within the bounds {low:g} and {high:g} of "
                f"{self.system.columns[i]!r}: use float64, or fix the variable with `LinearSystem.restrict`."
            )

    def settle(self, z: Tensor) -> Tensor:
        """z (B, n), in float64 and lawful but for rounding, on the polyhedron: laws to 8 ulps, no bound passed."""
        hull = self.hull
        z = z - hull.unweighted.move(matvec(coefficients(hull), z) - hull.b)
        # Laws of small terms, beside others of large ones, need the last digits of their residuals.
        z = z - hull.unweighted.move(hull.residual(z))
        return self.project(hull.with_fixed(self.bounds.clip(z)))

    def face(self, pattern: Tensor) -> Polyhedron:
        """The part of the polyhedron where each entry (n,) of -1 is on its lower bound and each of 1 on its upper one.

        Raises:
            ShapeError, InvalidValueError: no pattern of this polyhedron.
            InconsistentSystemError: laws that these values break by themselves.
        """
        pattern = require_pattern(self, pattern)
        return Polyhedron(
            self.system.restrict(pattern == 0, pattern_values(self, pattern)), self.bounds, self.inequalities
        )

    def nearest_pattern(self, pattern: Tensor) -> Tensor:
        """See `patterns.nearest_pattern`."""
        return nearest_pattern(self, pattern)


def _units(weights: Tensor) -> Tensor:
    """Powers of 16 (n,) near the square roots of weights (B, n), of which there are few that differ by little."""
    return torch.exp2(4 * (weights.log2().mean(0) / 8).round())


def _pinned(A: Tensor, b: Tensor, free: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Which variables are still `free` (n,), and the `values` of others, once equalities with one of them are solved.

    Their values are exact so, where a projection leaves a rounding that is none of a sum.
    """
    free, values = free.clone(), values.where(~free, 0.0)
    share = A.abs() / A.abs().amax(1, keepdim=True).clamp_min(torch.finfo(A.dtype).tiny)
    terms = A != 0
    while True:
        alone = terms & free & ((terms & free).sum(1, keepdim=True) == 1)
        rest = b - matvec(A, values)
        # Divided by a small coefficient, the rounding of large terms would be larger than that of the value.
        exact = rest.abs() >= _LARGE * (matvec(A.abs(), values.abs()) + b.abs())
        alone = alone & ((share >= _LARGE) | exact.unsqueeze(1))
        columns = alone.any(0).nonzero()[:, 0]
        if not len(columns):
            return free, values
        rows = (share * alone)[:, columns].argmax(0)
        values[columns] = rest[rows] / A[rows, columns]
        free[columns] = False


def _samples(x: Tensor, samples: Tensor, batch: torch.Size) -> Tensor:
    """Some of the flattened `batch` of x (..., k)."""
    return x.expand(*batch, x.shape[-1]).reshape(batch.numel(), x.shape[-1])[samples]


def _fixed_bounds(bounds: Bounds, system: LinearSystem) -> Bounds:
    """Bounds that leave fixed variables their values; none for them where the values differ per sample.

    Raises:
        InvalidValueError: such a value is not within the bounds.
    """
    outside = (~system.free & ~bounds.contains(system.fixed)).nonzero()
    if len(outside):
        *sample, i = outside[0].tolist()
        raise InvalidValueError(
            f"{system.columns[i]!r} is fixed at {system.fixed[(*sample, i)]:g}{at_sample(tuple(sample))}, which is not "
            "within its bounds."
        )
    if system.fixed.dim() == 1:
        return Bounds(*(torch.where(system.free, end, system.fixed) for end in (bounds.lower, bounds.upper)))
    return Bounds(bounds.lower.where(system.free, -torch.inf), bounds.upper.where(system.free, torch.inf))
