"""Factors of Gram matrices of a batch: by LAPACK or, for a few laws, an entry of all matrices at a time.

Right-hand sides have a row for each law, (r, ..., N): products with few rows are quicker than those with few columns.
"""

from typing import TypeAlias

import torch
from torch import Tensor

from lawful.core.linear.gram import lower_gram, row_pairs

FEW_LAWS = 4
"""Up to so many laws LAPACK would take longer to be called than to work."""

_PIECE = 2**19
"""Entries of matrices that LAPACK works on at a time."""


class FewFactors:
    """`K = L diag(d) L'` with ones on the diagonal of L; `rows[i]` holds entries (N,) of row i of L, then `d_i`."""

    def __init__(self, rows: list[list[Tensor]], diagonal: list[Tensor]):
        self._rows, self._diagonal, self._inverse = rows, diagonal, [row[-1].reciprocal() for row in rows]

    @classmethod
    def of(cls, triangle: Tensor) -> "FewFactors":
        """From the lower triangles (r (r + 1) / 2, N), row by row."""
        entries = triangle.unbind()
        rows: list[list[Tensor]] = []
        diagonal: list[Tensor] = []
        while (taken := len(rows) * (len(rows) + 1) // 2) < len(entries):
            row = list(entries[taken : taken + len(rows) + 1])
            diagonal.append(row[-1])
            _eliminate(row, rows)
            rows.append(row)
        return cls(rows, diagonal)

    @property
    def share(self) -> Tensor:
        """(N,), the least share of a diagonal entry that rows before leave unexplained; no number above zero where K
        is not positive definite."""
        shares = [row[-1] / whole for row, whole in zip(self._rows, self._diagonal, strict=True)]
        return torch.stack(shares).amin(0)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, here: slice) -> "FewFactors":
        return FewFactors([[entry[here] for entry in row] for row in self._rows], [x[here] for x in self._diagonal])

    def where(self, keep: Tensor) -> "FewFactors":
        """Those of the unit matrix in the samples that are not to be kept."""
        rows = [[x.where(keep, float(k == i)) for k, x in enumerate(row)] for i, row in enumerate(self._rows)]
        return FewFactors(rows, [x.where(keep, 1.0) for x in self._diagonal])

    def solved(self, x: Tensor) -> Tensor:
        """`K^-1 x` (r, ..., N) for x (r, ..., N)."""
        y, r = list(x.unbind()), len(self._rows)
        for i in range(r):
            for j in range(i):
                y[i] = torch.addcmul(y[i], self._rows[i][j], y[j], value=-1)
        for i in reversed(range(r)):
            y[i] = y[i] * self._inverse[i]
            for j in range(i + 1, r):
                y[i] = torch.addcmul(y[i], self._rows[j][i], y[j], value=-1)
        return torch.stack(y) if r else x


def _eliminate(row: list[Tensor], above: list[list[Tensor]]) -> None:
    """Turns a row of K into one of L and d, given those above."""
    for j, other in enumerate(above):
        for k in range(j):
            row[j] = torch.addcmul(row[j], row[k], other[k], value=-1)
    for j, other in enumerate(above):
        scaled = row[j] / other[-1]
        row[-1] = torch.addcmul(row[-1], row[j], scaled, value=-1)
        row[j] = scaled


class LapackFactors:
    """Lower Cholesky factors (N, r, r), and the diagonals (N, r) of what they are factors of."""

    def __init__(self, lower: Tensor, diagonal: Tensor):
        self._lower, self._diagonal = lower, diagonal

    @classmethod
    def of(cls, K: Tensor) -> "LapackFactors":
        """From the lower triangles of K (N, r, r), which is overwritten; what is above is not read."""
        diagonal = K.diagonal(dim1=-2, dim2=-1).clone()
        for part in _pieces(K):
            # Columns are what LAPACK wants contiguous: upper factors of the transposed matrices need no copies.
            info = torch.empty(part.shape[0], dtype=torch.int32, device=K.device)
            torch.linalg.cholesky_ex(part.mT, upper=True, out=(part.mT, info))
        return cls(K, diagonal)

    @property
    def share(self) -> Tensor:
        """As of `FewFactors`."""
        return (self._lower.diagonal(dim1=-2, dim2=-1).square() / self._diagonal).amin(-1)

    def __len__(self) -> int:
        return self._lower.shape[-1]

    def __getitem__(self, here: slice) -> "LapackFactors":
        return LapackFactors(self._lower[here], self._diagonal[here])

    def where(self, keep: Tensor) -> "LapackFactors":
        """Those of the unit matrix in the samples that are not to be kept."""
        eye = torch.eye(len(self), dtype=self._lower.dtype, device=self._lower.device)
        diagonal = self._diagonal.where(keep.unsqueeze(-1), 1.0)
        return LapackFactors(self._lower.where(keep.reshape(-1, 1, 1), eye), diagonal)

    def solved(self, x: Tensor) -> Tensor:
        """`K^-1 x` (r, ..., N) for x (r, ..., N)."""
        columns = x.flatten(1, -2).permute(2, 0, 1) if x.dim() > 2 else x.mT.unsqueeze(-1)
        # Two triangular solves work on the factors as they are; `cholesky_solve` would copy them first.
        half = torch.linalg.solve_triangular(self._lower, columns, upper=False)
        found = torch.linalg.solve_triangular(self._lower.mT, half, upper=True)
        return found.permute(1, 2, 0).reshape(x.shape)


GramFactors: TypeAlias = FewFactors | LapackFactors


def gram_factors(A: Tensor, v: Tensor, pairs: Tensor | None = None) -> GramFactors:
    """Factors of `A diag(v_k) A'` for A (r, n) and v (N, n); `pairs` are `row_pairs(A)`, where those are few."""
    pairs = None if pairs is None else pairs.to(v.dtype)
    if A.shape[0] > FEW_LAWS:
        return LapackFactors.of(lower_gram(A, v, pairs))
    return FewFactors.of((row_pairs(A) if pairs is None else pairs) @ v.mT)


def _pieces(K: Tensor) -> tuple[Tensor, ...]:
    """Few enough matrices at a time that the copies which LAPACK works on stay in cache."""
    return K.split(max(1, _PIECE // max(K[0].numel(), 1))) if len(K) else (K,)
