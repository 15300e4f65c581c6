"""Lawful states as the file can hold them: rounded to its numbers, bounds never passed on the way."""

import numpy as np

from lawful.domains import Domain
from lawful.reports.physics.columns import Column, Columns, Piece
from lawful.reports.physics.judges import Judges
from lawful.reports.physics.limits import is_comparison


class Storing:
    """Turns states in the domain's units into numbers of the file, and says which of them are lawful there."""

    def __init__(self, columns: Columns, judges: Judges, domain: Domain):
        self._columns, self._judges = columns.columns, judges
        self._limits = list(zip(domain.lower, domain.upper, strict=True))
        self._comparisons = _comparisons(domain)

    def __call__(
        self, stored: list[np.ndarray], before: np.ndarray, after: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Numbers by variable, their values (samples, variable) when read again, and where (samples,) they are lawful.

        Args:
            stored: for each variable, the numbers (samples,) that are in the file.
            before: their values (samples, variable).
            after: the values wanted; where a variable is to stay, its number stays as it is.
        """
        wanted = zip(self._columns, stored, before.T, after.T, self._limits, strict=True)
        numbers = [_numbers(*arguments) for arguments in wanted]
        self._put_in_order(numbers, after)
        pairs = [column.values(column.unpacked(new)) for column, new in zip(self._columns, numbers, strict=True)]
        piece = Piece(0, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        missing = np.any([column.missing(new) for column, new in zip(self._columns, numbers, strict=True)], axis=0)
        return numbers, np.stack(piece.values, axis=-1), ~self._judges.broken(piece) & ~missing

    def _put_in_order(self, numbers: list[np.ndarray], after: np.ndarray) -> None:
        """Variables that are to be no more than others, and that rounding has taken above them, at or below these."""
        for small, great in self._comparisons:
            values, limit = (self._values(j, numbers[j]) for j in (small, great))
            above = np.flatnonzero((values > limit) & np.isclose(after[:, small], after[:, great]))
            if above.size:
                column, new = self._columns[small], numbers[small].copy()
                new[above] = column.stored(limit[above], new.dtype)
                above = above[column.values(column.unpacked(new[above]))[0] > limit[above]]
                new[above] = _inward(column, new[above], 1.0)
                numbers[small] = new

    def _values(self, j: int, numbers: np.ndarray) -> np.ndarray:
        column = self._columns[j]
        return column.values(column.unpacked(numbers))[0]


def _comparisons(domain: Domain) -> list[tuple[int, int]]:
    """Positions of the smaller and the greater variable of each inequality between two of them."""
    matrix, constants, _ = domain.inequality_matrix()
    pairs = [row for row, constant in zip(matrix, constants, strict=True) if is_comparison(row, constant)]
    return [(int(row.argmax()), int(row.argmin())) for row in pairs if row.max() > 0 > row.min()]


def _numbers(
    column: Column, stored: np.ndarray, before: np.ndarray, after: np.ndarray, limits: tuple[float, float]
) -> np.ndarray:
    rounded = np.where(after == before, stored, column.stored(after, stored.dtype))
    for limit, side in zip(limits, (-1.0, 1.0), strict=True):
        values = column.values(column.unpacked(rounded))[0]
        slack = column.slack_at(limit)
        beyond = (after != before) & (side * (values - limit) > slack)
        if beyond.any():
            rounded[beyond] = _inward(column, rounded[beyond], side)
    return rounded


def _inward(column: Column, numbers: np.ndarray, side: float) -> np.ndarray:
    """The next number of the file's type, away from a bound on that side (-1 below, 1 above)."""
    way = -side * np.sign(column.factor) * (np.sign(column.storage.scale) or 1.0)
    if numbers.dtype.kind in "iu":
        # At the end of its range there is no next.
        ends = np.iinfo(numbers.dtype)
        return np.minimum(numbers, ends.max - 1) + 1 if way > 0 else np.maximum(numbers, ends.min + 1) - 1
    return np.nextafter(numbers, numbers.dtype.type(way * np.inf))
