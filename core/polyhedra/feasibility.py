"""Whether laws, inequalities and bounds leave any point at all, by linear programming, with the clashing ones named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from lawful.core.errors import LawfulError


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

    def least_violation(self) -> float:
        """The smallest worst violation over all z, each row in units of its own largest coefficient."""
        if not len(self.h):
            return 0.0
        rows, n = self.G.shape
        cost = np.zeros(n + 1)
        cost[-1] = 1.0
        result = linprog(
            cost,
            A_ub=np.hstack([self.G, -np.ones((rows, 1))]),
            b_ub=self.h,
            bounds=[(None, None)] * n + [(0, None)],
            method="highs",
        )
        return float(result.fun) if result.status == 0 else np.inf


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
    where: str = "",
    tolerance: float = 1e-9,
) -> None:
    """Raise `InfeasibleError` when `{z : A z = b, C z <= d, lower <= z <= upper}` is empty.

    `A` (m, n), `b` (m,), `C` (k, n), `d` (k,), bounds (n,), float64. The error names a minimal set of laws and bounds:
    without any one of them the others can hold together (deletion filter, Chinneck & Dravnieks 1991,
    doi:10.1287/ijoc.3.2.157). `tolerance` is relative to the right-hand sides.
    """
    rows = _rows(A, b, C, d, lower, upper, law_names, inequality_names, names)
    allowed = tolerance * max(1.0, float(np.abs(rows.h).max(initial=0.0)))
    if rows.least_violation() <= allowed:
        return
    clash = list(dict.fromkeys(rows.names))
    for name in list(clash):
        rest = [other for other in clash if other != name]
        if rows.only(rest).least_violation() > allowed:
            clash = rest
    raise InfeasibleError(clash, where)


def _rows(
    A: np.ndarray,
    b: np.ndarray,
    C: np.ndarray,
    d: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    law_names: Sequence[str],
    inequality_names: Sequence[str],
    names: Sequence[str],
) -> _Rows:
    eye, low, high = np.eye(len(lower)), np.isfinite(lower), np.isfinite(upper)
    G = np.vstack([A, -A, C, -eye[low], eye[high]])
    h = np.concatenate([b, -b, d, -lower[low], upper[high]])
    labels = [f"law {name!r}" for name in law_names] * 2 + [f"inequality {name!r}" for name in inequality_names]
    labels += [f"{name} >= {bound:g}" for name, bound, there in zip(names, lower, low, strict=True) if there]
    labels += [f"{name} <= {bound:g}" for name, bound, there in zip(names, upper, high, strict=True) if there]
    scale = np.abs(G).max(axis=1, initial=0.0)
    scale[scale == 0] = 1.0
    return _Rows(G / scale[:, None], h / scale, tuple(labels))
