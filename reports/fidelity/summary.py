"""The few figures a reader looks at first, each beside its floor."""

from typing import Any

from lawful.domains.domain import Domain
from lawful.reports.fidelity.marginals import MarginalMeasures
from lawful.reports.fidelity.protocol import Trial, entry


def summary_rows(
    trial: Trial, domain: Domain, measures: MarginalMeasures, figures: dict[str, Any], given: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Rows {measure, label, model, floor, excess, interval, above_floor}; smaller is better in all of them.

    "above_floor" says that the interval of the excess lies above zero.
    """
    found = [*_means(trial, domain, measures, given), *_picked(figures), *_scores(figures["conditional"])]
    return [{**row, "above_floor": row["interval"][0] > 0} for row in found]


def _means(trial: Trial, domain: Domain, measures: MarginalMeasures, given: tuple[str, ...]) -> list[dict[str, Any]]:
    """Means over the generated variables, bootstrapped as means."""
    made = [k for k, name in enumerate(domain.names) if name not in given]
    free = [k for k in made if not measures.pinned[k]]
    zeros = [k for k in made if (trial.train.values[:, k] == 0).any() or (trial.test.values[:, k] == 0).any()]
    rows = [
        ("w1", "Wasserstein distance / sd, mean over variables", made, measures.w1),
        ("ks", "Kolmogorov-Smirnov distance, mean over variables", free, measures.ks),
        ("quantiles", "quantile error / sd, mean over variables", made, measures.quantiles),
        ("zeros", "share of exact zeros, mean error over variables that have them", zeros, measures.zeros),
    ]
    return [
        {"measure": name, "label": label, **entry(errors.mean_over(columns).figures(trial.rng(16)))}
        for name, label, columns, errors in rows
        if columns
    ]


def _picked(figures: dict[str, Any]) -> list[dict[str, Any]]:
    two, joint, copies = figures["two_sample"], figures["joint"], figures["memorisation"]
    rows = [
        ("auc", "two-sample AUC on the variables", two["variables"]),
        ("auc_ratios", "two-sample AUC on the variables and their ratios", two["with_ratios"]),
        ("energy_distance", "energy distance", joint["energy_distance"]),
        ("correlation", "correlations, root mean square error", joint["correlation"]["rms"]),
        ("rank_correlation", "rank correlations, root mean square error", joint["rank_correlation"]["rms"]),
        ("copies", "share of exact copies of training rows", copies["copies"]),
        ("near_copies", "share of near copies of training rows", copies["near_copies"]),
        ("closer", "share nearer to training rows than 95 % of held-out rows are", copies["closer"]),
        ("repeats", "share of rows generated more than once", copies["repeats"]),
    ]
    return [{"measure": name, "label": label, **_bare(found)} for name, label, found in rows if found]


def _bare(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("model", "floor", "excess", "interval")}


def _scores(conditional: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Scores of the ensemble given what is known, with the analogs' in the place of the floor."""
    if conditional is None:
        return []
    rows = [
        ("crps", "CRPS / climatology's, mean over variables (floor: 30 analogs)", conditional["crps"]),
        ("energy_score", "energy score / climatology's (floor: 30 analogs)", conditional["energy_score"]["excess"]),
    ]
    return [{"measure": name, "label": label, **_bare(found)} for name, label, found in rows if found]
