"""Whether laws, inequalities and bounds leave any point at all, by linear programming, with the clashing ones named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from lawful.core.errors import LawfulError

_SWEEPS = 5
_FEW = 200


class InfeasibleError(LawfulError, ValueError):
    """Laws, inequalities and bounds that no point satisfies together; `clash` names them."""

    def __init__(self, clash: Sequence[str], where: str = ""):
        self.clash = tuple(clash)
        super().__init__(
            f"No values satisfy {', '.join(self.clash)} together{where}. "
            "Correct one of these laws, bounds or given values."
        )


@dataclass(frozen=True)
class _Rows:
    """Inequalities `G z <= h` with names; an equality is two of them under one name."""

    G: np.ndarray
    h: np.ndarray
    names: tuple[str, ...]

    def only(self, names: Sequence[str]) -> _Rows:
        keep = [name in names for name in self.names]
        return _Rows(self.G[keep], self.h[keep], tuple(name for name in self.names if name in names))

    def least_violation(self) -> tuple[float, list[str]]:
        """The smallest worst violation over all z, of each row in units of its own |h|: from 0 to 1.

        Units of laws and variables do not count, nor do rows that have no part in a clash. With it the names of rows
        with a multiplier, which clash by themselves (Farkas' lemma); all names where there is no optimum.
        """
        if not len(self.h):
            return 0.0, []
        G, h = self._scaled()
        cost = np.zeros(G.shape[1] + 1)
        cost[-1] = 1.0
        result = linprog(
            cost,
            A_ub=sp.csr_matrix(np.hstack([G, -np.abs(h)[:, None]])),
            b_ub=h,
            bounds=[(None, None)] * G.shape[1] + [(0, None)],
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if result.status != 0:
            return np.inf, list(dict.fromkeys(self.names))
        involved = np.abs(result.ineqlin.marginals) > 0
        return float(result.fun), list(dict.fromkeys(np.array(self.names, dtype=object)[involved]))

    def _scaled(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows with |h| = 1, or a largest coefficient of 1 where h = 0, after scaling variables to match."""
        G, size = self.G, np.abs(self.h)
        for _ in range(_SWEEPS):
            G = G / _middle(G, axis=0)
            rows = np.where(size > 0, size, _middle(G, axis=1)[:, 0])
            G, size = G / rows[:, None], (size > 0).astype(float)
        return G, np.sign(self.h)


def require_feasible(
    A: np.ndarray,
    b: np.ndarray,
    C: np.ndarray,
    d: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    law_names: Sequence[str],
    inequality_names: Sequence[str],
    names: Sequence[str],
    given: np.ndarray | None = None,
    where: str = "",
    tolerance: float = 1e-9,
) -> None:
    """Raise `InfeasibleError` when `{z : A z = b, C z <= d, lower <= z <= upper}` is empty.

    `A` (m, n), `b` (m,), `C` (k, n), `d` (k,), bounds (n,), float64; `given` (n,) are values to keep to, NaN where
    there are none. The error names a minimal set of laws, bounds and given values: without any one of them the others
    can hold together (deletion filter, Chinneck & Dravnieks 1991, doi:10.1287/ijoc.3.2.157). `tolerance` is relative to
    the right-hand sides of those that clash.
    """
    given = np.full(len(lower), np.nan) if given is None else given
    rows = _rows(A, b, C, d, lower, upper, given, law_names, inequality_names, names)
    violation, clash = rows.least_violation()
    if violation <= tolerance:
        return
    everything = list(dict.fromkeys(rows.names))
    # A filter over everything finds shorter clashes, one programme for each name.
    if len(everything) <= _FEW or rows.only(clash).least_violation()[0] <= tolerance:
        clash = everything
    for name in list(clash):
        rest = [other for other in clash if other != name]
        if rows.only(rest).least_violation()[0] > tolerance:
            clash = rest
    raise InfeasibleError(clash, where)


def _rows(
    A: np.ndarray,
    b: np.ndarray,
    C: np.ndarray,
    d: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    given: np.ndarray,
    law_names: Sequence[str],
    inequality_names: Sequence[str],
    names: Sequence[str],
) -> _Rows:
    eye, low, high, known = np.eye(len(lower)), np.isfinite(lower), np.isfinite(upper), np.isfinite(given)
    G = np.vstack([A, -A, C, -eye[low], eye[high], eye[known], -eye[known]])
    h = np.concatenate([b, -b, d, -lower[low], upper[high], given[known], -given[known]])
    labels = [f"law {name!r}" for name in law_names] * 2 + [f"inequality {name!r}" for name in inequality_names]
    labels += [f"{name} >= {bound:g}" for name, bound, there in zip(names, lower, low, strict=True) if there]
    labels += [f"{name} <= {bound:g}" for name, bound, there in zip(names, upper, high, strict=True) if there]
    labels += [f"given {name} = {value:g}" for name, value, there in zip(names, given, known, strict=True) if there] * 2
    return _Rows(G, h, tuple(labels))


def _middle(G: np.ndarray, axis: int) -> np.ndarray:
    """Geometric mean of the smallest and largest nonzero size along an axis, kept; 1 where all are zero."""
    size = np.abs(G)
    largest = size.max(axis=axis, keepdims=True, initial=0.0)
    smallest = np.where(size > 0, size, np.inf).min(axis=axis, keepdims=True, initial=np.inf)
    return np.where(largest > 0, np.sqrt(largest) * np.sqrt(np.where(largest > 0, smallest, 1.0)), 1.0)
