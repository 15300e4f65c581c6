"""All variables together: distances between distributions, correlations and tail dependence."""

from typing import Any

from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import beside_floor, entry, measured
from lawful.reports.fidelity.compositions import ilr_gaussian, is_composition
from lawful.reports.fidelity.dependence import correlation_errors, rank_correlation_errors, tail_dependence_errors
from lawful.reports.fidelity.kernels import EnergyDistance, MeanDiscrepancy
from lawful.reports.fidelity.protocol import Measure, Trial
from lawful.reports.fidelity.sliced import SlicedWasserstein


def joint_figures(trial: Trial, domain: Domain) -> dict[str, Any]:
    """Distances and errors beside floor and ceiling; for a composition, a Gaussian rival's energy distance too.

    The ceiling is that of independent marginals.
    """
    distance = EnergyDistance(trial)
    pairs: dict[str, tuple[Measure, int]] = {
        "correlation": (lambda rows: correlation_errors(rows.values, rows, trial), 7),
        "rank_correlation": (lambda rows: rank_correlation_errors(rows, trial), 8),
        "tail_dependence": (lambda rows: tail_dependence_errors(rows, trial), 21),
    }
    return {
        "energy_distance": _single(trial, distance, 6),
        "mmd": _single(trial, MeanDiscrepancy(trial), 22),
        "sliced_wasserstein": _single(trial, SlicedWasserstein(trial), 23),
        **{name: _pairs(trial, measure, purpose) for name, (measure, purpose) in pairs.items()},
        "ilr_gaussian": _rival(trial, distance) if is_composition(domain) else None,
    }


def _single(trial: Trial, measure: Measure, purpose: int) -> dict[str, Any]:
    return entry(measured(trial, measure, trial.shuffled).figures(trial.rng(purpose)))


def _pairs(trial: Trial, measure: Measure, purpose: int) -> dict[str, Any]:
    figures = measured(trial, measure, trial.shuffled).figures(trial.rng(purpose))
    return {"rms": entry(figures, 0), "max": entry(figures, 1)}


def _rival(trial: Trial, distance: EnergyDistance) -> dict[str, Any]:
    rng = trial.rng(10)
    drawn = [ilr_gaussian(trial.train.values, len(trial.test), rng) for _ in trial.synthetic]
    rivals = [distance(trial.test.with_values(values)) for values in drawn]
    return {"energy_distance": entry(beside_floor(rivals, [distance(rows) for rows in trial.copies], rng))}
