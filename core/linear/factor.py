"""Which rows of a matrix are independent, and how the others follow from them."""

from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear.sliced import SlicedLaws

RANK_TOLERANCE = 16.0
"""A row counts as dependent when, after scaling of rows and columns, less than
`RANK_TOLERANCE * max(m, n) * eps` of it is left outside the span of the others (eps of the dtype A came in)."""

PIVOT_THRESHOLD = 0.1
"""Threshold pivoting: a pivot may be this part of the largest candidate, so that others can be preferred to it."""

NEGLIGIBLE = 1e-12
"""Multiples of laws in a dependency below this are rounding."""

SWEEPS = 8
"""Of alternating means, after which the scales hardly move."""


def _log_mean(logs: Tensor, present: Tensor, dim: int) -> Tensor:
    return logs.where(present, 0.0).sum(dim, keepdim=True) / present.sum(dim, keepdim=True).clamp(min=1)


def equilibrate(A: Tensor) -> tuple[Tensor, Tensor]:
    """Powers of two (P, m) and (P, n) that bring the non-zero entries of `A` (P, m, n) near one.

    Alternating geometric means (Curtis & Reid, J. Inst. Maths Applics 10 (1972) 118), so that the units in which
    a law or a variable is written have no say in the rank.
    """
    present = A != 0
    logs = A.abs().where(present, 1.0).log2()
    row, column = logs.new_zeros(*A.shape[:-1], 1), logs.new_zeros(*A.shape[:-2], 1, A.shape[-1])
    for _ in range(SWEEPS):
        row = -_log_mean(logs + column, present, -1)
        column = -_log_mean(logs + row, present, -2)
    row, column = row.round(), column.round()
    return torch.exp2(row).squeeze(-1), torch.exp2(column).squeeze(-2)


def _choose(left: Tensor) -> Tensor:
    """The earliest row of which enough is left, so that a total is called redundant, not its parts."""
    return (left >= PIVOT_THRESHOLD * left.amax(-1, keepdim=True)).to(torch.uint8).argmax(-1)


def _orthogonalise(row: Tensor, basis: Tensor) -> Tensor:
    """`row` (P, n) less its part in the orthonormal `basis` (P, k, n), twice, of length one."""
    for _ in range(2):
        row = row - torch.einsum("pkn,pk->pn", basis, torch.einsum("pkn,pn->pk", basis, row))
        row = row / row.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(row.dtype).tiny)
    return row


