"""Are synthetic rows training rows in disguise?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import beside_floor, entry, with_unseen
from lawful.reports.fidelity.protocol import Rows, Trial

EXACT, NEAR = 1e-9, 1e-3
_TAIL = 0.05


def memorisation_figures(trial: Trial, domain: Domain, given: Sequence[str] = ()) -> dict[str, Any]:
    """Distance of synthetic rows to the nearest training row, beside that of test rows.

    Distances are Euclidean in variables standardised by the training data, given ones left out. A generator that has
    learned the distribution stands as far from the training rows as fresh rows do; one that copies stands nearer
    (distance to closest record: Park et al. 2018, Proc. VLDB Endow. 11, 1071-1083, doi:10.14778/3231751.3231757).
    "copies" are rows within 1e-9 of a training row and "near_copies" within 1e-3; "closer" is the share of rows that
    stand nearer than the nearest 5 % of test rows. The floor of these is the test set's own share, and the ceiling, of
    a generator that repeats its training rows, is 1. "repeats" is the
    share of rows that some other synthetic row equals, in any realization, beside that among test rows.
    """
    nearest = _Nearest(trial, [k for k, name in enumerate(domain.names) if name not in given])
    fresh, made = nearest(trial.test), [nearest(rows) for rows in trial.synthetic]
    return {
        "median": _compared(fresh, made, 50),
        "quantile_5": _compared(fresh, made, 5),
        "copies": _judged_share(trial, fresh, made, EXACT, 11),
        "near_copies": _judged_share(trial, fresh, made, NEAR, 12),
        "closer": _judged_closer(trial, fresh, made),
        "repeats": _repeats(trial, [k for k, name in enumerate(domain.names) if name not in given]),
    }


def nearest_distances(rows: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Euclidean distance of every row (row, variable) to its nearest training row, (row,); exact for copies."""
    return cKDTree(train).query(rows)[0]


def repeated(values: np.ndarray) -> np.ndarray:
    """Whether each row (row, variable) stands there more than once, (row,)."""
    _, position, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    return counts[position.reshape(-1)] > 1


class _Nearest:
    def __init__(self, trial: Trial, columns: list[int]):
        self.trial, self.columns = trial, columns
        self.tree = cKDTree(trial.standardised(trial.train.values)[:, columns])

    def __call__(self, rows: Rows) -> np.ndarray:
        return self.tree.query(self.trial.standardised(rows.values)[:, self.columns])[0]


def _compared(fresh: np.ndarray, made: list[np.ndarray], percent: float) -> dict[str, Any]:
    test = float(np.percentile(fresh, percent))
    synthetic = float(np.mean([np.percentile(distances, percent) for distances in made]))
    return {"synthetic": synthetic, "test": test, "ratio": synthetic / test if test > 0 else None}


def _repeats(trial: Trial, columns: list[int]) -> dict[str, Any]:
    pooled = repeated(np.concatenate([rows.values for rows in trial.synthetic])[:, columns])
    made = [_share(part, trial) for part in np.split(pooled, len(trial.synthetic))]
    floor = _share(repeated(trial.test.values[:, columns]), trial)
    return with_unseen(entry(beside_floor(made, [floor], trial.rng(15), np.ones_like(floor))), len(trial.test))


def _judged_share(
    trial: Trial, fresh: np.ndarray, made: list[np.ndarray], within: float, purpose: int
) -> dict[str, Any]:
    floor, shares = _share(fresh <= within, trial), [_share(distances <= within, trial) for distances in made]
    figures = entry(beside_floor(shares, [floor], trial.rng(purpose), np.ones_like(floor)))
    return with_unseen(figures, len(trial.test))


def _judged_closer(trial: Trial, fresh: np.ndarray, made: list[np.ndarray]) -> dict[str, Any]:
    limit = np.percentile(fresh, 100 * _TAIL)
    floor, shares = _share(fresh < limit, trial), [_share(distances < limit, trial) for distances in made]
    return entry(beside_floor(shares, [floor], trial.rng(13), np.ones_like(floor)))


def _share(true: np.ndarray, trial: Trial) -> np.ndarray:
    weights = trial.weights(trial.test)
    return weights @ true / weights.sum(axis=1)
