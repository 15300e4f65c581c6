"""How far the values of variables spread, told without those that lie absurdly far from all others."""

import numpy as np

_KEPT = 2**22
_NEAR = 10.0
"""Values farther from the median than so many spreads count for no standard deviation; those of heavy tails, such as
hourly runoff or trace oxides, lie within."""
_ABSURD = 1e6
"""Values farther than so many spreads are named."""
_SPREAD = 0.99


class Spread:
    """Medians, spreads and covariance of samples (samples, variable); of very many, of some drawn from among them.

    The spread of a variable is the distance from its median that 99 % of the values keep which do not equal it. So rare
    rain counts by the sizes of its showers, and a single value has no say, be it as large as it likes.
    """

    def __init__(self, variables: int):
        self._limit = max(_KEPT // max(variables, 1), 1)
        self._rows, self._keys = [np.zeros((0, variables))], [np.zeros(0)]
        self._held, self._least = 0, np.inf
        # The same file is repaired in the same way each time.
        self._random = np.random.default_rng(0)

    def see(self, values: np.ndarray) -> None:
        """Take in samples (samples, variable), all finite."""
        keys = self._random.random(len(values))
        chosen = keys < self._least
        self._rows.append(values[chosen])
        self._keys.append(keys[chosen])
        self._held += int(chosen.sum())
        if self._held > 2 * self._limit:
            self._drop()

    def _drop(self) -> None:
        """Keep the samples with the least keys, which are a random choice of all."""
        rows, keys = np.concatenate(self._rows), np.concatenate(self._keys)
        if len(keys) > self._limit:
            kept = np.sort(np.argpartition(keys, self._limit)[: self._limit])
            rows, keys, self._least = rows[kept], keys[kept], float(keys[kept].max())
        self._rows, self._keys, self._held = [rows], [keys], len(keys)

    def centre(self) -> tuple[np.ndarray, np.ndarray]:
        """Medians and spreads, (variable,) each; a spread of zero where values do not vary."""
        self._drop()
        rows = self._rows[0]
        if not len(rows):
            return np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        medians = np.median(rows, axis=0)
        return medians, np.array([_spread_of(away) for away in np.abs(rows - medians).T])

    def covariance(self) -> np.ndarray:
        """Covariance (variable, variable), medians in the place of values that are far off."""
        medians, spreads = self.centre()
        rows = self._rows[0]
        near = np.abs(rows - medians) <= _NEAR * spreads
        return np.cov(np.where(near, rows, medians), rowvar=False, bias=True).reshape(len(medians), -1)


def far_off(distances: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Which variables (variable,) have values at distances from the median that no standard deviation should count."""
    return distances > _NEAR * spreads


def absurd(distances: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """Which variables (variable,) have values at distances from the median that a user should look at."""
    return (distances > _ABSURD * spreads) & (spreads > 0)


def _spread_of(distances: np.ndarray) -> float:
    moved = distances[distances > 0]
    # Never the largest of several.
    return float(np.quantile(moved, _SPREAD, method="lower")) if moved.size else 0.0
