"""Laws that share no variable: their Gram matrix is diagonal."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.part import Prepared
from lawful.core.linear.structure.segments import Segments


@dataclass(frozen=True)
class Disjoint:
    """`value` (e,), the entries of the laws (k,) in the order of `rows`; `classes` (e,), each once."""

    kind = "disjoint"
    laws: Tensor
    classes: Tensor
    value: Tensor
    rows: Segments

    @staticmethod
    def build(A: sparse.csr_matrix, laws: np.ndarray, device: torch.device) -> "Disjoint":
        entries = A[laws].tocoo()
        row, cls, value = (torch.from_numpy(x).to(device) for x in (entries.row, entries.col, entries.data))
        return Disjoint(torch.from_numpy(laws).to(device), cls.long(), value, Segments(row.long(), len(laws)))

    def prepare(self, weights: Tensor, keep: Tensor) -> Prepared:
        taken = self.value.square() * weights
        gram = torch.where(keep, self.rows.sum(taken), 1.0)
        return _Diagonal(self, taken, gram, keep)

    def to(self, device: torch.device) -> "Disjoint":
        return on_device(self, device)


@dataclass(frozen=True)
class _Diagonal:
    part: Disjoint
    taken: Tensor
    gram: Tensor
    keep: Tensor

    def solve(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        multipliers = torch.where(self.keep, residual / self.gram, 0.0)
        return self.part.value * self.part.rows.take(multipliers), multipliers

    @property
    def log_det(self) -> Tensor:
        return self.gram.log().sum(-1)

    @property
    def leverage(self) -> Tensor:
        return self.taken * self.part.rows.take(self.keep / self.gram)
