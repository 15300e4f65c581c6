"""Precision and recall for distributions: are generated rows where data are, and data where generated rows are?"""

from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from lawful.reports.fidelity.beside import entry, measured, with_unseen
from lawful.reports.fidelity.protocol import Rows, Trial, block_subset

NEIGHBOURS = 5
_MOST_ROWS = 3000


def manifold_figures(trial: Trial) -> dict[str, Any]:
    """1 - precision and 1 - recall beside those of training rows.

    The floor is that of whole blocks of training rows drawn without replacement: in bootstrap copies rows stand twice,
    and so too near to each other. The ceiling is that of independent marginals.
    """
    figures = measured(trial, Balls(trial), trial.shuffled, floor=training_subsets(trial)).figures(trial.rng(25))
    precision, recall = (with_unseen(entry(figures, k), len(trial.test)) for k in range(2))
    return {"precision_gap": precision, "recall_gap": recall, "neighbours": NEIGHBOURS}


def training_subsets(trial: Trial) -> list[Rows]:
    """Whole training blocks drawn without replacement, as many rows as there are test rows, several times."""
    rng = trial.rng(32)
    return [block_subset(trial.train, len(trial.test), rng) for _ in range(trial.effort.analog_sets)]


class Balls:
    """1 - precision and 1 - recall of rows against the test rows, (1 + replicates, 2).

    Precision is the share of rows within some ball about a test row that reaches to its 5th nearest test row; recall is
    the share of test rows within some ball about a row that reaches to its 5th nearest row. Kynkaanniemi, Karras,
    Laine, Lehtinen and Aila (2019), NeurIPS, arXiv:1904.06991. In variables standardised by the training data; beyond
    3000 rows a random 3000 are used. A generator that leaves out part of the data has low recall, one that makes what
    does not exist has low precision.
    """

    def __init__(self, trial: Trial):
        self.trial = trial
        self.test = _thinned(trial.test, trial)
        self.places = trial.standardised(self.test.values)
        self.radii = _radii(self.places)

    def __call__(self, rows: Rows) -> np.ndarray:
        made = _thinned(rows, self.trial)
        places = self.trial.standardised(made.values)
        distances = cdist(places, self.places)
        outside = (distances > self.radii).all(axis=1)
        missed = (distances > _radii(places)[:, np.newaxis]).all(axis=0)
        return np.stack([self.trial.shares(made) @ outside, self.trial.shares(self.test) @ missed], axis=1)


def _radii(places: np.ndarray) -> np.ndarray:
    """Distance of each place to its 5th nearest other one, (row,)."""
    count = min(NEIGHBOURS, len(places) - 1)
    return cKDTree(places).query(places, k=[count + 1])[0][:, 0]


def _thinned(rows: Rows, trial: Trial) -> Rows:
    if len(rows) <= _MOST_ROWS:
        return rows
    return rows.chosen(np.sort(trial.rng(26).choice(len(rows), _MOST_ROWS, replace=False)))
