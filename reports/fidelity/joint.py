"""All variables together: energy distance and correlations."""

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from lawful.domains.domain import Domain
from lawful.reports.fidelity.compositions import ilr_gaussian, is_composition
from lawful.reports.fidelity.protocol import Rows, Trial, beside_floor, entry, measured

_MOST_ROWS = 4000


def joint_figures(trial: Trial, domain: Domain) -> dict[str, Any]:
    """Energy distance and correlation errors beside their floors; for a composition, a Gaussian rival's too."""
    distance = EnergyDistance(trial)
    correlations = measured(trial, lambda rows: correlation_errors(rows.values, rows, trial)).figures(trial.rng(7))
    ranks = measured(trial, lambda rows: rank_correlation_errors(rows, trial)).figures(trial.rng(8))
    return {
        "energy_distance": entry(measured(trial, distance).figures(trial.rng(6))),
        "correlation": {"rms": entry(correlations, 0), "max": entry(correlations, 1)},
        "rank_correlation": {"rms": entry(ranks, 0), "max": entry(ranks, 1)},
        "ilr_gaussian": _rival(trial, distance) if is_composition(domain) else None,
    }


class EnergyDistance:
    """Energy distance of rows to the test rows, in variables standardised by the training data.

    `E = 2 mean|X - Y| - mean|X - X'| - mean|Y - Y'|` with Euclidean norms, zero if and only if the distributions are
    the same. Szekely and Rizzo (2013), J. Stat. Plan. Inference 143, 1249-1272, doi:10.1016/j.jspi.2013.03.018.
    Distances are summed by pairs of blocks once, so a replicate costs a quadratic form. Beyond 4000 rows a random 4000
    are used.
    """

    def __init__(self, trial: Trial):
        self.trial = trial
        self.test = self._prepared(trial.test)
        self.among_test = self._between(self.test, self.test)

    def __call__(self, rows: Rows) -> np.ndarray:
        """The distance for the test set and for every replicate of its blocks, (1 + replicates,)."""
        ours = self._prepared(rows)
        return 2 * self._between(ours, self.test) - self._between(ours, ours) - self.among_test

    def _prepared(self, rows: Rows) -> Rows:
        """Standardised rows in order of block, at most 4000 of them."""
        values, blocks = self.trial.standardised(rows.values), rows.blocks
        if len(blocks) > _MOST_ROWS:
            chosen = self.trial.rng(9).choice(len(blocks), _MOST_ROWS, replace=False)
            values, blocks = values[chosen], blocks[chosen]
        order = np.argsort(blocks, kind="stable")
        return Rows(values[order], blocks[order])

    def _between(self, left: Rows, right: Rows) -> np.ndarray:
        (starts, lefts), (stops, rights) = self._blocks(left), self._blocks(right)
        sums = np.concatenate(
            [
                np.add.reduceat(cdist(left.values[rows], right.values).sum(axis=0, keepdims=True), stops, axis=1)
                for rows in np.split(np.arange(len(left)), starts[1:])
            ]
        )
        pairs = (lefts @ _counts(left)) * (rights @ _counts(right))
        return np.einsum("bi,ij,bj->b", lefts, sums, rights) / pairs

    def _blocks(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Where each block starts, and how often it is drawn (1 + replicates, block)."""
        starts = np.flatnonzero(np.diff(rows.blocks, prepend=-1))
        return starts, self.trial.weights(rows)[:, starts]


def correlation_errors(columns: np.ndarray, rows: Rows, trial: Trial, test: np.ndarray | None = None) -> np.ndarray:
    """Root mean square and largest |difference| of the pairwise correlations of rows and of test rows.

    `r_ij = cov_ij / sqrt(cov_ii cov_jj)` (Pearson), over pairs i < j; a variable that does not vary in one of the two
    is left out.

    Args:
        columns: what is correlated, (row, variable).
        rows: the rows that `columns` belongs to.
        trial: the test rows.
        test: what is correlated of the test rows; their values when not given.

    Returns:
        (1 + replicates, 2).
    """
    ours = _correlations(columns, trial.weights(rows))
    theirs = _correlations(trial.test.values if test is None else test, trial.weights(trial.test))
    pairs = np.triu_indices(columns.shape[1], k=1)
    difference = np.abs(ours - theirs)[:, *pairs]
    known = np.isfinite(difference)
    squares = np.where(known, difference, 0.0) ** 2
    rms = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    return np.stack([rms, np.sqrt(squares.max(axis=1, initial=0.0))], axis=1)


def rank_correlation_errors(rows: Rows, trial: Trial) -> np.ndarray:
    """The same for rank correlations (Spearman 1904, doi:10.2307/1412159), with ranks among the training rows."""
    return correlation_errors(_ranks(rows.values, trial), rows, trial, _ranks(trial.test.values, trial))


def _ranks(values: np.ndarray, trial: Trial) -> np.ndarray:
    """Mid-rank of every value in the training data, 0 to 1."""
    ordered = np.sort(trial.train.values, axis=0)
    columns = [
        np.searchsorted(ordered[:, k], values[:, k], "left") + np.searchsorted(ordered[:, k], values[:, k], "right")
        for k in range(values.shape[1])
    ]
    return np.stack(columns, axis=1) / (2 * len(ordered))


def _correlations(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted Pearson correlations (replicate, variable, variable); NaN for a variable that does not vary."""
    # Centred and scaled first: moments of raw values would cancel.
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    total = weights.sum(axis=1)
    mean = weights @ z / total[:, np.newaxis]
    n = z.shape[1]
    squares = (weights @ (z[:, :, np.newaxis] * z[:, np.newaxis, :]).reshape(len(z), n * n)).reshape(-1, n, n)
    covariance = squares / total[:, np.newaxis, np.newaxis] - mean[:, :, np.newaxis] * mean[:, np.newaxis, :]
    variance = np.einsum("bii->bi", covariance)
    varies = variance > 1e-12
    deviation = np.sqrt(np.where(varies, variance, np.nan))
    return covariance / (deviation[:, :, np.newaxis] * deviation[:, np.newaxis, :])


def _counts(rows: Rows) -> np.ndarray:
    """Number of rows of each block, in the order in which blocks stand."""
    return np.unique(rows.blocks, return_counts=True)[1].astype(np.float64)


def _rival(trial: Trial, distance: EnergyDistance) -> dict[str, Any]:
    rng = trial.rng(10)
    drawn = [ilr_gaussian(trial.train.values, len(trial.test), rng) for _ in trial.synthetic]
    rivals = [distance(trial.test.with_values(values)) for values in drawn]
    return {"energy_distance": entry(beside_floor(rivals, [distance(rows) for rows in trial.copies], rng))}
