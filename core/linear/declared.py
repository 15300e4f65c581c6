"""Coefficients of laws of common kinds, as sparse matrices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.arrays import numbers


def totals(groups: Any, coefficients: Any = None, grand_total: bool = False) -> sparse.csc_matrix:
    """One law per group, `sum of coefficients * members`, and one over all members; see `LinearSystem.totals`."""
    owner = np.asarray(groups)
    if owner.ndim != 1 or owner.dtype.kind not in "iu":
        raise ShapeError(f"Expected groups of shape (n,), integers, got {owner.dtype} of shape {owner.shape}.")
    values = np.ones(len(owner)) if coefficients is None else numbers(coefficients)
    if values.shape != owner.shape:
        raise ShapeError(f"Expected coefficients of shape {owner.shape}, one per variable, got {values.shape}.")
    members = np.flatnonzero(owner >= 0)
    count = int(owner.max(initial=-1)) + 1
    A = sparse.csc_matrix((values[members], (owner[members], members)), shape=(count, len(owner)))
    if not grand_total:
        return A
    whole = sparse.csc_matrix((values[members], (np.zeros_like(members), members)), shape=(1, len(owner)))
    return sparse.vstack([A, whole]).tocsc()


def block_means(
    shape: Sequence[int], block: Sequence[int], weights: Any = None, grand_mean: bool = False
) -> sparse.csc_matrix:
    """One law per block of a grid, its weighted mean, and one over the grid; see `LinearSystem.block_means`."""
    sides = zip(shape, block, strict=False)
    if len(shape) != len(block) or any(size < 1 or side < 1 or size % side for size, side in sides):
        raise ShapeError(f"Expected a block that divides the grid {tuple(shape)}, got {tuple(block)}.")
    size = int(np.prod(shape))
    area = np.ones(size) if weights is None else _on_grid(numbers(weights), shape)
    if not (np.isfinite(area) & (area >= 0)).all() or not area.any():
        raise InvalidValueError("Expected finite weights of zero or more, such as areas of cells, and not all zero.")
    coarse = [s // b for s, b in zip(shape, block, strict=True)]
    place = [np.arange(s) // b for s, b in zip(shape, block, strict=True)]
    owner = np.ravel_multi_index(np.meshgrid(*place, indexing="ij"), coarse).ravel()
    whole = np.bincount(owner, area)[owner]
    A = totals(owner, np.divide(area, whole, out=np.zeros(size), where=whole > 0))
    # A cell of no weight is in no law.
    A.eliminate_zeros()
    return sparse.vstack([A, sparse.csc_matrix(area / area.sum())]).tocsc() if grand_mean else A


def _on_grid(weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    try:
        return np.broadcast_to(weights, shape).ravel()
    except ValueError as error:
        raise ShapeError(f"Expected weights that broadcast to {tuple(shape)}, got {weights.shape}.") from error


def incidence(edges: Any, nodes: int | None = None) -> sparse.csc_matrix:
    """One law per node, inflow minus outflow along edges (E, 2) from, to; see `LinearSystem.incidence`."""
    ends = np.asarray(edges)
    if ends.ndim != 2 or ends.shape[1] != 2 or ends.dtype.kind not in "iu":
        raise ShapeError(f"Expected edges of shape (E, 2), integers, got {ends.dtype} of shape {ends.shape}.")
    count = int(ends.max(initial=-1)) + 1 if nodes is None else nodes
    out_of_range = (ends >= count) | (ends < -1)
    if out_of_range.any():
        edge = int(np.flatnonzero(out_of_range.any(1))[0])
        raise InvalidValueError(f"Edge {edge} joins {tuple(ends[edge].tolist())}, but nodes are 0 to {count - 1}.")
    flows = np.arange(len(ends))
    sign = np.concatenate((-np.ones(len(ends)), np.ones(len(ends))))
    row, column = ends.T.ravel(), np.concatenate((flows, flows))
    inside = row >= 0
    return sparse.csc_matrix((sign[inside], (row[inside], column[inside])), shape=(count, len(ends)))


def repeated(A: sparse.csc_matrix, copies: int, copies_last: bool) -> sparse.csc_matrix:
    """The laws `A` (m, n) for each of `copies` sets of variables; laws are in the order of copies."""
    if copies < 1:
        raise ShapeError(f"Expected one copy or more, got {copies}.")
    entries = A.tocoo()
    copy = np.repeat(np.arange(copies), entries.nnz)
    row, column = np.tile(entries.row, copies), np.tile(entries.col, copies)
    place = column * copies + copy if copies_last else copy * A.shape[1] + column
    values = np.tile(entries.data, copies)
    return sparse.csc_matrix(
        (values, (copy * A.shape[0] + row, place)), shape=(A.shape[0] * copies, A.shape[1] * copies)
    )
