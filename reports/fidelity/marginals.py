"""One variable at a time: Wasserstein and Kolmogorov-Smirnov distances, quantiles, and shares of exact values."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lawful.domains.domain import Domain, Variable
from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.distances import cdf_distance
from lawful.reports.fidelity.logarithms import log_distances, log_scales
from lawful.reports.fidelity.protocol import STILL, Rows, Trial

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_PINNED_SHARE = 0.99


class MarginalMeasures:
    """Every measure of this family, each computed once, for tables and means alike."""

    def __init__(self, trial: Trial, domain: Domain):
        distances = measured(trial, lambda rows: cdf_distances(rows, trial), trial.normal)
        self.w1, self.ks = distances.part(0), distances.part(1)
        self.quantiles = measured(trial, lambda rows: quantile_errors(rows, trial), trial.normal)
        self.zeros = measured(trial, lambda rows: atom_errors(rows, trial, 0.0), trial.normal)
        self.log_scales = log_scales(trial, domain)
        self.logs = measured(trial, lambda rows: log_distances(rows, trial, self.log_scales), trial.normal)
        self.pinned = [is_pinned(trial.train.values[:, k], v) for k, v in enumerate(domain.variables)]
        bounds = {bound for v in domain.variables for bound in (v.lower, v.upper) if bound is not None}
        self.atoms = {0.0: self.zeros} | {
            bound: measured(trial, functools.partial(atom_errors, trial=trial, point=bound), trial.normal)
            for bound in bounds - {0.0}
        }


def marginal_figures(
    trial: Trial, domain: Domain, measures: MarginalMeasures, everything: np.ndarray, given: Sequence[str] = ()
) -> dict[str, Any]:
    """Every measure of this family for every variable, beside its floor.

    Args:
        trial: synthetic, test and training rows.
        domain: names, units and bounds of the variables.
        measures: those of the trial.
        everything: all realizations, (realization, event, variable), for the quantiles shown.
        given: variables that were given, not generated.
    """
    w1, ks = measures.w1.figures(trial.rng(1)), measures.ks.figures(trial.rng(1))
    quantiles = measures.quantiles.figures(trial.rng(2))
    logs, spanning = measures.logs.figures(trial.rng(4)), [at.column for at in measures.log_scales]
    atoms = {point: errors.figures(trial.rng(3)) for point, errors in measures.atoms.items()}
    return {
        "variables": [
            {
                **_heading(variable, trial, column, given),
                "pinned": measures.pinned[column],
                "w1": entry(w1, column),
                "ks": None if measures.pinned[column] else entry(ks, column),
                "quantile_error": entry(quantiles, column),
                "log_w1": entry(logs, spanning.index(column)) if column in spanning else None,
                "quantiles": _quantiles(trial, everything, column),
                "atoms": _atoms(trial, variable, column, atoms),
            }
            for column, variable in enumerate(domain.variables)
            if not variable.categorical
        ]
    }


def cdf_distances(rows: Rows, trial: Trial) -> np.ndarray:
    """Wasserstein-1 distance over the training data's standard deviation, and Kolmogorov-Smirnov distance.

    `W1 = integral |F(x) - G(x)| dx / sd`, `KS = sup |F(x) - G(x)|`, with F and G the empirical distributions of `rows`
    and of the test rows. W1: Vallender (1974), Theory Probab. Appl. 18, 784-786, doi:10.1137/1118101; KS: Massey
    (1951), J. Am. Stat. Assoc. 46, 68-78, doi:10.1080/01621459.1951.10500769.

    Returns:
        (1 + replicates, variable, 2).
    """
    signed = trial.signed_shares(rows)
    pooled = np.concatenate([rows.values, trial.test.values])
    columns = [cdf_distance(pooled[:, k], signed) for k in range(pooled.shape[1])]
    return np.stack(columns, axis=1) / np.stack([trial.scale, np.ones_like(trial.scale)], axis=1)


def quantile_errors(rows: Rows, trial: Trial) -> np.ndarray:
    """Mean over the levels of |quantile of rows - quantile of the test rows|, over the training standard deviation.

    Levels 1, 5, 25, 50, 75, 95 and 99 %; quantiles are the inverse of the empirical distribution function (definition
    1 of Hyndman and Fan 1996, doi:10.1080/00031305.1996.10473566).

    Returns:
        (1 + replicates, variable).
    """
    ours, theirs = trial.shares(rows), trial.shares(trial.test)
    columns = [
        np.abs(_weighted_quantiles(rows.values[:, k], ours) - _weighted_quantiles(trial.test.values[:, k], theirs))
        for k in range(rows.values.shape[1])
    ]
    return np.stack(columns, axis=1).mean(axis=2) / trial.scale


def atom_errors(rows: Rows, trial: Trial, point: float) -> np.ndarray:
    """|share of rows that equal `point` exactly - share of test rows that do|, (1 + replicates, variable)."""
    ours, theirs = trial.shares(rows), trial.shares(trial.test)
    return np.abs(ours @ (rows.values == point) - theirs @ (trial.test.values == point))


def is_pinned(values: np.ndarray, variable: Variable) -> bool:
    """Whether nearly all values (row,) sit on a bound or are one number, so that a KS distance would judge noise."""
    width = np.ptp(values)
    if width <= STILL * np.abs(values).max(initial=0.0):
        return True
    bounds = [bound for bound in (variable.lower, variable.upper) if bound is not None]
    return any((np.abs(values - bound) <= STILL * width).mean() > _PINNED_SHARE for bound in bounds)


def _weighted_quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(shares[:, order], axis=1)
    # A share of rounding is taken off so that a level that is met exactly counts as met.
    index = np.stack([(cumulative < level - 1e-12).sum(axis=1) for level in LEVELS], axis=1)
    return values[order][np.minimum(index, len(values) - 1)]


def _heading(variable: Variable, trial: Trial, column: int, given: Sequence[str]) -> dict[str, Any]:
    values = trial.train.values[:, column]
    return {
        "name": variable.name,
        "units": variable.units,
        "given": variable.name in given,
        "std": float(values.std()),
    }


def _quantiles(trial: Trial, everything: np.ndarray, column: int) -> list[dict[str, float]]:
    data = np.quantile(trial.test.values[:, column], LEVELS)
    ensemble = np.quantile(everything[..., column], LEVELS)
    return [
        {"level": level, "data": float(d), "ensemble": float(e)}
        for level, d, e in zip(LEVELS, data, ensemble, strict=True)
    ]


def _atoms(trial: Trial, variable: Variable, column: int, errors: dict[float, dict[str, Any]]) -> list[dict[str, Any]]:
    """Exact values that carry a share of the data or of the ensemble: zero and the variable's bounds."""
    points = sorted({0.0} | {bound for bound in (variable.lower, variable.upper) if bound is not None})
    shares = [(point, _atom_shares(trial, column, point)) for point in points]
    return [
        {"at": point, "share": share, "error": entry(errors[point], column)}
        for point, share in shares
        if any(share.values())
    ]


def _atom_shares(trial: Trial, column: int, point: float) -> dict[str, float]:
    return {
        "data": _share(trial.test, column, point),
        "train": _share(trial.train, column, point),
        "ensemble": float(np.mean([_share(rows, column, point) for rows in trial.synthetic])),
    }


def _share(rows: Rows, column: int, point: float) -> float:
    return float((rows.values[:, column] == point).mean())
