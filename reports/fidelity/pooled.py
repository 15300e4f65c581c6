"""Scores given some variables over all held-out blocks of several folds: one fold has few blocks that count."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lawful.reports.fidelity.calibration import calibration
from lawful.reports.fidelity.conditional import with_interval
from lawful.reports.fidelity.protocol import block_counts

_REPLICATES = 1000


def pooled(conditionals: Sequence[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """A dict for each generated variable: mean "crps", its ratio "over_analogs", and what `calibration` gives.

    Args:
        conditionals: "conditional" of the fidelity of each fold; no block is held out in two of them.
        seed: decides the replicates.
    """
    by_variable = list(zip(*(fold["variables"] for fold in conditionals), strict=True))
    sums = [_side_by_side([fold["blocks"] for fold in folds]) for folds in by_variable]
    counts = block_counts(len(sums[0]["events"]), _REPLICATES, np.random.default_rng(seed))
    return [
        {"name": folds[0]["name"], "units": folds[0]["units"], **_scores(of_variable, counts)}
        for folds, of_variable in zip(by_variable, sums, strict=True)
    ]


def _side_by_side(folds: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([fold[name] for fold in folds]) for name in folds[0]}


def _scores(sums: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, Any]:
    model, analogs = counts @ sums["crps_model"], counts @ sums["crps_analogs"]
    over = model / np.where(analogs != 0, analogs, np.nan)
    crps = float(model[0] / sums["events"].sum())
    return {"crps": crps, "over_analogs": with_interval(over), **calibration(sums, counts)}
