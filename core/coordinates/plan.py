"""Which variables of a state are fixed, which the laws solve for, and which remain as coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates.problem import Problem
from lawful.core.coordinates.states import FREE

_INDEPENDENT = 1e-8


@dataclass(frozen=True)
class Plan:
    """For one state: `fixed` and `coordinate` are masks over columns, the others numbers of columns or rows.

    `solved` variables are as many as the independent `rows`; `moved` are all variables that the mirror map moves.
    """

    fixed: Tensor
    moved: Tensor
    solved: Tensor
    rows: Tensor
    coordinate: Tensor

    def held(self, problem: Problem) -> Tensor:
        """Numbers of the inequalities that hold with a fixed slack, and with the laws decide the rest."""
        m, k = len(problem.b), len(problem.d)
        rows = self.rows[(self.rows >= m) & (self.rows < m + k)] - m
        return rows[self.fixed[problem.n + rows]]


def solve_order(problem: Problem, entries: Tensor, is_bounded: Tensor) -> list[int]:
    """Lifted variables in the order in which the laws should solve for them.

    Those without bounds come first, since a correction cannot push them out; then slacks; then variables never seen on
    a bound. Among equals the last declared comes first: a domain declares its residual terms last.
    """
    bounded = is_bounded.tolist()
    touches = (entries[:, : problem.lifted] != FREE).any(0).tolist()
    return sorted(range(problem.lifted), key=lambda i: (bounded[i], i < problem.n, touches[i], -i))


def make_plan(problem: Problem, entries: Tensor, order: list[int], rho: Tensor) -> Plan:
    """The plan of the state `entries` (columns,) with typical ratios `rho` (q,)."""
    fixed = (entries[: problem.lifted] != FREE) | problem.given_columns[: problem.lifted]
    fixed = fixed | problem.quantised[: problem.lifted]
    rows = problem.coefficients(rho[None])[0][0]
    rows = rows / rows.abs().amax(1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    solved = independent(rows.T, [i for i in order if not fixed[i]])
    kept = independent(rows[:, solved], list(range(len(rows))), limit=len(solved))
    coordinate = entries == FREE
    coordinate &= ~problem.given_columns
    coordinate[solved] = False
    moved = (~fixed).nonzero()[:, 0]
    return Plan(fixed, moved, torch.tensor(solved, dtype=torch.long), torch.tensor(kept, dtype=torch.long), coordinate)


def independent(vectors: Tensor, candidates: list[int], limit: int | None = None) -> list[int]:
    """Greedily, the candidates whose vectors are linearly independent of those before them (Gram-Schmidt, twice)."""
    basis = vectors.new_zeros(vectors.shape[-1], 0)
    chosen: list[int] = []
    for i in candidates:
        if limit is not None and len(chosen) == limit:
            break
        norm = vectors[i].norm()
        rest = vectors[i] / norm.clamp_min(1e-300)
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        if norm > 0 and rest.norm() > _INDEPENDENT:
            chosen.append(i)
            basis = torch.cat([basis, (rest / rest.norm())[:, None]], 1)
    return chosen
