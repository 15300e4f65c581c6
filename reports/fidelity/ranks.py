"""Where the observation stands among the members of its ensemble."""

from typing import Any

import numpy as np
from scipy.stats import t as student

from lawful.reports.fidelity.protocol import LEVEL, Trial


def ranks(ensemble: np.ndarray, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank of each observation among its members, 0 (below all) to M (above all), ties broken at random.

    Rank histogram: Hamill (2001), Mon. Weather Rev. 129, 550-560, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2.
    Exact zeros tie, so without the random break a dry hour would always rank lowest.

    Args:
        ensemble: (event, member).
        observed: (event,).
        rng: breaks ties.
    """
    below = (ensemble < observed[:, np.newaxis]).sum(axis=1)
    ties = (ensemble == observed[:, np.newaxis]).sum(axis=1)
    return below + rng.integers(0, ties + 1)


def rank_figures(ensemble: np.ndarray, observed: np.ndarray, trial: Trial, column: int) -> dict[str, Any]:
    """Rank histogram and its departures from flatness, with intervals from a bootstrap of test blocks.

    With `u = (rank + 1/2) / (M + 1)`: "bias" is `mean(u) - 1/2` (positive: the ensemble is too low), "dispersion" is
    `12 mean((u - 1/2)^2) / (1 - 1 / (M + 1)^2) - 1` (positive: too narrow, a U; negative: too wide, a dome). "flat"
    says that flatness is not excluded: neither interval excludes 0, and together they have level 0.95. They are
    `value +- t s`, with s the bootstrap's standard deviation and t Student's quantile, which makes up for few blocks.
    Events of a block are not independent, so a chi-square test would reject too often; tilt and convexity as separate
    departures: Jolliffe and Primo (2008), Mon. Weather Rev. 136, 2133-2139, doi:10.1175/2007MWR2219.1.
    "reliability_index" is `sum_k |f_k - 1/(M + 1)|` (Delle Monache et al. 2006, doi:10.1029/2005JD006917).

    Args:
        ensemble: (event, member).
        observed: (event,).
        trial: bootstrap counts.
        column: position of the variable, which gives it random ties of its own.
    """
    places = ensemble.shape[1] + 1
    rank = ranks(ensemble, observed, trial.rng(100 + column))
    centred = (rank + 0.5) / places - 0.5
    weights = trial.weights(trial.test)
    shares = weights / weights.sum(axis=1, keepdims=True)
    bias, dispersion = shares @ centred, shares @ centred**2 * 12 / (1 - 1 / places**2) - 1
    counts = np.bincount(rank, minlength=places)
    figures = {"bias": _figure(bias, trial.test_blocks), "dispersion": _figure(dispersion, trial.test_blocks)}
    return {
        "counts": counts.tolist(),
        **figures,
        "flat": all(figure["interval"][0] <= 0 <= figure["interval"][1] for figure in figures.values()),
        "reliability_index": float(np.abs(counts / counts.sum() - 1 / places).sum()),
    }


def _figure(replicates: np.ndarray, blocks: int) -> dict[str, Any]:
    value, freedom = float(replicates[0]), max(blocks - 1, 1)
    quantile = float(student.ppf(1 - (1 - LEVEL) / 4, freedom))
    half = quantile * float(replicates[1:].std()) * (blocks / freedom) ** 0.5
    return {"value": value, "interval": [value - half, value + half]}
