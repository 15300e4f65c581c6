"""Variables that span decades, compared in logarithms: a standard deviation does not see their lower tails."""

from dataclasses import dataclass

import numpy as np

from lawful.domains.domain import Domain, Variable
from lawful.reports.fidelity.distances import cdf_distance
from lawful.reports.fidelity.protocol import Rows, Trial

_SPAN = 100.0
_LEAST = 30
_LEVELS = (0.01, 0.99)


@dataclass(frozen=True)
class LogScale:
    """A variable whose values lie on one side of zero: its `column`, the `sign` of that side, what is `smallest` of its
    sizes in training, and the standard deviation `scale` of their logarithms."""

    column: int
    sign: float
    smallest: float
    scale: float

    @classmethod
    def of(cls, values: np.ndarray, variable: Variable, column: int) -> "LogScale | None":
        """For training values (row,) whose sizes span two decades from the 1 % to the 99 % quantile, else None."""
        sign = _side(variable)
        if not spans_decades(sign * values, variable):
            return None
        sizes = sign * values[sign * values > 0]
        return cls(column, sign, sizes.min(), float(np.log(sizes).std()))


def spans_decades(values: np.ndarray, variable: Variable) -> bool:
    """Whether values (row,) above zero of a number that keeps to one side of it span two decades, from 1 % to 99 %."""
    sizes = values[values > 0]
    if _side(variable) == 0 or variable.categorical or len(sizes) < _LEAST:
        return False
    low, high = np.quantile(sizes, _LEVELS)
    return bool(high >= _SPAN * low)


def log_scales(trial: Trial, domain: Domain) -> list[LogScale]:
    """The variables that span decades and that held-out data have at least one value other than zero of."""
    found = (LogScale.of(trial.train.values[:, k], v, k) for k, v in enumerate(domain.variables))
    return [at for at in found if at is not None and (at.sign * trial.test.values[:, at.column] > 0).any()]


def log_distances(rows: Rows, trial: Trial, scales: list[LogScale]) -> np.ndarray:
    """Wasserstein-1 distance of logarithms of values that are not zero, over the training logarithms' spread.

    `W1 = integral |F(x) - G(x)| dx / sd`, with F and G the distributions of `log |x|` given `x != 0`; `cdf_distances`
    has the source. How often values are zero is another measure's question (`atom_errors`). Rows that have no value but
    zero count as the smallest training value.

    Returns:
        (1 + replicates, variable), a variable for each of `scales`.
    """
    found = np.empty((len(trial.counts), len(scales)))
    for k, at in enumerate(scales):
        found[:, k] = _distance(rows, trial, at)
    return found


def _distance(rows: Rows, trial: Trial, at: LogScale) -> np.ndarray:
    (ours, shares), (theirs, of_test) = (_logarithms(part, trial, at) for part in (rows, trial.test))
    distances = cdf_distance(np.concatenate([ours, theirs]), np.concatenate([shares, -of_test], axis=1))
    return distances[:, 0] / at.scale


def _logarithms(rows: Rows, trial: Trial, at: LogScale) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms (value,) with their shares (1 + replicates, value), the last one standing in for no values at all."""
    sizes = at.sign * rows.values[:, at.column]
    counted = sizes > 0
    weights = trial.weights(rows)[:, counted]
    total = weights.sum(axis=1, keepdims=True)
    shares = np.concatenate([weights / np.where(total > 0, total, 1.0), total == 0], axis=1)
    return np.log(np.append(sizes[counted], at.smallest)), shares


def _side(variable: Variable) -> float:
    """1 for a variable that is never negative, -1 for one that is never positive, 0 for others."""
    if variable.lower is not None and variable.lower >= 0:
        return 1.0
    return -1.0 if variable.upper is not None and variable.upper <= 0 else 0.0
