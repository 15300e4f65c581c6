"""The few figures a reader looks at first, each beside its floor."""

from typing import Any

from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import Measured, beside_zero, entry
from lawful.reports.fidelity.marginals import MarginalMeasures
from lawful.reports.fidelity.protocol import Trial


def summary_rows(
    trial: Trial,
    domain: Domain,
    measures: MarginalMeasures,
    extremes: tuple[Measured, list[int]] | None,
    figures: dict[str, Any],
    given: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Rows {measure, label, model, floor, ceiling, excess, interval, above_floor}; smaller is better in all of them.

    "above_floor" says that the interval of the excess lies above zero; with one test block there is no interval.
    Measures that the domain leaves out are not among them.

    Args:
        trial: for its randomness.
        domain: which measures apply.
        measures: those of single variables.
        extremes: errors of return levels by tail, and the variable of each tail; None where there is no tail.
        figures: all others.
        given: variables that were given, which are left out of means.
    """
    found = [
        *_means(trial, domain, measures, given),
        *_extremes(trial, domain, extremes, given),
        *_picked(figures),
        *listed_rows(figures),
        *_scores(figures["conditional"]),
    ]
    applying = (row for row in found if row["measure"] not in domain.leave_out)
    return [beside_zero(row, trial.test_blocks) for row in applying]


def _means(trial: Trial, domain: Domain, measures: MarginalMeasures, given: tuple[str, ...]) -> list[dict[str, Any]]:
    """Means over the generated variables, bootstrapped as means."""
    # Of kinds, numbers say nothing but which they are.
    made = [k for k, v in enumerate(domain.variables) if v.name not in given and not v.categorical]
    free = [k for k in made if not measures.pinned[k]]
    zeros = [k for k in made if (trial.train.values[:, k] == 0).any() or (trial.test.values[:, k] == 0).any()]
    spanning = [k for k, at in enumerate(measures.log_scales) if at.column in made]
    rows = [
        ("w1", "Wasserstein distance / sd, mean over variables", made, measures.w1),
        ("ks", "Kolmogorov-Smirnov distance, mean over variables", free, measures.ks),
        ("quantiles", "quantile error / sd, mean over variables", made, measures.quantiles),
        (
            "log_w1",
            "Wasserstein distance of logarithms / sd, mean over variables that span decades",
            spanning,
            measures.logs,
        ),
        ("zeros", "share of exact zeros, mean error over variables that have them", zeros, measures.zeros),
    ]
    return [
        {"measure": name, "label": label, **entry(errors.mean_over(columns).figures(trial.rng(16)))}
        for name, label, columns, errors in rows
        if columns
    ]


def _extremes(
    trial: Trial, domain: Domain, extremes: tuple[Measured, list[int]] | None, given: tuple[str, ...]
) -> list[dict[str, Any]]:
    if extremes is None:
        return []
    errors, columns = extremes
    made = [tail for tail, k in enumerate(columns) if domain.names[k] not in given]
    if not made:
        return []
    figures = entry(errors.mean_over(made).figures(trial.rng(31)))
    return [{"measure": "extremes", "label": "return levels once in 100 and 1000 events, error / sd", **figures}]


def _picked(figures: dict[str, Any]) -> list[dict[str, Any]]:
    two, joint, copies = figures["two_sample"], figures["joint"], figures["memorisation"]
    manifold, cycles = figures["manifold"], figures["cycles"] or {"diurnal": None, "annual": None}
    rows = [
        ("auc", "two-sample AUC on the variables", two["variables"]),
        ("auc_ratios", "two-sample AUC on the variables and their ratios", two["with_ratios"]),
        ("energy_distance", "energy distance", joint["energy_distance"]),
        ("mmd", "maximum mean discrepancy, squared", joint["mmd"]),
        ("sliced_wasserstein", "sliced Wasserstein distance / sd", joint["sliced_wasserstein"]),
        ("correlation", "correlations, root mean square error", joint["correlation"]["rms"]),
        ("rank_correlation", "rank correlations, root mean square error", joint["rank_correlation"]["rms"]),
        ("tail_dependence", "dependence of upper tails, root mean square error", joint["tail_dependence"]["rms"]),
        ("precision", "1 - precision: share of rows where no data are", manifold["precision_gap"]),
        ("recall", "1 - recall: share of data where no rows are", manifold["recall_gap"]),
        ("diurnal", "cycle of the day, error / sd", cycles["diurnal"]),
        ("annual", "cycle of the year, error / sd", cycles["annual"]),
        ("copies", "share of exact copies of training rows", copies["copies"]),
        ("near_copies", "share of near copies of training rows", copies["near_copies"]),
        ("closer", "share nearer to training rows than 95 % of held-out rows are", copies["closer"]),
        ("repeats", "share of rows generated more than once", copies["repeats"]),
    ]
    return [{"measure": name, "label": label, **_bare(found)} for name, label, found in rows if found]


def listed_rows(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of tasks, grids and the domain's own measures, of which there may be any number."""
    ways = {
        "synthetic_to_real": "learned from rows, tried on data",
        "real_to_synthetic": "learned from data, tried on rows",
    }
    tasks = [
        (f"{way}:{task['task']}", f"{task['task']}: error / sd, {words}", task[way])
        for task in figures.get("utility", ())
        for way, words in ways.items()
    ]
    grids = [
        (f"{kind}:{grid['array']}", f"{grid['array']}: {words}", grid[kind])
        for grid in figures["grids"]
        for kind, words in (("spectrum", "power spectrum, error in dB"), ("blocks", "block means and maxima, W1 / sd"))
    ]
    kinds = [
        (f"{name}:{category['variable']}", f"{category['variable']}: {words}", category[name])
        for category in figures.get("categories", ())
        for name, words in (
            ("shares", "shares of kinds, total variation distance"),
            ("within", "other variables within kinds, W1 / sd"),
        )
        if category[name]
    ]
    own = [(row["measure"], row["label"], row) for row in figures.get("own", ())]
    return [{"measure": name, "label": label, **_bare(found)} for name, label, found in (*tasks, *grids, *kinds, *own)]


def _bare(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("model", "floor", "ceiling", "excess", "interval")}


def _scores(conditional: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Scores of the ensemble given what is known, with the analogs' in the place of the floor."""
    if conditional is None:
        return []
    rows = [
        ("crps", "CRPS / climatology's, mean over variables (floor: 30 analogs)", conditional["crps"]),
        ("energy_score", "energy score / climatology's (floor: 30 analogs)", conditional["energy_score"]["excess"]),
        (
            "variogram_score",
            "variogram score / climatology's (floor: 30 analogs)",
            conditional["variogram_score"]["excess"],
        ),
        ("reliability", "reliability term of the Brier score (floor: 30 analogs)", conditional["reliability"]),
    ]
    return [{"measure": name, "label": label, **_bare(found)} for name, label, found in rows if found]
