"""The mirror map onto the interior of a polyhedron: Bregman projection with a barrier at every bound."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, LawfulError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import at_sample, batch_of
from lawful.core.linear.exact import with_gradient_of
from lawful.core.polyhedra import Bounds, Inequalities, Link, MirrorMap, Polyhedron
from lawful.core.polyhedra.laws import coefficients, joined
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.moments import require_density
from lawful.core.strategies.subspace import Subspace
from lawful.core.strategies.traces import with_traces

_NEGLIGIBLE = 1e-9
"""Of the units of a law's variables: what it may be off by near a corner, until a sample is finished."""

_FEW_STEPS, _MANY_STEPS = 30, 300
"""Of Newton's method: from the raw values themselves; for the rest from a point well inside, then from there again."""


class Mirror(Strategy):
    """Every raw value gives a point on the laws and between its bounds; inequalities enter by slack variables.

    `z = g(y + U A^T nu)`, see `MirrorMap`; y counts only modulo the row space of `A U`. Slacks need no raw value of
    their own, as theirs can be absorbed in the others'.

    Args:
        polyhedron: right-hand sides and given values may differ per sample.
        unit: (n,) positive, what variables without two bounds are measured in, such as standard deviations; one where
            None.

    Raises:
        InvalidValueError: two bounds of a variable are the same, so that nothing lies between them.
    """

    name = "mirror"

    def __init__(self, polyhedron: Polyhedron, unit: Tensor | None = None):
        super().__init__(polyhedron)
        self._laws = (~self.system.redundant_mask).nonzero()[:, 0]
        self._columns = self.system.free.nonzero()[:, 0]
        self._C = polyhedron.inequalities.C[:, self._columns]
        lower, upper = self.bounds.lower[self._columns], self.bounds.upper[self._columns]
        scale = torch.ones_like(lower) if unit is None else unit.double()[self._columns]
        pinned = (lower == upper).nonzero()
        if len(pinned):
            i = int(pinned[0])
            name = self.system.columns[int(self._columns[i])]
            raise InvalidValueError(
                f"Both bounds of {name!r} are {lower[i].item():g}, and the mirror map needs room between them: fix the "
                "variable with `LinearSystem.restrict`."
            )
        self._unit = Link(lower, upper, scale).unit
        self._map = MirrorMap(self._lifted_laws(), self._lifted_link(lower, upper))

    def _lifted_link(self, lower: Tensor, upper: Tensor) -> Link:
        """The link of variables and slacks, which are measured in what the members of their inequality add up to."""
        size = (self._C * self._unit).norm(dim=-1)
        slack = torch.where(size > 0, size, 1.0)
        infinite = torch.full_like(slack, torch.inf)
        lower, upper = torch.cat([lower, torch.zeros_like(slack)]), torch.cat([upper, infinite])
        return Link(lower, upper, torch.cat([self._unit, slack]))

    def _lifted_laws(self) -> Tensor:
        A = coefficients(self.system)[self._laws][:, self._columns]
        slacks = torch.eye(len(self._C), dtype=A.dtype, device=A.device)
        return torch.cat([torch.nn.functional.pad(A, (0, len(self._C))), torch.cat([self._C, slacks], 1)])

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, bounds=True, inequalities=True, training=False, density=True)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        return self._stored(self._mapped(y), y.dtype)

    @torch.no_grad()
    def finish(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """`apply`, and laws to rounding that the map's own finish misses; lawful samples stay.

        Those are laws of traces: where a sum of large terms misses one of small ones that it implies, or in a corner.
        """
        return self._stored(with_traces(self.polyhedron, self._mapped(y), self._slopes), y.dtype)

    def _mapped(self, y: Tensor) -> Tensor:
        """Raw values (..., n), in float64, on the laws and strictly between the bounds."""
        b = joined((self.system.b[..., self._laws], self._limits))
        batch = batch_of(y.shape[:-1], b.shape[:-1])
        b = b.expand(*batch, b.shape[-1])
        prepared = self._prepared(y, torch.float64).expand(*batch, -1)
        if not len(self._columns):
            return prepared
        raw = prepared[..., self._columns].reshape(batch.numel(), len(self._columns))
        inner, converged = self._solved(raw, b.reshape(batch.numel(), b.shape[-1]))
        self._require_solved(converged.reshape(batch))
        return prepared.index_copy(-1, self._columns, inner.reshape(*batch, len(self._columns)))

    def _slopes(self, z: Tensor) -> Tensor:
        """`dz / dy` (..., n), one for given variables."""
        link = self._map.link[torch.arange(len(self._columns), device=z.device)]
        slope = self._unit * link.slope(link.inverse(z[..., self._columns]))
        return torch.ones_like(z).index_copy(-1, self._columns, slope)

    def _solved(self, y: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Free variables (B, n) of raw values (B, n), with laws and slacks to rounding, and which are solved (B,).

        Near a corner of the polyhedron a step of Newton's method takes a variable no nearer to its bound than by a
        factor e. What is left of laws there, far below the units of their variables, is for `finish`.
        """
        y = torch.nn.functional.pad(y, (0, len(self._C)))
        z, solved, _ = self._tried(self._map, y, b, _FEW_STEPS)
        if not solved.all():
            for mirror in dict.fromkeys((self._map_from_inside, self._map)):
                late = (~solved).nonzero()[:, 0]
                again, converged, near = self._tried(mirror, y[late], b[late], _MANY_STEPS)
                z, solved = z.index_copy(0, late, again), solved.index_copy(0, late, converged | near)
        return z[:, : len(self._columns)], solved

    def _tried(self, mirror: MirrorMap, y: Tensor, b: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Variables and slacks (B, n + k), finished; which have converged (B,), and which are near the laws anyway."""
        solution = mirror.solve(y, b, max_steps=steps)
        finished = mirror.finish(solution.z.detach(), b.detach())
        near = (finished @ mirror.A.mT - b).abs() <= _NEGLIGIBLE * (mirror.A.abs() @ mirror.link.unit)
        return with_gradient_of(solution.z, finished), solution.converged, near.all(-1)

    @cached_property
    def _map_from_inside(self) -> MirrorMap:
        """The same map, whose steps start from a point inside for the mean of right-hand sides, if there is one."""
        n, link = len(self._columns), self._map.link
        b, limits = (_mean(x) for x in (self.system.b[..., self._laws], self._limits))
        laws = LinearSystem(self._map.A[: len(self._laws), :n], b)
        try:
            point = Polyhedron(
                laws, Bounds(link.lower[:n], link.upper[:n]), Inequalities(self._C, limits)
            ).interior.point
        except LawfulError:
            return self._map
        inner = torch.from_numpy(point).to(limits)
        centre = torch.cat([inner, limits - self._C @ inner])
        inside = ((link.lower < centre) & (centre < link.upper)).all()
        return MirrorMap(self._map.A, link, centre) if inside else self._map

    def _require_solved(self, solved: Tensor) -> None:
        failed = ~solved
        if failed.any():
            raise InvalidValueError(
                f"The mirror map does not converge{at_sample(tuple(failed.nonzero()[0].tolist()))} "
                f"({int(failed.sum())} in all): its raw values are too large, or nothing lies strictly between the "
                "bounds (`Polyhedron.require_feasible` tells)."
            )

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Density by change of variables; minus infinity where z is on a bound or beyond.

        With N' an orthonormal basis of the null space of A U, H the inverse of the link, s the slacks and S their
        units, the coordinates are `t = N'^T (H(z) - U C^T S^-1 H(s))`, and the density is that of t times
        `|dt / dz|`, which `MirrorMap.log_det` has for variables and slacks together.
        """
        loc, scale = require_density(self.system, z, loc, scale)
        if not len(self._columns):
            return z.new_zeros(z.shape[:-1])
        n, link = len(self._columns), self._map.link
        inner = z.double()[..., self._columns]
        lifted = torch.cat([inner, self._limits - inner @ self._C.mT], -1)
        inside = (lifted > link.lower) & (lifted < link.upper)
        lifted = torch.where(inside, lifted, link.forward(torch.zeros_like(lifted)))
        y = link.inverse(lifted)
        came = y[..., :n] - y[..., n:] @ self._carried
        density = self._scaled_space.log_prob(came, loc[..., self._columns], scale[..., self._columns])
        change = self._map.log_det(lifted.reshape(-1, lifted.shape[-1])).reshape(lifted.shape[:-1])
        return torch.where(inside.all(-1), density + self._slack_volume - change, -torch.inf).to(z.dtype)

    @cached_property
    def _carried(self) -> Tensor:
        """`S^-1 C U` (k, n): what moves of variables do to slacks, both in units of the link."""
        return self._C * self._unit / self._map.link.scale[len(self._columns) :].unsqueeze(-1)

    @cached_property
    def _slack_volume(self) -> Tensor:
        """`log` of the volume that coordinates of variables and slacks have in those of variables, before and after."""
        moves = self.system.nullspace()[self._columns]
        pairs = ((self._carried, self._scaled_space.basis), (self._C, moves))
        return sum((_stretch(C @ basis) for C, basis in pairs), moves.new_zeros(()))

    @cached_property
    def _scaled_space(self) -> Subspace:
        A = coefficients(self.system)[self._laws][:, self._columns]
        return Subspace(LinearSystem(A * self._unit).nullspace())


def _mean(x: Tensor) -> Tensor:
    """(n,) of x (..., n)."""
    return x.reshape(x.shape[:-1].numel(), x.shape[-1]).mean(0)


def _stretch(C: Tensor) -> Tensor:
    """`log det(1 + C' C) / 2`."""
    return 0.5 * torch.linalg.svdvals(C).square().log1p().sum()
