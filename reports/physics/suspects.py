"""What a law's residuals look like: one variable in other units, or one amount everywhere."""

from typing import Any

import numpy as np

_FEWEST = 10
_UNEXPLAINED = 1e-4


class Suspects:
    """Sums over the samples that break a law `a.z = b`, from which a fault of one variable throughout is known.

    If the true value of variable k is f times what the file says, the residual is `a_k (1 - f) z_k` in every sample. A
    regression of the residual on each variable through the origin finds k and f; one on a constant finds a shift.
    """

    def __init__(self, row: np.ndarray, names: tuple[str, ...]):
        self._row, self._names = row, names
        self._count, self._total, self._square = 0, 0.0, 0.0
        self._products, self._squares = np.zeros(len(row)), np.zeros(len(row))

    def add(self, residual: np.ndarray, values: list[np.ndarray]) -> None:
        """Take in samples (samples,): the residual, and each variable of the domain."""
        self._count += residual.size
        self._total += float(residual.sum())
        self._square += float(residual @ residual)
        for j in np.flatnonzero(self._row):
            self._products[j] += residual @ values[j]
            self._squares[j] += values[j] @ values[j]

    def absorb(self, other: "Suspects") -> None:
        """Take in other samples; variables that are not there, or have other coefficients, are no longer suspected."""
        self._count += other._count
        self._total += other._total
        self._square += other._square
        _, own, theirs = np.intersect1d(self._names, other._names, assume_unique=True, return_indices=True)
        alike = self._row[own] == other._row[theirs]
        products = self._products[own] + other._products[theirs]
        self._products = np.zeros(len(self._row))
        self._products[own] = np.where(alike, products, 0.0)
        self._squares[own] += other._squares[theirs]

    def found(self) -> dict[str, Any] | None:
        """The variable and the factor that would mend it, or the shift; None where nothing explains 99.99 %."""
        if self._count < _FEWEST or not 0 < self._square < np.inf:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            explained = np.nan_to_num(self._products**2 / (self._squares * self._square))
        shift = self._total**2 / (self._count * self._square)
        if max(shift, explained.max(initial=0.0)) < 1 - _UNEXPLAINED:
            return None
        if shift >= explained.max(initial=0.0):
            return {"variable": None, "factor": None, "shift": self._total / self._count}
        best = int(explained.argmax())
        slope = self._products[best] / self._squares[best] / self._row[best]
        return {"variable": self._names[best], "factor": float(1 - slope), "shift": None}
