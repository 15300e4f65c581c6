"""Where in a file a value is: member, event, and place, by position and by the labels of coordinates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.domain import Domain
from lawful.reports.arrays import REALIZATION, label_of
from lawful.reports.physics.columns import Block, Piece

At = Callable[[dict[str, Any]], dict[str, Any]]


class Where:
    """Names positions of arrays that have the dimensions of a file, or of what was taken out of it.

    Then `at` says where in the file a place is that was named as if these dimensions were its own.
    """

    def __init__(self, ds: xr.Dataset, domain: Domain, dims: tuple[str, ...], at: At | None = None):
        self._event_dim, self._at = domain.event_dim, at
        self._coordinates = {dim: ds[dim].values if dim in ds.coords else None for dim in dims}

    def at(self, index: dict[str, slice], flat: int) -> dict[str, Any]:
        """The sample at a flat position of a block: "realization", "event", "place", and "index".

        "realization" is None where there is none; "place" holds labels of any other dimensions; "index" the positions
        of all, as `ds.isel` takes them.
        """
        shape = tuple(part.stop - part.start for part in index.values())
        offsets = [int(offset) for offset in np.unravel_index(flat, shape)]
        position = {dim: part.start + offset for (dim, part), offset in zip(index.items(), offsets, strict=True)}
        others = [dim for dim in position if dim not in (REALIZATION, self._event_dim)]
        found = {
            "realization": position.get(REALIZATION),
            "event": self.label(self._event_dim, position[self._event_dim]),
            "place": {dim: self.label(dim, position[dim]) for dim in others},
            "index": position,
        }
        return self._at(found) if self._at else found

    def label(self, dim: str, position: int) -> str:
        """What the coordinate says at a position of a dimension, or else the position."""
        values = self._coordinates[dim]
        return str(position) if values is None else label_of(values[position])


def words(found: dict[str, Any] | None) -> str:
    """Realization, event and place of what `Where.at` gives, as far as there are any."""
    if not found:
        return ""
    member = [] if found["realization"] is None else [str(found["realization"])]
    return ", ".join([*member, found["event"], *(f"{dim} {label}" for dim, label in found["place"].items())])


class Worst:
    """The sample with the largest score so far."""

    def __init__(self, where: Where):
        self._where, self._score = where, -np.inf
        self._found: dict[str, Any] | None = None

    def offer(self, block: Block, piece: Piece, scores: np.ndarray, **values: np.ndarray) -> None:
        """Look at more samples: the scores (samples,) of a piece; the first of equals stays."""
        best = int(scores.argmax())
        if scores[best] > self._score:
            self._score = float(scores[best])
            numbers = {name: float(array[best]) for name, array in values.items()}
            self._found = {**self._where.at(block.index, piece.flat(best)), **numbers}

    def absorb(self, other: "Worst") -> None:
        """Take in what was found among other samples."""
        if other._score > self._score:
            self._score, self._found = other._score, other._found

    def found(self) -> dict[str, Any] | None:
        """The sample and its values; None where no sample was looked at."""
        return self._found
