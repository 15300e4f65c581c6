"""Quantiles of more numbers than one wants to keep."""

import numpy as np

_EXACT = 2**16
_BITS = 6
_LOWEST, _HIGHEST = -80, 112
_BINS = (_HIGHEST - _LOWEST) << _BITS
RESOLUTION = 2.0 ** -(_BITS + 1)
"""Relative error of a quantile from the histogram, at most."""


class Quantiles:
    """Quantiles of sizes of zero or more: exact up to 65,536 of them, then from a logarithmic histogram.

    The histogram has 64 bins between 1 and 2, and between every other power of two and the next, so that a quantile is
    known to 0.8 % (the fast mapping of DDSketch: Masson, Rim and Lee 2019, doi:10.14778/3352063.3352135). What is below
    2^-80 counts as zero there. Largest and mean are exact.
    """

    def __init__(self) -> None:
        self.count, self.total, self.largest = 0, 0.0, 0.0
        self._kept: list[np.ndarray] | None = []
        self._bins = np.zeros(_BINS, dtype=np.int64)

    @property
    def exact(self) -> bool:
        """Whether quantiles are those of the numbers themselves."""
        return self._kept is not None

    def add(self, sizes: np.ndarray) -> None:
        """Take in float64 numbers of zero or more; their order does not matter."""
        if not sizes.size:
            return
        self.count += sizes.size
        self.total += float(sizes.sum())
        self.largest = max(self.largest, float(sizes.max()))
        if self._kept is None:
            self._bin(sizes)
            return
        self._kept.append(sizes.copy())
        if self.count > _EXACT:
            kept, self._kept = self._kept, None
            for part in kept:
                self._bin(part)

    def absorb(self, other: "Quantiles") -> None:
        """Take in the numbers that another has."""
        count, total, largest = self.count + other.count, self.total + other.total, max(self.largest, other.largest)
        self._bins += other._bins
        for part in other._kept or []:
            self.add(part)
        if other._kept is None and self._kept is not None:
            kept, self._kept = self._kept, None
            for part in kept:
                self._bin(part)
        self.count, self.total, self.largest = count, total, largest

    def _bin(self, sizes: np.ndarray) -> None:
        # Exponent and first bits of the fraction, as one integer, count the bins.
        place = sizes.view(np.int64) >> (52 - _BITS)
        place -= (1023 + _LOWEST) << _BITS
        np.clip(place, 0, _BINS - 1, out=place)
        self._bins += np.bincount(place, minlength=_BINS)

    def percentiles(self, percents: tuple[float, ...]) -> list[float | None]:
        """One number a percent, None where there is nothing to rank."""
        if not self.count:
            return [None] * len(percents)
        if self._kept is not None:
            return [float(value) for value in np.percentile(np.concatenate(self._kept), percents)]
        ranks = np.array(percents) / 100 * (self.count - 1)
        places = np.searchsorted(np.cumsum(self._bins), ranks, side="right")
        return [min(float(value), self.largest) for value in np.where(places > 0, _middle(places), 0.0)]

    def summary(self, percents: tuple[float, ...]) -> dict[str, object]:
        """Largest, mean and quantiles, ready for JSON."""
        found = zip(percents, self.percentiles(percents), strict=True)
        present = self.count > 0
        return {
            "max": self.largest if present else None,
            "mean": self.total / self.count if present else None,
            "quantiles": {f"{percent:g}": value for percent, value in found},
            "resolution": 0.0 if self.exact else RESOLUTION,
        }


def _middle(places: np.ndarray) -> np.ndarray:
    octave, part = places >> _BITS, places & ((1 << _BITS) - 1)
    return np.ldexp(1 + (part + 0.5) * 2.0**-_BITS, octave + _LOWEST)
