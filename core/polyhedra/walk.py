"""Uniform and truncated normal draws from a polyhedron by coordinate hit-and-run in rounded coordinates.

Many chains walk at once along the axes of coordinates in which the target has unit covariance (CHRR: Haraldsdottir et
al. 2017, doi:10.1093/bioinformatics/btx052, with rounding by the walk's own covariance in place of an ellipsoid). The
first rounding is that of the log barrier at the analytic centre, whose Hessian rounds a polyhedron up to a factor that
does not depend on how thin it is. For a normal target a chord is cut by a slice (Neal 2003,
doi:10.1214/aos/1056562461), uniform below the density of where the chain stands: no tail of the normal distribution is
ever evaluated. Most steps reflect a state in the middle of its chord (overrelaxation, section 6 there), which leaves
the target as it is and crosses the polyhedron in place of diffusing through it; the others draw uniformly from the
chord.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lawful.core.errors import LawfulError
from lawful.core.polyhedra.lagrangian import NotConvergedError
from lawful.core.polyhedra.reduced import Reduced

_CENTRE_STEPS = 100
"""Newton steps to the analytic centre at most."""

_SINGULAR = 1e-13
"""Of a column's length: what is left of a direction that no limit stops."""

_REACH, _BEYOND = 0.9, 0.1
"""A Newton step goes this far to the nearest limit, if the slope there is not beyond this share of the first one."""

_CLOSE, _LOST = 1e-6, 0.1
"""Newton decrements below which the centre is found, and above which there is none."""

_UNBOUNDED = "Expected a bounded polyhedron: give bounds to its variables, or draw from a normal."
_ROUNDINGS = 5
_STEPS_PER_DIMENSION = 40
"""Of burn-in: so many times this many steps, each followed by a new rounding; as many again come after the last."""

_REFRESH = 500
"""Steps after which values of rows, updated step by step, are computed anew."""

_REFLECTED = 0.8
"""Share of steps that reflect."""


class UnboundedError(LawfulError, ValueError):
    """A uniform distribution was asked of a set without an end."""


@dataclass(frozen=True)
class Target:
    """Density `exp(-|away + factor t|^2 / 2)` on a reduced polyhedron, factor (K, D), away (K,); uniform for K = 0."""

    reduced: Reduced
    factor: Tensor
    away: Tensor

    @classmethod
    def normal(cls, reduced: Reduced, loc: Tensor, scale: Tensor) -> Target:
        """Independent normal variables of means `loc` (n,) and deviations `scale` (n,), on the polyhedron."""
        return cls(reduced, reduced.moves / scale[:, None], (reduced.base - loc) / scale)

    @classmethod
    def uniform(cls, reduced: Reduced) -> Target:
        """The uniform distribution."""
        return cls(reduced, torch.zeros(0, reduced.dimension).double(), torch.zeros(0).double())

    @property
    def is_uniform(self) -> bool:
        return not len(self.away)


