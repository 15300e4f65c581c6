"""Windows in time: totals, spells, persistence, and whether whole windows can be told from held-out ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lawful.domains.domain import Domain
from lawful.reports.fidelity.analogs import Conditions, analog_ensemble
from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.layout import Layout
from lawful.reports.fidelity.marginals import cdf_distances
from lawful.reports.fidelity.memorisation import memorisation_figures
from lawful.reports.fidelity.persistence import longest_run, persistence_figures, spell_figures
from lawful.reports.fidelity.protocol import Rows, Trial
from lawful.reports.fidelity.seasons import season_figures
from lawful.reports.fidelity.two_sample import can_tell, grouped_auc


def window_figures(
    trial: Trial, domain: Domain, layout: Layout, conditions: Conditions, given: Sequence[str]
) -> dict[str, Any]:
    """Everything that is asked of windows as a whole, beside its floor; the ceiling draws every step for itself.

    Args:
        trial: whole windows as rows, with the season as their last column where `layout` says so.
        domain: of the windows.
        layout: which columns are what.
        conditions: what is known of each window beforehand, for the floor of the two-sample test.
        given: variables that were given to the generator.
    """
    bare = _mapped(trial, lambda values: values[:, : len(domain.names)])
    told = _mapped(trial, lambda values: window_statistics(values, layout)[0])
    names = window_statistics(trial.test.values, layout)[1]
    analogs = analog_ensemble(bare.train, bare.test, conditions, trial.effort.analog_sets, trial.rng(31))
    chosen = [rows.with_values(window_statistics(rows.values, layout)[0]) for rows in analogs]
    return {
        "auc_windows": _auc(bare, analogs, 32),
        "auc_statistics": _auc(told, tuple(chosen), 33),
        "statistics": _statistics(told, names),
        "spells": spell_figures(trial, layout),
        "persistence": persistence_figures(trial, layout),
        "seasons": season_figures(trial, layout, domain) if layout.season else None,
        "memorisation": memorisation_figures(bare, domain, given),
    }


def window_statistics(values: np.ndarray, layout: Layout) -> tuple[np.ndarray, list[str]]:
    """What a hydrologist would read off a window: (window, statistic), and the names of the statistics.

    Of a variable over steps: total, largest value, number of steps that are not zero, longest run of zeros, longest run
    of others, and autocorrelation at lag one within the window (0 where nothing varies). Of a state: its first value,
    its change over the window, and the least and the largest value.
    """
    found: dict[str, np.ndarray] = {}
    for name, columns in layout.columns.items():
        x = values[:, columns]
        found |= {
            f"{name} total": x.sum(axis=1),
            f"{name} largest": x.max(axis=1),
            f"{name} steps": (x != 0).sum(axis=1),
            f"{name} longest spell without": longest_run(x == 0),
            f"{name} longest spell with": longest_run(x != 0),
            f"{name} autocorrelation": _within(x),
        }
    for name, columns in layout.states.items():
        x = values[:, columns]
        ends = {"first": x[:, 0], "change": x[:, -1] - x[:, 0], "least": x.min(axis=1), "largest": x.max(axis=1)}
        found |= {f"{name} {what}": numbers for what, numbers in ends.items()}
    return np.stack([*found.values()], axis=1).astype(np.float64), list(found)


def _within(x: np.ndarray) -> np.ndarray:
    d = x - x.mean(axis=1, keepdims=True)
    variance = (d**2).sum(axis=1)
    known = variance > 1e-18 * (x**2).sum(axis=1)
    return np.where(known, (d[:, 1:] * d[:, :-1]).sum(axis=1) / np.where(known, variance, 1.0), 0.0)


def _mapped(trial: Trial, change: Callable[[np.ndarray], np.ndarray]) -> Trial:
    """The same trial with other columns."""

    def changed(rows: Rows) -> Rows:
        return rows.with_values(change(rows.values))

    return replace(
        trial,
        test=changed(trial.test),
        train=changed(trial.train),
        synthetic=tuple(map(changed, trial.synthetic)),
        copies=tuple(map(changed, trial.copies)),
        shuffled=changed(trial.shuffled),
        normal=changed(trial.normal),
    )


def _auc(trial: Trial, analogs: tuple[Rows, ...], purpose: int) -> dict[str, Any] | None:
    if not can_tell(trial.test):
        return None
    judged = measured(trial, lambda rows: grouped_auc(rows, trial), trial.shuffled, floor=analogs)
    return entry(judged.figures(trial.rng(purpose)))


def _statistics(trial: Trial, names: list[str]) -> dict[str, Any]:
    """Wasserstein distance of every statistic over its standard deviation, and the mean of those that vary."""
    distances = measured(trial, lambda rows: cdf_distances(rows, trial), trial.shuffled).part(0)
    varies = [k for k, spread in enumerate(trial.train.values.std(axis=0)) if spread > 0]
    figures = distances.figures(trial.rng(34))
    made = np.mean([rows.values.mean(axis=0) for rows in trial.synthetic], axis=0)
    each = [
        {"name": names[k], "w1": entry(figures, k), "ensemble": made[k], "data": trial.test.values[:, k].mean()}
        for k in varies
    ]
    return {"mean": entry(distances.mean_over(varies).figures(trial.rng(34))), "each": each}
