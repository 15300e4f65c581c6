"""The face that dense and sparse laws share, and the choice between them."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.arrays import as_float64, at_sample
from lawful.core.linear.dense import DenseLaws
from lawful.core.linear.metric import Root
from lawful.core.linear.rhs import RightHandSide
from lawful.core.linear.structure import SparseLaws

_LEAST_SIZE = 2**16
"""Dense coefficients of fewer entries stay dense."""

_SPARSE_SHARE = 0.25
"""Dense coefficients of which a larger share is not zero stay dense."""

_MOST_DENSE = 2**22
"""Sparse coefficients of more entries, zeros among them, are never made dense before their structure is looked at."""

_MOST_SMALL = 2**18
"""Sparse coefficients of up to so many entries become dense where they turn out to have no structure."""


class LeastMoves(Protocol):
    """A metric: the solution operator of `min sum(dz_i^2 / weights_i)` subject to `A dz = residual`."""

    @property
    def log_det(self) -> Tensor:
        """(...), `log det(A W A^T)` over the independent laws, in a scaling of the laws that does not depend on W."""

    @property
    def explained(self) -> Tensor:
        """(..., n), what the laws take of variances `W`."""

    @property
    def batch_shape(self) -> torch.Size: ...

    def move(self, residual: Tensor) -> Tensor:
        """The least move (..., n) that changes `A z` by `residual` (..., m)."""


class Laws(Protocol):
    """Coefficients, their rank and their solver; see `DenseLaws` for what each member says."""

    @property
    def m(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def free(self) -> Tensor: ...
    @property
    def batch_shape(self) -> torch.Size: ...
    @property
    def structure(self) -> str: ...
    @property
    def A(self) -> Tensor: ...
    @property
    def tolerance(self) -> float: ...
    @property
    def rank(self) -> int | Tensor: ...
    @property
    def redundant_mask(self) -> Tensor: ...
    @property
    def has_redundant(self) -> bool: ...
    @property
    def unweighted(self) -> LeastMoves: ...
    def absolute(self, h: Tensor) -> Tensor: ...
    def residual(self, z: Tensor, b: Tensor) -> Tensor: ...
    @property
    def column_scale(self) -> Tensor: ...
    def broken(self, rhs: RightHandSide) -> Tensor: ...
    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None: ...
    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor: ...
    def restricted(self, free: Tensor) -> "Laws": ...
    @property
    def matrix(self) -> sparse.csc_matrix: ...
    def metric(self, root_weights: Tensor) -> LeastMoves: ...
    def covariance_metric(self, root: Root) -> LeastMoves: ...
    def judge(self, rhs: RightHandSide, stored: torch.dtype) -> Any: ...
    def settle_quickly(
        self, z: Tensor, judge: Any, metric: Any, stored: torch.dtype
    ) -> tuple[Tensor, Tensor | None, Tensor | None]: ...
    def nullspace(self) -> Tensor: ...
    def to(self, device: torch.device) -> "Laws": ...


Matrix: TypeAlias = Tensor | sparse.csc_matrix
"""Coefficients (..., m, n), or (m, n) in columns with sorted indices, no duplicates and no stored zeros."""


def as_matrix(A: Any) -> Matrix:
    """Coefficients in float64: a dense tensor without gradient, or sparse columns for sparse tensors and arrays."""
    is_tensor = isinstance(A, Tensor) and A.layout != torch.strided
    matrix = _columns(A, is_tensor) if is_tensor or sparse.issparse(A) else as_float64(A).detach()
    if len(matrix.shape) < 2 or matrix.shape[-1] == 0:
        raise ShapeError(f"Expected A of shape (..., m, n) with n > 0, got {tuple(matrix.shape)}.")
    return matrix


def _columns(A: Any, is_tensor: bool) -> sparse.csc_matrix:
    if len(A.shape) != 2:
        raise ShapeError(f"Expected sparse A of shape (m, n), got {tuple(A.shape)}: coefficients per sample are dense.")
    if is_tensor:
        entries = A.detach().to_sparse_coo().coalesce().cpu()
        A = sparse.coo_matrix((entries.values().double().numpy(), entries.indices().numpy()), shape=tuple(A.shape))
    matrix = sparse.csc_matrix(A).astype(np.float64)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def build_laws(A: Matrix, tolerance: float, names: Sequence[str], columns: Sequence[str], device: torch.device) -> Laws:
    """Laws solved by the structure of their coefficients.

    Sparse coefficients of one small component become dense, dense ones that are large and mostly zero become sparse
    where that shows any structure.
    """
    if not isinstance(A, Tensor):
        _require_moderate(A, names, columns)
        return _sparse(A, tolerance, device)
    bad = (~torch.isfinite(A)).nonzero()
    if len(bad):
        *sample, law, column = bad[0].tolist()
        _refuse(A[tuple(bad[0].tolist())].item(), names[law], columns[column], at_sample(tuple(sample)))
    if A.dim() == 2 and A.numel() >= _LEAST_SIZE and int((A != 0).sum()) <= _SPARSE_SHARE * A.numel():
        return _sparse(sparse.csc_matrix(A.cpu().numpy()), tolerance, device)
    return DenseLaws.build(A, tolerance)


def _sparse(matrix: sparse.csc_matrix, tolerance: float, device: torch.device) -> Laws:
    size = matrix.shape[0] * matrix.shape[1]
    if not _LEAST_SIZE <= size <= _MOST_DENSE or matrix.nnz <= _SPARSE_SHARE * size:
        laws = SparseLaws.build(matrix, tolerance, device)
        if laws.structure != "dense" or size > _MOST_SMALL:
            return laws
    return DenseLaws.build(torch.from_numpy(matrix.toarray()).to(device), tolerance)


def _require_moderate(matrix: sparse.csc_matrix, names: Sequence[str], columns: Sequence[str]) -> None:
    """Sparse laws are solved by sums of squares, which must neither overflow nor vanish."""
    size = np.abs(matrix.data)
    bad = np.flatnonzero(~((size >= 1e-100) & (size <= 1e100)))
    if len(bad):
        column = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
        _refuse(float(matrix.data[bad[0]]), names[int(matrix.indices[bad[0]])], columns[column], "")


def _refuse(value: float, law: str, column: str, where: str) -> None:
    moderate = "give a number of size 1e-100 to 1e100, in other units"
    advice = moderate if np.isfinite(value) else "give a finite number"
    raise InvalidValueError(f"The coefficient of {column!r} in law {law!r} is {value}{where}: {advice}.")
