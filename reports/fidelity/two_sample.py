"""Can a classifier tell synthetic rows from held-out ones, when rows that belong together stay together?"""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold

from lawful.domains.domain import Domain
from lawful.reports.arrays import ratios
from lawful.reports.fidelity.protocol import Rows, Trial, beside_floor, entry

FOLDS = 5
CHANCE = 0.5
_HUGE = 1e150


def two_sample_figures(trial: Trial, domain: Domain) -> dict[str, Any]:
    """Grouped two-sample AUC on the variables, and on the variables and ratios together, beside the floor.

    The excess is over the floor or over 0.5, whichever is larger. Copies of training rows come in blocks of their own,
    all of one class, so that every fold leaves out what would have balanced the classes in its season: a classifier
    then errs more often than chance, and a floor below 0.5 would be no bar.

    "with_ratios" is None for a domain without ratios; both are None where fewer than two test blocks leave nothing to
    hold out.
    """
    if trial.test_blocks < 2:
        return {"variables": None, "with_ratios": None}
    return {
        "variables": _judged(trial, 4),
        "with_ratios": _judged(_with_ratios(trial, domain), 5) if domain.ratios else None,
    }


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
    values = np.concatenate([rows.values, trial.test.values])
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
        max_iter=60, max_leaf_nodes=15, learning_rate=0.1, early_stopping=False, random_state=seed
    )
    return model.fit(values, target)


def _histogram(position: np.ndarray, weights: np.ndarray, bins: int) -> np.ndarray:
    order = np.argsort(position, kind="stable")
    starts = np.flatnonzero(np.diff(position[order], prepend=-1))
    counted = np.zeros((len(weights), bins))
    counted[:, position[order][starts]] = np.add.reduceat(weights[:, order], starts, axis=1)
    return counted


def _judged(trial: Trial, purpose: int) -> dict[str, Any]:
    model = [grouped_auc(rows, trial) for rows in trial.synthetic]
    floor = [grouped_auc(rows, trial) for rows in trial.copies[: trial.effort.classifier_copies]]
    figures = entry(beside_floor(model, floor, trial.rng(purpose), CHANCE))
    return {**figures, "model_each": [float(auc[0]) for auc in model], "floor_each": [float(auc[0]) for auc in floor]}


def _with_ratios(trial: Trial, domain: Domain) -> Trial:
    def widened(rows: Rows) -> Rows:
        # The classifier takes NaN (0/0) but no infinity (x/0).
        quotients = np.clip(ratios(rows.values, domain), -_HUGE, _HUGE)
        return rows.with_values(np.concatenate([rows.values, quotients], axis=1))

    return Trial(
        test=widened(trial.test),
        train=widened(trial.train),
        synthetic=tuple(map(widened, trial.synthetic)),
        copies=tuple(map(widened, trial.copies)),
        counts=trial.counts,
        effort=trial.effort,
        seed=trial.seed,
    )
