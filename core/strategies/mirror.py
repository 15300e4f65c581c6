"""The mirror map onto the interior of the constraints: Bregman projection with a barrier at every bound."""

from __future__ import annotations

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import at_sample
from lawful.core.linear.exact import with_gradient_of
from lawful.core.polyhedra import Link, mirror_map
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.constraints import Constraints
from lawful.core.strategies.order import require_one_pattern
from lawful.core.strategies.subspace import coordinates, projected_log_prob


class Mirror(Strategy):
    """Every raw value gives a point on the laws and between its bounds; inequalities enter by slack variables.

    Variables are measured in units: the width where there are two bounds, else `unit`. With `v = z / unit`, `A'` the
    laws in units and g the link, `v = g(y + A'^T nu)`; y counts only modulo the row space of `A'`. Slacks need no raw
    value of their own, as theirs can be absorbed in the others'.

    Args:
        constraints: coefficients and given variables shared by all samples.
        unit: (n,) positive, such as standard deviations; one where None.
    """

    name = "mirror"

    def __init__(self, constraints: Constraints, unit: Tensor | None = None):
        super().__init__(constraints)
        require_one_pattern(constraints, self.name)
        system = self.system
        one = torch.ones(system.n, dtype=torch.float64, device=system.device)
        width = constraints.upper - constraints.lower
        self.unit = torch.where(width.isfinite(), width, one if unit is None else unit.double())
        self._laws = (~system.redundant_mask).nonzero()[:, 0]
        self._columns = system.free.nonzero()[:, 0]
        self._C = (constraints.C * self.unit)[:, self._columns]
        self._slack = torch.where(self._C.any(-1), self._C.norm(dim=-1), 1.0)
        self._link, self._A = self._lifted_link(), self._lifted_laws()

    def _lifted_link(self) -> Link:
        k, unit = len(self._slack), self.unit[self._columns]
        infinity, zero = self._slack.new_full((k,), torch.inf), self._slack.new_zeros(k)
        lower = torch.cat([self.constraints.lower[self._columns] / unit, zero])
        upper = torch.cat([self.constraints.upper[self._columns] / unit, infinity])
        return Link(lower, upper, torch.ones_like(lower))

    def _lifted_laws(self) -> Tensor:
        A = (self.system.A * self.unit)[self._laws][:, self._columns]
        empty = A.new_zeros(len(A), len(self._slack))
        return torch.cat([torch.cat([A, empty], 1), torch.cat([self._C, torch.diag(self._slack)], 1)])

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, bounds=True, inequalities=True, density=True)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        limits = (self.system.b[..., self._laws], self.constraints.free_limits)
        batch = torch.broadcast_shapes(y.shape[:-1], self.system.batch_shape, limits[1].shape[:-1])
        b = torch.cat([x.expand(*batch, x.shape[-1]) for x in limits], -1)
        prepared = self._prepared(y.double()).expand(*batch, -1)
        v = self._solved(prepared[..., self._columns].reshape(-1, len(self._columns)), b.reshape(-1, b.shape[-1]))
        z = prepared.index_copy(-1, self._columns, v.reshape(*batch, -1) * self.unit[self._columns])
        finished = self._finished(z.detach())
        self._require_lawful(finished)
        return self.constraints.stored(with_gradient_of(z, finished), y.dtype)

    def _solved(self, y: Tensor, b: Tensor) -> Tensor:
        """Variables in units (B, n), with their derivative by one more Newton step from the solution."""
        A, n = self._A, y.shape[-1]
        y = torch.nn.functional.pad(y, (0, len(self._slack)))
        solution = mirror_map(A, y.detach(), b.detach(), self._link)
        if not (y.requires_grad or b.requires_grad):
            return solution.z[:, :n]
        start = y + solution.nu @ A
        K = (A * self._link.derivative(start.detach()).unsqueeze(-2)) @ A.mT
        step = torch.linalg.solve(K, b - self._link.forward(start) @ A.mT)
        return self._link.forward(start + step @ A)[:, :n]

    def _finished(self, z: Tensor) -> Tensor:
        nowhere = torch.zeros_like(z, dtype=torch.bool)
        return self.constraints.settled(z, nowhere, nowhere[..., :1].expand(*z.shape[:-1], len(self._slack)))

    def _require_lawful(self, z: Tensor) -> None:
        failed = ~self.constraints.holds(z)
        if failed.any():
            raise InvalidValueError(
                f"The mirror map does not converge{at_sample(tuple(failed.nonzero()[0].tolist()))} "
                f"({int(failed.sum())} in all): its raw values are too large, or nothing lies strictly between the "
                "bounds (`require_feasible` tells)."
            )

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Density by change of variables; minus infinity where z is on a bound or beyond.

        With N, N' orthonormal bases of the null spaces of A and A', H the inverse of the link and s the slacks, the
        coordinates are `t = N'^T (H(z) - C'^T H(s))`, and the density is that of t times
        `|det N'^T (diag(1 / g'(z)) + C'^T diag(1 / g'(s)) C') N|`.
        """
        n, unit = len(self._columns), self.unit[self._columns]
        v = z.double()[..., self._columns] / unit
        slack = (self.constraints.free_limits - v @ self._C.mT) / self._slack
        lifted = torch.cat([v, slack.expand(*v.shape[:-1], -1)], -1)
        inside = (lifted > self._link.lower) & (lifted < self._link.upper)
        lifted = torch.where(inside, lifted, self._link.forward(torch.zeros_like(lifted)))
        y = self._link.inverse(lifted)
        weight = 1 / self._link.derivative(y)
        C = self._C / self._slack.unsqueeze(-1)
        basis, scaled = self.system.nullspace()[self._columns], self._scaled_null_space
        t = coordinates(scaled, y[..., :n] - y[..., n:] @ C)
        inner = torch.diag_embed(weight[..., :n]) + (C.mT * weight[..., None, n:]) @ C
        change = torch.linalg.slogdet(scaled.mT @ inner @ (basis / unit.unsqueeze(-1))).logabsdet
        density = projected_log_prob(scaled, t, loc[..., self._columns], scale[..., self._columns]) + change
        return torch.where(inside.all(-1), density, -torch.inf).to(z.dtype)

    @property
    def _scaled_null_space(self) -> Tensor:
        return LinearSystem(self._A[: len(self._laws), : len(self._columns)]).nullspace()
