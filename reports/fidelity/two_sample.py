"""Can a classifier tell synthetic rows from held-out ones, when rows that belong together stay together?"""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold

from lawful.domains.domain import Domain
from lawful.reports.arrays import ratios
from lawful.reports.fidelity.beside import beside_floor, entry
from lawful.reports.fidelity.protocol import Rows, Trial

FOLDS = 5

_LEAF = 20
"""Rows of a leaf at least: fewer than twice as many rows can't be split, and no classifier comes of them."""


def two_sample_figures(trial: Trial, domain: Domain, analogs: tuple[Rows, ...]) -> dict[str, Any]:
    """Grouped two-sample AUC on the variables, and on the variables and ratios together, beside the floor.

    The floor is the AUC of training rows in the place of generated ones: for each test event one of its analogs, in
    the block of that event, as generated rows are. Training rows in blocks of their own would not do: every fold would
    leave out test blocks whose neighbours in the season stay in the other class, so that the classifier errs more
    often than chance, and the floor of real data would lie far below 0.5.

    "with_ratios" is None for a domain without ratios; both are None where `can_tell` says that there are too few rows
    to learn from. The ceiling is the AUC of independent marginals.

    Args:
        trial: synthetic and test rows.
        domain: the ratios.
        analogs: sets of training rows that stand in the place of generated ones.
    """
    if not can_tell(trial.test):
        return {"variables": None, "with_ratios": None}
    return {
        "variables": _judged(trial, analogs, 4),
        "with_ratios": _judged(*_with_ratios(trial, analogs, domain), 5) if domain.ratios else None,
    }


def can_tell(test: Rows) -> bool:
    """Whether a classifier can learn when any fold of blocks of the test rows, and of as many others, is held out.

    Not of one block, nor of fewer than 25 rows or so: its trees would have one leaf, and an AUC of 0.5 say nothing.
    """
    sizes = np.bincount(test.blocks)
    held_out = max(sizes.max(), len(test) / min(FOLDS, len(sizes)))
    return bool(2 * (len(test) - held_out) >= 2 * _LEAF)


def grouped_auc(rows: Rows, trial: Trial) -> np.ndarray:
    """Area under the ROC curve of a classifier that tells `rows` from the test rows, by grouped cross-validation.

    `AUC = P(s(X) > s(Y)) + P(s(X) = s(Y)) / 2` over pooled out-of-fold scores s of rows X and test rows Y; 0.5 is
    chance. Classifier two-sample test: Lopez-Paz and Oquab (2017), ICLR, arXiv:1610.06545; the statistic: Mann and
    Whitney (1947), doi:10.1214/aoms/1177730491. Folds never cut a block: neighbours in time are alike, and a classifier
    that has seen one of them knows the other. Replicates draw the pooled scores again by blocks.

    Returns:
        (1 + replicates,).
    """
    scores = out_of_fold_scores(rows, trial)
    ours, theirs = trial.weights(rows), trial.weights(trial.test)
    return weighted_auc(scores[: len(rows)], scores[len(rows) :], ours, theirs)


def out_of_fold_scores(rows: Rows, trial: Trial) -> np.ndarray:
    """Log odds of being synthetic (rows then test rows), each from a classifier that saw no row of its block.

    All are zero, which is chance, where either side has one block only: nothing can be learned without it.
    """
    values = _shown(np.concatenate([rows.values, trial.test.values]))
    groups = np.concatenate([rows.blocks, trial.test.blocks])
    target = np.arange(len(values)) < len(rows)
    folds = min(FOLDS, trial.test_blocks, len(np.unique(rows.blocks)))
    scores = np.zeros(len(values))
    if folds < 2:
        return scores
    splits = StratifiedGroupKFold(folds, shuffle=True, random_state=trial.seed).split(values, target, groups)
    for learn, judge in splits:
        scores[judge] = _fitted(values[learn], target[learn], trial.seed).decision_function(values[judge])
    return scores


def weighted_auc(above: np.ndarray, below: np.ndarray, weights: np.ndarray, other: np.ndarray) -> np.ndarray:
    """P(above > below) + P(equal) / 2 for scores (row,) drawn with weights (replicate, row); (replicate,)."""
    ranked, position = np.unique(np.concatenate([above, below]), return_inverse=True)
    ours = _histogram(position[: len(above)], weights, len(ranked))
    theirs = _histogram(position[len(above) :], other, len(ranked))
    beaten = np.cumsum(theirs, axis=1) - theirs / 2
    return (ours * beaten).sum(axis=1) / (ours.sum(axis=1) * theirs.sum(axis=1))


def _fitted(values: np.ndarray, target: np.ndarray, seed: int) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        min_samples_leaf=_LEAF,
        learning_rate=0.1,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(values, target)


def _histogram(position: np.ndarray, weights: np.ndarray, bins: int) -> np.ndarray:
    order = np.argsort(position, kind="stable")
    starts = np.flatnonzero(np.diff(position[order], prepend=-1))
    counted = np.zeros((len(weights), bins))
    counted[:, position[order][starts]] = np.add.reduceat(weights[:, order], starts, axis=1)
    return counted


def _judged(trial: Trial, analogs: tuple[Rows, ...], purpose: int) -> dict[str, Any]:
    model = [grouped_auc(rows, trial) for rows in trial.synthetic]
    floor = [grouped_auc(rows, trial) for rows in analogs]
    figures = entry(beside_floor(model, floor, trial.rng(purpose), grouped_auc(trial.shuffled, trial)))
    return {**figures, "model_each": [float(auc[0]) for auc in model], "floor_each": [float(auc[0]) for auc in floor]}


def _with_ratios(trial: Trial, analogs: tuple[Rows, ...], domain: Domain) -> tuple[Trial, tuple[Rows, ...]]:
    def widened(rows: Rows) -> Rows:
        return rows.with_values(np.concatenate([rows.values, ratios(rows.values, domain)], axis=1))

    wide = replace(
        trial,
        test=widened(trial.test),
        synthetic=tuple(map(widened, trial.synthetic)),
        shuffled=widened(trial.shuffled),
    )
    return wide, tuple(map(widened, analogs))


def _shown(values: np.ndarray) -> np.ndarray:
    """What a classifier sees: single precision, since the last bits of a double are arithmetic and not physics.

    A quotient of two sums that were rounded differs from one that was not in its 16th digit, and trees find that. The
    classifier takes NaN (0/0) but no infinity (x/0).
    """
    limit = np.finfo(np.float32).max
    return np.clip(values, -limit, limit).astype(np.float32)