def independent_rows(A: Tensor, tolerance: float, first: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Threshold-pivoted modified Gram-Schmidt over rows of length one, all matrices of `A` (P, m, n) at once.

    Returns:
        pivots (P, r), the rows in the order taken; valid (P, r), False where a matrix has smaller rank than r;
        basis (P, r, n), orthonormal rows (zero where not valid). `first` (P,) asks for a row to start with, if it can.
    """
    count, m, n = A.shape
    work, taken = A.clone(), torch.zeros(count, m, dtype=torch.bool, device=A.device)
    basis, every = A.new_zeros(count, 0, n), torch.arange(count, device=A.device)
    pivots, valid = [], []
    for step in range(min(m, n)):
        left = work.norm(dim=-1).masked_fill(taken, 0.0)
        enough = left.amax(-1) > tolerance
        if not enough.any():
            break
        pivot = _choose(left)
        if first is not None and step == 0:
            pivot = torch.where(left[every, first] > tolerance, first, pivot)
        enough = enough & (left[every, pivot] > tolerance)
        row = work[every, pivot] / left[every, pivot].where(enough, 1.0).unsqueeze(-1)
        row = _orthogonalise(row, basis) * enough.unsqueeze(-1)
        work = work - (work @ row.unsqueeze(-1)) * row.unsqueeze(-2)
        taken = taken.index_put((every, pivot), enough | taken[every, pivot])
        basis = torch.cat((basis, row.unsqueeze(-2)), -2)
        pivots.append(pivot)
        valid.append(enough)
    if not pivots:
        return every.new_zeros(count, 1), taken.new_zeros(count, 1), A.new_zeros(count, 1, n)
    return torch.stack(pivots, -1), torch.stack(valid, -1), basis


def selection(pivots: Tensor, valid: Tensor, m: int) -> Tensor:
    """One-hot rows (P, r, m) that pick the pivots; zero where not valid."""
    chosen = pivots.unsqueeze(-1) == torch.arange(m, device=pivots.device)
    return (chosen & valid.unsqueeze(-1)).double()


def _combined(Y: Tensor, A: Tensor) -> Tensor:
    """`Y A` (P, m, n) for Y (P, m, m), more exact than a product: what is left when rows cancel."""
    laws = SlicedLaws(A.mT.unsqueeze(-3))
    return laws.accurate(Y, A.new_zeros(()))[0]


def dependencies(A: Tensor, pivots: Tensor, valid: Tensor, basis: Tensor) -> Tensor:
    """Y (P, m, m) with `Y A = 0`: the row of a dependent law says how it follows from pivots; rows of pivots are zero.

    Each such row is the only dependency among that law and the pivots, so no part of its support is dependent.
    """
    pick = selection(pivots, valid, A.shape[-2])
    kept = pick.sum(-2)
    if kept.all():
        return A.new_zeros(*A.shape[:-1], A.shape[-2])
    square = (pick @ A @ basis.mT).tril() + torch.diag_embed((~valid).double())

    def following(rows: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(square, rows @ basis.mT, upper=False, left=False) @ pick

    Y = torch.eye(A.shape[-2], dtype=A.dtype, device=A.device) - following(A)
    Y = Y - following(_combined(Y, A))
    return Y * (1.0 - kept).unsqueeze(-1)


@dataclass(frozen=True)
class Factor:
    """Independent laws of P matrices; P runs over patterns, or over samples when coefficients differ per sample.

    Attributes:
        rows: (P, r, n), scaled independent rows of A, zero where not valid.
        pick: (P, r, m), `pick @ A = rows`: a scaled one-hot selection.
        valid: (P, r); False pads matrices of smaller rank. At least one column.
        dependent: (P, m, m), `dependencies` in the units of the laws; its row i is scaled so that entry i is one.
        unit: (P, m), lengths of the laws in balanced columns.
        free: (P, n).
    """

    rows: Tensor
    pick: Tensor
    valid: Tensor
    dependent: Tensor
    unit: Tensor
    free: Tensor

    @cached_property
    def rank(self) -> Tensor:
        return self.valid.sum(-1)

    @cached_property
    def has_dependent(self) -> bool:
        return bool((self.dependent != 0).any())

    @cached_property
    def listed(self) -> Tensor:
        """(P, D, m), the rows of `dependent` that hold a dependency, as many as in the matrix with most; zeros else."""
        holds = (self.dependent != 0).any(-1)
        most = int(holds.sum(-1).max())
        places = holds.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)[:, :most]
        return self.dependent.gather(-2, places.unsqueeze(-1).expand(-1, -1, self.dependent.shape[-1]))

    @cached_property
    def all_valid(self) -> bool:
        return bool(self.valid.all())

    def take(self, group: Tensor | None) -> "Factor":
        """The factor of each sample: leading dimension P replaced by the shape of `group`, or dropped for None."""
        index = 0 if group is None else group
        return Factor(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device) -> "Factor":
        return Factor(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def law_dependencies(A: Tensor, tolerance: float, first: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pivots, valid, `dependencies` in the laws' own units (`y A = 0`, one at the dependent law), and those units.

    Rank is judged by rows of length one. Multiples are of rows scaled by powers of two, which rounds nothing: they can
    depend on the last bit of a coefficient.
    """
    row, column = equilibrate(A)
    scaled = A * row.unsqueeze(-1) * column.unsqueeze(-2)
    length = scaled.norm(dim=-1)
    length = length.where(length > 0, 1.0)
    pivots, valid, basis = independent_rows(scaled / length.unsqueeze(-1), tolerance, first)
    Y = dependencies(scaled, pivots, valid, basis)
    share = Y.abs() * length.unsqueeze(-2) / length.unsqueeze(-1)
    Y = Y.where(share > max(NEGLIGIBLE, tolerance), 0.0)
    return pivots, valid, Y * row.unsqueeze(-2) / row.unsqueeze(-1), length / row


def factorise(A: Tensor, free: Tensor, tolerance: float) -> Factor:
    """The `Factor` of `A` (P, m, n), whose columns that are not `free` (P, n) are zero."""
    pivots, valid, dependent, unit = law_dependencies(A, tolerance)
    largest = A.abs().amax(-1)
    scale = torch.exp2(-largest.where(largest > 0, 1.0).log2().round())
    pick = selection(pivots, valid, A.shape[-2]) * scale.unsqueeze(-2)
    return Factor(pick @ A, pick, valid, dependent, unit, free)
