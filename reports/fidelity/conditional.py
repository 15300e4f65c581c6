"""Given some variables: how good, how sharp and how honest is the ensemble of the others?"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scoringrules

from lawful.domains.domain import Domain
from lawful.reports.fidelity.analogs import Conditions, nearest
from lawful.reports.fidelity.calibration import block_sums, calibration
from lawful.reports.fidelity.protocol import LEVEL, STILL, Trial, spreads
from lawful.reports.fidelity.ranks import rank_histogram, ranks
from lawful.reports.fidelity.reliability import reliability_figures

_CLIMATOLOGY_MEMBERS = 30
_NUMBERS_AT_ONCE = 4_000_000


def conditional_figures(
    trial: Trial, domain: Domain, ensemble: np.ndarray, given: tuple[str, ...], conditions: Conditions
) -> dict[str, Any]:
    """Scores of the generated variables, with climatology and analogs as rivals.

    Climatology is the training set as one ensemble for every event, or 30 rows of it at random for scores of all
    variables together. Analogs are the 30 training rows nearest in what is known. Ratios below 1 beat the rival;
    intervals are at level 0.95 from a bootstrap of test blocks.

    Args:
        trial: test and training rows, blocks and bootstrap counts.
        domain: names and units.
        ensemble: (realization, event, variable), at least two realizations.
        given: names that were given and are not scored.
        conditions: given variables and context.
    """
    columns = [k for k, name in enumerate(domain.names) if name not in given]
    analogs = trial.train.values[nearest(conditions)]
    rivals = [Rivals(trial, _scores(trial, ensemble[..., k].T, analogs[..., k], k)) for k in columns]
    variables: list[dict[str, Any]] = [
        {
            "name": domain.names[k],
            "units": domain.variables[k].units,
            "crps": rival.figures(),
            **_calibration(trial, ensemble[..., k].T, k, rival),
            "reliability": reliability_figures(ensemble[..., k].T, analogs[..., k], trial, k),
        }
        for k, rival in zip(columns, rivals, strict=True)
    ]
    scores = {name: Rivals(trial, _joint_scores(trial, ensemble, analogs, columns, score)) for name, score in _JOINT}
    return {
        "crps": excess_over_analogs(rivals),
        **{name: {**rival.figures(), "excess": excess_over_analogs([rival])} for name, rival in scores.items()},
        "reliability": _mean_reliability([level for variable in variables for level in variable["reliability"]]),
        "variables": [
            {**variable, "reliability": [_without_replicates(level) for level in variable["reliability"]]}
            for variable in variables
        ],
    }


class Rivals:
    """Mean scores of the model and of its rivals, for the test set and for every replicate of its blocks.

    Args:
        trial: bootstrap counts.
        scores: score of every event (event,), by name: model, climatology, analogs.
    """

    def __init__(self, trial: Trial, scores: dict[str, np.ndarray]):
        weights = trial.weights(trial.test)
        self.scores, self.blocks = scores, trial.test_blocks
        self.means = {name: weights @ score / weights.sum(axis=1) for name, score in scores.items()}

    def by_block(self, trial: Trial) -> dict[str, np.ndarray]:
        """Sums of the scores over the events of each test block, (block,), by name."""
        return {name: np.bincount(trial.test.blocks, score) for name, score in self.scores.items()}

    def over(self, name: str, rival: str) -> np.ndarray:
        """One mean score divided by another, (1 + replicates,), NaN where the other is zero."""
        below = self.means[rival]
        return self.means[name] / np.where(below != 0, below, np.nan)

    def figures(self) -> dict[str, Any]:
        """Mean scores and their ratios with intervals, which are None where all events are of one block."""
        ratios = {
            "over_climatology": with_interval(self.over("model", "climatology")),
            "over_analogs": with_interval(self.over("model", "analogs")),
            "analogs_over_climatology": with_interval(self.over("analogs", "climatology")),
        }
        if self.blocks < 2:
            ratios = {name: {**ratio, "interval": None} for name, ratio in ratios.items()}
        return {**{name: float(mean[0]) for name, mean in self.means.items()}, **ratios}


def excess_over_analogs(rivals: list[Rivals]) -> dict[str, Any] | None:
    """Mean over variables of score / climatology's, the analogs' mean as the floor; None where none is defined."""
    model = np.stack([rival.over("model", "climatology") for rival in rivals])
    floor = np.stack([rival.over("analogs", "climatology") for rival in rivals])
    defined = np.isfinite(model).all(axis=1) & np.isfinite(floor).all(axis=1)
    if not defined.any():
        return None
    ours, theirs = model[defined].mean(axis=0), floor[defined].mean(axis=0)
    excess = with_interval(ours - theirs)
    return {
        "model": ours[0],
        "floor": theirs[0],
        "ceiling": 1.0,
        "excess": excess["value"],
        "interval": excess["interval"],
    }


def crps(ensemble: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score (event,) of an ensemble (event, member), in the variable's units.

    `CRPS = mean|X - y| - sum_ij |X_i - X_j| / (2 M (M - 1))`, the fair estimator, which expects no less of a small
    ensemble. Gneiting and Raftery (2007), doi:10.1198/016214506000001437; Ferro (2014), doi:10.1002/qj.2270.
    """
    parts = [scoringrules.crps_ensemble(observed[part], ensemble[part], estimator="fair") for part in _parts(ensemble)]
    return np.concatenate(parts)


