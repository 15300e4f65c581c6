"""Models that put out raw values of all variables, of which a strategy makes samples: to compare strategies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lawful.core.linear import LinearSystem
from lawful.core.models.base import Settings
from lawful.core.polyhedra import Bounds, Inequalities, Link, Polyhedron
from lawful.core.strategies import Completion, Mirror, ProjectionAfter, Sequential, Strategy, strategy

LINK_UNIT = 0.1
"""Where links of `mirror` and `completion` bend, in standard deviations: nearly linear away from bounds."""

_INWARD = 0.01
_ROUNDING = 1e-9
_IMPLIED = 1e-9


@dataclass(frozen=True)
class Space:
    """Variables in units (n,) that are powers of two near their standard deviations, with means and deviations there.

    A division by a power of two loses no bit: what is lawful in these units is lawful in the variables' own, to the
    same ulps, and what is on a bound stays there.
    """

    unit: Tensor
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, z: Tensor) -> Space:
        """The space of training events z (N, n), float64."""
        spread = z.std(0, correction=0)
        # What varies by the rounding of the others only is no unit to count in.
        spread = torch.where(spread > 0, spread.clamp_min(_ROUNDING * spread.max()), 0.0)
        unit = torch.where(spread > 0, spread, 1.0).log2().round().exp2()
        u = z / unit
        std = u.std(0, correction=0)
        return cls(unit, u.mean(0), torch.where(std > 0, std, 1.0))

    def polyhedron(self, own: Polyhedron) -> Polyhedron:
        """A polyhedron of variables in their own units, in these."""
        system, bounds, limits = own.system, _needed(own), own.inequalities
        laws = LinearSystem(system.A * self.unit, system.b, names=system.names, columns=system.columns)
        within = Bounds(bounds.lower / self.unit, bounds.upper / self.unit)
        return _open(Polyhedron(laws, within, Inequalities(limits.C * self.unit, limits.d, limits.names)))


def _open(whole: Polyhedron) -> Polyhedron:
    """The same set with implied equalities as laws and variables that have one value only fixed: it has an interior."""
    inner, limits = whole.interior, whole.inequalities
    if not (inner.tight.any() or inner.at_lower.any() or inner.at_upper.any()):
        return whole
    tight = torch.from_numpy(inner.tight)
    names = tuple(name for name, t in zip(limits.names or (), tight.tolist(), strict=False) if not t)
    return Polyhedron(whole.hull, whole.bounds, Inequalities(limits.C[~tight], limits.d[~tight], names or None))


def _needed(own: Polyhedron) -> Bounds:
    """Bounds, infinite where laws, inequalities and other bounds imply them: parts of a sum, or a flux of no cycle.

    Lower bounds are implied only where they are never reached: of a part and its rest, one has to keep its own.
    """
    lower, upper = own.bounds.lower, own.bounds.upper
    never = own.ranges[0] > lower + _IMPLIED * (1 + lower.abs())
    infinite = torch.full_like(upper, torch.inf)
    least, most = Polyhedron(own.system, Bounds(lower.where(~never, -infinite), infinite), own.inequalities).ranges
    below, above = least >= lower - _IMPLIED * lower.abs(), most <= upper + _IMPLIED * upper.abs()
    return Bounds(torch.where(never & below, -infinite, lower), torch.where(above, infinite, upper))


def made_strategy(name: str, polyhedron: Polyhedron, space: Space) -> Strategy:
    """The strategy of that name for a polyhedron in the units of a space, with options that suit them.

    `repair` is `projection-after` that keeps bounds and inequalities too.
    """
    unit = torch.full((polyhedron.n,), LINK_UNIT, dtype=torch.float64)
    order = solving_order(polyhedron, space)
    makers: dict[str, Callable[[], Strategy]] = {
        "repair": lambda: ProjectionAfter(polyhedron, limits=True),
        "mirror": lambda: Mirror(polyhedron, unit=unit),
        "completion": lambda: Completion(polyhedron, order=order, unit=unit),
        "sequential": lambda: Sequential(polyhedron, order=order),
    }
    return makers[name]() if name in makers else strategy(name, polyhedron)


def solving_order(polyhedron: Polyhedron, space: Space) -> list[int]:
    """Variables in the order in which they are repaired or generated; the last ones are solved for.

    Those are variables without bounds, and then those that vary most: what others are off by is least beside them.
    """
    bounded = polyhedron.bounds.lower.isfinite() | polyhedron.bounds.upper.isfinite()
    return sorted(range(polyhedron.n), key=lambda i: (not bool(bounded[i]), float(space.unit[i])))


class RawModel(nn.Module):
    """A family overrides `loss` and `draw`; everything in it is in the units of `space`.

    Args:
        layer: the strategy, in the units of `space`.
        space: from the training events.
        context_size: number of features that are known of an event.
        settings: `joint_width`, `depth` and what else families that generate all coordinates at once use.
    """

    name: ClassVar[str]

    def __init__(self, layer: Strategy, space: Space, context_size: int, settings: Settings | None = None):
        super().__init__()
        self.layer, self.space, self.settings = layer, space, settings or Settings()
        self.n, self.known = layer.system.n, max(1, context_size)
        self.raw_mean, self.raw_std = space.mean, space.std

    def start(self, u: Tensor) -> Tensor:
        """What to learn from: u (N, n) in the units of the space, on the laws to rounding; scales raw values to it.

        Where the strategy reaches the interior only, a hundredth of the way to a point inside: on a bound its density
        is zero.
        """
        if not isinstance(self.layer, Mirror | Completion):
            return u
        bounds, unit = self.layer.bounds, torch.full((self.n,), LINK_UNIT, dtype=torch.float64)
        u = bounds.clip(u)
        u = u + _INWARD * (self._inside(u.mean(0)) - u)
        y = Link(bounds.lower, bounds.upper, unit).inverse(u).where(self.layer.system.free, 0.0)
        self.raw_mean, self.raw_std = y.mean(0), y.std(0, correction=0).clamp_min(1e-9)
        return u

    def _inside(self, mean: Tensor) -> Tensor:
        """The mean (n,) of events, or near it where a variable is on a bound in all of them but for rounding."""
        bounds, free = self.layer.bounds, self.layer.system.free
        if not (((mean - bounds.lower <= _ROUNDING) | (bounds.upper - mean <= _ROUNDING)) & free).any():
            return mean
        return mean + _INWARD * (torch.from_numpy(self.layer.polyhedron.interior.point) - mean)

    def loss(self, u: Tensor, context: Tensor) -> Tensor:
        """Scalar to minimise, for prepared events u (B, n) and what is known of them (B, c)."""
        raise NotImplementedError

    def draw(self, context: Tensor) -> Tensor:
        """Samples (B, n) float64 in the units of the space; random numbers are torch's."""
        raise NotImplementedError

    @torch.no_grad()
    def sample(self, context: Tensor) -> Tensor:
        """Samples (B, n) float64 in the variables' own units."""
        return self.draw(context) * self.space.unit

    def _standard(self, u: Tensor) -> Tensor:
        return ((u - self.space.mean) / self.space.std).float()

    def _raw(self, v: Tensor) -> Tensor:
        return self.raw_mean + self.raw_std * v.double()

    def _known(self, context: Tensor) -> Tensor:
        return context.float() if context.shape[1] else torch.zeros(len(context), 1)
