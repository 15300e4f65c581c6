"""Sliced Wasserstein distance: all variables together, seen along many directions."""

import numpy as np

from lawful.reports.fidelity.distances import cdf_distance
from lawful.reports.fidelity.protocol import Rows, Trial

_DIRECTIONS = 20


class SlicedWasserstein:
    """Mean Wasserstein-1 distance of rows to the test rows, standardised and projected on random directions.

    `SW = mean over unit vectors t of W1(t.X, t.Y)`, over 20 of them, the same for all that is compared. Bonneel, Rabin,
    Peyre and Pfister (2015), J. Math. Imaging Vis. 51, 22-45, doi:10.1007/s10851-014-0506-3. What POT's
    `sliced_wasserstein_distance` computes with p = 1, here for all replicates at once.
    """

    def __init__(self, trial: Trial):
        self.trial = trial
        drawn = trial.rng(24).normal(size=(trial.test.values.shape[1], _DIRECTIONS))
        self.directions = drawn / np.linalg.norm(drawn, axis=0)

    def __call__(self, rows: Rows) -> np.ndarray:
        """(1 + replicates,)."""
        pooled = np.concatenate([rows.values, self.trial.test.values])
        projected = self.trial.standardised(pooled) @ self.directions
        signed = self.trial.signed_shares(rows)
        return np.mean([cdf_distance(column, signed)[:, 0] for column in projected.T], axis=0)
