"""Columns that the laws cannot tell apart are one column to the solver: a cell of a block mean stands for its block."""

import numpy as np
from scipy import sparse

_ODD = np.uint64(0x9E3779B97F4A7C15)


def _mixed(x: np.ndarray) -> np.ndarray:
    """A 64-bit mixing function (the finaliser of MurmurHash3)."""
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


def _keys(A: sparse.csc_matrix, single: np.ndarray) -> np.ndarray:
    """One number per column: equal for equal columns, and for columns with one entry in the same law."""
    column = np.repeat(np.arange(A.shape[1]), np.diff(A.indptr))
    bits = np.where(single[column], 1.0, A.data).view(np.uint64)
    entry = _mixed(_mixed(A.indices.astype(np.uint64) + _ODD) + bits)
    keys = np.zeros(A.shape[1], np.uint64)
    np.add.at(keys, column, entry)
    return keys


def _same(A: sparse.csc_matrix, single: np.ndarray, leader: np.ndarray) -> np.ndarray:
    """(n,), True where a column has the entries of its leader, which equal keys make all but certain."""
    lengths = np.diff(A.indptr)
    column = np.repeat(np.arange(A.shape[1]), lengths)
    fits = lengths == lengths[leader]
    twin = np.minimum(A.indptr[leader[column]] + np.arange(len(A.data)) - A.indptr[column], len(A.data) - 1)
    equal = (A.indices == A.indices[twin]) & (single[column] | (A.data == A.data[twin]))
    np.logical_and.at(fits, column, equal)
    return fits


def merge_columns(A: sparse.csc_matrix) -> tuple[np.ndarray, np.ndarray | None, sparse.csc_matrix]:
    """Classes of columns and the coefficients (m, q) of one column per class.

    Args:
        A: (m, n) with sorted indices and no stored zeros.

    Returns:
        owner (n,), the class of each column, -1 for columns in no law; scale (n,), with
        `A[:, j] = scale[j] * merged[:, owner[j]]` exactly, or None when all are one; merged (m, q).
        Classes are in the order of their first columns.
    """
    lengths = np.diff(A.indptr)
    single = lengths == 1
    _, first, inverse = np.unique(_keys(A, single), return_index=True, return_inverse=True)
    leader = first[inverse]
    leader = np.where(_same(A, single, leader), leader, np.arange(A.shape[1]))
    leaders = np.unique(leader[lengths > 0])
    owner = np.where(lengths > 0, np.searchsorted(leaders, leader), -1)
    merged = A[:, leaders].tocsc()
    scale = np.ones(A.shape[1])
    lone = np.flatnonzero(single)
    value, reference = A.data[A.indptr[lone]], A.data[A.indptr[leader[lone]]]
    uneven = np.zeros(len(leaders), bool)
    uneven[owner[lone[value != reference]]] = True
    weighted = uneven[owner[lone]]
    scale[lone[weighted]] = value[weighted]
    merged.data[merged.indptr[:-1][uneven]] = 1.0
    return owner, (scale if uneven.any() else None), merged
