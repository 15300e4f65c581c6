"""One sentence that says how an ensemble did."""

from typing import Any

from lawful.reports.physics.place import words
from lawful.reports.physics.tolerance import Tolerance

_NAMED = 4
_SHORT = {
    "w1": "Wasserstein distance / sd",
    "ks": "Kolmogorov-Smirnov distance",
    "quantiles": "quantile error / sd",
    "log_w1": "Wasserstein distance of logarithms / sd",
    "zeros": "error in the share of zeros",
    "auc": "two-sample AUC",
    "auc_ratios": "two-sample AUC with ratios",
    "energy_distance": "energy distance",
    "extremes": "return level error / sd",
    "mmd": "squared maximum mean discrepancy",
    "sliced_wasserstein": "sliced Wasserstein distance / sd",
    "tail_dependence": "tail dependence error",
    "precision": "1 - precision",
    "recall": "1 - recall",
    "diurnal": "error in the cycle of the day / sd",
    "annual": "error in the cycle of the year / sd",
    "correlation": "correlation error",
    "rank_correlation": "rank correlation error",
    "copies": "share of copies of training rows",
    "near_copies": "share of near copies",
    "closer": "share too near to training rows",
    "repeats": "share of repeated rows",
    "crps": "CRPS / climatology's",
    "energy_score": "energy score / climatology's",
    "auc_windows": "two-sample AUC of whole windows",
    "auc_statistics": "two-sample AUC of windows' statistics",
    "statistics": "Wasserstein distance / sd of windows' statistics",
    "spells": "lengths of spells",
    "persistence": "autocorrelation error",
    "seasons": "error of totals by season",
    "closer_windows": "share of windows too near to training windows",
    "variogram_score": "variogram score / climatology's",
    "reliability": "reliability term",
}


def verdict(validity: dict[str, Any], fidelity: dict[str, Any] | None) -> str:
    """What a reader should know first: do the laws hold, and where is the ensemble told from data?

    Args:
        validity: of the ensemble.
        fidelity: of the ensemble, None where nothing could be compared.
    """
    compared = _likeness(fidelity) if fidelity else "nothing was left to compare with data"
    return f"{physics(validity)}; {compared}."


def physics(validity: dict[str, Any]) -> str:
    """The first half of the verdict, without a full stop."""
    if validity["holds"]:
        return _held(validity)
    laws = _broken_laws(validity)
    limits = [*_broken_rows(validity), *_broken_bounds(validity), *_not_finite(validity)]
    if validity["closes"] and not limits:
        return f"The laws hold only to the closure tolerance declared for data: {', '.join(laws)}"
    return f"The physics does not hold: {', '.join([*laws, *limits])}"


def allowed(law: dict[str, Any]) -> str:
    """The tolerance that a law was held to, as in "8 ulps" or "1e-06 W m-2"."""
    return Tolerance(**law["tolerance"]).words(law["units"])


def _held(validity: dict[str, Any]) -> str:
    laws, limits = validity["laws"], len(validity["bounds"]) + len(validity["inequalities"])
    clauses = []
    if laws:
        worst = max((law["ulps"]["max"] or 0.0 for law in laws), default=0.0)
        named = "The law holds" if len(laws) == 1 else f"All {len(laws)} laws hold"
        limit = " and ".join(dict.fromkeys(allowed(law) for law in laws)).removesuffix(" ulps")
        clauses.append(f"{named} in each of {validity['samples']:,} samples, to {worst:.2g} ulps ({limit} allowed)")
    if limits:
        clauses.append("no bound or inequality is violated" if clauses else "No bound or inequality is violated")
    return " and ".join(clauses) or "There is no law to hold"


def _broken_laws(validity: dict[str, Any]) -> list[str]:
    return [
        f"{law['name']} is off by more than {allowed(law)} in {_samples(law['beyond_tolerance'])} "
        f"(worst {law['ulps']['max']:.3g} ulps)"
        for law in validity["laws"]
        if not law["holds"]
    ]


def _broken_rows(validity: dict[str, Any]) -> list[str]:
    broken = [row for row in validity["inequalities"] if not row["holds"]]
    return [f"{row['equation']} fails in {_samples(row['violations'])}" for row in broken]


def _broken_bounds(validity: dict[str, Any]) -> list[str]:
    sides = {"lower": "below", "upper": "above"}
    broken = [bound for bound in validity["bounds"] if not bound["holds"]]
    return [
        f"{bound['variable']} is {sides[bound['side']]} {bound['bound']:g} in {_samples(bound['violations'])}"
        for bound in broken
    ]


def _not_finite(validity: dict[str, Any]) -> list[str]:
    count = validity["nan"] + validity["infinite"]
    if not count:
        return []
    first, by_variable = validity.get("not_finite_first", {}), validity.get("not_finite_by_variable", {})
    named = [f"{name} {own:,}, first at {words(first[name])}" for name, own in by_variable.items() if name in first]
    rest = [f"and {len(named) - _NAMED} more variables"] if len(named) > _NAMED else []
    listed = f" ({'; '.join([*named[:_NAMED], *rest])})" if named else ""
    return [f"{count:,} {'value is' if count == 1 else 'values are'} not finite{listed}"]


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"


def _likeness(fidelity: dict[str, Any]) -> str:
    rows = fidelity["summary"]
    worse = [row for row in rows if row["above_floor"]]
    if rows and all(row["interval"] is None for row in rows):
        return "all held-out events are of one block, so that its likeness to data cannot be judged"
    if not worse:
        return f"none of {len(rows)} measures of likeness tells it from data by more than resampled data would"
    named = [
        f"{_SHORT.get(row['measure'], row['label'])} {row['model']:.2g} (floor {row['floor']:.2g})" for row in worse
    ]
    rest = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    listed = ", ".join([*named[:_NAMED], *rest])
    return f"{len(worse)} of {len(rows)} measures of likeness lie above their floor: {listed}"
