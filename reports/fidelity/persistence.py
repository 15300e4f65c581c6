"""How the steps of a window follow one another: spells of zeros, and autocorrelation."""

from typing import Any

import numpy as np

from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.layout import Layout
from lawful.reports.fidelity.protocol import Rows, Trial

LAGS = 7
SELDOM = 0.01


def spell_figures(trial: Trial, layout: Layout) -> dict[str, Any] | None:
    """Wasserstein distance of the lengths of spells with and without, in steps, of variables that often have both."""
    kinds = [
        (name, what)
        for name, columns in layout.columns.items()
        for what in ("without", "with")
        if SELDOM < (trial.train.values[:, columns] == 0).mean() < 1 - SELDOM
    ]
    if not kinds:
        return None

    def lengths(rows: Rows) -> np.ndarray:
        of_kind = [spell_counts((rows.values[:, layout.columns[n]] == 0) == (what == "without")) for n, what in kinds]
        counts = np.stack([trial.weights(rows) @ counted for counted in of_kind], axis=1)
        return np.cumsum(counts, axis=2) / np.maximum(counts.sum(axis=2, keepdims=True), 1e-300)

    theirs = lengths(trial.test)
    distances = measured(trial, lambda rows: np.abs(lengths(rows) - theirs).sum(axis=2), trial.shuffled)
    figures = distances.figures(trial.rng(35))
    made = np.mean([lengths(rows)[0] for rows in trial.synthetic], axis=0)
    each = [
        {
            "name": name,
            "spells": what,
            "w1": entry(figures, k),
            "longer_than": {"ensemble": 1 - made[k], "data": 1 - theirs[0, k]},
        }
        for k, (name, what) in enumerate(kinds)
    ]
    return {"mean": entry(distances.mean_over(range(len(kinds))).figures(trial.rng(35))), "each": each}


def persistence_figures(trial: Trial, layout: Layout) -> dict[str, Any]:
    """Mean over lags of |autocorrelation - that of the test windows|, of each variable and in the mean."""
    names = [*layout.columns, *layout.states]
    centres = {name: float(x.mean()) for name, x in layout.series(trial.train.values).items()}

    def correlations(rows: Rows) -> np.ndarray:
        series, weights = layout.series(rows.values), trial.weights(rows)
        lags = min(LAGS, min(x.shape[1] for x in series.values()) - 1)
        found = [autocorrelations(series[name], weights, centres[name], lags) for name in names]
        return np.nan_to_num(np.stack(found, axis=1))

    theirs = correlations(trial.test)
    errors = measured(trial, lambda rows: np.abs(correlations(rows) - theirs).mean(axis=2), trial.shuffled)
    figures = errors.figures(trial.rng(36))
    made = np.mean([correlations(rows)[0] for rows in trial.synthetic], axis=0)
    each = [
        {"name": name, "error": entry(figures, k), "ensemble": made[k], "data": theirs[0, k]}
        for k, name in enumerate(names)
    ]
    return {"mean": entry(errors.mean_over(range(len(names))).figures(trial.rng(36))), "each": each}


def longest_run(true: np.ndarray) -> np.ndarray:
    """Length of the longest run of True in each row (window, step), in steps."""
    longest = current = np.zeros(len(true), dtype=np.int64)
    for column in true.T:
        current = np.where(column, current + 1, 0)
        longest = np.maximum(longest, current)
    return longest


def spell_counts(true: np.ndarray) -> np.ndarray:
    """How many runs of True of each length each row (window, step) has, (window, 1 + steps); those of length n in n.

    A run that the window cuts counts with the part inside, in data and ensemble alike. Spells of wet and dry days are
    what daily weather generators are judged by: Richardson (1981), Water Resour. Res. 17, 182-190,
    doi:10.1029/WR017i001p00182; Racsko, Szeidl and Semenov (1991), Ecol. Modell. 57, 27-41,
    doi:10.1016/0304-3800(91)90053-4.
    """
    windows, steps = true.shape
    counts = np.zeros((windows, steps + 1))
    current = np.zeros(windows, dtype=np.int64)
    rows = np.arange(windows)
    for column in (*true.T, np.zeros(windows, dtype=bool)):
        ended = ~column & (current > 0)
        counts[rows[ended], current[ended]] += 1
        current = np.where(column, current + 1, 0)
    return counts


def autocorrelations(series: np.ndarray, weights: np.ndarray, centre: float, lags: int = LAGS) -> np.ndarray:
    """Autocorrelation at lags 1 to `lags`, pooled over windows, (replicate, lag); NaN where nothing varies.

    `r_k = mean((x_t - c)(x_{t+k} - c)) / mean((x_t - c)^2)`, means over all pairs of steps of one window (Wilks 2011,
    Statistical Methods in the Atmospheric Sciences, section 3.5.2), about one centre for data and ensemble.

    Args:
        series: (window, step).
        weights: how often each window counts, (replicate, window).
        centre: c, the mean of the training data.
        lags: how many.
    """
    x = series - centre
    variance = weights @ (x**2).mean(axis=1)
    pairs = [weights @ (x[:, k:] * x[:, :-k]).mean(axis=1) for k in range(1, lags + 1)]
    return np.stack(pairs, axis=1) / np.where(variance > 0, variance, np.nan)[:, np.newaxis]
