"""Points near corners, where more bounds meet than there are dimensions: which are active is a matter of distance."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem
from lawful.core.polyhedra.bounds import Bounds
from lawful.core.polyhedra.laws import coefficients
from lawful.core.polyhedra.reduced import Reduced

_NEAR = (1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9)
"""How near a limit counts as on it, of how far a variable reaches: as little as will do."""
_ZEROS = (1e-20, 1e-15)
"""What is less comes of zeros: as a rule far below what any law tells, and at times the rounding of larger terms."""

_MOST = 20


def at_corner(
    system: LinearSystem, free: Tensor, bounds: Bounds, reduced: Reduced, z: Tensor, weights: Tensor
) -> Iterator[Tensor]:
    """Points (n,) near z (n,), which is lawful but for rounding, with ever more variables on their bounds.

    Variables that are on a bound but for rounding are fixed there, and the laws solved for the others, by least moves
    in the metric of `weights` (n,). Variables that are not `free` (n,) stay. Whether such a point keeps all laws and
    inequalities is left to be asked.
    """
    away = z - reduced.base
    reach = reduced.base.abs() + away.abs() + away.norm() * reduced.moves.norm(dim=1)
    (C, d), known = reduced.limits, set()
    for near in _NEAR:
        gap = near * reach
        low, high, tight = z - bounds.lower <= gap, bounds.upper - z <= gap, d - C @ z <= C.abs() @ gap
        active = tuple(torch.cat([low, high, tight]).tolist())
        if active in known:
            continue
        known.add(active)
        laws = _with_tight(system, C[tight], d[tight])
        for zero in _ZEROS:
            moved = _solved(laws, bounds, z, weights, low, high, free, zero * reach)
            if moved is not None:
                yield moved


def _solved(
    laws: LinearSystem, bounds: Bounds, z: Tensor, weights: Tensor, low: Tensor, high: Tensor, free: Tensor,
    zero: Tensor,
) -> Tensor | None:  # fmt: skip
    """The point with what is `low` or `high` (n,) on its bound; None where others leave their bounds time and again.

    Variables that this pins to zero come out less than `zero` (n,).
    """
    none = torch.zeros_like(low)
    for _ in range(_MOST):
        places = torch.where(low, bounds.lower, torch.where(high, bounds.upper, torch.where(none, 0.0, z)))
        part = laws.restrict(free & ~(low | high | none), places, check=False)
        moved = part.with_fixed(part.project(places, weights))
        below, above, gone = moved < bounds.lower, moved > bounds.upper, (moved != 0) & (moved.abs() <= zero)
        if not (below | above | gone).any():
            return moved
        low, high, none = low | (below & ~gone), high | (above & ~gone), none | gone
    return None


def _with_tight(system: LinearSystem, C: Tensor, d: Tensor) -> LinearSystem:
    """The laws, and tight inequalities `C z = d` as laws."""
    if not len(C):
        return system
    return LinearSystem(torch.cat([coefficients(system), C]), torch.cat([system.b, d]), check=False)
