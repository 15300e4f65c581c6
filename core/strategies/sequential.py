"""Repair of one variable after another (constraint layer of C-DGM: Stoian et al., ICLR 2024, arXiv:2402.04823).

Equations are solved for their last variables in the order; Fourier-Motzkin elimination of the rest says between which
values each variable may lie, given those before it, so that the later ones can be completed. A raw value between them
stays; one outside moves to the nearer. Bounds that a move makes tight are met exactly, so that zeros are zeros.

A solved variable has no say of its own: its raw value is not used, and gets no gradient unless the point is lawful and
stays. What a loss says about it goes to the variables that it is computed from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lawful.core.linear import half_spacing
from lawful.core.linear.arrays import at_sample
from lawful.core.linear.exact import with_gradient_of
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra import EmptyError, NotConvergedError, Polyhedron, require_feasible
from lawful.core.polyhedra.laws import coefficients, joined, limits_left
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.clamp import Clamp
from lawful.core.strategies.elimination import Rows, eliminate, substituted
from lawful.core.strategies.finishing import Finishing
from lawful.core.strategies.order import as_tensor, laws_solved, ordered

_INFEASIBLE = 1e-9


class Sequential(Strategy):
    """Clamps each variable, in order, to what the laws, bounds and inequalities still allow.

    Args:
        polyhedron: right-hand sides and given values may differ per sample.
        order: all variables, by name or number; None is the order of the system. The last ones are solved for.

    `apply` and `finish` raise `NotConvergedError` for samples between constraints that clash by less than 1e-9 of their
    size but more than rounding.

    Raises:
        InfeasibleError: no values satisfy the constraints (in some sample), with the clashing ones named.
        InvalidValueError: elimination would leave more than `elimination.LIMIT` inequalities at a step.
    """

    name = "sequential"

    def __init__(self, polyhedron: Polyhedron, order: Sequence[str | int] | None = None):
        super().__init__(polyhedron)
        free = self.system.free.tolist()
        self.order = [i for i in ordered(self.system, order) if free[i]]
        self._laws, solution = laws_solved(self.system, self.order)
        self.solved = torch.tensor(solution.solved, dtype=torch.long, device=self.system.device)
        self._R, self._T = (as_tensor(x, self.system.device) for x in (solution.R, solution.T))
        repaired = [i for i in self.order if i not in solution.solved]
        stages, rest = eliminate(substituted(self._first, solution), repaired, self.system.columns)
        self._stages = [Clamp(stage, self.system.device) for stage in stages]
        self._require_feasible(rest)
        self._finishing = Finishing(polyhedron)

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, bounds=True, inequalities=True, zeros=True)

    @property
    def size(self) -> int:
        """How many inequalities bound a variable, at the one with most: what elimination has grown them to."""
        return max((len(stage) for stage in self._stages), default=0)

    @cached_property
    def _low(self) -> Tensor:
        return (self.bounds.lower.isfinite() & self.system.free).nonzero()[:, 0]

    @cached_property
    def _high(self) -> Tensor:
        return (self.bounds.upper.isfinite() & self.system.free).nonzero()[:, 0]

    @property
    def _first(self) -> Rows:
        """Rows, lower bounds and upper bounds, in this order."""
        eye, free = np.eye(self.system.n), self.system.free.cpu().numpy()
        C = self.polyhedron.inequalities.C.cpu().numpy() * free
        G = np.vstack([C, -eye[self._low.cpu()], eye[self._high.cpu()]])
        return Rows(G, np.eye(len(G)), np.eye(len(G), dtype=bool))

    @property
    def _right_hand_sides(self) -> tuple[Tensor, Tensor]:
        """Right-hand sides (..., Q) of equations and of the first inequalities, and their rounding."""
        laws = self.system.b[..., self._laws], self.system.b_rounding[..., self._laws]
        bounds = torch.cat([-self.bounds.lower[self._low], self.bounds.upper[self._high]])
        limits = limits_left(self.system, self.polyhedron.inequalities)
        q, known = (joined(x) for x in zip(laws, limits, (bounds, half_spacing(bounds, torch.float64)), strict=True))
        return q, LAWFUL_ULPS * known

    def _require_feasible(self, rest: Rows) -> None:
        q, rounding = (x.detach() for x in self._right_hand_sides)
        M = as_tensor(rest.M, q.device)
        allowed = (_INFEASIBLE * q.abs() + rounding) @ M.abs().mT
        bad = (q @ M.mT < -allowed).any(-1)
        if bad.any():
            self._raise_clash(tuple(bad.nonzero()[0].tolist()), bad.shape)

    def _raise_clash(self, where: tuple[int, ...], batch: Sequence[int]) -> None:
        """InfeasibleError for one sample, unless the linear programme finds it feasible within its own tolerance."""
        system, inequalities = self.system, self.polyhedron.inequalities
        b, d = (x.expand(*batch, x.shape[-1])[where].detach().cpu().numpy() for x in (system.b, self._limits))
        free = system.free.cpu().numpy()
        require_feasible(
            coefficients(system).cpu().numpy(),
            b,
            inequalities.C.cpu().numpy() * free,
            d,
            np.where(free, self.bounds.lower.cpu().numpy(), -np.inf),
            np.where(free, self.bounds.upper.cpu().numpy(), np.inf),
            law_names=system.names,
            inequality_names=tuple(inequalities.names or ()),
            names=system.columns,
            where=at_sample(where),
        )

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        q, prepared = self._right_hand_sides[0], self._prepared(y, torch.float64)
        prepared = prepared.expand(*torch.broadcast_shapes(prepared.shape[:-1], q.shape[:-1]), -1)
        z, tight = self._repaired(prepared, q)
        finished = self._stored(self._finished(z.detach(), tight), y.dtype)
        came = prepared.detach().to(y.dtype)
        stays = self.polyhedron.contains(came).unsqueeze(-1)
        return with_gradient_of(z.to(y.dtype), self._held(torch.where(stays, came, finished)))

    def _repaired(self, y: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """Clamped and solved values (..., n), and which of the first inequalities (..., K) are tight."""
        z = torch.where(self.system.free, torch.zeros_like(y), y)
        tight = torch.zeros(*z.shape[:-1], q.shape[-1] - len(self._laws), dtype=torch.bool, device=y.device)
        for stage in self._stages:
            value, made_tight = stage(y, z, q)
            z = z.index_copy(-1, stage.variable, value.unsqueeze(-1))
            tight = tight | made_tight
        return self._with_solved(z, q), tight

    def _with_solved(self, z: Tensor, q: Tensor) -> Tensor:
        values = q[..., : len(self._laws)] @ self._T.mT - torch.where(self.system.free, z, 0.0) @ self._R.mT
        return z.index_copy(-1, self.solved, values)

    @torch.no_grad()
    def _finished(self, z: Tensor, tight: Tensor) -> Tensor:
        """Tight bounds met exactly, and laws to rounding by moves of the variables between their bounds."""
        z, at_bound = self._on_bounds(z, tight)
        return self._finishing(z, at_bound, tight[..., : self._finishing.k])

    @torch.no_grad()
    def _held(self, z: Tensor) -> Tensor:
        """z (..., n) as stored, with samples that miss a constraint projected: elimination sees no clash below 1e-9."""
        missed = ~self.polyhedron.contains(z)
        if not missed.any():
            return z
        try:
            return self.polyhedron.project(z)
        except (EmptyError, NotConvergedError) as error:
            raise NotConvergedError(self._missed(z, tuple(missed.nonzero()[0].tolist()))) from error

    def _missed(self, z: Tensor, where: tuple[int, ...]) -> str:
        ulps = self.system.ulps(z)[where]
        law = f"law {self.system.names[int(ulps.argmax())]!r}" if (ulps > LAWFUL_ULPS).any() else "an inequality"
        return (
            f"Repair and projection miss {law}{at_sample(where)} by more than {LAWFUL_ULPS:g} ulps: together with the "
            "bounds and other constraints it may leave no point, by a clash below 1e-9. Correct or loosen one of these."
        )

    def _on_bounds(self, z: Tensor, tight: Tensor) -> tuple[Tensor, Tensor]:
        k, low = self._finishing.k, len(self._low)
        lower, upper = self.bounds.lower, self.bounds.upper
        at_low = torch.zeros_like(z, dtype=torch.bool).index_copy(-1, self._low, tight[..., k : k + low])
        at_high = torch.zeros_like(z, dtype=torch.bool).index_copy(-1, self._high, tight[..., k + low :])
        at_low, at_high = at_low | (self.system.free & (z <= lower)), at_high | (self.system.free & (z >= upper))
        z = torch.where(at_low, lower, torch.where(at_high, upper, z))
        return z, at_low | at_high
