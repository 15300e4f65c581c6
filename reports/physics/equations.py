"""Judges one equation over all samples of a file."""

from collections import Counter
from typing import Any

import numpy as np

from lawful.domains.domain import Domain, Law
from lawful.reports.arrays import REALIZATION
from lawful.reports.physics.columns import Block, Piece
from lawful.reports.physics.place import Where, Worst
from lawful.reports.physics.residuals import Misfit, misfit
from lawful.reports.physics.series import Along
from lawful.reports.physics.sketch import Quantiles
from lawful.reports.physics.suspects import Suspects
from lawful.reports.physics.tolerance import Tolerance

QUANTILES = (50.0, 90.0, 99.0, 99.9)
_MEMBERS_NAMED = 20
_TINY = float(np.finfo(np.float64).tiny)


class Equation:
    """Running totals of one law `a.z = b`."""

    def __init__(self, law: Law, domain: Domain, tolerance: Tolerance, where: Where, sizes: dict[str, int]):
        self._law, self._tolerance, self._sizes = law, tolerance, sizes
        self._samples = int(np.prod([*sizes.values()], dtype=np.int64))
        self._row = np.array(law.parsed.row(domain.names))
        self._sizes_of, self._ulps = Quantiles(), Quantiles()
        self._worst, self._along = Worst(where), Along(sizes, domain.event_dim, where)
        self._signs = _Signs()
        self._gross, self._relative = 0.0, 0.0
        self._beyond, self._open, self._members = 0, 0, Counter[int]()
        self._suspects = Suspects(self._row, domain.names)
        self._buffer, self._judged = np.zeros(0), np.zeros(0, dtype=bool)

    def start(self, block: Block) -> None:
        """Begin a block."""
        size = block.numbers[0].size
        if self._buffer.size != size:
            self._buffer, self._judged = np.zeros(size), np.zeros(size, dtype=bool)
        self._all = True

    def add(self, block: Block, piece: Piece) -> None:
        """Judge the finite samples of a piece of the block."""
        if not piece.finite:
            self._skip(piece)
            piece = piece.of_finite()
        if not piece.size:
            return
        found = misfit(self._row, self._law.parsed.constant, piece.values, piece.spacing)
        size = np.abs(found.residual)
        if not np.isfinite(size.max()):
            self._overflow(block, piece, size)
            return
        self._buffer[piece.span] = found.residual
        if not self._all:
            self._judged[piece.span] = True
        self._sizes_of.add(size)
        self._ulps.add(found.ulps)
        self._signs.add(found.residual)
        self._gross += float(found.gross.sum())
        self._worst.offer(block, piece, found.ulps, residual=found.residual, ulps=found.ulps)
        self._look_closer(block, piece, found, size)

    def broken(self, piece: Piece) -> np.ndarray:
        """Mask (samples,) of the samples of a finite piece that are beyond the tolerance, or overflow."""
        found = misfit(self._row, self._law.parsed.constant, piece.values, piece.spacing)
        size = np.abs(found.residual)
        return self._tolerance.exceeded(size, found.gross, found.ulps) | ~np.isfinite(size)

    def _skip(self, piece: Piece) -> None:
        """Take every sample of a piece for not judged."""
        if self._all:
            self._judged[:] = True
            self._all = False
        self._judged[piece.span], self._buffer[piece.span] = False, 0.0

    def _overflow(self, block: Block, piece: Piece, size: np.ndarray) -> None:
        self._skip(piece)
        self.add(block, piece.only(np.flatnonzero(np.isfinite(size))))

    def _look_closer(self, block: Block, piece: Piece, found: Misfit, size: np.ndarray) -> None:
        if size.max() > self._relative * max(found.gross.min(), _TINY):
            self._relative = max(self._relative, float((size / np.maximum(found.gross, _TINY)).max()))
        if self._law.tolerance is not None and size.max() > self._law.tolerance:
            self._open += int(np.count_nonzero(size > self._law.tolerance))
        beyond = self._tolerance.exceeded(size, found.gross, found.ulps)
        if beyond.any():
            self._beyond += int(np.count_nonzero(beyond))
            self._suspects.add(found.residual[beyond], [column[beyond] for column in piece.values])
            self._members.update(_members(block, piece, beyond))

    def finish(self, block: Block) -> None:
        """End a block."""
        self._along.add(block, self._buffer, None if self._all else self._judged)

    def absorb(self, other: "Equation") -> None:
        """Take in what was found of the same law in other samples of the same events, be its coefficients others."""
        self._samples += other._samples
        self._sizes_of.absorb(other._sizes_of)
        self._ulps.absorb(other._ulps)
        self._worst.absorb(other._worst)
        self._along.absorb(other._along)
        self._signs.absorb(other._signs)
        self._suspects.absorb(other._suspects)
        self._gross, self._relative = self._gross + other._gross, max(self._relative, other._relative)
        self._beyond, self._open = self._beyond + other._beyond, self._open + other._open
        self._members.update(other._members)

    def result(self, *, complete: bool) -> dict[str, Any]:
        """Everything that is known of the law, ready for JSON; `complete` where all values of the file are finite."""
        law, judged = self._law, self._sizes_of.count
        # What is finite and yet was not judged has overflowed.
        overflowed = complete and judged < self._samples
        total = self._signs.total
        return {
            "name": law.name,
            "equation": law.equation,
            "units": law.units,
            "reference": law.reference,
            "judged": judged,
            "tolerance": {"kind": self._tolerance.kind, "value": self._tolerance.value},
            "residual": {**self._sizes_of.summary(QUANTILES), **self._signs.as_dict()},
            "ulps": self._ulps.summary(QUANTILES),
            "relative": {"max": self._relative, "cumulative": total / self._gross if self._gross else 0.0},
            "gross": self._gross,
            "cumulative": {"sum": total, "largest": self._along.largest()},
            "drift": self._along.drift(),
            "along": self._along.stretches(),
            "worst": self._worst.found(),
            "beyond_tolerance": self._beyond,
            "beyond_by_realization": self._named_members(),
            "suspect": self._suspects.found(),
            "closure": self._closure(),
            "holds": self._beyond == 0 and not overflowed,
        }

    def _named_members(self) -> dict[str, int]:
        if REALIZATION not in self._sizes:
            return {}
        return {str(member): count for member, count in self._members.most_common(_MEMBERS_NAMED)}

    def _closure(self) -> dict[str, Any] | None:
        if self._law.tolerance is None:
            return None
        return {"tolerance": self._law.tolerance, "beyond": self._open, "holds": self._open == 0}


