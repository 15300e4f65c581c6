"""The measures that a comparison tabulates, with floor and ceiling measured once for all that is judged by them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from lawful.domains.context import context_features
from lawful.domains.domain import Domain
from lawful.reports.arrays import events
from lawful.reports.fidelity.analogs import Conditions, analog_ensemble
from lawful.reports.fidelity.dependence import correlation_errors, tail_dependence_errors
from lawful.reports.fidelity.kernels import EnergyDistance
from lawful.reports.fidelity.manifold import Balls, training_subsets
from lawful.reports.fidelity.marginals import atom_errors, cdf_distances
from lawful.reports.fidelity.protocol import Effort, Measure, Rows, Trial, make_trial, rows_of
from lawful.reports.fidelity.two_sample import can_tell, grouped_auc


@dataclass(frozen=True)
class _Kind:
    """Measures (1, names) that are computed together, rows that are their floor, and rows that are their ceiling."""

    names: tuple[str, ...]
    measure: Measure
    floor: Sequence[Rows]
    trivial: Rows

    def of(self, rows: Sequence[Rows]) -> np.ndarray:
        """Means over sets of rows, (names,)."""
        return np.mean([np.asarray(self.measure(part))[0].reshape(-1) for part in rows], axis=0)


class Yardstick:
    """Judges many ensembles of the same held-out data as `fidelity` does, without intervals.

    Args:
        train: what the generators learned from, dim (event,), finite.
        test: held-out data, dim (event,), finite.
        domain: variables and blocks, and the measures that it leaves out.
        seed: decides copies and folds.
        effort: how many copies and sets of analogs.
    """

    def __init__(self, train: xr.Dataset, test: xr.Dataset, domain: Domain, seed: int, effort: Effort):
        held_out, learned = (rows_of(events(data, domain), data, domain) for data in (test, train))
        nothing = np.empty((0, *held_out.values.shape))
        self._trial = make_trial(nothing, held_out, learned, effort, seed)
        known = Conditions(*(context_features(data, domain)[0] for data in (train, test)))
        self._kinds = [kind for kind in _kinds(self._trial, known) if not set(kind.names) <= set(domain.leave_out)]
        self._beside = [(kind.of(kind.floor), kind.of([kind.trivial])) for kind in self._kinds]

    def __call__(self, made: np.ndarray) -> dict[str, dict[str, float]]:
        """{measure: {"model", "floor", "ceiling"}} of events (realization, event, variable), smaller being better."""
        rows = [self._trial.test.with_values(values) for values in made]
        return {
            name: {"model": float(model), "floor": float(floor), "ceiling": float(ceiling)}
            for kind, beside in zip(self._kinds, self._beside, strict=True)
            for name, model, floor, ceiling in zip(kind.names, kind.of(rows), *beside, strict=True)
        }


def _kinds(trial: Trial, known: Conditions) -> list[_Kind]:
    train, test = trial.train.values, trial.test.values
    zeros = np.flatnonzero((train == 0).any(0) | (test == 0).any(0))
    kinds = [
        _Kind(("energy_distance",), EnergyDistance(trial), trial.copies, trial.shuffled),
        _Kind(("w1",), lambda rows: cdf_distances(rows, trial)[..., 0].mean(1), trial.copies, trial.normal),
        _Kind(("correlation",), lambda rows: correlation_errors(rows.values, rows, trial)[:, 0], trial.copies,
              trial.shuffled),
        _Kind(("tail_dependence",), lambda rows: tail_dependence_errors(rows, trial)[:, 0], trial.copies,
              trial.shuffled),
        _Kind(("precision", "recall"), Balls(trial), training_subsets(trial), trial.shuffled),
    ]  # fmt: skip
    if len(zeros):
        measure: Measure = lambda rows: atom_errors(rows, trial, 0.0)[:, zeros].mean(1)  # noqa: E731
        kinds.append(_Kind(("zeros",), measure, trial.copies, trial.normal))
    if can_tell(trial.test):
        analogs = analog_ensemble(trial.train, trial.test, known, trial.effort.analog_sets, trial.rng(17))
        kinds.append(_Kind(("auc",), lambda rows: grouped_auc(rows, trial), analogs, trial.shuffled))
    return kinds
