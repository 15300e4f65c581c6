"""Distances between distributions that are sums over pairs of rows: energy distance and maximum mean discrepancy."""

from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist, pdist

from lawful.reports.fidelity.protocol import Rows, Trial

_MOST_ROWS = 4000
_SAMPLED = 500


class PairDistance:
    """`s (2 mean k(x, y) - mean k(x, x') - mean k(y, y'))` of rows x to test rows y, for a function k of distance.

    Distances are Euclidean in variables standardised by the training data. They are summed by pairs of blocks once, so
    a replicate costs a quadratic form. Beyond 4000 rows a random 4000 are used.
    """

    sign: ClassVar[float]

    def __init__(self, trial: Trial):
        self.trial = trial
        self.test = self._prepared(trial.test)
        self.among_test = self._between(self.test, self.test)

    def kernel(self, distance: np.ndarray) -> np.ndarray:
        """k of distances."""
        raise NotImplementedError

    def __call__(self, rows: Rows) -> np.ndarray:
        """The distance for the test set and for every replicate of its blocks, (1 + replicates,)."""
        ours = self._prepared(rows)
        return self.sign * (2 * self._between(ours, self.test) - self._between(ours, ours) - self.among_test)

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
                np.add.reduceat(self._summed(left.values[rows], right.values), stops, axis=1)
                for rows in np.split(np.arange(len(left)), starts[1:])
            ]
        )
        pairs = (lefts @ _counts(left)) * (rights @ _counts(right))
        return np.einsum("bi,ij,bj->b", lefts, sums, rights) / pairs

    def _summed(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return self.kernel(cdist(left, right)).sum(axis=0, keepdims=True)

    def _blocks(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Where each block starts, and how often it is drawn (1 + replicates, block)."""
        starts = np.flatnonzero(np.diff(rows.blocks, prepend=-1))
        return starts, self.trial.weights(rows)[:, starts]


class EnergyDistance(PairDistance):
    """`E = 2 mean|X - Y| - mean|X - X'| - mean|Y - Y'|`, zero if and only if the distributions are the same.

    Szekely and Rizzo (2013), J. Stat. Plan. Inference 143, 1249-1272, doi:10.1016/j.jspi.2013.03.018.
    """

    sign = 1.0

    def kernel(self, distance: np.ndarray) -> np.ndarray:
        """The distance itself."""
        return distance


class MeanDiscrepancy(PairDistance):
    """Squared maximum mean discrepancy `mean k(X, X') + mean k(Y, Y') - 2 mean k(X, Y)`, `k = exp(-d^2 / (2 w^2))`.

    The width w is the median distance between training rows. Gretton, Borgwardt, Rasch, Schoelkopf and Smola (2012), J.
    Mach. Learn. Res. 13, 723-773. Where the energy distance sees far tails too, this one sees what differs within w.
    """

    sign = -1.0

    def __init__(self, trial: Trial):
        rows = trial.standardised(trial.train.values)
        chosen = trial.rng(19).permutation(len(rows))[:_SAMPLED]
        self.width = float(np.median(pdist(rows[chosen]))) or 1.0
        super().__init__(trial)

    def kernel(self, distance: np.ndarray) -> np.ndarray:
        """The Gaussian kernel."""
        return np.exp(-0.5 * (distance / self.width) ** 2)


def _counts(rows: Rows) -> np.ndarray:
    """Number of rows of each block, in the order in which blocks stand."""
    return np.unique(rows.blocks, return_counts=True)[1].astype(np.float64)
