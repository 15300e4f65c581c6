"""The nearest lawful state where the only law is one sum: all samples at once, whatever each of them keeps."""

import numpy as np

from lawful.domains import Domain

_SAME = 1e-12
_ROUNDING = 2e-16


class OneSum:
    """The lawful z' with the least `sum((z' - z)^2)`, with what is on a bound or zero kept there where possible.

    `pipeline.repair.nearest.Nearest` with one law and one sigma for all variables that move, for samples that differ in
    what they keep.

    Args:
        domain: one equation, no inequality, bounds.
        held: (variable,), those that are not moved.
        slack: (variable,), how near to a bound or zero counts as on it.
    """

    def __init__(self, domain: Domain, held: np.ndarray, slack: np.ndarray):
        (row,), (constant,), _ = domain.matrix()
        self._row, self._constant, self._free = row, float(constant), ~held
        self._lower, self._upper, self._slack = domain.lower[~held], domain.upper[~held], slack[~held]

    def __call__(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lawful states (samples, variable) of finite z (samples, variable), and where (samples,) there is one."""
        moved, found = z.copy(), np.zeros(len(z), dtype=bool)
        total = self._constant - z[:, ~self._free] @ self._row[~self._free]
        for lower, upper in self._limits(z[:, self._free]):
            todo = np.flatnonzero(~found)
            states, there = within(z[todo][:, self._free], self._row[self._free], total[todo], lower[todo], upper[todo])
            moved[np.ix_(todo[there], self._free)], found[todo] = states[there], there
        return moved, found

    def _limits(self, z: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Lower and upper limits (samples, variable): bounds and zeros kept, then bounds, then nothing."""
        at = [np.abs(z - limit) <= self._slack for limit in (self._lower, self._upper)]
        zero = (np.abs(z) <= self._slack) & (self._lower <= 0) & (self._upper >= 0) & ~at[0] & ~at[1]
        lower, upper = np.broadcast_to(self._lower, z.shape), np.broadcast_to(self._upper, z.shape)
        on_bounds = np.where(at[1] & ~at[0], self._upper, lower), np.where(at[0], self._lower, upper)
        kept = np.where(zero, 0.0, on_bounds[0]), np.where(zero, 0.0, on_bounds[1])
        return [kept, on_bounds, (lower, upper)]


def within(
    y: np.ndarray, row: np.ndarray, total: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The x with the least `sum((x - y)^2)` where `x . row = total` and `lower <= x <= upper`, and where there is one.

    Variables that a step takes out of bounds are fixed on them one after another, on the side that makes up for more;
    no step errs (Kiwiel 2008, Variable fixing algorithms for the continuous quadratic knapsack problem,
    doi:10.1007/s10957-007-9317-7).

    Args:
        y: (samples, variable); row: (variable,); total: (samples,).
        lower, upper: (samples, variable), infinite where there is none.
    """
    # With coefficients of more than zero.
    sign = np.where(row < 0, -1.0, 1.0)
    a, turned = np.abs(row), row < 0
    low, high = np.where(turned, -upper, lower), np.where(turned, -lower, upper)
    x, free = np.clip(y * sign, low, high), (low < high) & (a > 0)
    wanted, found = x.copy(), _reachable(a, total, low, high)
    x = np.where(free, y * sign, x)
    for _ in range(y.shape[1] + 1):
        # Twice, so that what the first step rounds is made up for.
        for _ in range(2):
            x = x + np.where(free, _step(a, total - (x * a).sum(-1), free) * a, 0.0)
        below, above = np.where(free, np.maximum(low - x, 0), 0), np.where(free, np.maximum(x - high, 0), 0)
        wanted = np.clip(x, low, high)
        excess = (a * (below - above)).sum(-1)[:, None]
        fixed = ((below > 0) & (excess >= 0)) | ((above > 0) & (excess <= 0))
        if not fixed.any():
            break
        x, free = np.where(fixed, wanted, np.where(free, y * sign, x)), free & ~fixed
    return np.where(found[:, None], _near_low(wanted, y * sign, a, total, low, high) * sign, y), found


def _near_low(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, total: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """x, without what the rounding of y has left in it where total, such as none, is next to the least that there is.

    The shares above low are scaled; where there are none, the variable that was largest takes all.
    """
    least = (low[:, a > 0] * a[a > 0]).sum(-1)
    off = np.abs(total - (x * a).sum(-1))
    rows = np.flatnonzero((off > _ROUNDING * np.abs(total)) & np.isfinite(least))
    away, more, ends = x[rows] - low[rows], (total - least)[rows], low[rows]
    bare = np.flatnonzero(~(away > 0).any(-1))
    largest = np.where((low < high) & (a > 0), y, -np.inf)[rows[bare]].argmax(-1)
    away[bare, largest] = 1.0
    scaled = np.minimum(ends + away * (np.maximum(more, 0) / (away * a).sum(-1))[:, None], high[rows])
    better = np.abs(total[rows] - (scaled * a).sum(-1)) < off[rows]
    x[rows[better]] = scaled[better]
    return x


def _reachable(a: np.ndarray, total: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where limits leave room for the total, but for rounding."""
    used = a > 0
    least, most = (low[:, used] * a[used]).sum(-1), (high[:, used] * a[used]).sum(-1)
    ends = np.where(np.isfinite(low), np.abs(low), 0).max(-1), np.where(np.isfinite(high), np.abs(high), 0).max(-1)
    slack = _SAME * (np.abs(total) + np.maximum(*ends) * a.sum())
    return (least <= total + slack) & (total - slack <= most)


def _step(a: np.ndarray, lacks: np.ndarray, free: np.ndarray) -> np.ndarray:
    size = (a**2 * free).sum(-1)
    return np.divide(lacks, size, out=np.zeros_like(lacks), where=size > 0)[:, None]
