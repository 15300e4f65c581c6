"""Measures that domains bring: functions that an installed package registers, and a domain names."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.protocol import Rows, Trial

GROUP = "lawful.measures"

OwnMeasure = Callable[[np.ndarray, np.ndarray], float]
"""Distance of rows (row, variable) to held-out rows (row, variable), in the domain's order and units; 0 is best."""


def own_figures(trial: Trial, domain: Domain) -> list[dict[str, Any]]:
    """The measures that the domain names, beside floor and ceiling (independent marginals) like all others."""
    return [
        {"measure": name, "label": label(measure, name), **_figures(trial, measure, number)}
        for number, (name, measure) in enumerate((name, find_measure(name)) for name in domain.measures)
    ]


def find_measure(name: str) -> OwnMeasure:
    """The function registered in the entry-point group `lawful.measures` under that name.

    Only what an installed package registers can be named: a domain is often a file from somebody else.

    Raises:
        InputError: there is none, or it does not load.
    """
    points = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if len(points) != 1:
        there = ", ".join(sorted({point.name for point in entry_points(group=GROUP)})) or "none"
        raise InputError(f"measure {name!r}: {len(points)} of that name are installed; there are {there}")
    try:
        return next(iter(points.values())).load()
    except Exception as error:
        raise InputError(f"measure {name!r} does not load: {type(error).__name__}: {error}") from error


def label(measure: OwnMeasure, name: str) -> str:
    """The first line of the function's docstring, or its name."""
    lines = (measure.__doc__ or "").strip().splitlines()
    return lines[0].rstrip(".") if lines else name


def _figures(trial: Trial, measure: OwnMeasure, number: int) -> dict[str, Any]:
    def replicated(rows: Rows) -> np.ndarray:
        drawn = ((_drawn(rows, trial, k), _drawn(trial.test, trial, k)) for k in range(len(trial.counts)))
        return np.array([measure(ours, theirs) for ours, theirs in drawn], dtype=np.float64)

    return entry(measured(trial, replicated, trial.shuffled).figures(trial.rng(500 + number)))


def _drawn(rows: Rows, trial: Trial, replicate: int) -> np.ndarray:
    """Rows as often as a replicate draws their blocks, (row, variable)."""
    return np.repeat(rows.values, trial.weights(rows)[replicate].astype(int), axis=0)
