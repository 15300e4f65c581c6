"""The shortest move into a set of inequalities, one at a time: slower than steps in batches, and it always ends."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

_SAME = 1e-11
_FAR = 1e3


def least_move(G: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The shortest v (k,) with `G v <= room`, for G (c, k), and which rows (c,) hold it back; None where there is none.

    Rows that are far off join when a move comes to them, since room of many times the move costs it digits.
    """
    size = np.linalg.norm(G, axis=1)
    kept = size > _SAME * size.max(initial=0.0)
    rows, room = G[kept] / size[kept, None], room[kept] / size[kept]
    active, scale = np.zeros(len(G), dtype=bool), -room.min(initial=0.0)
    near = room <= _FAR * scale
    while scale > 0:
        held = _holding(rows[near], -room[near] / scale)
        if held is None:
            return None
        move = np.linalg.lstsq(rows[near][held], room[near][held], rcond=_SAME)[0]
        beyond = ~near & (rows @ move > room)
        if not beyond.any():
            active[np.flatnonzero(kept)[near]] = held
            return move, active
        near |= beyond
    return np.zeros(G.shape[1]), active


def _holding(rows: np.ndarray, needed: np.ndarray) -> np.ndarray | None:
    """Which rows hold back the shortest v with `rows v <= -needed`; None where there is none.

    Least distance programming by non-negative least squares: Lawson and Hanson (1974), Solving Least Squares Problems,
    chapter 23. It ends after finitely many steps, however ill-conditioned the rows are.
    """
    try:
        multipliers, _ = nnls(np.vstack([-rows.T, needed]), np.append(np.zeros(rows.shape[1]), 1.0))
    except RuntimeError:  # More steps than it allows itself.
        return None
    return multipliers > 0 if 1.0 - needed @ multipliers > _SAME else None
