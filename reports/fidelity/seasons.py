"""Totals over windows, season by season."""

from typing import Any

import numpy as np

from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.layout import Layout
from lawful.reports.fidelity.protocol import Rows, Trial

SEASONS = ("DJF", "MAM", "JJA", "SON")
"""By the initials of their months."""


def season_figures(trial: Trial, layout: Layout, domain: Domain) -> dict[str, Any]:
    """Mean total of a window in each season, and its error over the standard deviation of totals.

    The error of a variable is `sqrt(mean over seasons of (mean total - that of the test windows)^2) / sd`.
    """
    names = list(layout.columns)
    spread = np.array([trial.train.values[:, layout.columns[name]].sum(axis=1).std() for name in names])

    def totals(rows: Rows) -> np.ndarray:
        sums = np.stack([rows.values[:, layout.columns[name]].sum(axis=1) for name in names], axis=1)
        of_season = rows.values[:, -1:] == np.arange(len(SEASONS))
        weights = trial.weights(rows)
        counts = weights @ of_season
        found = np.stack([weights @ (sums * of_season[:, [s]]) for s in range(len(SEASONS))], axis=1)
        return found / np.where(counts > 0, counts, np.nan)[:, :, np.newaxis]

    theirs = totals(trial.test)

    def error(rows: Rows) -> np.ndarray:
        squares = (totals(rows) - theirs) ** 2
        known = np.isfinite(squares)
        mean = np.where(known, squares, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return np.sqrt(mean) / np.where(spread > 0, spread, 1.0)

    errors = measured(trial, error, trial.shuffled)
    figures = errors.figures(trial.rng(37))
    made = np.mean([totals(rows)[0] for rows in trial.synthetic], axis=0)
    each = [
        {
            "name": name,
            "units": domain.variables[layout.columns[name][0]].units,
            "error": entry(figures, k),
            "totals": [
                {"season": season, "ensemble": made[s, k], "data": theirs[0, s, k]} for s, season in enumerate(SEASONS)
            ],
        }
        for k, name in enumerate(names)
    ]
    return {"mean": entry(errors.mean_over(range(len(names))).figures(trial.rng(37))), "each": each}
