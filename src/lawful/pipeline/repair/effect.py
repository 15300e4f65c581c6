"""What a repair did: how far variables were moved, and how means, variances and correlations changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lawful.domains import Variable

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

    def see(self, values: np.ndarray) -> None:
        """Take in samples (samples, variable) as they were."""
        if not self._count:
            # Moments about a value amidst the data lose fewer digits.
            self._origin = values.mean(axis=0)
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

    def sigmas(self, own: Mapping[str, float]) -> np.ndarray:
        """How readily variables (variable,) move: as `own` says, else by their standard deviations before."""
        spread = np.sqrt(np.diagonal(self.covariance()))
        # What never varies moves last.
        spread = np.maximum(spread, _LEAST_SIGMA * (spread.max(initial=0.0) or 1.0))
        return np.array([own.get(v.name, spread[j]) for j, v in enumerate(self._variables)])

    def covariance(self) -> np.ndarray:
        """Covariance (variable, variable) before."""
        return self._covariances()[0]

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
