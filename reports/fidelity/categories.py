"""Categories: shares of kinds, and how kinds and other variables go together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lawful.domains.declarations import Variable
from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.distances import cdf_distance
from lawful.reports.fidelity.protocol import Rows, Trial


def category_figures(trial: Trial, domain: Domain, given: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Each category's shares, their distance from the data's, and the distance of other variables within its kinds.

    The ceiling is that of independent marginals. Variables that were given are left out.
    """
    chosen = [(k, v) for k, v in enumerate(domain.variables) if v.categorical and v.name not in given]
    others = [k for k, v in enumerate(domain.variables) if not v.categorical and v.name not in given]
    return [_figures(trial, k, v, others) for k, v in chosen]


def total_variation(rows: Rows, trial: Trial, column: int, kinds: Sequence[float]) -> np.ndarray:
    """`1/2 sum over kinds of |share of rows - share of test rows|`, (1 + replicates,)."""
    ours, theirs = (_shares(side, trial, column, kinds) for side in (rows, trial.test))
    return np.abs(ours - theirs).sum(axis=1) / 2


def within_kinds(rows: Rows, trial: Trial, column: int, kinds: Sequence[float], others: list[int]) -> np.ndarray:
    """Wasserstein-1 distance of other variables within kinds over the training sd, (1 + replicates,).

    Mean over variables and, by the shares of the test rows, over kinds that both sides have.
    """
    total, weight = np.zeros(len(trial.counts)), np.zeros(len(trial.counts))
    for kind in kinds:
        parts = [(side, side.values[:, column] == kind) for side in (rows, trial.test)]
        ours, theirs = (trial.weights(side)[:, mask] for side, mask in parts)
        share = theirs.sum(1) * (ours.sum(1) > 0)
        signed = np.concatenate([_normed(ours), -_normed(theirs)], axis=1)
        pooled = np.concatenate([side.values[mask] for side, mask in parts])
        if len(pooled) > 1:
            found = [cdf_distance(pooled[:, k], signed)[:, 0] / trial.scale[k] for k in others]
            total += share * np.mean(found, axis=0)
            weight += share
    return total / np.maximum(weight, 1e-300)


def _normed(weights: np.ndarray) -> np.ndarray:
    normed: np.ndarray = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    return normed


def _shares(rows: Rows, trial: Trial, column: int, kinds: Sequence[float]) -> np.ndarray:
    return trial.shares(rows) @ (rows.values[:, column, np.newaxis] == np.array(kinds))


def _figures(trial: Trial, column: int, v: Variable, others: list[int]) -> dict[str, Any]:
    kinds = v.flag_values
    alike = measured(trial, lambda rows: total_variation(rows, trial, column, kinds), _even(trial, column, kinds))
    within = measured(trial, lambda rows: within_kinds(rows, trial, column, kinds, others), trial.shuffled)
    shares = {
        "data": _shares(trial.test, trial, column, kinds)[0],
        "train": _shares(trial.train, trial, column, kinds)[0],
        "ensemble": np.mean([_shares(rows, trial, column, kinds)[0] for rows in trial.synthetic], axis=0),
    }
    return {
        "variable": v.name,
        "kinds": [
            {"kind": word, "share": {side: float(share[k]) for side, share in shares.items()}}
            for k, word in enumerate(v.meanings)
        ],
        "shares": entry(alike.figures(trial.rng(41))),
        "within": entry(within.figures(trial.rng(42))) if others else None,
    }


def _even(trial: Trial, column: int, kinds: Sequence[float]) -> Rows:
    """Rows with every kind as often as the others."""
    values = trial.test.values.copy()
    values[:, column] = np.resize(kinds, len(values))
    return trial.test.with_values(values)
