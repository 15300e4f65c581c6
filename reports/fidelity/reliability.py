"""Reliability: when the ensemble says 30 %, does it happen in 30 % of cases?"""

from typing import Any

import numpy as np

from lawful.reports.fidelity.protocol import Trial

LEVELS = (0.5, 0.9)
"""Events that are forecast: a value above these quantiles of the training data."""

_BINS = 10


def reliability_figures(ensemble: np.ndarray, analogs: np.ndarray, trial: Trial, column: int) -> list[dict[str, Any]]:
    """Forecast probabilities against frequencies, and the reliability term of the Brier score, one dict a level.

    The reliability term is `sum_k n_k (p_k - o_k)^2 / N` over bins k of forecast probability, p_k the mean forecast and
    o_k the observed frequency in bin k; 0 is best. Murphy (1973), J. Appl. Meteorol. 12, 595-600,
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2. "floor" is that of the analogs: with few events it is not zero
    even for a perfect forecast. There is no ceiling: climatology is reliable too. "excess" is an array (1 +
    replicates,).

    Args:
        ensemble: (event, member) of the variable.
        analogs: the same of the analog ensemble.
        trial: test rows and bootstrap counts.
        column: number of the variable.
    """
    return [_figures(ensemble, analogs, trial, column, level) for level in LEVELS]


def reliability_term(forecast: np.ndarray, happened: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The reliability term, (replicate,), of probabilities (event,) for what happened (event,) or did not.

    Args:
        forecast: probabilities between 0 and 1.
        happened: 1 or 0.
        weights: how often each event counts, (replicate, event).
    """
    counts, said, seen = _binned(forecast, happened, weights)
    filled = np.where(counts > 0, counts, 1.0)
    return ((said - seen) ** 2 / filled).sum(axis=1) / counts.sum(axis=1)


def _binned(forecast: np.ndarray, happened: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Events, sum of forecasts and sum of what happened in each bin, (replicate, bin)."""
    place = np.minimum((forecast * _BINS).astype(int), _BINS - 1)
    member = (place[:, np.newaxis] == np.arange(_BINS)).astype(np.float64)
    return tuple(weights @ (member * x[:, np.newaxis]) for x in (np.ones_like(forecast), forecast, happened))


def _figures(ensemble: np.ndarray, analogs: np.ndarray, trial: Trial, column: int, level: float) -> dict[str, Any]:
    threshold = float(np.quantile(trial.train.values[:, column], level))
    happened = (trial.test.values[:, column] > threshold).astype(np.float64)
    weights = trial.weights(trial.test)
    ours, theirs = ((members > threshold).mean(axis=1) for members in (ensemble, analogs))
    counts, said, seen = (sums[0] for sums in _binned(ours, happened, weights[:1]))
    filled = counts > 0
    return {
        "level": level,
        "threshold": threshold,
        "model": float(reliability_term(ours, happened, weights[:1])[0]),
        "floor": float(reliability_term(theirs, happened, weights[:1])[0]),
        "excess": reliability_term(ours, happened, weights) - reliability_term(theirs, happened, weights),
        "forecast": (said[filled] / counts[filled]).tolist(),
        "observed": (seen[filled] / counts[filled]).tolist(),
        "events": counts[filled].tolist(),
    }
