"""Cycles: are the means of each hour of the day, and of each month, those of the data?"""

from typing import Any

import numpy as np
import xarray as xr

from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.protocol import Rows, Trial

_FEWEST = 5


def cycle_figures(trial: Trial, made: list[int]) -> dict[str, Any] | None:
    """Errors of the diurnal and of the annual cycle beside their floors; None where events have no times.

    None for a cycle of which the test rows show fewer than two phases. The ceiling has no cycle at all.

    Args:
        trial: rows with times.
        made: columns that were generated.
    """
    if trial.test.times is None or trial.train.times is None:
        return None
    return {"diurnal": _figures(trial, made, hour, 27), "annual": _figures(trial, made, month, 28)}


def hour(times: np.ndarray) -> np.ndarray:
    """Hour of the day, 0 to 23, of times (row,) of any calendar."""
    return xr.DataArray(times, dims="row").dt.hour.to_numpy()


def month(times: np.ndarray) -> np.ndarray:
    """Month of the year, 0 to 11, of times (row,) of any calendar."""
    return xr.DataArray(times, dims="row").dt.month.to_numpy() - 1


def cycle_errors(rows: Rows, trial: Trial, phase: Any) -> np.ndarray:
    """Root mean square over phases of |mean of rows - mean of the test rows|, over the training standard deviation.

    The composite (mean) cycle of the climate sciences: von Storch and Zwiers (1999), Statistical Analysis in Climate
    Research, section 1.2. Phases with fewer than 5 rows in either set are left out.

    Returns:
        (1 + replicates, variable).
    """
    ours, theirs = phase(rows.times), phase(trial.test.times)
    shared = [p for p in np.unique(theirs) if min((ours == p).sum(), (theirs == p).sum()) >= _FEWEST]
    if not shared:
        return np.zeros((len(trial.counts), rows.values.shape[1]))
    gaps = np.array([_mean(rows, ours == p, trial) - _mean(trial.test, theirs == p, trial) for p in shared])
    # A replicate may leave out all blocks that show a phase.
    known = np.isfinite(gaps)
    squares = np.where(known, gaps, 0.0) ** 2
    return np.sqrt(squares.sum(axis=0) / np.maximum(known.sum(axis=0), 1)) / trial.scale


def _figures(trial: Trial, made: list[int], phase: Any, purpose: int) -> dict[str, Any] | None:
    if len(np.unique(phase(trial.test.times))) < 2:
        return None
    errors = measured(trial, lambda rows: cycle_errors(rows, trial, phase), trial.shuffled)
    return entry(errors.mean_over(made).figures(trial.rng(purpose)))


def _mean(rows: Rows, chosen: np.ndarray, trial: Trial) -> np.ndarray:
    weights = trial.weights(rows)[:, chosen]
    total = weights.sum(axis=1, keepdims=True)
    return weights @ rows.values[chosen] / np.where(total > 0, total, np.nan)
