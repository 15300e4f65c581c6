"""Events that spread evenly over what laws and bounds leave open: hit-and-run from wherever a model has put them.

Each event is a chain of its own, in the polyhedron that its given values leave. Steps of hit-and-run leave the uniform
distribution as it is and forget where a chain began (Smith 1984, doi:10.1287/opre.32.6.1296); how many it takes depends
on how round the polyhedron is and how close the first draws are. Coordinates that round it (`Room`) serve both: a model
that generates these has learned what polyhedra of different given values have in common.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lawful.core.coordinates.finish import holds
from lawful.core.coordinates.problem import Problem
from lawful.core.coordinates.room import Face, Room
from lawful.core.errors import InvalidValueError
from lawful.core.polyhedra.implied import EmptyError, relative_interior

SWEEPS = 32
"""Steps along each axis."""

REFLECTED = 0.5
"""Share of steps that reflect. In few sweeps every axis must also be drawn afresh, at least once."""

_MOST_ROOMS = 10_000


class Rooms:
    """The rooms of a uniform problem at the given values that events have; those last asked for are kept.

    Raises:
        InvalidValueError: ratios or variables with a resolution are generated: events do not fill a polyhedron.
    """

    def __init__(self, problem: Problem):
        if problem.ratios or problem.quantised.any():
            raise InvalidValueError("Expected uniform events without ratios or resolutions: they fill no polyhedron.")
        self.problem = problem
        self._rooms: dict[bytes, Room | None] = {}
        self._faces: dict[bytes, Face] = {}

    def at(self, z: Tensor) -> Room | None:
        """The room at the given values in z (n,); None where they leave no event."""
        key = z[self.problem.given].numpy().tobytes()
        if key not in self._rooms:
            if len(self._rooms) >= _MOST_ROOMS:
                self._rooms.clear()
            self._rooms[key] = self._found(z)
        return self._rooms[key]

    def _found(self, z: Tensor) -> Room | None:
        problem = self.problem
        low, high = (torch.where(problem.given, z, end) for end in (problem.lower, problem.upper))
        if not ((low >= problem.lower) & (high <= problem.upper)).all():
            return None
        try:
            parts = (problem.A, problem.b, problem.C, problem.d, low, high)
            inside = relative_interior(*(x.numpy() for x in parts))
        except EmptyError:
            return None
        at_lower, at_upper, tight = map(torch.from_numpy, (inside.at_lower, inside.at_upper, inside.tight))
        point = torch.where(at_lower, low, torch.where(at_upper, high, torch.from_numpy(inside.point)))
        return Room.of(problem, self._face(~(at_lower | at_upper | problem.given), tight), point)

    def _face(self, free: Tensor, tight: Tensor) -> Face:
        key = torch.cat([free, tight]).numpy().tobytes()
        if key not in self._faces:
            self._faces[key] = Face.of(self.problem, free, tight)
        return self._faces[key]

    def encode(self, z: Tensor, active: Tensor) -> Tensor:
        """Coordinates (N, columns) of events z (N, n): those of their rooms, in order, where `active` (N, columns).

        All zero, which is the centre, where a room has another number of dimensions.
        """
        w = torch.zeros(active.shape, dtype=torch.float64)
        for room, rows in self._groups(z):
            if room is not None:
                fits = rows[active[rows].sum(1) == room.dimension]
                w[fits] = w[fits].masked_scatter(active[fits], room.inverse(z[fits]))
        return w

    def decode(
        self, w: Tensor, active: Tensor, given: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Events (B, n) of coordinates `w` (B, columns), and which of them (B,) obey everything.

        Where a draw is outside it starts from as far out as there is room. With a generator draws are taken on by
        steps that leave the uniform distribution as it is.
        """
        z, lawful = torch.zeros_like(given), torch.zeros(len(given), dtype=torch.bool)
        for room, rows in self._groups(given):
            if room is not None:
                s = room.within(_coordinates(w[rows], active[rows], room.dimension))
                usable = s.isfinite().all(1)
                rows, s = rows[usable], s[usable]
                if generator is not None and len(s):
                    s = room.walked(s, SWEEPS, REFLECTED, generator)
                z[rows], lawful[rows] = self._finished(room, s, given[rows])
        return z, lawful

    def _finished(self, room: Room, s: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.where(self.problem.given, given, room.events(s))
        lawful = holds(self.problem, z, torch.float64)
        rest = (~lawful).nonzero()[:, 0]
        if len(rest):
            z[rest] = torch.where(self.problem.given, given[rest], room.nudged(z[rest]))
            lawful[rest] = holds(self.problem, z[rest], torch.float64)
        return z, lawful

    def _groups(self, z: Tensor) -> list[tuple[Room | None, Tensor]]:
        """Rooms, and the numbers of the events of each."""
        if not self.problem.given.any():
            return [(self.at(z[0]), torch.arange(len(z)))] if len(z) else []
        values, ids = torch.unique(z[:, self.problem.given], dim=0, return_inverse=True)
        groups = [(ids == k).nonzero()[:, 0] for k in range(len(values))]
        return [(self.at(z[rows[0]]), rows) for rows in groups]


def _coordinates(w: Tensor, active: Tensor, dimension: int) -> Tensor:
    """Coordinates (B, D) that `encode` put into the active columns of w (B, columns); others are the centre."""
    s = w.new_zeros(len(w), dimension)
    fits = active.sum(1) == dimension
    s[fits] = w[fits][active[fits]].reshape(int(fits.sum()), dimension)
    return s