@dataclass(frozen=True)
class Walk:
    """Chains of hit-and-run on a target: `t = centre + scaling s`, states s (D, chains), one column a chain."""

    target: Target
    centre: Tensor
    scaling: Tensor
    s: Tensor

    @classmethod
    def rounded(cls, target: Target, chains: int, generator: torch.Generator) -> Walk:
        """Chains that have forgotten where they began, in coordinates rounded by their own covariance.

        Raises:
            UnboundedError: the target is uniform and the polyhedron has no end.
        """
        centre, root = analytic_centre(target)
        scaling = torch.linalg.inv(root)
        walk = cls(target, centre, scaling, torch.zeros(len(centre), chains, dtype=torch.float64))
        for _ in range(_ROUNDINGS):
            walk = walk.stepped(_STEPS_PER_DIMENSION * len(centre), generator)._rerounded()
        return walk.stepped(_STEPS_PER_DIMENSION * len(centre), generator)

    @property
    def t(self) -> Tensor:
        """States (chains, D) in the coordinates of the reduced polyhedron."""
        return self.centre + (self.scaling @ self.s).T

    def _rerounded(self) -> Walk:
        t = self.t
        covariance = torch.cov(t.T).reshape(len(self.centre), -1)
        scaling, failed = torch.linalg.cholesky_ex(covariance)
        if failed:
            return self._rounded_further()
        centre = t.mean(0)
        s = torch.linalg.solve_triangular(scaling, (t - centre).T, upper=False)
        return replace(self, centre=centre, scaling=scaling, s=s)

    def _rounded_further(self) -> Walk:
        """Rounded by the covariance of s: that of t has the square of all widths, which may be ten decades apart."""
        mean = self.s.mean(1, keepdim=True)
        change = torch.linalg.cholesky(torch.cov(self.s).reshape(len(self.s), -1))
        s = torch.linalg.solve_triangular(change, self.s - mean, upper=False)
        return replace(self, centre=self.centre + (self.scaling @ mean)[:, 0], scaling=self.scaling @ change, s=s)

    def stepped(self, steps: int, generator: torch.Generator, *, reflected: float = _REFLECTED) -> Walk:
        """The chains after a number of steps, each along one coordinate, of which a share is `reflected`."""
        walk = self
        while steps > 0:
            walk = walk._some_steps(min(steps, _REFRESH), generator, reflected)
            steps -= _REFRESH
        return walk

    def _some_steps(self, steps: int, generator: torch.Generator, reflected: float) -> Walk:
        """Steps between which rows are updated, not computed anew."""
        s, limits = self.s.clone(), _Limits(self)
        density = None if self.target.is_uniform else _Density(self)
        D, chains = s.shape
        sweeps = [torch.randperm(D, generator=generator) for _ in range(-(-steps // D))]
        order = torch.cat(sweeps)[:steps].tolist()
        uniform = torch.rand(steps, chains, dtype=torch.float64, generator=generator)
        heights = torch.empty_like(uniform).exponential_(generator=generator)
        for k, u, height in zip(order, uniform, heights, strict=True):
            begin, end = limits.chord(k)
            if density is not None:
                begin, end = density.sliced(k, begin, end, height)
            fresh = begin + (u - reflected) / (1 - reflected) * (end - begin)
            move = torch.where(u < reflected, begin + end, fresh)
            s[k] += move
            limits.follow(k, move)
            if density is not None:
                density.follow(k, move)
        if not s.isfinite().all():
            raise _lost(self.target)
        return replace(self, s=s)


class _Limits:
    """Values of rows (R, chains), which follow the chains, and how far their limits leave room along each axis."""

    def __init__(self, walk: Walk):
        reduced, D = walk.target.reduced, len(walk.s)
        self._axes = axes = reduced.rows @ walk.scaling
        self._rows = (reduced.start + reduced.rows @ walk.centre)[:, None] + axes @ walk.s
        self._inverse = torch.where(axes != 0, 1 / axes, 0.0)
        # A row that an axis does not change is no limit to it.
        low, high = (limit[:, None].expand(-1, D) for limit in (reduced.low, reduced.high))
        self._nearer = torch.where(axes == 0, -torch.inf, torch.where(axes > 0, low, high) * self._inverse)
        self._farther = torch.where(axes == 0, torch.inf, torch.where(axes > 0, high, low) * self._inverse)
        self._share, self._distance = torch.empty_like(self._rows), torch.empty_like(self._rows)

    def chord(self, k: int) -> tuple[Tensor, Tensor]:
        """How far chains can go back and forth along axis k, (chains,) each: no more and no less than zero."""
        torch.mul(self._rows, self._inverse[:, k, None], out=self._share)
        begin = _largest(torch.sub(self._nearer[:, k, None], self._share, out=self._distance)).clamp_max(0.0)
        end = -_largest(torch.sub(self._share, self._farther[:, k, None], out=self._distance)).clamp_max(0.0)
        return begin, end

    def follow(self, k: int, move: Tensor) -> None:
        """Take in moves (chains,) along axis k."""
        self._rows.addr_(self._axes[:, k], move)


class _Density:
    """The slopes (D, chains) of minus the log density of a normal target along the axes, which follow the chains."""

    def __init__(self, walk: Walk):
        target, factor = walk.target, walk.target.factor @ walk.scaling
        self._precision, away = factor.T @ factor, target.away + target.factor @ walk.centre
        self._slope = self._precision @ walk.s + (factor.T @ away)[:, None]

    def sliced(self, k: int, begin: Tensor, end: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        """The part of chords (chains,) along axis k where the density is above a level uniform below that at 0."""
        curvature = self._precision[k, k]
        middle, product = -self._slope[k] / curvature, 2 * height / curvature
        reach = (middle.square() + product).sqrt()
        # Of the two roots one may be a difference of numbers that are far larger.
        far = middle + torch.copysign(reach, middle)
        near = -product / torch.where(far == 0, 1.0, far)
        return begin.maximum(far.minimum(near)), end.minimum(far.maximum(near))

    def follow(self, k: int, move: Tensor) -> None:
        """Take in moves (chains,) along axis k."""
        self._slope += self._precision[:, k, None] * move


def _largest(x: Tensor) -> Tensor:
    """(chains,), of x (R, chains); minus infinity without rows."""
    return x.amax(0) if len(x) else x.new_full(x.shape[1:], -torch.inf)


def analytic_centre(target: Target) -> tuple[Tensor, Tensor]:
    """The point t (D,) of largest log density plus sum of log distances from limits, and an upper triangular root
    (D, D) of the curvature there, `root' root`.

    Newton steps, damped where they overshoot so that they stay inside (self-concordance: Nesterov & Nemirovskii 1994).
    They are least squares problems solved by QR: a polyhedron may be ten decades wider one way than another.

    Raises:
        UnboundedError: no limit stops some direction. NotConvergedError: a normal's point was not found.
    """
    t, decrement = torch.zeros(target.reduced.dimension, dtype=torch.float64), 0.0
    for _ in range(_CENTRE_STEPS):
        rows, pull = _least_squares(target, t)
        size = rows.norm(dim=0).clamp_min(torch.finfo(rows.dtype).tiny)
        Q, root = torch.linalg.qr(rows / size)
        if len(root) < len(t) or (root.diagonal().abs() <= _SINGULAR).any():
            raise UnboundedError(_UNBOUNDED)
        step = Q.T @ pull
        move = -torch.linalg.solve_triangular(root, step[:, None], upper=True)[:, 0] / size
        decrement = float(step.norm())
        t = t + _share(target, t, move, decrement) * move
        if decrement < _CLOSE:
            break
    if decrement > _LOST:
        # A cone: wherever one stands, the middle is still as far away.
        raise _lost(target)
    return t, root * root.diagonal().sign()[:, None] * size


def _lost(target: Target) -> LawfulError:
    if target.is_uniform:
        return UnboundedError(_UNBOUNDED)
    return NotConvergedError(
        "The likeliest point of a normal on the polyhedron was not found: its mean may be 1e8 standard deviations from "
        "there. Draw with larger scales, or project the mean."
    )


def _share(target: Target, t: Tensor, move: Tensor, decrement: float) -> float:
    """How much of a step to take: nearly all that limits leave, unless that is far beyond the lowest point."""
    reduced = target.reduced
    at, change = reduced.start + reduced.rows @ t, reduced.rows @ move
    room = torch.where(change > 0, reduced.high - at, reduced.low - at)
    reach = torch.where(change == 0, torch.inf, room / change).min().item() if len(change) else 1.0
    share = min(1.0, _REACH * reach)
    rows, pull = _least_squares(target, t + share * move)
    return share if float(pull @ (rows @ move)) <= _BEYOND * decrement**2 else 1 / (1 + decrement)


def _least_squares(target: Target, t: Tensor) -> tuple[Tensor, Tensor]:
    """Rows W (K, D) and a pull (K,): the curvature at t is `W' W`, the gradient `W' pull`."""
    reduced = target.reduced
    at = reduced.start + reduced.rows @ t
    from_low, from_high = 1 / (at - reduced.low), 1 / (reduced.high - at)
    weight = (from_low.square() + from_high.square()).sqrt()
    rows, pull = reduced.rows * weight[:, None], (from_high - from_low) / weight
    return torch.cat([rows, target.factor]), torch.cat([pull, target.away + target.factor @ t])
