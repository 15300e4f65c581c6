"""Fidelity of windows in time: of their steps as events, and of whole windows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lawful.core.coordinates import Steps
from lawful.domains.blocks import block_labels
from lawful.domains.context import context_features
from lawful.domains.domain import Domain
from lawful.domains.steps import step_domain, step_events
from lawful.reports.arrays import events, plain, realizations
from lawful.reports.fidelity import NothingToCompare, fidelity
from lawful.reports.fidelity.analogs import Conditions
from lawful.reports.fidelity.beside import beside_zero
from lawful.reports.fidelity.layout import layout_of, seasons_of
from lawful.reports.fidelity.protocol import Effort, Rows, make_trial
from lawful.reports.fidelity.windows import window_figures

_ROWS = (
    ("auc_windows", "two-sample AUC on whole windows"),
    ("auc_statistics", "two-sample AUC on statistics of windows"),
    ("statistics", "statistics of windows, Wasserstein distance / sd, mean"),
    ("spells", "lengths of spells, Wasserstein distance in steps, mean"),
    ("persistence", "autocorrelations, mean error over lags and variables"),
    ("seasons", "totals by season, error / sd, mean over variables"),
    ("closer_windows", "share of windows nearer to training windows than 95 % of held-out ones are"),
)


def fidelity_of_windows(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    steps: Steps,
    *,
    given: Sequence[str] = (),
    seed: int = 0,
    fast: bool = False,
) -> dict[str, Any]:
    """What `fidelity` says of the steps of windows, with "windows" added: what is asked of windows as a whole.

    Args:
        ensemble: dims (realization, window), window by window those of `test`.
        train: what the generator learned from, dim (window,).
        test: held-out windows, dim (window,).
        domain: of the windows.
        steps: which of its variables are those of each step.
        given: variables that were given to the generator, by the names of the domain.
        seed: decides every draw.
        fast: fewer repeats, for a smoke run.

    Raises:
        InputError: sizes or names do not agree.
        NothingToCompare: fewer than two events have finite values throughout.
    """
    made, learned, held_out = (step_events(ds, domain, steps) for ds in (ensemble, train, test))
    of_steps = tuple(dict.fromkeys(name.partition("[")[0] for name in given))
    figures = fidelity(made, learned, held_out, step_domain(domain, steps), given=of_steps, seed=seed, fast=fast)
    with threadpool_limits(limits=1):
        whole = plain(_whole(ensemble, train, test, domain, steps, given, seed, fast))
    rows = _summary(whole, figures["protocol"]["test_blocks"])
    return {**figures, "windows": whole, "summary": [*figures["summary"], *rows]}


def _whole(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    steps: Steps,
    given: Sequence[str],
    seed: int,
    fast: bool,
) -> dict[str, Any]:
    season = [seasons_of(ds, domain, steps) for ds in (train, test)]
    learned, held_out = (
        Rows(_with(events(ds, domain), of), block_labels(ds, domain))
        for ds, of in zip((train, test), season, strict=True)
    )
    made = _with(realizations(ensemble, domain), season[1])
    kept = [np.isfinite(learned.values).all(1), np.isfinite(held_out.values).all(1) & np.isfinite(made).all((0, 2))]
    if min(mask.sum() for mask in kept) < 2:
        raise NothingToCompare("fewer than two windows have finite values throughout: nothing is left to compare")
    learned, held_out = (
        Rows(r.values[mask], r.blocks[mask]) for r, mask in zip((learned, held_out), kept, strict=True)
    )
    columns = [domain.names.index(name) for name in given]
    known = [
        np.concatenate([rows.values[:, columns], context_features(ds, domain)[0][mask]], axis=1)
        for rows, ds, mask in zip((learned, held_out), (train, test), kept, strict=True)
    ]
    trial = make_trial(made[:, kept[1]], held_out, learned, Effort.of(fast), seed)
    layout = layout_of(domain, steps, season[0] is not None)
    return window_figures(trial, domain, layout, Conditions(*known), given)


def _with(values: np.ndarray, season: np.ndarray | None) -> np.ndarray:
    """Windows (..., window, variable) with their season as the last column."""
    if season is None:
        return values
    return np.concatenate([values, np.broadcast_to(season[:, None], (*values.shape[:-1], 1))], axis=-1)


def _summary(whole: dict[str, Any], test_blocks: int) -> list[dict[str, Any]]:
    found = {name: (whole[name] or {}).get("mean", whole[name]) for name, _ in _ROWS[:-1]}
    found["closer_windows"] = whole["memorisation"]["closer"]
    keys = ("model", "floor", "ceiling", "excess", "interval")
    return [
        beside_zero({"measure": name, "label": label, **{k: found[name][k] for k in keys}}, test_blocks)
        for name, label in _ROWS
        if found[name]
    ]
