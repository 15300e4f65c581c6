"""The discrete part of an event: which variables, slacks and ratios sit exactly on a value that recurs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates.problem import SAME, Problem

FREE = -1
"""Entry of a state: the column varies continuously."""
UNDEFINED = -2
"""Entry of a state: the ratio of 0 to 0, or one out of its range."""


@dataclass(frozen=True)
class States:
    """`table` (S, columns) of the states seen; an entry of 0 or more is a number in that column's `atoms`.

    `atoms` (columns, K) are the values with a probability of their own, NaN-padded: the bounds, and what recurs; of a
    category all that it may be.
    """

    table: Tensor
    atoms: Tensor
    counts: Tensor

    @classmethod
    def of_data(cls, problem: Problem, extended: Tensor, min_share: float = 0.01) -> tuple[States, Tensor]:
        """The states of the training events and the number of each event's state, `(N,)`."""
        atoms = _atoms(problem, extended, min_share)
        table, ids, counts = torch.unique(_entries(extended, atoms), dim=0, return_inverse=True, return_counts=True)
        return cls(table, atoms, counts), ids

    def values(self, ids: Tensor) -> Tensor:
        """Fixed values `(B, columns)` of the states `ids`; NaN where free or undefined."""
        entries = self.table[ids]
        picked = self.atoms.expand(len(ids), *self.atoms.shape).gather(-1, entries.clamp_min(0)[..., None])
        return torch.where(entries >= 0, picked.squeeze(-1), torch.nan)

    def mismatch(self, problem: Problem, z: Tensor) -> Tensor:
        """How many given variables of the events `z` (B, n) each state has wrongly on or off a bound, (B, S)."""
        columns = problem.given.nonzero()[:, 0]
        entries = _entries(z[:, columns], self.atoms[columns])
        return (entries[:, None] != self.table[None][..., columns]).sum(-1)


def _entries(extended: Tensor, atoms: Tensor) -> Tensor:
    near = (extended[..., None] - atoms).abs() <= SAME * atoms.abs()
    entries = torch.where(near.any(-1), near.double().argmax(-1), FREE)
    return torch.where(extended.isnan(), UNDEFINED, entries)


def _atoms(problem: Problem, extended: Tensor, min_share: float) -> Tensor:
    lower, upper = problem.column_bounds
    skip = problem.quantised | problem.given_columns
    found = []
    for i, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True)):
        if i < len(problem.categories) and problem.categories[i]:
            found.append(list(problem.categories[i]))
            continue
        bounds = [bound for bound in (low, high) if abs(bound) != torch.inf]
        found.append(bounds + ([] if skip[i] else _recurring(extended[:, i], min_share, bounds)))
    width = max(1, *(len(values) for values in found))
    return torch.tensor([v + [torch.nan] * (width - len(v)) for v in found], dtype=torch.float64)


def _recurring(values: Tensor, min_share: float, known: list[float]) -> list[float]:
    """Values that make up `min_share` of all events (and 20 at least), to `SAME`, other than those known."""
    ordered = values[values.isfinite()].sort().values
    if not len(ordered):
        return []
    starts = torch.cat([torch.tensor([True]), ordered.diff() > 0.1 * SAME * ordered[1:].abs()])
    _, counts = torch.unique_consecutive(starts.cumsum(0), return_counts=True)
    ends = counts.cumsum(0)
    often = counts >= max(20, min_share * len(values))
    medians = ordered[(ends - counts // 2 - 1)[often]].tolist()
    return [v for v in medians if all(abs(v - k) > SAME * abs(k) for k in known)]
