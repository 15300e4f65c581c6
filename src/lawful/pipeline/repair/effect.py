"""What a repair did: how far variables were moved, and how means, variances and correlations changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lawful.domains import Variable
from lawful.pipeline.repair.spread import Spread, absurd, far_off
from lawful.reports.physics.place import words as place

_LEAST_SIGMA = 1e-6
_ROUNDING = 1e-7
"""A deviation of less, of the root mean square about the origin, is what rounding leaves of sums of squares."""


class Effect:
    """Moments of all finite samples before, and of the changes to some of them."""

    def __init__(self, variables: Sequence[Variable]):
        n = len(variables)
        self._variables, self._origin = variables, np.zeros(n)
        self._count = 0
        self._sums = np.zeros((2, n))
        self._products = np.zeros((2, n, n))
        self._changed = np.zeros(n, dtype=np.int64)
        self._largest, self._moved, self._squares = np.zeros(n), np.zeros(n), np.zeros(n)
        self._spread = Spread(n)
        self._extremes = np.stack([np.full(n, np.inf), np.full(n, -np.inf)])
        self._extremes_at: list[list[dict[str, Any]]] = [[{}] * n, [{}] * n]

    def see(self, values: np.ndarray, at: Callable[[int], dict[str, Any]]) -> None:
        """Take in samples (samples, variable) as they were, at least one; `at` names where in the file one is."""
        if not self._count:
            # Moments about a value amidst the data lose fewer digits.
            self._origin = np.median(values, axis=0)
        self._spread.see(values)
        self._see_extremes(values, at)
        centred = values - self._origin
        self._count += len(values)
        self._sums += centred.sum(axis=0)
        self._products += centred.T @ centred

    def change(self, before: np.ndarray, after: np.ndarray) -> None:
        """Take in some of these samples (samples, variable) as they were and as they are now."""
        old, new = before - self._origin, after - self._origin
        move = np.abs(after - before)
        self._sums[1] += (after - before).sum(axis=0)
        self._products[1] += new.T @ new - old.T @ old
        self._changed += np.count_nonzero(move, axis=0)
        self._largest = np.maximum(self._largest, move.max(axis=0, initial=0.0))
        self._moved += move.sum(axis=0)
        self._squares += (move**2).sum(axis=0)

    def _see_extremes(self, values: np.ndarray, at: Callable[[int], dict[str, Any]]) -> None:
        for side, positions in enumerate((values.argmin(axis=0), values.argmax(axis=0))):
            sign = (-1, 1)[side]
            for j, position in enumerate(positions):
                if sign * (values[position, j] - self._extremes[side, j]) > 0:
                    self._extremes[side, j], self._extremes_at[side][j] = values[position, j], at(int(position))

    def sigmas(self, own: Mapping[str, float], laws: np.ndarray) -> np.ndarray:
        """How readily variables (variable,) move: as `own` says, else by their standard deviations before.

        What never varies moves last: its sigma is a small share of what variables of the same units spread, and the
        other terms of its laws. So units of unrelated variables have no say.

        Args:
            own: by name of variable.
            laws: coefficients (laws, variable) of equations and inequalities.
        """
        spread = np.sqrt(np.diagonal(self.covariance()))
        units = np.array([v.units for v in self._variables])
        related = np.concatenate([np.abs(laws), np.equal.outer(units, units)])
        size = np.abs(self._spread.centre()[0])
        still = np.maximum(spread, _LEAST_SIGMA * _of_mates(spread, size, related))
        spread = np.where(spread > _ROUNDING * size, spread, still)
        spread = np.where(spread > 0, spread, 1.0)
        return np.array([own.get(v.name, spread[j]) for j, v in enumerate(self._variables)])

    def covariance(self) -> np.ndarray:
        """Covariance (variable, variable) before; without values that lie far from all others, where there are any."""
        _, spreads = self._spread.centre()
        if self._count and far_off(self._distances()[0], spreads).any():
            return self._spread.covariance()
        return self._covariances()[0]

    def _distances(self) -> tuple[np.ndarray, np.ndarray]:
        """How far (variable,) values go from their medians at most, and on which side (0 below, 1 above)."""
        both = np.abs(self._extremes - self._spread.centre()[0])
        return both.max(axis=0), both.argmax(axis=0)

    def absurdities(self) -> Iterator[str]:
        """A note for each variable with a value that is absurdly far from all others: which, and where."""
        if not self._count:
            return
        distances, sides = self._distances()
        for j in np.flatnonzero(absurd(distances, self._spread.centre()[1])).tolist():
            variable, side = self._variables[j], int(sides[j])
            yield (
                f"{variable.name} is {self._extremes[side, j]:.3g} {variable.units} at "
                f"{place(self._extremes_at[side][j])}, more than a million times as far from its median as 99 % of its "
                f"values; no sigma counts it, and what repairs its sample moves as far: look at it first"
            )

    def _covariances(self) -> np.ndarray:
        means = self._sums / max(self._count, 1)
        found = self._products / max(self._count, 1) - means[:, :, None] * means[:, None, :]
        for covariance in found:
            np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), 0.0))
        return found

    def result(self) -> dict[str, Any]:
        """By variable, and the correlation that changed most; ready for JSON, in the units of the variables."""
        means = self._origin + self._sums / max(self._count, 1)
        deviations = np.sqrt(np.diagonal(self._covariances(), axis1=1, axis2=2))
        rows = [
            {
                "variable": v.name,
                "units": v.units,
                "changed": int(self._changed[j]),
                "max": float(self._largest[j]),
                "mean": float(self._moved[j] / self._changed[j]) if self._changed[j] else 0.0,
                "rms": float(np.sqrt(self._squares[j] / self._changed[j])) if self._changed[j] else 0.0,
                "mean_before": float(means[0, j]),
                "mean_after": float(means[1, j]),
                "sd_before": float(deviations[0, j]),
                "sd_after": float(deviations[1, j]),
            }
            for j, v in enumerate(self._variables)
        ]
        return {"variables": rows, "correlation": self._correlation(deviations)}

    def _correlation(self, deviations: np.ndarray) -> dict[str, Any] | None:
        size = np.sqrt(np.diagonal(self._products, axis1=1, axis2=2).max(axis=0) / max(self._count, 1))
        # What does not vary goes together with nothing.
        scale = np.where(deviations > _ROUNDING * size, deviations, np.inf)
        with np.errstate(invalid="ignore"):
            correlations = self._covariances() / scale[:, :, None] / scale[:, None, :]
        correlations = np.nan_to_num(correlations).clip(-1, 1)
        pairs = np.triu_indices(len(deviations[0]), 1)
        if not len(pairs[0]):
            return None
        change = np.abs(np.diff(correlations, axis=0)[0])[pairs]
        first, second = (int(place[change.argmax()]) for place in pairs)
        return {
            "variables": [self._variables[first].name, self._variables[second].name],
            "before": float(correlations[0, first, second]),
            "after": float(correlations[1, first, second]),
            "rms_change": float(np.sqrt((change**2).mean())),
        }


def _of_mates(spread: np.ndarray, size: np.ndarray, related: np.ndarray) -> np.ndarray:
    """The largest spread (variable,) among terms `related` (groups, variable) to each variable, in its units.

    Where none of them varies, the largest of their sizes.
    """
    terms = np.stack([(related * spread).max(axis=1), (related * size).max(axis=1)])
    largest = np.where(terms[0] > 0, terms[0], terms[1])
    found: np.ndarray = np.divide(largest[:, None], related, out=np.zeros_like(related), where=related > 0)
    return found.max(axis=0, initial=0.0)
