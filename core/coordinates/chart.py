"""The chart between lawful events and what a model generates: a state, and free coordinates on its face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates.plan import Plan, make_plan, solve_order
from lawful.core.coordinates.problem import Problem
from lawful.core.coordinates.states import FREE, SAME, States
from lawful.core.polyhedra import Link, mirror_map

SOLVED_SLOPE = 1e4
"""Slope of an unbounded variable that the laws solve for, in standard deviations: others hardly move instead of it."""

_FINISHED_ULPS = 4.0


@dataclass(frozen=True)
class Decoded:
    """Events `z` (B, n) in physical units, float64, and which of them `(B,)` obey every law, bound and inequality."""

    z: Tensor
    lawful: Tensor


class Chart:
    """Coordinates of events that obey the laws of a `Problem`.

    An event is a state (which variables, slacks and ratios sit on recurring values, see `States`) and real coordinates
    `w` (columns,), zero where the state has none. Decoding is in three steps: ratios and variables with a resolution
    come straight from their own coordinate; with those and the state's values moved to the right-hand side, the mirror
    map solves the laws strictly inside the bounds; a weighted projection in float64 removes what Newton left.
    """

    def __init__(self, problem: Problem, states: States, link: Link, ratios: Tensor):
        self.problem, self.states, self.link, self.ratios = problem, states, link, ratios
        order = solve_order(problem, states.table, link.lower.isfinite() | link.upper.isfinite())
        self.plans = [make_plan(problem, s, order, r) for s, r in zip(states.table, ratios, strict=True)]
        self.coordinate = torch.stack([plan.coordinate for plan in self.plans])

    @classmethod
    def fit(cls, problem: Problem, z: Tensor) -> tuple[Chart, Tensor]:
        """A chart for training events `z` (N, n), and the number of each event's state `(N,)`."""
        extended = problem.extend(z)
        states, ids = States.of_data(problem, extended)
        rho = extended[:, problem.lifted :]
        typical = torch.stack([rho[ids == s].nanmean(0) for s in range(len(states.table))])
        lower, upper = _support(problem, states, extended)
        draft = cls(problem, states, Link(lower, upper, torch.ones_like(lower)), typical)
        return cls(problem, states, Link(lower, upper, draft._scales(extended)), typical), ids

    def tensors(self) -> dict[str, Tensor]:
        """All that, with the problem, makes the chart again."""
        return {
            "table": self.states.table,
            "atoms": self.states.atoms,
            "counts": self.states.counts,
            "lower": self.link.lower,
            "upper": self.link.upper,
            "scale": self.link.scale,
            "ratios": self.ratios,
        }

    @classmethod
    def from_tensors(cls, problem: Problem, tensors: dict[str, Tensor]) -> Chart:
        """The chart of `tensors()`, for the same problem."""
        states = States(tensors["table"], tensors["atoms"], tensors["counts"])
        link = Link(tensors["lower"], tensors["upper"], tensors["scale"])
        return cls(problem, states, link, tensors["ratios"])

    def _scales(self, extended: Tensor) -> Tensor:
        """Scales of the links: logarithmic only near a bound, so that linear relations in the data stay linear."""
        lower, upper = self.link.lower, self.link.upper
        solved = {int(i) for plan in self.plans for i in plan.solved}
        scales = []
        for i, values in enumerate(extended.T):
            values = values[values.isfinite()]
            spread = values.std(correction=0).item() if len(values) else 0.0
            if lower[i].isfinite() or upper[i].isfinite():
                away = (values - (lower[i] if lower[i].isfinite() else upper[i])).abs()
                away = away[away > 0]
                scale = min(away.quantile(0.05).item(), 0.05 * spread or torch.inf) if len(away) else 0.0
            else:
                scale = spread * (SOLVED_SLOPE if i in solved else 1.0)
            scales.append(scale or 1.0)
        return torch.tensor(scales, dtype=torch.float64)

    def encode(self, z: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Coordinates `(N, columns)` of events in the states `ids`.

        A variable with a resolution is spread uniformly over its step first, with random numbers from `generator`.
        """
        extended = self.problem.extend(z)
        y = self.link.inverse(self._spread(extended, generator))
        w = torch.zeros_like(extended)
        for plan, rows in self._members(ids):
            A = self._rows(plan, extended[rows, self.problem.lifted :])
            at_rest = y[rows].clone()
            if len(plan.solved):
                multipliers = torch.linalg.solve(A[:, :, plan.solved].mT, y[rows][:, plan.solved][..., None])
                at_rest[:, plan.moved] -= (A[:, :, plan.moved].mT @ multipliers).squeeze(-1)
            w[rows] = torch.where(plan.coordinate, at_rest, 0.0)
        return w

    def _spread(self, extended: Tensor, generator: torch.Generator) -> Tensor:
        step = torch.zeros(self.problem.columns, dtype=torch.float64)
        step[: self.problem.n] = self.problem.resolution
        noise = torch.rand(extended.shape, generator=generator, dtype=torch.float64) - 0.5
        return torch.where(self.problem.quantised, extended + noise * step, extended)

    def decode(self, w: Tensor, ids: Tensor, given: Tensor) -> Decoded:
        """Events of coordinates `w` (B, columns) in the states `ids` (B,); `given` (B, n) is read where given."""
        known = self._known(w, ids, given)
        z = torch.zeros(len(w), self.problem.n, dtype=torch.float64)
        lawful = torch.zeros(len(w), dtype=torch.bool)
        for plan, rows in self._members(ids):
            solved, converged = self._solve(plan, w[rows], known[rows])
            finished, held = self._finish(plan, solved)
            z[rows], lawful[rows] = finished, converged & held
        return Decoded(z, lawful)

    def _known(self, w: Tensor, ids: Tensor, given: Tensor) -> Tensor:
        """Values `(B, columns)` known before the laws are solved; NaN for those that they determine."""
        problem, drawn, fixed = self.problem, self.link.forward(w), self.states.values(ids)
        free = self.states.table[ids] == FREE
        step = torch.ones(problem.columns, dtype=torch.float64)
        step[: problem.n] = torch.where(problem.resolution > 0, problem.resolution, 1.0)
        snapped = (drawn / step).round().clamp_min(1.0) * step
        known = torch.where(free & problem.quantised, snapped, fixed)
        known[:, problem.lifted :] = torch.where(free, drawn, fixed)[:, problem.lifted :]
        known[:, : problem.n] = torch.where(problem.given, given, known[:, : problem.n])
        return known

    def _solve(self, plan: Plan, w: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Lifted variables `(B, n + k)` by the mirror map, and which samples converged."""
        z = torch.where(plan.fixed, known[:, : self.problem.lifted], 0.0)
        if not len(plan.moved):
            return z, torch.ones(len(w), dtype=torch.bool)
        A = self._rows(plan, known[:, self.problem.lifted :])
        b = self.problem.coefficients(known[:1, self.problem.lifted :])[1][plan.rows]
        b = b - (A @ z[..., None]).squeeze(-1)
        y = torch.where(plan.coordinate, w, 0.0)[:, plan.moved]
        solution = mirror_map(A[:, :, plan.moved], y, b, self.link[plan.moved])
        z[:, plan.moved] = solution.z
        return z, solution.converged

    def _finish(self, plan: Plan, lifted: Tensor) -> tuple[Tensor, Tensor]:
        """The laws to rounding, moving free variables in proportion to their distance from bounds; and what holds."""
        problem = self.problem
        z = lifted[:, : problem.n]
        usable = z.isfinite().all(-1) & ((z >= problem.lower) & (z <= problem.upper)).all(-1)
        z = torch.where(usable[:, None], z, 0.0)
        free = (~plan.fixed[: problem.n]).expand(z.shape)
        laws = problem.system.restrict(free, z, check=False)
        room = torch.minimum(z - problem.lower, problem.upper - z)
        weights = torch.minimum(room, z.abs()).clamp_min(1e-150).square()
        done = laws.project_with(laws.metric(weights.clamp_min(1e-300).sqrt()), z) if free.any() else z
        done = torch.where(free, done, z)
        return done, usable & holds(problem, done, torch.float64)

    def _rows(self, plan: Plan, rho: Tensor) -> Tensor:
        return self.problem.coefficients(rho)[0][:, plan.rows]

    def _members(self, ids: Tensor) -> list[tuple[Plan, Tensor]]:
        groups = [(plan, (ids == s).nonzero()[:, 0]) for s, plan in enumerate(self.plans)]
        return [(plan, rows) for plan, rows in groups if len(rows)]


def _support(problem: Problem, states: States, extended: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds `(columns,)` of what is generated: those of the problem, or a recurring value that none goes beyond."""
    lower, upper = (bound.clone() for bound in problem.column_bounds)
    for i, values in enumerate(states.atoms):
        data = extended[:, i][extended[:, i].isfinite()]
        for edge in values[values.isfinite()] if len(data) else ():
            if (data >= edge * (1 - SAME * edge.sign())).all():
                lower[i] = torch.maximum(lower[i], edge)
            if (data <= edge * (1 + SAME * edge.sign())).all():
                upper[i] = torch.minimum(upper[i], edge)
    # One value alone leaves nothing to generate: the state fixes it.
    alone = lower >= upper
    lower[alone], upper[alone] = (bound[alone] for bound in problem.column_bounds)
    return lower, upper


def holds(problem: Problem, z: Tensor, dtype: torch.dtype, ulps: float = _FINISHED_ULPS) -> Tensor:
    """Which events `(B,)` obey laws (to `ulps` of `dtype`), bounds and inequalities, once stored as `dtype`."""
    stored = z.to(dtype)
    exact = stored.double()
    inside = ((exact >= problem.lower) & (exact <= problem.upper)).all(-1)
    inequalities = (exact @ problem.C.T <= problem.d).all(-1)
    return inside & inequalities & (problem.system.ulps(stored).amax(-1) <= ulps if len(problem.b) else True)
