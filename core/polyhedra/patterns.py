"""Faces of a polyhedron by the pattern of which variables sit on which bound.

A pattern (n,) holds -1 where a variable is on its lower bound, 1 where it is on its upper one and 0 where it is
strictly between. It is feasible when some point has exactly that pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import Bounds as Box
from scipy.optimize import LinearConstraint, milp
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.polyhedra.feasibility import InfeasibleError

if TYPE_CHECKING:
    from lawful.core.polyhedra.polyhedron import Polyhedron

_FAR = 1e4
"""How far beyond all bounds and limits a variable without a bound may be when patterns are searched."""


def require_pattern(polyhedron: Polyhedron, pattern: Tensor) -> Tensor:
    """`pattern` as integers, if it is one of this polyhedron.

    Raises:
        ShapeError, InvalidValueError: another shape, other entries, or a bound that is infinite.
    """
    if pattern.shape != (polyhedron.n,):
        raise ShapeError(f"Expected a pattern of shape ({polyhedron.n},), got {tuple(pattern.shape)}.")
    values = pattern_values(polyhedron, pattern)
    bad = ((pattern.abs() > 1) | ((pattern != 0) & ~values.isfinite())).nonzero()
    if len(bad):
        name = polyhedron.system.columns[int(bad[0])]
        raise InvalidValueError(f"Pattern entry {int(pattern[bad[0]])} of {name!r} names no finite bound.")
    return pattern.long()


def pattern_values(polyhedron: Polyhedron, pattern: Tensor) -> Tensor:
    """The bounds (n,) that a pattern names; 0 where it names none."""
    bounds = polyhedron.bounds
    return torch.where(pattern < 0, bounds.lower, torch.where(pattern > 0, bounds.upper, 0.0))


def nearest_pattern(polyhedron: Polyhedron, pattern: Tensor) -> Tensor:
    """The feasible pattern nearest to `pattern`.

    As many entries as can hold together stay on their bounds (a mixed-integer programme; exact, for small n); then
    variables that this face leaves no room join it. A feasible pattern comes back as it came.

    Raises:
        InfeasibleError: the polyhedron is empty.
    """
    pattern = require_pattern(polyhedron, pattern)
    kept = torch.where(_kept(polyhedron, pattern), pattern, 0)
    interior = polyhedron.face(kept).interior
    joined = (
        torch.from_numpy(interior.at_upper).long() - torch.from_numpy(interior.at_lower & ~interior.at_upper).long()
    )
    return torch.where(kept != 0, kept, joined)


def _kept(polyhedron: Polyhedron, pattern: Tensor) -> Tensor:
    """Mask (n,) of a largest set of the pattern's entries that can be on their bounds together."""
    polyhedron.require_feasible()
    chosen = (pattern != 0).nonzero()[:, 0].numpy()
    if not len(chosen):
        return torch.zeros(polyhedron.n, dtype=torch.bool)
    far, low, high = _searched(polyhedron)
    rows = _switched(polyhedron, pattern.numpy()[chosen], chosen, low, high)
    while True:
        on = _most_switches(rows, low, high, len(chosen))
        if on is None:
            raise InfeasibleError(["laws, inequalities and bounds"], f" within {far:g} of zero")
        kept = torch.zeros(polyhedron.n, dtype=torch.bool)
        kept[torch.from_numpy(chosen)] = torch.from_numpy(on)
        if _has_points(polyhedron.face(torch.where(kept, pattern, 0))):
            return kept
        # A switch is whole to a tolerance, which times a long reach leaves room that there is not: not these together.
        together = np.append(np.zeros(len(low)), on.astype(float))[None]
        rows.append(LinearConstraint(together, -np.inf, on.sum() - 1))


def _searched(polyhedron: Polyhedron) -> tuple[float, np.ndarray, np.ndarray]:
    """How far from zero is looked, and bounds (n,) each, which are finite."""
    _, b, _, d, lower, upper = polyhedron.arrays
    far = _FAR * max(1.0, *(float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in (b, d, lower, upper)))
    return far, np.maximum(lower, -far), np.minimum(upper, far)


def _switched(
    polyhedron: Polyhedron, sign: np.ndarray, chosen: np.ndarray, low: np.ndarray, high: np.ndarray
) -> list[LinearConstraint]:
    """Laws and inequalities over z (n,) and a switch for each of the `chosen` variables (k,), and what a switch does.

    `z - bound <= reach (1 - switch)` for a variable whose bound is its lower one (sign -1), and the same from above.
    """
    A, b, C, d, _, _ = polyhedron.arrays
    count, reach = len(chosen), (high - low)[chosen]
    bound = np.where(sign < 0, low[chosen], high[chosen])
    away = np.zeros((count, len(low)))
    away[np.arange(count), chosen] = -sign
    return [
        LinearConstraint(np.hstack([A, np.zeros((len(b), count))]), b, b),
        LinearConstraint(np.hstack([C, np.zeros((len(d), count))]), -np.inf, d),
        LinearConstraint(np.hstack([away, np.diag(reach)]), -np.inf, reach - sign * bound),
    ]


def _most_switches(rows: list[LinearConstraint], low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray | None:
    """Which of `count` switches (count,) are on where as many are as can be; None where nothing is feasible."""
    n = len(low)
    result = milp(
        np.concatenate([np.zeros(n), -np.ones(count)]),
        constraints=[row for row in rows if row.A.shape[0]],
        bounds=Box(np.append(low, np.zeros(count)), np.append(high, np.ones(count))),
        integrality=np.append(np.zeros(n), np.ones(count)),
    )
    return None if result.x is None else result.x[n:] > 0.5


def _has_points(face: Polyhedron) -> bool:
    try:
        face.require_feasible()
    except InfeasibleError:
        return False
    return True
