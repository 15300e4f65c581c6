"""Laws with sparse coefficients: rank by component, a solver per kind of component, for any set of free variables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear.dense import DenseLaws
from lawful.core.linear.metric import Metric, Root
from lawful.core.linear.rhs import RightHandSide
from lawful.core.linear.structure.coefficients import Coefficients
from lawful.core.linear.structure.dependencies import Dependencies
from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.independent import balance
from lawful.core.linear.structure.metric import StructuredMetric
from lawful.core.linear.structure.quick import settle_in_chunks
from lawful.core.linear.structure.rank import dropped_laws, redundancy
from lawful.core.linear.structure.solver import Solver, build_parts

_MOST_CORRELATED = 8192
"""Variables up to which null spaces and correlated covariances are made, as dense matrices."""


@dataclass(frozen=True)
class SparseLaws:
    """The face of `DenseLaws`, with neither an n x n nor a dense m x n matrix.

    Attributes:
        coefficients: all of them, those of variables that are not free as well.
        free: (..., n). keep: (..., m), the independent laws among the free variables.
        dependencies: how the others follow. solver: of the independent laws of `base`.
        base: the laws with one pattern of free variables that batches of patterns start from; None for themselves.
    """

    coefficients: Coefficients
    tolerance: float
    free: Tensor
    keep: Tensor
    dependencies: tuple[Dependencies, ...]
    solver: Solver
    base: "SparseLaws | None" = None

    @staticmethod
    def build(A: sparse.csc_matrix, tolerance: float, device: torch.device) -> "SparseLaws":
        coefficients = Coefficients.build(A, device)
        return _one_pattern(coefficients, tolerance, torch.ones(A.shape[1], dtype=torch.bool, device=device))

    @property
    def m(self) -> int:
        return self.coefficients.m

    @property
    def n(self) -> int:
        return self.coefficients.n

    @property
    def device(self) -> torch.device:
        return self.free.device

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    @property
    def structure(self) -> str:
        return self.solver.structure

    @property
    def A(self) -> Tensor:
        """Coefficients (m, n) as a sparse tensor; dense (..., m, n) where the free variables differ per sample."""
        if self.free.dim() > 1:
            return torch.from_numpy(self.coefficients.full().toarray()).to(self.device) * self.free.unsqueeze(-2)
        entries = self.coefficients.full().tocoo()
        index = torch.from_numpy(np.stack((entries.row, entries.col)).astype(np.int64)).to(self.device)
        value = torch.from_numpy(entries.data).to(self.device)
        here = self.free[index[1]]
        return torch.sparse_coo_tensor(index[:, here], value[here], (self.m, self.n), check_invariants=True).coalesce()

    def absolute(self, h: Tensor) -> Tensor:
        return self.coefficients.absolute(h)

    def residual(self, z: Tensor, b: Tensor) -> Tensor:
        return self.coefficients.residual(z, b)

    @property
    def column_scale(self) -> Tensor:
        return torch.from_numpy(balance(self.matrix)[1]).to(self.device)

    @property
    def rank(self) -> int | Tensor:
        rank = self.keep.sum(-1)
        return int(rank) if rank.dim() == 0 else rank

    @property
    def redundant_mask(self) -> Tensor:
        return ~self.keep

    @property
    def has_redundant(self) -> bool:
        return bool(self.dependencies)

    def broken(self, rhs: RightHandSide) -> Tensor:
        broken = torch.zeros_like(rhs.values, dtype=torch.bool)
        for part in self.dependencies:
            broken = broken | part.broken(rhs)
        return broken

    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None:
        first = tuple(broken.any(-1).nonzero()[0].tolist())
        next(p for p in self.dependencies if p.broken(rhs).expand(broken.shape)[first].any()).explain(
            broken, rhs, names
        )

    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor:
        for part in self.dependencies:
            residual = part.shared(residual, allowance)
        return residual

    def restricted(self, free: Tensor) -> "SparseLaws":
        if free.dim() == 1:
            return _one_pattern(self.coefficients, self.tolerance, free)
        base = self.base or self
        laws = np.flatnonzero(base.keep.cpu().numpy())
        classes = self.coefficients.columns.sum(free.double()) > 0
        found = redundancy(base._matrix, laws, classes, self.tolerance)
        keep = (base.keep & ~dropped_laws(found, self.m, self.device)).expand(*free.shape[:-1], self.m)
        return replace(base, free=free, keep=keep, dependencies=(*base.dependencies, *found), base=base)

    @property
    def _matrix(self) -> sparse.csr_matrix:
        """Coefficients (m, q) of the classes that are free."""
        return _free_matrix(self.coefficients, self.free)

    @cached_property
    def unweighted(self) -> StructuredMetric:
        return self.metric(torch.ones(self.n, dtype=torch.float64, device=self.device))

    def metric(self, root_weights: Tensor) -> StructuredMetric:
        classes = self.coefficients.class_weights(root_weights.double().square() * self.free)
        factored = self.solver.prepare(classes, self.keep)
        return StructuredMetric(self.coefficients, root_weights, self.free, classes, factored)

    def covariance_metric(self, root: Root) -> Metric:
        dense = self._dense()
        metric = dense.covariance_metric(root)
        # Densities compare it with the `unweighted` metric of these laws, which scales them otherwise.
        metric.log_det = metric.log_det + self.unweighted.log_det - dense.unweighted.log_det
        return metric

    def judge(self, rhs: RightHandSide, stored: torch.dtype) -> RightHandSide:
        return rhs

    def settle_quickly(
        self, z: Tensor, judge: RightHandSide, metric: Any, stored: torch.dtype
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        if isinstance(metric, StructuredMetric):
            return settle_in_chunks(z, judge, metric, stored)
        return z, torch.zeros_like(z), torch.zeros(z.shape[:-1], dtype=torch.bool, device=z.device)

    def nullspace(self) -> Tensor:
        return self._dense().nullspace()

    def _dense(self) -> DenseLaws:
        """The same laws without structure, for what needs all correlations."""
        if self.n > _MOST_CORRELATED:
            raise InvalidValueError(
                f"Null spaces and correlated covariances are dense, too large for {self.n} variables (at most "
                f"{_MOST_CORRELATED}): use independent variables."
            )
        dense = DenseLaws.build(torch.from_numpy(self.matrix.toarray()).to(self.device), self.tolerance)
        return dense.restricted(self.free)

    @property
    def matrix(self) -> sparse.csc_matrix:
        return self.coefficients.full().tocsc()

    def to(self, device: torch.device) -> "SparseLaws":
        return on_device(self, device)


def _free_matrix(coefficients: Coefficients, free: Tensor) -> sparse.csr_matrix:
    classes = (coefficients.columns.sum(free.double()) > 0).cpu().numpy()
    A = coefficients.matrix
    A.data = A.data * classes[A.indices]
    A.eliminate_zeros()
    return A


def _one_pattern(coefficients: Coefficients, tolerance: float, free: Tensor) -> SparseLaws:
    A, m = _free_matrix(coefficients, free), coefficients.m
    every = torch.ones(coefficients.q, dtype=torch.bool, device=free.device)
    found = redundancy(A, np.arange(m), every, tolerance)
    keep = ~dropped_laws(found, m, free.device)
    parts = build_parts(A, np.flatnonzero(keep.cpu().numpy()), free.device)
    solver = Solver(m, coefficients.q, tuple(parts))
    return SparseLaws(coefficients, tolerance, free, keep, tuple(found), solver)
