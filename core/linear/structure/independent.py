"""Which rows of a sparse matrix are independent, and how the others follow from them.

Rows are taken in a balanced scaling, short ones first, so that a total is called redundant and not its parts. A row of
which at most `tolerance` is left outside the span of others depends on them. Rows that alone hold a column take part
in no dependency and are peeled off first, again and again; what is left is factorised by LAPACK's pivoted QR where it
is small, by sparse elimination where it is not.
"""

import numpy as np
from scipy import linalg, sparse

from lawful.core.linear.factor import PIVOT_THRESHOLD, SWEEPS
from lawful.core.linear.structure.elimination import Elimination

Dependency = tuple[int, dict[int, float]]
"""A row, and its multiples of independent rows."""

MOST_ENTRIES = 2**22
"""Up to so many a matrix is factorised as a dense one."""


def equilibrated(A: sparse.csr_matrix) -> tuple[sparse.csr_matrix, np.ndarray]:
    """`A` with rows of length one in balanced columns, and what each row was divided by (k,)."""
    entries, (r, c) = A.tocoo(), balance(A)
    row, column = entries.row, entries.col
    scaled = entries.data * r[row] * c[column]
    length = np.sqrt(np.bincount(row, scaled**2, minlength=len(r)))
    length[length == 0] = 1.0
    return sparse.csr_matrix((scaled / length[row], (row, column)), shape=A.shape), length / r


def balance(A: sparse.csr_matrix | sparse.csc_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Powers of two (k,) and (l,) that bring the entries of `A` (k, l) near one, as `factor.equilibrate` does."""
    entries, (k, width) = A.tocoo(), A.shape
    row, column, logs = entries.row, entries.col, np.log2(np.abs(entries.data))
    r, c = np.zeros(k), np.zeros(width)
    for _ in range(SWEEPS):
        r = -_means(logs + c[column], row, k)
        c = -_means(logs + r[row], column, width)
    return np.exp2(np.round(r)), np.exp2(np.round(c))


def _means(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(group, values, minlength=count) / np.maximum(np.bincount(group, minlength=count), 1)


def dependencies(A: sparse.csr_matrix, tolerance: float) -> list[Dependency]:
    """Rows of the equilibrated `A` (k, l) that follow from the others, which are independent."""
    left = np.flatnonzero(~peeled(A))
    left = left[np.argsort(np.diff(A.indptr)[left], kind="stable")]
    part = A[left]
    used = np.unique(part.indices)
    part = part[:, used].tocsr()
    find = _by_orthogonalisation if part.shape[0] * part.shape[1] <= MOST_ENTRIES else _by_elimination
    return [(int(left[row]), {int(left[i]): y for i, y in factors.items()}) for row, factors in find(part, tolerance)]


def peeled(A: sparse.csr_matrix) -> np.ndarray:
    """(k,), True for rows that hold a column alone once rows marked before are gone, by a large entry."""
    columns, gone = A.tocsc(), np.zeros(A.shape[0], bool)
    if not A.nnz:
        return gone
    largest = np.asarray(abs(A).max(1).todense()).ravel()
    counts, waiting = np.diff(columns.indptr), list(np.flatnonzero(np.diff(columns.indptr) == 1))
    while waiting:
        column = waiting.pop()
        span = slice(columns.indptr[column], columns.indptr[column + 1])
        for row, value in zip(columns.indices[span], columns.data[span], strict=True):
            if gone[row] or abs(value) < PIVOT_THRESHOLD * largest[row]:
                continue
            gone[row] = True
            own = A.indices[A.indptr[row] : A.indptr[row + 1]]
            counts[own] -= 1
            waiting.extend(own[counts[own] == 1])
    return gone


def _by_orthogonalisation(A: sparse.csr_matrix, tolerance: float) -> list[Dependency]:
    """Pivots by what is left of a row, where an earlier row may be up to ten times shorter."""
    count = A.shape[0]
    if not A.nnz:
        return [(i, {}) for i in range(count)]
    favour = PIVOT_THRESHOLD ** (np.arange(count) / count)
    R, pivots = linalg.qr((sparse.diags(favour) @ A).toarray().T, mode="r", pivoting=True)
    left = np.abs(np.diagonal(R)) / favour[pivots[: min(R.shape)]]
    rank = int(np.append(left > tolerance, False).argmin())
    kept, others = pivots[:rank], pivots[rank:]
    Y = linalg.solve_triangular(R[:rank, :rank], R[:rank, rank:]) if rank else np.zeros((0, len(others)))
    Y = Y * favour[kept][:, None] / favour[others]
    factors = [dict(zip(kept.tolist(), y.tolist(), strict=True)) for y in Y.T]
    return list(zip(others.tolist(), factors, strict=True))


def _by_elimination(A: sparse.csr_matrix, tolerance: float) -> list[Dependency]:
    elimination = Elimination(np.bincount(A.indices, minlength=A.shape[1]))
    kept: list[int] = []
    dependent: list[Dependency] = []
    for i in range(A.shape[0]):
        span = slice(A.indptr[i], A.indptr[i + 1])
        row = dict(zip(A.indices[span].tolist(), A.data[span].tolist(), strict=True))
        left, steps = elimination.reduce(row)
        if max((abs(v) for v in left.values()), default=0.0) > tolerance:
            elimination.add(left, steps)
            kept.append(i)
        else:
            dependent.append((i, {kept[p]: y for p, y in elimination.combination(steps).items()}))
    return dependent
