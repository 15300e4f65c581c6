"""Utility: is the ensemble as good as data for what data are used for?"""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from lawful.domains.declarations import Task
from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import beside_floor, entry
from lawful.reports.fidelity.protocol import Rows, Trial


def utility_figures(trial: Trial, domain: Domain, given: tuple[str, ...]) -> list[dict[str, Any]]:
    """For each task of the domain, the error of a regression learned from generated rows and tried on test rows.

    The error is a root mean square over the training data's standard deviation of the target. "synthetic_to_real"
    learns from generated rows and predicts test rows; its floor learns from copies of the training rows.
    "real_to_synthetic" learns from the training rows and predicts generated ones; its floor predicts test rows. The
    ceilings learn from, or predict, independent marginals. Train on synthetic and test on real, and the reverse:
    Esteban, Hyland and Raetsch (2017), arXiv:1706.02633. Tasks whose target is given are left out.
    """
    return [
        _figures(trial, domain, task, number) for number, task in enumerate(domain.tasks) if task.target not in given
    ]


def _figures(trial: Trial, domain: Domain, task: Task, number: int) -> dict[str, Any]:
    judge = _Regression(trial, domain, task)
    real = judge.learned(trial.train)
    return {
        "task": task.name,
        "target": task.target,
        "inputs": list(task.inputs),
        "synthetic_to_real": entry(
            beside_floor(
                [judge.error(judge.learned(rows), trial.test) for rows in trial.synthetic],
                [judge.error(judge.learned(rows), trial.test) for rows in trial.copies[: len(trial.synthetic)]],
                trial.rng(300 + number),
                judge.error(judge.learned(trial.shuffled), trial.test),
            )
        ),
        "real_to_synthetic": entry(
            beside_floor(
                [judge.error(real, rows) for rows in trial.synthetic],
                [judge.error(real, trial.test)],
                trial.rng(400 + number),
                judge.error(real, trial.shuffled),
            )
        ),
    }


class _Regression:
    def __init__(self, trial: Trial, domain: Domain, task: Task):
        self.trial = trial
        self.inputs = [domain.names.index(name) for name in task.inputs]
        self.target = domain.names.index(task.target)

    def learned(self, rows: Rows) -> HistGradientBoostingRegressor:
        model = HistGradientBoostingRegressor(
            max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=self.trial.seed
        )
        return model.fit(rows.values[:, self.inputs], rows.values[:, self.target])

    def error(self, model: HistGradientBoostingRegressor, rows: Rows) -> np.ndarray:
        """(1 + replicates,)."""
        gap = model.predict(rows.values[:, self.inputs]) - rows.values[:, self.target]
        return np.sqrt(self.trial.shares(rows) @ gap**2) / self.trial.scale[self.target]
