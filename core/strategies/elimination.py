"""Elimination along an order of variables: of equations by Gauss and Jordan, of inequalities by Fourier and Motzkin.

After Fourier-Motzkin elimination of the later variables, an earlier one may take just those values that the later ones
can be completed to. k inequalities can become k^2 / 4 by one step, and 4 (k / 4)^(2^t) by t steps. Most of them follow
from others: after t steps, those made of more than t + 1 of the first ones (Kohler 1967, ORC 67-29), and those made of
all that another is made of and more (Chernikov 1965, doi:10.1016/0041-5553(65)90045-5). What is left is bounded by
`LIMIT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lawful.core.errors import InvalidValueError

LIMIT = 2048
"""Inequalities that may be left after the elimination of a variable; pairs looked at are at most 512 times as many."""

_CANCELLED = 1e-10
_ROUNDING = 16 * np.finfo(np.float64).eps


def cleaned(total: np.ndarray, size: np.ndarray, share: float = _CANCELLED) -> np.ndarray:
    """`total` with zeros where it is the rounding left of terms of `size`, no more than this `share` of them."""
    return np.where(np.abs(total) <= share * size, 0.0, total)


@dataclass(frozen=True)
class Solved:
    """Equations `A z = b` solved: `z[solved] = T b - R z`, with R zero at the solved variables.

    `solved` (r,) are the last variables in the order that the equations can be solved for; R (r, n), T (r, m). They are
    fewer than the equations where some of these depend on each other.
    """

    solved: list[int]
    R: np.ndarray
    T: np.ndarray


def solve_last(A: np.ndarray, order: list[int], tolerance: float = 0.0) -> Solved:
    """Gauss-Jordan elimination of independent equations `A` (r, n), from the last variable of `order` to the first.

    What they differ by is a share of their coefficients above `tolerance`.
    """
    r, n = A.shape
    work, left, solved, rows = np.hstack([A, np.eye(r)]), list(range(r)), [], []
    # The largest that an entry has been, whose rounding it carries on.
    largest, cancelled = np.abs(work), min(max(tolerance, _ROUNDING), _CANCELLED)
    for column in reversed(order if r else []):
        size = np.abs(work[left, :n]).max(axis=1)
        share = np.abs(work[left, column]) / np.where(size > 0, size, 1.0)
        if share.max() == 0.0:
            continue
        pivot = left.pop(int(share.argmax()))
        largest[pivot] /= np.abs(work[pivot, column])
        work[pivot] /= work[pivot, column]
        others = [i for i in range(r) if i != pivot]
        factor = work[others, column][:, None]
        largest[others] = np.maximum(largest[others], np.abs(factor) * largest[pivot])
        work[others] = cleaned(work[others] - factor * work[pivot], largest[others], cancelled)
        solved.append(column)
        rows.append(pivot)
        if not left:
            break
    R = work[rows, :n]
    R[:, solved] = 0.0
    return Solved(solved, R, work[rows, n:])


@dataclass(frozen=True)
class Rows:
    """Inequalities `G z <= M q` for limits q that may differ per sample: G (k, n), M (k, Q).

    `made_of` (k, K) says of which of the first inequalities each was made.
    """

    G: np.ndarray
    M: np.ndarray
    made_of: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Rows:
        return Rows(self.G[rows], self.M[rows], self.made_of[rows])

    def __len__(self) -> int:
        return len(self.G)


def substituted(given: Rows, equations: Solved) -> Rows:
    """The inequalities with solved variables replaced; `M` has the columns of the equations' b before its own."""
    by = given.G[:, equations.solved]
    taken = by @ equations.R
    G = given.G - taken
    G[:, equations.solved] = 0.0
    G = cleaned(G, np.abs(given.G) + np.abs(by) @ np.abs(equations.R))
    return Rows(G, np.hstack([-by @ equations.T, given.M]), given.made_of)


@dataclass(frozen=True)
class Stage:
    """What bounds a variable once those before it have values; it has coefficients -1 in `lower` and 1 in `upper`."""

    variable: int
    lower: Rows
    upper: Rows


def eliminate(rows: Rows, order: list[int], names: Sequence[str]) -> tuple[list[Stage], Rows]:
    """Stages for the variables of `order`, first to last, and the inequalities without variables that are left.

    Raises:
        InvalidValueError: more than `LIMIT` inequalities would be left at a step.
    """
    stages = []
    for step, variable in enumerate(reversed(order), start=1):
        by = rows.G[:, variable]
        upper, lower, rest = _scaled(rows[by > 0], variable), _scaled(rows[by < 0], variable), rows[by == 0]
        stages.append(Stage(variable, lower, upper))
        rows = _minimal(_joined(rest, lower, upper, step, names[variable]))
        if len(rows) > LIMIT:
            raise InvalidValueError(_too_many(names[variable], len(rows)))
    return stages[::-1], rows


def _scaled(rows: Rows, variable: int) -> Rows:
    size = np.abs(rows.G[:, variable])[:, None]
    return Rows(rows.G / size, rows.M / size, rows.made_of)


def _joined(rest: Rows, lower: Rows, upper: Rows, step: int, name: str) -> Rows:
    if len(lower) * len(upper) > 512 * LIMIT:
        raise InvalidValueError(_too_many(name, len(lower) * len(upper)))
    i, j = (index.ravel() for index in np.indices((len(lower), len(upper))))
    made_of = lower.made_of[i] | upper.made_of[j]
    few = made_of.sum(1) <= step + 1
    i, j, made_of = i[few], j[few], made_of[few]
    G = cleaned(lower.G[i] + upper.G[j], np.abs(lower.G[i]) + np.abs(upper.G[j]))
    parts = zip((rest.G, rest.M, rest.made_of), (G, lower.M[i] + upper.M[j], made_of), strict=True)
    return Rows(*(np.concatenate(pair) for pair in parts))


def _minimal(rows: Rows) -> Rows:
    """Without those that are made of all that another is made of; of equals, the first stays."""
    if len(rows) > 8 * LIMIT:
        return rows
    member = rows.made_of.astype(np.float32)
    size = member.sum(1)
    contains = member @ member.T >= size
    first = np.arange(len(rows))
    smaller = (size < size[:, None]) | ((size == size[:, None]) & (first < first[:, None]))
    return rows[~(contains & smaller).any(1)]


def _too_many(name: str, count: int) -> str:
    return (
        f"Eliminating {name!r} would leave up to {count} inequalities ({LIMIT} allowed), as happens where many bounded "
        "variables share laws: put it elsewhere in the order, or take the strategy 'mirror'."
    )
