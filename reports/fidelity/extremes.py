"""Extremes: what is exceeded once in so many events, from a generalised Pareto distribution of the tail."""

from typing import Any

import numpy as np

from lawful.domains.domain import Domain, Variable
from lawful.reports.fidelity.beside import Measured, measured
from lawful.reports.fidelity.protocol import Rows, Trial

PERIODS = (100.0, 1000.0)
"""Return periods, in events."""

_THRESHOLD = 0.95
_FEWEST = 10


class Tails:
    """The tails that are looked at: upper ones, and lower ones of variables without a lower bound.

    Attributes:
        columns: numbers of the variables, (tail,).
        signs: 1 for an upper tail, -1 for a lower one.
        thresholds: the 95 % quantile of the training data in that direction, beyond which a tail begins.
    """

    def __init__(self, trial: Trial, domain: Domain):
        both = [(k, sign) for k, variable in enumerate(domain.variables) for sign in _signs(variable)]
        found = [(k, sign, _threshold(trial.train, k, sign)) for k, sign in both]
        sets = (trial.train, trial.test)
        kept = [tail for tail in found if all(_beyond(rows, *tail) >= _FEWEST for rows in sets)]
        self.columns = [k for k, _, _ in kept]
        self.signs, self.thresholds = [sign for _, sign, _ in kept], [threshold for _, _, threshold in kept]
        self.limits = [_limit(domain.variables[k], sign) for k, sign, _ in kept]

    def __len__(self) -> int:
        return len(self.columns)

    def levels(self, rows: Rows, weights: np.ndarray) -> np.ndarray:
        """Return levels (replicate, tail, period) in the variables' units, for weights (replicate, row)."""
        tails = zip(self.columns, self.signs, self.thresholds, self.limits, strict=True)
        found = [
            sign * np.minimum(return_levels(sign * rows.values[:, k], weights, threshold), limit)[:, np.newaxis]
            for k, sign, threshold, limit in tails
        ]
        return np.concatenate(found, axis=1)


def extreme_errors(trial: Trial, tails: Tails) -> Measured:
    """|return level of rows - that of the test rows| over the training standard deviation, mean over periods.

    One entry of the second axis a tail. The ceiling is that of independent normal variables.
    """
    theirs = tails.levels(trial.test, trial.weights(trial.test))
    scale = trial.scale[tails.columns]

    def errors(rows: Rows) -> np.ndarray:
        return np.abs(tails.levels(rows, trial.weights(rows)) - theirs).mean(axis=2) / scale

    return measured(trial, errors, trial.normal)


def return_levels(values: np.ndarray, weights: np.ndarray, threshold: float) -> np.ndarray:
    """What is exceeded once in 100 and in 1000 events, (replicate, period); the threshold where a tail is too small.

    `x_N = u + s / k (1 - (N p)^-k)`, p the share of values above the threshold u (Coles 2001, An Introduction to
    Statistical Modeling of Extreme Values, section 4.3.3, with k = -xi). The excesses are generalised Pareto, fitted by
    probability-weighted moments: `a_0 = E x`, `a_1 = E x (1 - F(x))`, `k = a_0 / (a_0 - 2 a_1) - 2`,
    `s = 2 a_0 a_1 / (a_0 - 2 a_1)` (Hosking and Wallis 1987, Technometrics 29, 339-349, doi:10.2307/1269343), which are
    steadier than maximum likelihood in small samples.

    Args:
        values: (row,).
        weights: how often each row counts, (replicate, row).
        threshold: u, where the tail begins.
    """
    beyond = np.flatnonzero(values > threshold)
    order = beyond[np.argsort(values[beyond], kind="stable")]
    excess, counts = values[order] - threshold, weights[:, order]
    total = counts.sum(axis=1)
    shape, scale = _pareto(excess, counts, np.where(total > 0, total, 1.0))
    often = np.asarray(PERIODS) * (total / weights.sum(axis=1))[:, np.newaxis]
    decades = np.log(np.maximum(often, 1.0))
    flat = np.abs(shape) < 1e-9
    growth = np.where(flat, decades, -np.expm1(-shape * decades) / np.where(flat, 1.0, shape))
    return threshold + scale * growth


def _pareto(excess: np.ndarray, counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape k and scale of sorted excesses (row,) that count so often (replicate, row): (replicate, 1) each."""
    above = 1 - (np.cumsum(counts, axis=1) - counts / 2) / total[:, np.newaxis]
    mean = counts @ excess / total
    weighted = (counts * above) @ excess / total
    # Equal excesses leave no moment to tell a shape by; an exponential tail of their mean is the mildest guess.
    gap = mean - 2 * weighted
    told = gap > 1e-12 * mean
    shape = np.where(told, mean / np.where(told, gap, 1.0) - 2, 0.0)
    scale = np.where(told, 2 * mean * weighted / np.where(told, gap, 1.0), mean)
    return shape[:, np.newaxis], scale[:, np.newaxis]


def extreme_table(trial: Trial, tails: Tails, domain: Domain, everything: np.ndarray) -> list[dict[str, Any]]:
    """Return levels of the held-out data, of the training data and of all realizations (realization, event, variable).

    A level whose period is longer than the data leans on the fitted tail.
    """
    pooled = trial.test.with_values(everything.reshape(-1, everything.shape[-1]))
    once = {"data": trial.test, "train": trial.train, "ensemble": pooled}
    levels = (
        {name: tails.levels(rows, np.ones((1, len(rows.values))))[0] for name, rows in once.items()} if tails else {}
    )
    return [
        {
            "variable": domain.names[k],
            "units": domain.variables[k].units,
            "tail": "upper" if sign > 0 else "lower",
            "threshold": sign * threshold,
            "levels": [
                {"every": period, **{name: float(found[j, i]) for name, found in levels.items()}}
                for i, period in enumerate(PERIODS)
            ],
        }
        for j, (k, sign, threshold) in enumerate(zip(tails.columns, tails.signs, tails.thresholds, strict=True))
    ]


def _signs(variable: Variable) -> tuple[int, ...]:
    if variable.categorical:
        return ()
    return (1,) if variable.lower is not None else (1, -1)


def _limit(variable: Variable, sign: int) -> float:
    bound = variable.upper if sign > 0 else variable.lower
    return np.inf if bound is None else sign * bound


def _threshold(rows: Rows, column: int, sign: int) -> float:
    return float(np.quantile(sign * rows.values[:, column], _THRESHOLD))


def _beyond(rows: Rows, column: int, sign: int, threshold: float) -> int:
    return int((sign * rows.values[:, column] > threshold).sum())
