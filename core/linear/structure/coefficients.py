"""Sparse coefficients: the products `A z`, `|A| h` and `A^T y`, and residuals with compensated sums."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lawful.core.linear.exact import two_product, two_sum, with_gradient_of
from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.merge import merge_columns
from lawful.core.linear.structure.segments import Segments, pick


@dataclass(frozen=True)
class Coefficients:
    """`A = merged * classes`: columns (n) summed into classes (q), times a sparse matrix (m, q) in rows.

    Attributes:
        m, n, q: numbers of laws, variables and classes.
        columns: classes of the n variables. scale: (n,), a variable's share in its class; None for one.
        law, cls, value: (e,), the entries of the matrix in the order of laws.
    """

    m: int
    n: int
    q: int
    columns: Segments
    scale: Tensor | None
    law: Tensor
    cls: Tensor
    value: Tensor

    @staticmethod
    def build(A: sparse.csc_matrix, device: torch.device) -> "Coefficients":
        owner, scale, merged = merge_columns(A)
        rows = merged.tocsr().tocoo()
        law, cls = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (rows.row, rows.col))
        columns = Segments(torch.from_numpy(owner.astype(np.int64)).to(device), merged.shape[1])
        shares = None if scale is None else torch.from_numpy(scale).to(device)
        value = torch.from_numpy(rows.data.astype(np.float64)).to(device)
        return Coefficients(A.shape[0], A.shape[1], merged.shape[1], columns, shares, law, cls, value)

    @cached_property
    def rows(self) -> Segments:
        return Segments(self.law, self.m)

    @cached_property
    def _members(self) -> Segments:
        return Segments(self.cls, self.q)

    @property
    def matrix(self) -> sparse.csr_matrix:
        """The coefficients (m, q) of the classes."""
        entries = self.value.cpu().numpy(), (self.law.cpu().numpy(), self.cls.cpu().numpy())
        return sparse.csr_matrix(entries, shape=(self.m, self.q))

    def full(self) -> sparse.csr_matrix:
        """The coefficients (m, n)."""
        owner = self.columns.owner.cpu().numpy()
        present = np.flatnonzero(owner >= 0)
        scale = np.ones(len(present)) if self.scale is None else self.scale.cpu().numpy()[present]
        return self.matrix @ sparse.csr_matrix((scale, (owner[present], present)), shape=(self.q, self.n))

    def product(self, z: Tensor) -> Tensor:
        """`A z`, (..., n) -> (..., m); differentiable."""
        z = z if self.scale is None else self.scale * z
        return self.rows.sum(self.value * self._entries(self.columns.sum(z)))

    def absolute(self, h: Tensor) -> Tensor:
        """`|A| h`, (..., n) -> (..., m)."""
        h = h if self.scale is None else self.scale.abs() * h
        return self.rows.sum(self.value.abs() * self._entries(self.columns.sum(h)))

    @cached_property
    def spread(self) -> Tensor:
        """(m,), sums of the magnitudes of coefficients."""
        return self.absolute(torch.ones(self.n, dtype=torch.float64, device=self.value.device))

    def of_classes(self, y: Tensor) -> Tensor:
        """`merged y`, (..., q) -> (..., m); without gradients, as the next."""
        return self.rows.sum(self.value * pick(y, self.cls))

    def absolute_of_classes(self, y: Tensor) -> Tensor:
        return self.rows.sum(self.value.abs() * pick(y, self.cls))

    def _entries(self, y: Tensor) -> Tensor:
        """Values of classes (..., q) at the entries of the matrix (..., e); differentiable."""
        return self._members.take(y)

    def class_weights(self, weights: Tensor) -> Tensor:
        """Weights of classes (..., q) from those of variables (..., n); differentiable."""
        return self.columns.sum(weights if self.scale is None else self.scale.square() * weights)

    def to_variables(self, y: Tensor) -> Tensor:
        """Values of classes (..., q) at the variables (..., n), times their shares; differentiable."""
        values = self.columns.take(y)
        return values if self.scale is None else self.scale * values

    def residual(self, z: Tensor, b: Tensor) -> Tensor:
        """`A z - b` (..., m) in twice float64's precision, rounded once; differentiable."""
        value = self._residual(z.detach(), b.detach())
        if not (z.requires_grad or b.requires_grad):
            return value
        return with_gradient_of(self.product(z) - b, value)

    def _residual(self, z: Tensor, b: Tensor) -> Tensor:
        high, low, _ = self.columns.sums_in_chunks(z, self.scale, True)
        return self.compensated(high, low, b)

    def compensated(self, high: Tensor, low: Tensor, b: Tensor) -> Tensor:
        """`merged (high + low) - b` (..., m) for sums of classes (..., q) with what they lost in rounding."""
        terms, errors = two_product(self.value, pick(high, self.cls))
        total, lost, _ = self.rows.sums_in_chunks(terms, None, True)
        rest = lost + self.rows.sum(errors + self.value * pick(low, self.cls))
        total, last = two_sum(total, -b)
        return total + (last + rest)

    def to(self, device: torch.device) -> "Coefficients":
        return on_device(self, device)
