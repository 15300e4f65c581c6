"""Is the observation like one more member? Spread over error and ranks, from sums over blocks.

Sums of several folds, each of which holds other blocks out, stand side by side as those of one run do.
"""

from typing import Any

import numpy as np
from scipy.stats import t as student

from lawful.reports.fidelity.protocol import LEVEL


def block_sums(ensemble: np.ndarray, observed: np.ndarray, rank: np.ndarray, blocks: np.ndarray) -> dict[str, Any]:
    """What `calibration` needs, summed over the events of each block, (block,) each.

    With M members: "events"; "spread" `(M + 1) / M variance`; "error" `(mean - y)^2`; "rank" `u - 1/2`, where
    `u = (rank + 1/2) / (M + 1)`; "rank_square" `12 (u - 1/2)^2 / (1 - 1 / (M + 1)^2)`, which expects 1.

    Args:
        ensemble: (event, member).
        observed: (event,).
        rank: see `ranks`, (event,).
        blocks: number of the block of each event, (event,), from 0.
    """
    members = ensemble.shape[1]
    centred = (rank + 0.5) / (members + 1) - 0.5
    each = {
        "events": np.ones(len(observed)),
        "spread": ensemble.var(axis=1, ddof=1) * (members + 1) / members,
        "error": (ensemble.mean(axis=1) - observed) ** 2,
        "rank": centred,
        "rank_square": 12 * centred**2 / (1 - 1 / (members + 1) ** 2),
    }
    return {name: np.bincount(blocks, values) for name, values in each.items()}


def calibration(sums: dict[str, Any], counts: np.ndarray) -> dict[str, Any]:
    """Spread over error, and departures of ranks from flatness, with intervals from a bootstrap of blocks.

    "spread_skill" is `sqrt(mean spread) / sqrt(mean error)`, 1 for an ensemble of which the observation might be a
    member: Fortin et al. (2014), J. Hydrometeorol. 15, 1708-1713, doi:10.1175/JHM-D-14-0008.1. "bias" is
    `mean(u) - 1/2` (positive: the ensemble is too low), "dispersion" is `mean rank_square - 1` (positive: too narrow, a
    U; negative: too wide, a dome). "flat" says that flatness is not excluded: neither interval excludes 0, and together
    they have level 0.95. Events of a block are not independent, so a chi-square test would reject too often; tilt and
    convexity as separate departures: Jolliffe and Primo (2008), Mon. Weather Rev. 136, 2133-2139,
    doi:10.1175/2007MWR2219.1.

    Intervals are `value +- t s`, s the bootstrap's standard deviation and t Student's quantile, which makes up for few
    blocks; that of a ratio is taken of its logarithm. Of one block there is none.

    Args:
        sums: see `block_sums`.
        counts: how often each block is drawn, (1 + replicates, block); once each in the first row.
    """
    total = {name: counts @ np.asarray(values) for name, values in sums.items()}
    blocks, half = counts.shape[1], (1 - LEVEL) / 2
    bias = _figure(total["rank"] / total["events"], blocks, half / 2)
    dispersion = _figure(total["rank_square"] / total["events"] - 1, blocks, half / 2)
    return {
        "spread_skill": root_ratio(total["spread"], total["error"], blocks),
        "bias": bias,
        "dispersion": dispersion,
        "flat": all(_may_be_zero(figure["interval"]) for figure in (bias, dispersion)),
    }


def root_ratio(above: np.ndarray, below: np.ndarray, blocks: int) -> dict[str, Any]:
    """The root of a ratio of sums (1 + replicates,) with its interval, None where a replicate has none."""
    ratio = np.sqrt(above / np.where(below > 0, below, np.nan))
    if blocks < 2 or not (np.isfinite(ratio).all() and (ratio > 0).all()):
        return {"value": float(ratio[0]), "interval": None}
    figure = _figure(np.log(ratio), blocks, (1 - LEVEL) / 2)
    return {"value": float(ratio[0]), "interval": [float(np.exp(end)) for end in figure["interval"]]}


def _figure(replicates: np.ndarray, blocks: int, tail: float) -> dict[str, Any]:
    value, freedom = float(replicates[0]), blocks - 1
    if not freedom:
        return {"value": value, "interval": None}
    quantile = float(student.ppf(1 - tail, freedom))
    half = quantile * float(replicates[1:].std()) * (blocks / freedom) ** 0.5
    return {"value": value, "interval": [value - half, value + half]}


def _may_be_zero(interval: list[float] | None) -> bool:
    return interval is None or interval[0] <= 0 <= interval[1]