def climatology_crps(members: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """The same score (event,) of one ensemble (member,) for all events, from prefix sums of the sorted members."""
    x, count = np.sort(members), len(members)
    below = np.searchsorted(x, observed)
    prefix = np.concatenate([[0.0], np.cumsum(x)])
    distance = (observed * (2 * below - count) + prefix[-1] - 2 * prefix[below]) / count
    pairs = 2 * np.sum((2 * np.arange(count) - count + 1) * x)
    return distance - pairs / (2 * count * (count - 1))


def energy_score(ensemble: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Energy score (event,) of an ensemble (event, member, variable) in standardised variables.

    `ES = mean||X - y|| - sum_ij ||X_i - X_j|| / (2 M (M - 1))`, the fair estimator of the CRPS's form for vectors.
    Gneiting and Raftery (2007), doi:10.1198/016214506000001437.
    """
    parts = [scoringrules.es_ensemble(observed[part], ensemble[part], estimator="fair") for part in _parts(ensemble)]
    return np.concatenate(parts)


def variogram_score(ensemble: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Variogram score (event,) of order 1/2 of an ensemble (event, member, variable) in standardised variables.

    `VS = sum_ij (|y_i - y_j|^(1/2) - mean |X_i - X_j|^(1/2))^2`, which sees wrong correlations better than the energy
    score does. Scheuerer and Hamill (2015), Mon. Weather Rev. 143, 1321-1334, doi:10.1175/MWR-D-14-00269.1. Fair: less
    what M members add by chance, the variance of `|X_i - X_j|^(1/2)` over M, so that ensembles of different size can be
    compared, as CRPS and energy score are; of one member nothing is known of that.
    """
    members = ensemble.shape[1]
    parts = _stretches(len(ensemble), members * ensemble.shape[2] ** 2)
    found = []
    for part in parts:
        made, seen = _variogram(ensemble[part]), _variogram(observed[part])
        squares = (seen - made.mean(axis=1)) ** 2
        if members > 1:
            squares -= made.var(axis=1, ddof=1) / members
        found.append(squares.sum(axis=(-2, -1)))
    return np.concatenate(found)


def _variogram(z: np.ndarray) -> np.ndarray:
    """`|z_i - z_j|^(1/2)` (..., variable, variable)."""
    return np.sqrt(np.abs(z[..., :, np.newaxis] - z[..., np.newaxis, :]))


_JOINT = (("energy_score", energy_score), ("variogram_score", variogram_score))


def _parts(ensemble: np.ndarray) -> Iterator[slice]:
    """Stretches of events for which all pairs of members fit in memory."""
    return _stretches(len(ensemble), ensemble.shape[1] ** 2 * int(np.prod(ensemble.shape[2:])))


def _stretches(events: int, numbers: int) -> Iterator[slice]:
    step = max(1, _NUMBERS_AT_ONCE // numbers)
    return (slice(start, start + step) for start in range(0, events, step))


def _scores(trial: Trial, ensemble: np.ndarray, analogs: np.ndarray, column: int) -> dict[str, np.ndarray]:
    observed = trial.test.values[:, column]
    return {
        "model": crps(ensemble, observed),
        "climatology": _of_climatology(trial.train.values[:, column], observed),
        "analogs": crps(analogs, observed),
    }


def _of_climatology(known: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """`climatology_crps`, with zeros where a variable is one number in training and, but for rounding, ever after."""
    score = climatology_crps(known, observed)
    if spreads(known[:, np.newaxis])[0] > 0:
        return score
    return np.where(score <= STILL * np.abs(known).max(), 0.0, score)


def _calibration(trial: Trial, ensemble: np.ndarray, column: int, rivals: Rivals) -> dict[str, Any]:
    """Spread over error and ranks, and the sums over "blocks" that they, and scores over several folds, are made of.

    Ties of ranks are broken by random numbers of the column's own.
    """
    observed = trial.test.values[:, column]
    rank = ranks(ensemble, observed, trial.rng(100 + column))
    sums = block_sums(ensemble, observed, rank, trial.test.blocks)
    found = calibration(sums, trial.counts)
    return {
        "spread_skill": found.pop("spread_skill"),
        "ranks": {**rank_histogram(rank, ensemble.shape[1]), **found},
        "blocks": {**sums, **{f"crps_{name}": values for name, values in rivals.by_block(trial).items()}},
    }


def _joint_scores(
    trial: Trial,
    ensemble: np.ndarray,
    analogs: np.ndarray,
    columns: list[int],
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, np.ndarray]:
    def scored(members: np.ndarray) -> np.ndarray:
        return score(trial.standardised(members)[..., columns], observed)

    observed = trial.standardised(trial.test.values)[:, columns]
    shape = (len(observed), min(_CLIMATOLOGY_MEMBERS, len(trial.train)))
    drawn = trial.rng(14).integers(len(trial.train), size=shape)
    return {
        "model": scored(ensemble.transpose(1, 0, 2)),
        "climatology": scored(trial.train.values[drawn]),
        "analogs": scored(analogs),
    }


def with_interval(replicates: np.ndarray) -> dict[str, Any]:
    """A figure (its first entry) and the interval of its bootstrap replicates (the others)."""
    if not np.isfinite(replicates).all():
        return {"value": float(replicates[0]), "interval": None}
    tails = np.quantile(replicates[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return {"value": float(replicates[0]), "interval": [float(tail) for tail in tails]}


def _mean_reliability(levels: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean reliability term of all variables and levels beside the analogs'."""
    excess = with_interval(np.mean([level["excess"] for level in levels], axis=0))
    means = {side: float(np.mean([level[side] for level in levels])) for side in ("model", "floor")}
    return {**means, "ceiling": np.nan, "excess": excess["value"], "interval": excess["interval"]}


def _without_replicates(level: dict[str, Any]) -> dict[str, Any]:
    return {**level, "excess": float(level["excess"][0])}
