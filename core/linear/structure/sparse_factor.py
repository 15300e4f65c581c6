"""Large components without a narrow band: sparse LU of the augmented matrix `[[a I, B^T], [B, 0]]`, `B = A W^(1/2)`.

With scipy's SuperLU (Li & Demmel, ACM TOMS 29 (2003) 110). The augmented matrix with a scale `a` near the smallest
singular value of `B` does not square its condition number (Bjorck, BIT 7 (1967) 1). One factor per set of weights, on
the CPU and one sample after the other: meant for weights shared by all samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import linalg
from torch import Tensor

from lawful.core.linear.structure.components import Component
from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.part import Prepared
from lawful.core.linear.structure.segments import Segments, pick

_SCALE = 1e-6
"""Of the identity in the augmented matrix, so that pivots are taken among the laws."""

_COLUMNS = 256
"""Right-hand sides that are solved for at a time."""


@dataclass(frozen=True)
class Sparse:
    """One component: `A` (k, l) with its laws and classes."""

    kind = "sparse"
    laws: Tensor
    classes: Tensor
    A: sparse.csr_matrix

    @staticmethod
    def build(part: Component, device: torch.device) -> "Sparse":
        return Sparse(torch.from_numpy(part.laws).to(device), torch.from_numpy(part.classes).to(device), part.A)

    def prepare(self, weights: Tensor, keep: Tensor) -> Prepared:
        return _Prepared(_Factors(self.A, weights, keep), weights)

    def to(self, device: torch.device) -> "Sparse":
        return on_device(self, device)


class _Augmented:
    """The factor for one vector of weights (l,) and kept laws (k,)."""

    def __init__(self, A: sparse.csr_matrix, weights: np.ndarray, keep: np.ndarray):
        self.size, self.keep = A.shape[1], keep
        B = (A.multiply(keep[:, None]) @ sparse.diags_array(np.sqrt(weights))).tocsr()
        length = np.sqrt(np.asarray(B.multiply(B).sum(1))).ravel()
        self.length = np.where(length > 0, length, 1.0)
        B = sparse.diags_array(1 / self.length) @ B
        corner = sparse.diags_array(np.where(keep, 0.0, -1.0))
        matrix = sparse.block_array([[_SCALE * sparse.eye_array(self.size), B.T], [B, corner]]).tocsc()
        self.lu = linalg.splu(matrix)

    def solve(self, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`B^T (B B^T)^-1 residual` (l, c) and `(B B^T)^-1 residual` in the units of A (k, c), for residuals (k, c)."""
        right = np.zeros((self.size + len(residual), residual.shape[1]))
        right[self.size :] = residual / self.length[:, None] * self.keep[:, None]
        solution = self.lu.solve(right)
        return solution[: self.size], -solution[self.size :] / _SCALE / self.length[:, None] * self.keep[:, None]

    @property
    def log_det(self) -> float:
        # det of the matrix is a^l det(-B B^T / a).
        full = np.log(np.abs(self.lu.U.diagonal())).sum()
        kept = self.keep.sum()
        return float(full - (self.size - kept) * np.log(_SCALE) + 2 * np.log(self.length[self.keep]).sum())


class _Factors:
    """Factors of a batch of weights (..., l) and kept laws (..., k), flattened."""

    def __init__(self, A: sparse.csr_matrix, weights: Tensor, keep: Tensor):
        lead = torch.broadcast_shapes(weights.shape[:-1], keep.shape[:-1])
        self.A, self.lead, self.device = A, lead, weights.device
        entries = A.tocoo()
        row, column, value = (torch.from_numpy(x).to(self.device) for x in (entries.row, entries.col, entries.data))
        self._column, self._value, self._rows = column.long(), value, Segments(row.long(), A.shape[0])
        self._weights = _flat(weights.detach(), lead)
        each = zip(self._weights, _flat(keep, lead), strict=True)
        self._each = [_Augmented(A, w, k) for w, k in each]

    def product(self, x: Tensor) -> Tensor:
        """`A x`, (..., l) -> (..., k); differentiable."""
        return self._rows.sum(self._value * pick(x, self._column))

    def multipliers(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """`A^T K^-1 residual` (..., l) and `K^-1 residual` (..., k)."""
        lead = torch.broadcast_shapes(self.lead, residual.shape[:-1])
        (height, width), count = self.A.shape, len(self._each)
        rows = _flat(residual, lead).reshape(-1, count, height)
        pairs = [f.solve(rows[:, i].T) for i, f in enumerate(self._each)]
        moved, duals = (np.stack([p[j].T for p in pairs], 1) for j in (0, 1))
        roots = np.sqrt(self._weights)
        pulled = np.where(roots > 0, moved / np.where(roots > 0, roots, 1.0), 0.0)
        return self._tensor(pulled, (*lead, width)), self._tensor(duals, (*lead, height))

    def log_det(self) -> Tensor:
        return self._tensor(np.array([f.log_det for f in self._each]), self.lead)

    def _tensor(self, x: np.ndarray, shape: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(x)).reshape(shape).to(self.device)

    def squares(self, weights: Tensor) -> Tensor:
        """The diagonal of `A^T K^-1 A` (..., l), a few columns at a time; differentiable."""
        chunks = torch.arange(self.A.shape[1]).split(_COLUMNS)
        return torch.cat([self._some_squares(weights, chunk) for chunk in chunks], -1)

    def _some_squares(self, weights: Tensor, columns: Tensor) -> Tensor:
        right = torch.from_numpy(self.A[:, columns.numpy()].toarray().T).to(self.device)
        right = right.reshape(len(right), *[1] * len(self.lead), -1)
        pulled, _ = _Solve.apply(weights, right, self)
        own = pulled[torch.arange(len(columns)), ..., columns.to(self.device)]
        return own.movedim(0, -1)


def _flat(x: Tensor, lead: Sequence[int]) -> np.ndarray:
    return x.detach().expand(*lead, x.shape[-1]).reshape(-1, x.shape[-1]).cpu().numpy()


class _Solve(torch.autograd.Function):
    """`A^T K^-1 r` and `u = K^-1 r`.

    For gradients g, h of the two and `v = K^-1 (A g + h)`: v for r, and `-(A^T u) (A^T v)` for the weights.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, residual: Tensor, factors: _Factors) -> tuple[Tensor, Tensor]:
        pulled, duals = factors.multipliers(residual)
        ctx.save_for_backward(weights, pulled)
        ctx.factors, ctx.shape = factors, residual.shape
        return pulled, duals

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        weights, pulled = ctx.saved_tensors
        along, duals = _Solve.apply(weights, ctx.factors.product(gradients[0]) + gradients[1], ctx.factors)
        return (-pulled * along).sum_to_size(weights.shape), duals.sum_to_size(ctx.shape), None


class _LogDet(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, factors: _Factors) -> Tensor:
        ctx.save_for_backward(weights)
        ctx.factors = factors
        return factors.log_det()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        squares = ctx.factors.squares(weights)
        return (gradients[0].unsqueeze(-1) * squares).sum_to_size(weights.shape), None


@dataclass(frozen=True)
class _Prepared:
    factors: _Factors
    weights: Tensor

    def solve(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        return _Solve.apply(self.weights, residual, self.factors)

    @property
    def log_det(self) -> Tensor:
        return _LogDet.apply(self.weights, self.factors)

    @property
    def leverage(self) -> Tensor:
        return self.weights * self.factors.squares(self.weights)
