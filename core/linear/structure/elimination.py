"""Gaussian elimination of a sparse matrix, row by row."""

import heapq

import numpy as np

from lawful.core.linear.factor import PIVOT_THRESHOLD

_CANCELLED = 1e-15
"""Of its terms: what is left of an entry that cancels."""

Row = dict[int, float]


def _subtract(row: Row, factor: float, other: Row) -> list[int]:
    """`row -= factor * other` in place; entries that cancel are dropped. Returns columns that are new to `row`."""
    new = []
    for column, value in other.items():
        old, term = row.get(column, 0.0), factor * value
        left = old - term
        if abs(left) <= _CANCELLED * (abs(old) + abs(term)):
            row.pop(column, None)
            continue
        if column not in row:
            new.append(column)
        row[column] = left
    return new


class Elimination:
    """Pivot rows so far, and how each was made from the rows that came in."""

    def __init__(self, counts: np.ndarray):
        self._counts = counts
        self._pivot_of: dict[int, int] = {}
        self._rows: list[Row] = []
        self._columns: list[int] = []
        self._steps: list[dict[int, float]] = []

    def reduce(self, row: Row) -> tuple[Row, dict[int, float]]:
        """What pivots leave of `row`, and the multiple of each pivot row that was taken off."""
        steps: dict[int, float] = {}
        waiting = [self._pivot_of[c] for c in row if c in self._pivot_of]
        heapq.heapify(waiting)
        while waiting:
            pivot = heapq.heappop(waiting)
            column = self._columns[pivot]
            if column not in row:
                continue
            factor = row[column] / self._rows[pivot][column]
            new = _subtract(row, factor, self._rows[pivot])
            row.pop(column, None)
            steps[pivot] = steps.get(pivot, 0.0) + factor
            for c in new:
                if c in self._pivot_of:
                    heapq.heappush(waiting, self._pivot_of[c])
        return row, steps

    def add(self, row: Row, steps: dict[int, float]) -> None:
        largest = max(abs(v) for v in row.values())
        candidates = (c for c, v in row.items() if abs(v) >= PIVOT_THRESHOLD * largest)
        column = min(candidates, key=lambda c: self._counts[c])
        self._pivot_of[column] = len(self._rows)
        self._rows.append(row)
        self._columns.append(column)
        self._steps.append(steps)

    def combination(self, steps: dict[int, float]) -> dict[int, float]:
        """Multiples of the rows that came in, by pivot number, that the pivot rows of `steps` amount to."""
        left, total = dict(steps), {}
        waiting = [-p for p in left]
        heapq.heapify(waiting)
        while waiting:
            pivot = -heapq.heappop(waiting)
            amount = left.pop(pivot, 0.0)
            if amount == 0.0:
                continue
            total[pivot] = amount
            for earlier, factor in self._steps[pivot].items():
                if earlier not in left:
                    heapq.heappush(waiting, -earlier)
                left[earlier] = left.get(earlier, 0.0) - amount * factor
        return total
