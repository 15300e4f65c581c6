"""Fidelity: is the ensemble distributed as held-out data are? Every figure stands beside its floor."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lawful.domains.context import context_features
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.reports.arrays import events, plain, realizations
from lawful.reports.fidelity.analogs import Conditions, analog_ensemble
from lawful.reports.fidelity.categories import category_figures
from lawful.reports.fidelity.conditional import conditional_figures
from lawful.reports.fidelity.cycles import cycle_figures
from lawful.reports.fidelity.extremes import Tails, extreme_errors, extreme_table
from lawful.reports.fidelity.grids import grid_figures
from lawful.reports.fidelity.joint import joint_figures
from lawful.reports.fidelity.manifold import manifold_figures
from lawful.reports.fidelity.marginals import MarginalMeasures, marginal_figures
from lawful.reports.fidelity.memorisation import memorisation_figures
from lawful.reports.fidelity.own import own_figures
from lawful.reports.fidelity.protocol import LEVEL, Effort, Trial, make_trial, rows_of
from lawful.reports.fidelity.summary import summary_rows
from lawful.reports.fidelity.two_sample import two_sample_figures
from lawful.reports.fidelity.utility import utility_figures

__all__ = ["NothingToCompare", "fidelity"]


class NothingToCompare(InputError):
    """Values that are not finite leave too few events to compare."""


def fidelity(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    *,
    given: Sequence[str] = (),
    context_train: np.ndarray | None = None,
    context_test: np.ndarray | None = None,
    seed: int = 0,
    fast: bool = False,
    effort: Effort | None = None,
) -> dict[str, Any]:
    """Compare an ensemble with held-out data; beside it, training data and a trivial generator are measured too.

    Each realization is as large as the test set and is judged by itself; figures are means over up to five of them.
    The floor is the mean over block-bootstrap copies of the training set of that size (for the two-sample test, over
    training events like the held-out ones in what is known of them). The ceiling is that of a trivial generator:
    independent marginals, or independent normal variables for measures of single variables. Intervals are those of the
    excess, model minus floor, from a bootstrap over test blocks. Events with a value that is not finite are left out.

    Args:
        ensemble: dims (realization, event), event by event those of `test`.
        train: what the generator learned from, dim (event,).
        test: held-out data, dim (event,).
        domain: variables, laws, ratios, blocks.
        given: variables that were given to the generator.
        context_train: context (event, feature) of the training events; computed by the domain when not given.
        context_test: the same of the test events.
        seed: decides realizations, copies, folds and replicates.
        fast: fewer repeats, for a smoke run.
        effort: how many repeats, in the place of what `fast` says.

    Returns:
        A JSON-ready dict: "protocol", "summary", "marginals", "extremes", "two_sample", "joint", "manifold", "cycles"
        (None without times), "utility", "grids", "categories" and "own" (lists, by what the domain declares),
        "memorisation", "conditional" (None where nothing is given).

    Raises:
        InputError: sizes or names do not agree.
        NothingToCompare: fewer than two events have finite values throughout.
    """
    unknown = [name for name in given if name not in domain.names]
    if unknown:
        raise InputError(f"given {', '.join(unknown)}: domain {domain.name!r} has {', '.join(domain.names)}")
    # Small arrays, many calls: on busy cores, threads that wait for each other cost ten times what they save.
    with threadpool_limits(limits=1):
        return _compared(
            _Data(ensemble, train, test, domain),
            domain,
            tuple(given),
            (context_train, context_test),
            seed,
            fast,
            effort or Effort.of(fast),
        )


def _compared(
    data: "_Data",
    domain: Domain,
    given: tuple[str, ...],
    context: tuple[np.ndarray | None, np.ndarray | None],
    seed: int,
    fast: bool,
    effort: Effort,
) -> dict[str, Any]:
    trial = make_trial(data.made, data.test, data.train, effort, seed)
    measures, conditions = MarginalMeasures(trial, domain), _conditions(domain, data, given, context)
    analogs = analog_ensemble(trial.train, trial.test, conditions, trial.effort.analog_sets, trial.rng(17))
    tails = Tails(trial, domain)
    figures = {
        "marginals": marginal_figures(trial, domain, measures, data.made, given),
        "extremes": extreme_table(trial, tails, domain, data.made),
        "two_sample": two_sample_figures(trial, domain, analogs),
        "joint": joint_figures(trial, domain),
        "manifold": manifold_figures(trial),
        "cycles": cycle_figures(trial, [k for k, name in enumerate(domain.names) if name not in given]),
        "utility": utility_figures(trial, domain, given),
        "grids": grid_figures(trial, domain),
        "categories": category_figures(trial, domain, given),
        "own": own_figures(trial, domain),
        "memorisation": memorisation_figures(trial, domain, given),
        "conditional": _conditional(trial, domain, data, given, conditions),
    }
    extremes = (extreme_errors(trial, tails), tails.columns) if tails else None
    overview = summary_rows(trial, domain, measures, extremes, figures, given)
    return plain({"protocol": _protocol(trial, data, given, fast), "summary": overview, **figures})


class _Data:
    """Finite events as arrays, and which events those are."""

    def __init__(self, ensemble: xr.Dataset, train: xr.Dataset, test: xr.Dataset, domain: Domain):
        made, held_out, learned = realizations(ensemble, domain), events(test, domain), events(train, domain)
        if made.shape[1] != len(held_out):
            raise InputError(
                f"the ensemble has {made.shape[1]} events, the test data {len(held_out)}: they must be the same"
            )
        self.datasets = (train, test)
        self.kept_train = np.isfinite(learned).all(axis=1)
        self.kept_test = np.isfinite(held_out).all(axis=1) & np.isfinite(made).all(axis=(0, 2))
        if self.kept_test.sum() < 2 or self.kept_train.sum() < 2:
            raise NothingToCompare("fewer than two events have finite values throughout: nothing is left to compare")
        self.made = made[:, self.kept_test]
        self.test = rows_of(held_out, test, domain).chosen(np.flatnonzero(self.kept_test))
        self.train = rows_of(learned, train, domain).chosen(np.flatnonzero(self.kept_train))


def _conditional(
    trial: Trial, domain: Domain, data: _Data, given: tuple[str, ...], conditions: Conditions
) -> dict[str, Any] | None:
    if not given or len(data.made) < 2 or len(given) == len(domain.names):
        return None
    return conditional_figures(trial, domain, data.made, given, conditions)


def _conditions(
    domain: Domain, data: _Data, given: tuple[str, ...], context: tuple[np.ndarray | None, np.ndarray | None]
) -> Conditions:
    """Given variables and context of the events that are compared."""
    columns = [domain.names.index(name) for name in given]
    train, test = (
        known if known is not None else context_features(dataset, domain)[0]
        for known, dataset in zip(context, data.datasets, strict=True)
    )
    return Conditions(
        train=np.concatenate([data.train.values[:, columns], np.asarray(train)[data.kept_train]], axis=1),
        test=np.concatenate([data.test.values[:, columns], np.asarray(test)[data.kept_test]], axis=1),
    )


def _protocol(trial: Trial, data: _Data, given: Sequence[str], fast: bool) -> dict[str, Any]:
    return {
        "train_events": len(trial.train),
        "test_events": len(trial.test),
        "train_blocks": len(np.unique(trial.train.blocks)),
        "test_blocks": trial.test_blocks,
        "left_out": int((~data.kept_train).sum() + (~data.kept_test).sum()),
        "realizations": len(data.made),
        "realizations_used": len(trial.synthetic),
        "copies": len(trial.copies),
        "analog_sets": trial.effort.analog_sets,
        "replicates": trial.effort.replicates,
        "level": LEVEL,
        "given": list(given),
        "seed": trial.seed,
        "fast": fast,
    }
