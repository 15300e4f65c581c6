"""Which rows of a sparse matrix are independent: Gaussian elimination, row by row, short rows first.

Rows come in a balanced scaling (`equilibrate`). A row of which at most `tolerance` is left after elimination depends on
the pivots before it. Short rows go first, so that a total is called redundant and not its parts, and fill stays small.
"""

import heapq
from collections.abc import Sequence

import numpy as np
from scipy import sparse

_THRESHOLD = 0.1
_CANCELLED = 1e-15
_SWEEPS = 8

Row = dict[int, float]


def equilibrated(A: sparse.csr_matrix) -> tuple[sparse.csr_matrix, np.ndarray]:
    """`A` with rows of length one in balanced columns, and what each row was divided by (k,).

    Alternating geometric means, as in `factor.equilibrate`.
    """
    entries = A.tocoo()
    row, column, data = entries.row, entries.col, entries.data
    logs, (k, width) = np.log2(np.abs(data)), A.shape
    r, c = np.zeros(k), np.zeros(width)
    for _ in range(_SWEEPS):
        r = -_means(logs + c[column], row, k)
        c = -_means(logs + r[row], column, width)
    scaled = data * np.exp2(np.round(r)[row] + np.round(c)[column])
    length = np.sqrt(np.bincount(row, scaled**2, minlength=k))
    length[length == 0] = 1.0
    unit = length / np.exp2(np.round(r))
    return sparse.csr_matrix((scaled / length[row], (row, column)), shape=A.shape), unit


def _means(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(group, values, minlength=count) / np.maximum(np.bincount(group, minlength=count), 1)


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


class _Elimination:
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
        candidates = (c for c, v in row.items() if abs(v) >= _THRESHOLD * largest)
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


def independent(A: sparse.csr_matrix, tolerance: float) -> tuple[list[int], list[tuple[int, dict[int, float]]]]:
    """Independent rows of the equilibrated `A` (k, l), and for every other row its multiples of independent ones."""
    counts = np.bincount(A.indices, minlength=A.shape[1])
    order: Sequence[int] = np.argsort(np.diff(A.indptr), kind="stable").tolist()
    elimination, kept, dependent = _Elimination(counts), [], []
    for i in order:
        span = slice(A.indptr[i], A.indptr[i + 1])
        row = dict(zip(A.indices[span].tolist(), A.data[span].tolist(), strict=True))
        left, steps = elimination.reduce(row)
        if max((abs(v) for v in left.values()), default=0.0) > tolerance:
            elimination.add(left, steps)
            kept.append(i)
        else:
            dependent.append((i, {kept[p]: y for p, y in elimination.combination(steps).items()}))
    return kept, dependent
