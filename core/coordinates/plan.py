"""Which variables of a state are fixed, which the laws solve for, and which remain as coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates.problem import Problem
from lawful.core.coordinates.states import FREE

_INDEPENDENT = 1e-8
_LEAST = 0.25
"""Share of the largest term of some law that a variable must reach in spread to be solved for before others."""


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


def solve_order(problem: Problem, entries: Tensor, is_bounded: Tensor, extended: Tensor) -> list[int]:
    """Lifted variables in the order in which the laws should solve for them, by events `extended` (N, columns).

    Those without bounds come first, since a correction cannot push them out. Of these, and of the others, the ones that
    vary little beside others in all their laws come later, as a law leaves the errors of all to the one that it is
    solved for, and a bounded one moves all others by many times their spread. Then come slacks; then variables never
    seen on a bound. Among equals the last declared comes first: a domain declares its residual terms last.
    """
    bounded = is_bounded.tolist()
    small = (_shares(problem, extended) < _LEAST).tolist()
    touches = (entries[:, : problem.lifted] != FREE).any(0).tolist()

    def key(i: int) -> tuple[bool, bool, bool, bool, int]:
        return bounded[i], small[i], i < problem.n, touches[i], -i

    return sorted(range(problem.lifted), key=key)


def _shares(problem: Problem, extended: Tensor) -> Tensor:
    """What part (n + k,) of the spread of the largest term that is generated in a law each lifted variable's own has,
    at most."""
    finite = extended.isfinite()
    count = finite.sum(0).clamp_min(1)
    mean = torch.where(finite, extended, 0.0).sum(0) / count
    spread = (torch.where(finite, extended - mean, 0.0).square().sum(0) / count).sqrt()
    spread = torch.where(problem.given_columns, 0.0, spread)[: problem.lifted]
    terms = problem.coefficients(mean[None, problem.lifted :])[0][0].abs() * spread
    shares = terms / terms.amax(1, keepdim=True).clamp_min(torch.finfo(terms.dtype).tiny)
    return shares.amax(0) if len(shares) else torch.ones(problem.lifted, dtype=torch.float64)


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
