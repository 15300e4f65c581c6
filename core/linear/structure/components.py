"""Connected components of laws: two laws belong together when they share a variable, directly or over others."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph


@dataclass(frozen=True)
class Block:
    """C components with the same number of laws and of classes.

    Attributes:
        laws: (C, k) indices of laws. classes: (C, l) indices of classes; -1 pads a law without any.
        A: (C, k, l), dense.
    """

    laws: np.ndarray
    classes: np.ndarray
    A: np.ndarray


@dataclass(frozen=True)
class Component:
    """One component too large to be kept dense: its laws (k,), its classes (l,) and its coefficients (k, l)."""

    laws: np.ndarray
    classes: np.ndarray
    A: sparse.csr_matrix


MOST_LAWS = 48
MOST_ENTRIES = 2**15
DENSE_SHARE = 0.25
MOST_FILLED = 2**22
"""Components are kept dense up to so many laws and entries; more entries where most of them are not zero."""


def components(A: sparse.csr_matrix, laws: np.ndarray) -> tuple[list[Block], list[Component]]:
    """Components of the rows `laws` (k,) of `A` (m, q), small ones stacked by shape."""
    part = A[laws]
    k, q = part.shape
    graph = sparse.bmat([[None, part != 0], [(part != 0).T, None]]) if part.nnz else sparse.csr_matrix((k + q, k + q))
    _, label = csgraph.connected_components(graph, directed=False)
    wanted, row_label = np.unique(label[:k], return_inverse=True)
    column_label = np.searchsorted(wanted, label[k:])
    column_label = np.where(np.isin(label[k:], wanted), column_label, -1)
    rows, columns = np.bincount(row_label, minlength=len(wanted)), _counts(column_label, len(wanted))
    filled = np.bincount(row_label, np.diff(part.indptr), minlength=len(wanted)) >= DENSE_SHARE * rows * columns
    small = (rows * columns <= np.where(filled, MOST_FILLED, MOST_ENTRIES)) & ((rows <= MOST_LAWS) | filled)
    shapes = np.unique(np.stack((rows, columns), -1)[small], axis=0)
    split = _Split(part, laws, row_label, column_label)
    chosen = [np.flatnonzero(small & (rows == height) & (columns == width)) for height, width in shapes]
    return [split.block(c) for c in chosen], [split.component(c) for c in np.flatnonzero(~small).tolist()]


def _counts(labels: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(labels[labels >= 0], minlength=count)


class _Split:
    """Rows, columns and entries of a matrix in the order of their components."""

    def __init__(self, A: sparse.csr_matrix, laws: np.ndarray, row_label: np.ndarray, column_label: np.ndarray):
        self.A, self.laws, self.row_label = A, laws, row_label
        self.rows, self.row_start, self.row_place = _ordered(row_label)
        self.columns, self.column_start, self.column_place = _ordered(column_label)

    def block(self, chosen: np.ndarray) -> Block:
        rows = _members(self.rows, self.row_start, chosen)
        columns = _members(self.columns, self.column_start, chosen)
        dense = np.zeros((len(chosen), rows.shape[1], max(columns.shape[1], 1)))
        entries = self.A[rows.ravel()].tocoo()
        own = rows.ravel()[entries.row]
        place = np.searchsorted(chosen, self.row_label[own])
        dense[place, self.row_place[own], self.column_place[entries.col]] = entries.data
        classes = columns if columns.shape[1] else np.full((len(chosen), 1), -1)
        return Block(self.laws[rows], classes, dense)

    def component(self, label: int) -> Component:
        rows = _members(self.rows, self.row_start, np.array([label]))[0]
        columns = _members(self.columns, self.column_start, np.array([label]))[0]
        return Component(self.laws[rows], columns, self.A[rows][:, columns].tocsr())


def _ordered(label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices sorted by label, where each label starts, and the place of each index within its label."""
    order = np.argsort(label, kind="stable")
    count = int(label.max(initial=-1)) + 1
    start = np.searchsorted(label[order], np.arange(count + 1))
    place = np.empty(len(label), np.int64)
    own = label[order]
    place[order] = np.arange(len(label)) - start[np.maximum(own, 0)]
    return order, start, place


def _members(order: np.ndarray, start: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(C, k) members of the `chosen` labels, which have k each; k = 0 for labels beyond the last."""
    begin, end = start[np.minimum(chosen, len(start) - 1)], start[np.minimum(chosen + 1, len(start) - 1)]
    width = int(end[0] - begin[0])
    return order[begin[:, None] + np.arange(width)]
