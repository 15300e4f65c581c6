"""The chart between lawful events and what a model generates: a state, and free coordinates on its face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates.choice import STEADY, likeliest, likeliest_apart, likeliest_together, steadiness
from lawful.core.coordinates.finish import finish
from lawful.core.coordinates.plan import Plan, make_plan, solve_order
from lawful.core.coordinates.problem import SAME, Problem
from lawful.core.coordinates.rooms import Rooms, may_have_rooms
from lawful.core.coordinates.states import FREE, States
from lawful.core.coordinates.support import scales, support
from lawful.core.errors import InvalidValueError
from lawful.core.linear.exact import matvec
from lawful.core.polyhedra import Link, MirrorMap


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

    Where events are uniform, or what bounds leave open is too thin for that, `rooms` take the place of all three:
    `coordinate` (S, columns) then marks the columns in which each state has those of its rooms.
    """

    def __init__(
        self,
        problem: Problem,
        states: States,
        link: Link,
        ratios: Tensor,
        order: list[int],
        rooms: Rooms | None = None,
        coordinate: Tensor | None = None,
    ):
        self.problem, self.states, self.link, self.ratios, self.rooms = problem, states, link, ratios, rooms
        self.order = order
        self.plans = [make_plan(problem, s, order, r) for s, r in zip(states.table, ratios, strict=True)]
        self.coordinate = torch.stack([plan.coordinate for plan in self.plans]) if coordinate is None else coordinate
        self.fixed = torch.stack([plan.fixed for plan in self.plans])
        self.held = [tuple(plan.held(problem).tolist()) for plan in self.plans]

    @classmethod
    def fit(cls, problem: Problem, z: Tensor) -> tuple[Chart, Tensor]:
        """A chart for training events `z` (N, n), and the number of each event's state `(N,)`.

        Raises:
            InvalidValueError: an event is not finite or out of its bounds.
        """
        _require_inside(problem, z)
        extended = problem.extend(z)
        states, ids = States.of_data(problem, extended)
        rho = extended[:, problem.lifted :]
        typical = torch.stack([rho[ids == s].nanmean(0) for s in range(len(states.table))])
        lower, upper = support(problem, states, extended)
        order = solve_order(problem, states.table, lower.isfinite() | upper.isfinite(), extended)
        draft = cls(problem, states, Link(lower, upper, torch.ones_like(lower)), typical, order)
        solved = {int(i) for plan in draft.plans for i in plan.solved}
        link = Link(lower, upper, scales(extended, lower, upper, solved))
        one_sided = (lower.isfinite() ^ upper.isfinite()).nonzero()[:, 0]
        likeliest_link = likeliest_together if solved & set(one_sided.tolist()) else likeliest_apart
        link = likeliest_link(link, extended, one_sided)
        chart = cls(problem, states, link, typical, order)
        if problem.uniform:
            return chart._with_rooms(z, ids), ids
        steady = steadiness(chart, z, ids) if may_have_rooms(problem, z) else 1.0
        if steady > STEADY:
            return chart, ids
        roomy = chart._with_rooms(z, ids)
        return (roomy if steadiness(roomy, z, ids) > steady else chart), ids

    def _with_rooms(self, z: Tensor, ids: Tensor) -> Chart:
        """The same states in rooms; the first event of a state says of how many dimensions these are."""
        rooms, coordinate = _rooms(self.problem, self.states), self.coordinate.clone()
        for state in range(len(coordinate)):
            columns = rooms.columns(z[(ids == state).nonzero()[0, 0]], state)
            coordinate[state] = coordinate[state] if columns is None else columns
        rooms = likeliest(rooms, z, ids, coordinate[ids])
        link = _flat(self.link, self.problem)
        return Chart(self.problem, self.states, link, self.ratios, self.order, rooms, coordinate)

    def tensors(self) -> dict[str, Tensor]:
        """All that, with the problem, makes the chart again."""
        found = {
            "table": self.states.table,
            "atoms": self.states.atoms,
            "counts": self.states.counts,
            "lower": self.link.lower,
            "upper": self.link.upper,
            "scale": self.link.scale,
            "ratios": self.ratios,
            "order": torch.tensor(self.order),
        }
        if self.rooms is None:
            return found
        sharpness = torch.tensor(self.rooms.sharpness, dtype=torch.float64)
        return found | {"coordinate": self.coordinate, "sharpness": sharpness}

    @classmethod
    def from_tensors(cls, problem: Problem, tensors: dict[str, Tensor]) -> Chart:
        """The chart of `tensors()`, for the same problem."""
        states = States(tensors["table"], tensors["atoms"], tensors["counts"])
        link = Link(tensors["lower"], tensors["upper"], tensors["scale"])
        order = tensors["order"].tolist()
        if "sharpness" not in tensors:
            return cls(problem, states, link, tensors["ratios"], order)
        rooms = _rooms(problem, states, tensors["sharpness"].item())
        return cls(problem, states, link, tensors["ratios"], order, rooms, tensors["coordinate"])

    def encode(self, z: Tensor, ids: Tensor, generator: torch.Generator) -> Tensor:
        """Coordinates `(N, columns)` of events in the states `ids`.

        A variable with a resolution is spread uniformly over its step first, with random numbers from `generator`.
        """
        if self.rooms is not None:
            return self.rooms.encode(z, ids, self.coordinate[ids])
        extended = self.problem.extend(z)
        y = self.link.inverse(self._spread(extended, generator))
        w = torch.zeros_like(extended)
        for plan, rows in self._members(ids):
            A = self._rows(plan, extended[rows, self.problem.lifted :]) * self.link.unit[: self.problem.lifted]
            at_rest = y[rows].clone()
            if len(plan.solved):
                at_rest[:, plan.moved] -= _resting(A, plan, y[rows][:, plan.solved])
            w[rows] = torch.where(plan.coordinate, at_rest, 0.0)
        return w

    def _spread(self, extended: Tensor, generator: torch.Generator) -> Tensor:
        step = torch.zeros(self.problem.columns, dtype=torch.float64)
        step[: self.problem.n] = self.problem.resolution
        noise = torch.rand(extended.shape, generator=generator, dtype=torch.float64) - 0.5
        room = torch.minimum(extended - self.link.lower, self.link.upper - extended)
        width = torch.minimum(step, 2 * room)
        return torch.where(self.problem.quantised, extended + noise * width, extended)

    def decode(self, w: Tensor, ids: Tensor, given: Tensor, generator: torch.Generator | None = None) -> Decoded:
        """Events of coordinates `w` (B, columns) in the states `ids` (B,); `given` (B, n) is read where given.

        With a generator, events of a uniform problem are taken on by steps that leave their distribution as it is.
        """
        if self.rooms is not None:
            return Decoded(*self.rooms.decode(w, ids, self.coordinate[ids], given, generator))
        known = self._known(w, ids, given)
        lifted = torch.zeros(len(w), self.problem.lifted, dtype=torch.float64)
        converged = torch.zeros(len(w), dtype=torch.bool)
        for plan, rows in self._members(ids):
            lifted[rows], converged[rows] = self._solve(plan, w[rows], known[rows])
        z, held = self._finished(lifted, ids, known[:, self.problem.lifted :])
        return Decoded(z, converged & held)

    def _finished(self, lifted: Tensor, ids: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.zeros(len(lifted), self.problem.n, dtype=torch.float64)
        held = torch.zeros(len(lifted), dtype=torch.bool)
        for inequalities in sorted(set(self.held)):
            states = torch.tensor([each == inequalities for each in self.held])
            rows = states[ids].nonzero()[:, 0]
            numbers = torch.tensor(inequalities, dtype=torch.long)
            if len(rows):
                z[rows], held[rows] = finish(self.problem, self.fixed[ids[rows]], numbers, lifted[rows], rho[rows])
        return z, held

    def _known(self, w: Tensor, ids: Tensor, given: Tensor) -> Tensor:
        """Values `(B, columns)` known before the laws are solved; NaN for those that they determine."""
        problem, drawn, fixed = self.problem, self.link.forward(w), self.states.values(ids)
        free = self.states.table[ids] == FREE
        known = torch.where(free & problem.quantised, self._snapped(drawn), fixed)
        known[:, problem.lifted :] = torch.where(free, drawn, fixed)[:, problem.lifted :]
        known[:, : problem.n] = torch.where(problem.given, given, known[:, : problem.n])
        return known

    def _snapped(self, drawn: Tensor) -> Tensor:
        """The nearest multiples of the resolutions strictly between the bounds; those are a matter of the state."""
        step = torch.ones(self.problem.columns, dtype=torch.float64)
        step[: self.problem.n] = torch.where(self.problem.resolution > 0, self.problem.resolution, 1.0)
        lowest = (self.link.lower / step + SAME).floor() + 1
        highest = (self.link.upper / step - SAME).ceil() - 1
        return torch.minimum((drawn / step).round().maximum(lowest), highest) * step

    def _solve(self, plan: Plan, w: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Lifted variables `(B, n + k)` by the mirror map, and which samples converged."""
        z = torch.where(plan.fixed, known[:, : self.problem.lifted], 0.0)
        if not len(plan.moved):
            return z, torch.ones(len(w), dtype=torch.bool)
        A = self._rows(plan, known[:, self.problem.lifted :])
        b = self.problem.coefficients(known[:1, self.problem.lifted :])[1][plan.rows]
        b = b - matvec(A, z)
        y = torch.where(plan.coordinate, w, 0.0)[:, plan.moved]
        link = self.link[plan.moved]
        solution = MirrorMap(A[..., plan.moved], link).solve(y, b)
        z[:, plan.moved] = solution.z
        return z, solution.converged

    def _rows(self, plan: Plan, rho: Tensor) -> Tensor:
        """Rows (m, n + k) of laws; (B, m, n + k) where ratios make them differ."""
        if not self.problem.ratios:
            return self.problem.coefficients(rho[:1])[0][0, plan.rows]
        return self.problem.coefficients(rho)[0][:, plan.rows]

    def _members(self, ids: Tensor) -> list[tuple[Plan, Tensor]]:
        groups = [(plan, (ids == s).nonzero()[:, 0]) for s, plan in enumerate(self.plans)]
        return [(plan, rows) for plan, rows in groups if len(rows)]


def _resting(A: Tensor, plan: Plan, y: Tensor) -> Tensor:
    """What of the moved variables (B, moved) is in the row space of `A`, for solved variables at `y` (B, solved)."""
    to_solved, to_moved = A[..., plan.solved], A[..., plan.moved]
    if A.dim() == 2:
        return torch.linalg.solve(to_solved.mT, y.mT).mT @ to_moved
    return matvec(to_moved.mT, torch.linalg.solve(to_solved.mT, y[..., None]).squeeze(-1))


def _rooms(problem: Problem, states: States, sharpness: float = 1.0) -> Rooms:
    return Rooms(problem, None if problem.uniform else states, sharpness)


def _flat(link: Link, problem: Problem) -> Link:
    """The link with coordinates of rooms, which have no bounds and no units, in place of all that is generated."""
    end = torch.full_like(link.lower, torch.inf)
    lower, upper = (
        torch.where(problem.given_columns, link.lower, -end),
        torch.where(problem.given_columns, link.upper, end),
    )
    return Link(lower, upper, torch.where(problem.given_columns, link.scale, 1.0))


def _require_inside(problem: Problem, z: Tensor) -> None:
    bad = ~((z >= problem.lower) & (z <= problem.upper) & z.isfinite())
    if bad.any():
        event, i = bad.nonzero()[0].tolist()
        raise InvalidValueError(f"{problem.names[i]} is {z[event, i]:g} in event {event}, not within its bounds.")