class _Signs:
    """Positive and negative residuals apart: how many, their sums, the largest of each."""

    def __init__(self) -> None:
        self._counts, self._sums, self._most = [0, 0], [0.0, 0.0], [0.0, 0.0]

    def add(self, residual: np.ndarray) -> None:
        extremes = float(residual.max()), -float(residual.min())
        positive = int(np.count_nonzero(residual > 0))
        counts = positive, int(np.count_nonzero(residual)) - positive
        # Each by itself: in a difference of sums all would be lost beside one huge residual.
        sums = float(np.maximum(residual, 0).sum()), abs(float(np.minimum(residual, 0).sum()))
        for sign in (0, 1):
            self._counts[sign] += counts[sign]
            self._sums[sign] += sums[sign]
            self._most[sign] = max(self._most[sign], extremes[sign])

    def absorb(self, other: "_Signs") -> None:
        for sign in (0, 1):
            self._counts[sign] += other._counts[sign]
            self._sums[sign] += other._sums[sign]
            self._most[sign] = max(self._most[sign], other._most[sign])

    @property
    def total(self) -> float:
        """The signed sum."""
        return self._sums[0] - self._sums[1]

    def as_dict(self) -> dict[str, Any]:
        parts = zip(("positive", "negative"), self._counts, self._sums, self._most, strict=True)
        return {name: {"count": count, "sum": total, "max": most} for name, count, total, most in parts}


def _members(block: Block, piece: Piece, beyond: np.ndarray) -> dict[int, int]:
    """How many samples of each realization are beyond."""
    if REALIZATION not in block.index:
        return {}
    flat = np.flatnonzero(beyond)
    flat = piece.start + (flat if piece.positions is None else piece.positions[flat])
    axis = list(block.index).index(REALIZATION)
    members, counts = np.unique(np.unravel_index(flat, block.shape)[axis], return_counts=True)
    first = block.index[REALIZATION].start
    return {first + int(member): int(count) for member, count in zip(members, counts, strict=True)}
