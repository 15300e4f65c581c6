"""Generate as many variables as the laws leave free, and solve the laws for the rest.

Donti, Rolnick, Kolter (DC3), ICLR 2021, arXiv:2104.12225, without its correction steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lawful.core.linear.exact import with_gradient_of
from lawful.core.polyhedra import Link, NotConvergedError, Polyhedron
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.moments import require_density
from lawful.core.strategies.order import as_tensor, laws_solved, ordered
from lawful.core.strategies.subspace import normal_log_prob


class Completion(Strategy):
    """Generated variables are raw values, put within their bounds by a `Link`; the laws give the solved ones.

    Args:
        polyhedron: right-hand sides and given values may differ per sample.
        order: all variables, by name or number, the last of which are solved for; None puts those without bounds last.
        unit: (n,) positive, what a variable with one bound is measured in; one where None.
    """

    name = "completion"

    def __init__(self, polyhedron: Polyhedron, order: Sequence[str | int] | None = None, unit: Tensor | None = None):
        super().__init__(polyhedron)
        system, numbers = self.system, ordered(self.system, order)
        self._bounded = self.bounds.lower.isfinite() | self.bounds.upper.isfinite()
        if order is None:
            numbers.sort(key=lambda i: not bool(self._bounded[i]))
        self._laws, solution = laws_solved(system, [i for i in numbers if system.free[i]])
        self.solved = torch.tensor(solution.solved, dtype=torch.long, device=system.device)
        self._R, self._T = (as_tensor(x, system.device) for x in (solution.R, solution.T))
        self._is_solved = torch.zeros(system.n, dtype=torch.bool, device=system.device).index_fill(0, self.solved, True)
        self._generated = system.free & ~self._is_solved
        one = torch.ones(system.n, dtype=torch.float64, device=system.device)
        infinite = torch.where(self._generated, 0.0, torch.inf)
        self._link = Link(self.bounds.lower - infinite, self.bounds.upper + infinite, one if unit is None else unit)

    @property
    def guarantee(self) -> Guarantee:
        open_ended = not bool((self._bounded & self._is_solved).any())
        pinned = bool(((self.bounds.lower == self.bounds.upper) & self._generated).any())
        return Guarantee(equalities=True, bounds=open_ended, density=not pinned)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        z = self._completed(self._prepared(y, torch.float64))
        stored = self._stored(z, y.dtype) if self.guarantee.bounds else z.to(y.dtype)
        return with_gradient_of(stored, self._held(stored.detach()))

    @torch.no_grad()
    def _held(self, z: Tensor) -> Tensor:
        """z (..., n) as stored, projected where the solved variables alone cannot bring laws nearer.

        Raises:
            NotConvergedError: some sample still misses a law.
        """
        if self.system.holds(z).all():
            return z
        moved = (self.polyhedron if self.guarantee.bounds else self.system).project(z)
        ulps = self.system.ulps(moved)
        if not self.system.holds(moved).all():
            law, worst = self.system.names[int(ulps.reshape(-1, self.system.m).amax(0).argmax())], float(ulps.max())
            raise NotConvergedError(
                f"Law {law!r} is missed by {worst:.3g} ulps: leave out laws that nearly follow from others, or give "
                "`LinearSystem` a larger `rank_tolerance`."
            )
        return moved

    def _completed(self, y: Tensor) -> Tensor:
        drawn = torch.where(self._generated, self._link.forward(y), y)
        values = self.system.b[..., self._laws] @ self._T.mT - torch.where(self._generated, drawn, 0.0) @ self._R.mT
        drawn = drawn.expand(*torch.broadcast_shapes(drawn.shape[:-1], values.shape[:-1]), -1)
        z = drawn.index_copy(-1, self.solved, values.expand(*drawn.shape[:-1], -1))
        exact = z.detach()
        return with_gradient_of(z, self.system.restrict(self._is_solved, exact, check=False).project(exact))

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """The density of the generated variables on the subspace; minus infinity where one is not within its bounds."""
        if not self.guarantee.density:
            return super().log_prob(z, loc, scale)
        loc, scale = require_density(self.system, z, loc, scale)
        exact = z.double()
        inner = (exact > self._link.lower) & (exact < self._link.upper) | ~self._generated
        inside = torch.where(inner & self._generated, exact, self._link.forward(torch.zeros_like(exact)))
        y = self._link.inverse(inside)
        slopes = torch.where(self._generated, self._link.derivative(y).log(), 0.0).sum(-1)
        volume = torch.linalg.slogdet(self.system.nullspace()[self._generated]).logabsdet
        density = normal_log_prob(y, loc, scale, self._generated) - slopes + volume
        return torch.where(inner.all(-1), density, -torch.inf).to(z.dtype)
