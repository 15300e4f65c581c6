"""Events in the coordinates of the room that each is in: of what its state and its given values leave open.

A chart for problems whose polyhedra are thin, or pinned by more than bounds: where known values leave a set of its own
dimension and shape, `Room` makes it round. A model that generates such coordinates learns what rooms of different
shapes have in common.

Where events spread evenly over what laws and bounds leave open, each is also taken on by steps of hit-and-run, as a
chain of its own: they leave the uniform distribution as it is and forget where a chain began (Smith 1984,
doi:10.1287/opre.32.6.1296). How many it takes depends on how round the polyhedron is and how close the first draws are;
the same coordinates serve both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from lawful.core.coordinates.finish import finish, holds
from lawful.core.coordinates.problem import Problem
from lawful.core.coordinates.room import Face, Room
from lawful.core.coordinates.states import States
from lawful.core.errors import InvalidValueError
from lawful.core.polyhedra.implied import EmptyError, relative_interior
from lawful.core.polyhedra.walk import UnboundedError

SWEEPS = 32
"""Steps along each axis."""

REFLECTED = 0.5
"""Share of steps that reflect. In few sweeps every axis must also be drawn afresh, at least once."""

_MOST_ROOMS, _MANY_ROOMS = 10_000, 1_000


def may_have_rooms(problem: Problem, z: Tensor) -> bool:
    """Whether events like z (N, n) fill bounded polyhedra for sure, and not too many: bounds all round, no ratios, no
    steps, few sets of given values."""
    bounded = problem.given | (problem.lower.isfinite() & problem.upper.isfinite())
    if problem.ratios or problem.quantised.any() or not bounded.all():
        return False
    return not problem.given.any() or len(torch.unique(z[:, problem.given], dim=0)) <= _MANY_ROOMS


class Rooms:
    """The rooms of a problem; those last asked for are kept.

    Without `states` they are of given values alone: of uniform events a state is what these leave, or chance. The
    `sharpness` is that of `LimitsMap`.

    Raises:
        InvalidValueError: ratios or variables with a resolution are generated, or categories without states: events do
            not fill a polyhedron.
    """

    def __init__(self, problem: Problem, states: States | None = None, sharpness: float = 1.0):
        if problem.ratios or problem.quantised.any():
            raise InvalidValueError("Expected uniform events without ratios or resolutions: they fill no polyhedron.")
        kinds = [name for name, given, kinds in _kinds(problem) if kinds and not given]
        if states is None and kinds:
            raise InvalidValueError(f"Expected uniform events with {kinds[0]!r} given: categories fill no polyhedron.")
        self.problem, self.states, self.sharpness = problem, states, sharpness
        self._rooms: dict[bytes, Room | None] = {}
        self._faces: dict[bytes, Face] = {}

    def sharpened(self, sharpness: float) -> Rooms:
        """The same rooms with another sharpness."""
        new = Rooms(self.problem, self.states, sharpness)
        new._faces = self._faces
        new._rooms = {key: room and replace(room, sharpness=sharpness) for key, room in self._rooms.items()}
        return new

    def at(self, z: Tensor, state: int = 0) -> Room | None:
        """The room of a state at the given values in z (n,); None where they leave no event."""
        if not z[self.problem.given].isfinite().all():
            return None
        known = self._known(z, state)
        key = known.numpy().tobytes()
        if key not in self._rooms:
            if len(self._rooms) >= _MOST_ROOMS:
                self._rooms.clear()
            self._rooms[key] = self._found(known)
        return self._rooms[key]

    def _known(self, z: Tensor, state: int) -> Tensor:
        """Values (n + k,) of variables and slacks, NaN for those that are open."""
        known = torch.full((self.problem.lifted,), torch.nan, dtype=torch.float64)
        if self.states is not None:
            known = self.states.values(torch.tensor([state]))[0, : self.problem.lifted]
        given = self.problem.given_columns[: self.problem.lifted]
        return known.masked_scatter(given, z[self.problem.given])

    def _found(self, known: Tensor) -> Room | None:
        problem, n = self.problem, self.problem.n
        value, slack = known[:n], known[n:]
        pinned, held = value.isfinite(), slack.isfinite()
        low, high = (torch.where(pinned, value, end) for end in (problem.lower, problem.upper))
        if not ((low >= problem.lower) & (high <= problem.upper)).all():
            return None
        slack = torch.nan_to_num(slack)
        A, b = torch.cat([problem.A, problem.C[held]]), torch.cat([problem.b, (problem.d - slack)[held]])
        try:
            inside = relative_interior(*(x.numpy() for x in (A, b, problem.C, problem.d, low, high)))
        except EmptyError:
            return None
        at_lower, at_upper, tight = map(torch.from_numpy, (inside.at_lower, inside.at_upper, inside.tight))
        point = torch.where(at_lower, low, torch.where(at_upper, high, torch.from_numpy(inside.point)))
        face = self._face(~(at_lower | at_upper | pinned), tight | held, slack)
        try:
            return Room.of(problem, face, point, self.sharpness)
        except UnboundedError:
            if self.states is None:
                raise
            return None

    def _face(self, free: Tensor, tight: Tensor, slack: Tensor) -> Face:
        key = torch.cat([free, tight]).numpy().tobytes() + slack.numpy().tobytes()
        if key not in self._faces:
            self._faces[key] = Face.of(self.problem, free, tight, slack)
        return self._faces[key]

    def columns(self, z: Tensor, state: int) -> Tensor | None:
        """Mask (columns,) of the variables that determine an event like z (n,) of a state; None without a room."""
        room = self.at(z, state)
        if room is None:
            return None
        mask = torch.zeros(self.problem.columns, dtype=torch.bool)
        mask[room.face.columns] = True
        return mask

    def encode(self, z: Tensor, ids: Tensor, active: Tensor) -> Tensor:
        """Coordinates (N, columns) of events z (N, n) in states `ids`: those of their rooms, in order, where `active`
        (N, columns).

        All zero, which is the centre, where a room has another number of dimensions.
        """
        w = torch.zeros(active.shape, dtype=torch.float64)
        for room, rows in self._groups(z, ids):
            if room is not None:
                fits = rows[active[rows].sum(1) == room.dimension]
                w[fits] = w[fits].masked_scatter(active[fits], room.inverse(z[fits]))
        return w

    def log_det(self, z: Tensor, ids: Tensor) -> Tensor:
        """`log |dw / ds|` (N,) at events z (N, n) in states `ids`, zero without a room."""
        found = torch.zeros(len(z), dtype=torch.float64)
        for room, rows in self._groups(z, ids):
            if room is not None:
                found[rows] = room.log_det(z[rows])
        return found

    def decode(
        self, w: Tensor, ids: Tensor, active: Tensor, given: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Events (B, n) of coordinates `w` (B, columns) in states `ids`, and which of them (B,) obey everything.

        Uniform events are with a generator taken on by steps that leave the uniform distribution as it is.
        """
        z, lawful = torch.zeros_like(given), torch.zeros(len(given), dtype=torch.bool)
        for room, rows in self._groups(given, ids):
            if room is None:
                continue
            coordinates = _coordinates(w[rows], active[rows], room.dimension)
            s, there = room.inside(coordinates)
            usable = coordinates.isfinite().all(1) & (there | self.problem.uniform)
            rows, s = rows[usable], s[usable]
            if self.problem.uniform and generator is not None and len(s):
                s = room.walked(s, SWEEPS, REFLECTED, generator)
            z[rows], lawful[rows] = self._finished(room, s, given[rows])
        return z, lawful

    def _finished(self, room: Room, s: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Laws to rounding by moves of all variables alike; where these take some over a bound, by smaller ones of
        those that are near it."""
        z = torch.where(self.problem.given, given, room.events(s))
        lawful = holds(self.problem, z, torch.float64)
        rest = (~lawful).nonzero()[:, 0]
        if len(rest):
            z[rest] = torch.where(self.problem.given, given[rest], room.nudged(z[rest]))
            lawful[rest] = holds(self.problem, z[rest], torch.float64)
            rest = rest[~lawful[rest]]
        if len(rest):
            face, inside = room.face, self.problem.bounds.clip(z[rest])
            fixed, held = torch.cat([~face.moving.free, face.tight]), face.tight.nonzero()[:, 0]
            lifted = torch.cat([inside, face.slack.expand(len(rest), -1)], 1)
            z[rest], lawful[rest] = finish(self.problem, fixed, held, lifted, lifted.new_zeros(len(rest), 0))
        return z, lawful

    def _groups(self, z: Tensor, ids: Tensor) -> list[tuple[Room | None, Tensor]]:
        """Rooms, and the numbers of the events of each."""
        if not len(z):
            return []
        kinds = torch.zeros_like(ids) if self.states is None else ids
        keys = torch.cat([kinds[:, None].double(), z[:, self.problem.given]], 1)
        values, groups = torch.unique(keys, dim=0, return_inverse=True)
        members = [(groups == k).nonzero()[:, 0] for k in range(len(values))]
        return [(self.at(z[rows[0]], int(ids[rows[0]])), rows) for rows in members]


def _kinds(problem: Problem) -> Iterator[tuple[str, bool, tuple[float, ...]]]:
    """Name, whether it is given, and the categories of each variable."""
    return zip(problem.names, problem.given.tolist(), problem.categories or [()] * problem.n, strict=True)


def _coordinates(w: Tensor, active: Tensor, dimension: int) -> Tensor:
    """Coordinates (B, D) that `encode` put into the active columns of w (B, columns); others are the centre."""
    s = w.new_zeros(len(w), dimension)
    fits = active.sum(1) == dimension
    s[fits] = w[fits][active[fits]].reshape(int(fits.sum()), dimension)
    return s
