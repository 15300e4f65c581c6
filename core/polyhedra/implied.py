"""Which bounds and inequalities hold with equality everywhere, and a point strictly inside all others.

Freund, Roundy & Todd (1985, "Identifying the set of always-active constraints in a system of linear inequalities by a
single linear program", MIT Sloan WP 1674-85): maximise the sum of slacks, each clipped at a small size. Repeated over
those that stayed at zero, until none can leave it, clipping needs no homogenisation: a few programmes in place of 2n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.optimize import OptimizeResult, linprog

from lawful.core.errors import LawfulError
from lawful.core.linear.factor import equilibrate

_GRAIN = 1e-3
"""Variables are counted in this share of their widths, which brings the solver's absolute tolerances in proportion."""
_CLIP = 1e-2
_OPEN = 1e-7
"""A slack counts as more than zero above it; the solver's tolerance is a hundredth of it."""
_TOLERANCE = 1e-9
"""Of the solver, whose own is 1e-7."""
_WIDE = 1e6
"""Bounds so many times wider than what laws and limits leave are none to measure a variable by."""
_THIN = 1e-9
"""Of the ends of a range: what is narrower may be their rounding."""
_SWEEPS = 3
"""How often ranges are narrowed."""


class EmptyError(LawfulError, ValueError):
    """A polyhedron without a point."""


@dataclass(frozen=True)
class Interior:
    """Of `{z : A z = b, C z <= d, lower <= z <= upper}`, float64 arrays.

    `point` (n,) is on the laws and strictly inside all bounds and inequalities but the implied equalities: `at_lower`,
    `at_upper` (n,) and `tight` (k,) are masks of these.
    """

    point: np.ndarray
    at_lower: np.ndarray
    at_upper: np.ndarray
    tight: np.ndarray


