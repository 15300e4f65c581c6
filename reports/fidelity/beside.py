"""A measure beside its floor, the same measure of training data, and its ceiling, that of a trivial generator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lawful.reports.fidelity.protocol import LEVEL, Measure, Rows, Trial

_FIGURES = ("model", "floor", "ceiling", "excess")


def beside_floor(
    model: Sequence[np.ndarray],
    floor: Sequence[np.ndarray],
    rng: np.random.Generator,
    ceiling: np.ndarray | None = None,
) -> dict[str, Any]:
    """A measure beside its floor: {model, floor, ceiling, excess, interval}, each a float or an array.

    The interval is that of excess = model - floor at level 0.95, from a bootstrap of test blocks, realizations and
    copies. A distance between resampled sets is larger than between the sets themselves, so the replicates' spread
    about their own mean is used, put about the excess that was measured.

    Args:
        model: one array (1 + replicates, ...) a realization; its first entry is the measure itself.
        floor: the same, one a copy of the training data.
        rng: chooses realizations and copies in each replicate.
        ceiling: the measure of a trivial generator; NaN in the result where there is none.
    """
    above, below = np.stack(model), np.stack(floor)
    excess = above[:, 0].mean(axis=0) - below[:, 0].mean(axis=0)
    replicates = _resampled(above, rng) - _resampled(below, rng)
    interval = excess + np.quantile(replicates - replicates.mean(axis=0), _tails(), axis=0)
    return {
        "model": above[:, 0].mean(axis=0),
        "floor": below[:, 0].mean(axis=0),
        "ceiling": np.full_like(excess, np.nan) if ceiling is None else ceiling[0],
        "excess": excess,
        "interval": interval,
    }


@dataclass(frozen=True)
class Measured:
    """One measure of every realization, of every copy and of trivial rows, each (1 + replicates, ...)."""

    model: tuple[np.ndarray, ...]
    floor: tuple[np.ndarray, ...]
    ceiling: np.ndarray

    def mean_over(self, columns: Sequence[int]) -> "Measured":
        """The mean over some entries of the second axis."""
        chosen = list(columns)
        return Measured(
            tuple(array[:, chosen].mean(axis=1) for array in self.model),
            tuple(array[:, chosen].mean(axis=1) for array in self.floor),
            self.ceiling[:, chosen].mean(axis=1),
        )

    def part(self, index: int) -> "Measured":
        """One entry of the last axis."""
        model, floor = (tuple(a[..., index] for a in arrays) for arrays in (self.model, self.floor))
        return Measured(model, floor, self.ceiling[..., index])

    def figures(self, rng: np.random.Generator) -> dict[str, Any]:
        """The measure beside its floor; see `beside_floor`."""
        return beside_floor(self.model, self.floor, rng, self.ceiling)


def measured(trial: Trial, measure: Measure, trivial: Rows, floor: Sequence[Rows] | None = None) -> Measured:
    """A measure of the synthetic rows, of the copies of the training rows (or other `floor`), and of `trivial` ones."""
    below = trial.copies if floor is None else floor
    return Measured(tuple(map(measure, trial.synthetic)), tuple(map(measure, below)), measure(trivial))


def entry(figures: dict[str, Any], *index: int) -> dict[str, Any]:
    """One variable's figures out of `beside_floor`'s arrays."""
    low, high = (float(side[index]) for side in figures["interval"])
    single = {name: float(np.asarray(figures[name])[index]) for name in _FIGURES}
    return {**single, "interval": [low, high]}


def with_unseen(figures: dict[str, Any], rows: int) -> dict[str, Any]:
    """Figures of a share, with an interval that knows that a floor of none of so many rows may be none by chance.

    Zeros have no spread when they are drawn again, and one row in some hundred would lie above their floor. None of n
    rows are seen with probability `(1 - p)^n`, so that the share p may be as large as `1 - 0.025^(1 / n)`: Clopper and
    Pearson (1934), Biometrika 26, 404-413, doi:10.1093/biomet/26.4.404.
    """
    if figures["floor"] > 0 or figures["excess"] <= 0:
        return figures
    low, high = figures["interval"]
    unseen = 1 - _tails()[0] ** (1 / rows)
    return {**figures, "interval": [min(low, figures["excess"] - unseen), high]}


def beside_zero(row: dict[str, Any], test_blocks: int) -> dict[str, Any]:
    """A row of the summary with "above_floor", whether the interval of its excess lies above zero.

    Where all test rows are of one block the interval is None: nothing tells how much another block would differ.
    """
    interval = row["interval"] if test_blocks > 1 else None
    return {**row, "interval": interval, "above_floor": interval is not None and interval[0] > 0}


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2


def _resampled(measured: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mean over a fresh draw of members in every replicate: (member, 1 + replicates, ...) to (replicates, ...)."""
    members, replicates = measured.shape[0], measured.shape[1] - 1
    drawn = rng.integers(members, size=(members, replicates))
    return measured[drawn, np.arange(1, replicates + 1)].mean(axis=0)