@dataclass(frozen=True)
class Programme:
    """A linear programme over a polyhedron, in balanced units."""

    A: sp.csr_matrix
    b: np.ndarray
    G: sp.csr_matrix
    h: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(
        cls, A: np.ndarray, b: np.ndarray, C: np.ndarray, d: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> Programme:
        """The programme of laws `A` (m, n), inequalities `C` (k, n) and bounds (n,)."""
        least = np.concatenate([b, np.full(len(d), -np.inf)])
        unit = _GRAIN * _units(np.vstack([A, C]), least, np.concatenate([b, d]), lower, upper)
        rows, limits = np.vstack([A, C]), np.concatenate([b, d])
        # What is fixed has no width to be measured in, and the solver drops coefficients below 1e-9.
        fixed = lower == upper
        limits = limits - rows[:, fixed] @ lower[fixed]
        rows[:, fixed] = 0.0
        # To an absolute tolerance, the solver cannot say of a large number that it is one.
        unit = np.where(fixed & (lower != 0), np.abs(lower), unit)
        rows = rows * unit
        size = np.abs(rows).max(axis=1, initial=0.0)
        size = np.where(size > 0, size, 1.0)
        rows, limits, m = sp.csr_matrix(rows / size[:, None]), limits / size, len(b)
        return cls(rows[:m], limits[:m], rows[m:], limits[m:], lower / unit, upper / unit, unit)

    def solve(self, cost: np.ndarray) -> OptimizeResult:
        """HiGHS's answer to `min cost'z`, z in the units of the variables' `unit`."""
        bounds = np.stack([self.lower, self.upper], axis=1)
        options = {"A_ub": self.G, "b_ub": self.h, "A_eq": self.A, "b_eq": self.b}
        return linprog(cost, bounds=bounds, method="highs", options=_options(_TOLERANCE), **options)

    def open_slacks(self, closed: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray] | None:
        """A point (n,), and which of the `closed` slacks (2 n + k,) it has open; None where there is no point.

        HiGHS's presolve takes some sets of hardly any room for empty, which its simplex method does not.
        """
        n, count = len(self.unit), int(closed.sum())
        eye = sp.eye(n, format="csr")
        rows = sp.vstack([-eye, eye, self.G], format="csr")[closed]
        limits = np.concatenate([-self.lower, self.upper, self.h])[closed]
        parts = {
            "A_ub": sp.vstack(
                [sp.hstack([self.G, sp.csr_matrix((len(self.h), count))]), sp.hstack([rows, sp.eye(count)])]
            ),
            "b_ub": np.concatenate([self.h, limits]),
            "A_eq": sp.hstack([self.A, sp.csr_matrix((len(self.b), count))]),
            "b_eq": self.b,
            "bounds": np.stack(
                [np.append(self.lower, np.zeros(count)), np.append(self.upper, np.full(count, _CLIP))], 1
            ),
        }
        cost = np.concatenate([np.zeros(n), -np.ones(count)])
        result = linprog(cost, method="highs", options=_options(tolerance), **parts)
        if result.status != 0:
            result = linprog(cost, method="highs", options=_options(tolerance) | {"presolve": False}, **parts)
        if result.status != 0:
            return None
        opened = closed.copy()
        opened[closed] = result.x[n:] > _OPEN
        return result.x[:n], opened


def _options(tolerance: float) -> dict[str, Any]:
    return {"primal_feasibility_tolerance": tolerance, "dual_feasibility_tolerance": tolerance}


def relative_interior(
    A: np.ndarray,
    b: np.ndarray,
    C: np.ndarray,
    d: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    tolerance: float = _TOLERANCE,
) -> Interior:
    """The implied equalities of a polyhedron and a point inside all others.

    `A` (m, n), `b` (m,), `C` (k, n), `d` (k,), bounds (n,), float64; `tolerance` of the solver.

    Raises:
        EmptyError: there is no point at all (`require_feasible` names why).
    """
    programme, n = Programme.of(A, b, C, d, lower, upper), len(lower)
    closed = np.concatenate([np.isfinite(lower), np.isfinite(upper), np.ones(len(d), dtype=bool)])
    points = []
    while True:
        found = programme.open_slacks(closed, tolerance)
        if found is None:
            raise EmptyError("No point keeps laws, inequalities and bounds to the solver's tolerance: give more room.")
        points.append(found[0])
        if not found[1].any():
            break
        closed = closed & ~found[1]
    return Interior(np.mean(points, axis=0) * programme.unit, closed[:n], closed[n : 2 * n], closed[2 * n :])


def ranges(
    A: np.ndarray, b: np.ndarray, C: np.ndarray, d: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value (n,) of each variable over a polyhedron, by 2n linear programmes; infinite where none."""
    programme = Programme.of(A, b, C, d, lower, upper)
    ends = []
    for i, unit in enumerate(programme.unit):
        for sign in (1.0, -1.0):
            result = programme.solve(np.where(np.arange(len(lower)) == i, sign, 0.0))
            ends.append(sign * result.fun * unit if result.status == 0 else -sign * np.inf)
    low, high = np.array(ends).reshape(-1, 2).T
    return np.maximum(low, lower), np.minimum(high, upper)


def _units(rows: np.ndarray, least: np.ndarray, limits: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """A width for each variable (n,): of its bounds, else what makes the terms of rows and their limits alike.

    Where rows, between `least` and `limits`, leave next to nothing of the bounds, the width is of what they leave.
    """
    with np.errstate(invalid="ignore"):
        width = upper - lower
        low, high = _narrowed(rows, least, limits, lower, upper)
        left = high - low
        # A width of rounding is none.
        told = (left > _THIN * np.maximum(abs(low), abs(high))) & np.isfinite(width) & (left * _WIDE < width)
        width = np.where(told, left, width)
    # A limit that is next to nothing beside terms that bounds tell the size of is no measure of the others.
    ends = np.where(np.isfinite(lower), np.abs(lower), 0.0), np.where(np.isfinite(upper), np.abs(upper), 0.0)
    known = np.maximum(np.maximum(*ends), np.where(np.isfinite(width) & (width > 0), width, 0.0))
    size = np.maximum(np.abs(limits), (np.abs(rows) * known).max(axis=1, initial=0.0))
    terms = torch.from_numpy(np.column_stack([rows, size]))
    column = equilibrate(terms[None])[1][0].numpy() if len(rows) else np.ones(len(lower) + 1)
    # Dividing by its scale leaves the right-hand side in its own units.
    return np.where(np.isfinite(width) & (width > 0), width, column[:-1] / column[-1])


def _narrowed(
    rows: np.ndarray, least: np.ndarray, most: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (n,) that each row's range leaves a variable, the others within theirs; by intervals, a few times over."""
    positive = rows > 0
    for _ in range(_SWEEPS):
        with np.errstate(invalid="ignore", divide="ignore"):
            low = np.where(rows == 0, 0.0, np.where(positive, rows * lower, rows * upper))
            high = np.where(rows == 0, 0.0, np.where(positive, rows * upper, rows * lower))
            above = (most[:, None] - _others(low, -np.inf)) / rows
            below = (least[:, None] - _others(high, np.inf)) / rows
        ends = np.where(positive, below, above), np.where(positive, above, below)
        lower = np.maximum(lower, np.where(rows == 0, -np.inf, ends[0]).max(0, initial=-np.inf))
        upper = np.minimum(upper, np.where(rows == 0, np.inf, ends[1]).min(0, initial=np.inf))
    return lower, upper


def _others(terms: np.ndarray, end: float) -> np.ndarray:
    """The sum of each row but for one of its `terms` (m, n); `end` where others of them are infinite."""
    endless = ~np.isfinite(terms)
    finite = np.where(endless, 0.0, terms)
    several = endless.sum(1, keepdims=True) > endless
    return np.where(several, end, finite.sum(1, keepdims=True) - finite)
