"""Physics validity: does every stored sample obey every law, inequality and bound?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import xarray as xr

from lawful.core.linear import compensated_residual, ulps
from lawful.domains.domain import Domain, Law, Ratio
from lawful.reports.arrays import event_labels, plain, ratios, realizations
from lawful.reports.stored import float64_half_spacing, stored_half_spacing, stored_types

QUANTILES = (50.0, 90.0, 99.0, 99.9)
_ROWS_AT_ONCE = 500_000


def validity(ds: xr.Dataset, domain: Domain, *, tolerance_ulps: float = 8.0) -> dict[str, Any]:
    """Judge every sample of a dataset against the laws, inequalities and bounds of a domain.

    Law i holds in a sample when `|a.z - b| <= c (sum_j |a_j| h(z_j) + h(b))`, where `h` is half the spacing of the
    stored representation at that value (float64, float32, or packed integers) and `c = tolerance_ulps`; rounding to
    the stored type alone gives at most c = 1. The residual is summed with compensation (Ogita, Rump and Oishi 2005,
    doi:10.1137/030601818), so that its own rounding does not count. Inequalities `c.z <= d` are judged by the same
    ratio, save plain comparisons of two variables, which are judged exactly, as bounds are. NaN and infinite values
    are counted, no law is judged on them, and with one of them the whole does not hold.

    Args:
        ds: variables with dims (realization, event) or (event,), as stored.
        domain: variables, laws, bounds.
        tolerance_ulps: c above, without unit.

    Returns:
        A JSON-ready dict: "laws", "inequalities", "bounds", "ratios" (lists of dicts), counts, and "holds". "closes"
        says whether the residuals lie within the tolerances that the laws declare for data (None: none is declared).

    Raises:
        InputError: a variable or the event dimension is missing.
    """
    values, spacing = realizations(ds, domain), stored_half_spacing(ds, domain)
    where = _Where(event_labels(ds, domain))
    finite = np.isfinite(values)
    laws = list(_laws(values, spacing, domain, tolerance_ulps, where))
    rows = list(_inequalities(values, spacing, domain, tolerance_ulps, where))
    bounds = list(_bounds(values, domain, where))
    closes = [law["closure"]["holds"] for law in laws if law["closure"]]
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    return plain(
        {
            "domain": domain.name,
            "realizations": values.shape[0],
            "events": values.shape[1],
            "samples": values.shape[0] * values.shape[1],
            "tolerance_ulps": tolerance_ulps,
            "stored": stored_types(ds, domain),
            "nan": nan,
            "infinite": infinite,
            "not_finite_by_variable": _by_variable(~finite, domain),
            "laws": laws,
            "inequalities": rows,
            "bounds": bounds,
            "ratios": [_ratio(ratio, column, where) for ratio, column in _ratio_columns(values, domain)],
            "holds": nan + infinite == 0 and all(entry["holds"] for entry in (*laws, *rows, *bounds)),
            "closes": all(closes) if closes else None,
        }
    )


class _Where:
    """Names the sample at a position of an array (realization, event)."""

    def __init__(self, labels: list[str]):
        self.labels = labels

    def __call__(self, score: np.ndarray, **values: np.ndarray) -> dict[str, Any] | None:
        """The sample of the largest finite score, with the given values there; None where no score is finite."""
        ranked = np.where(np.isfinite(score), score, -np.inf)
        realization, event = np.unravel_index(int(np.argmax(ranked)), score.shape)
        if not np.isfinite(ranked[realization, event]):
            return None
        found = {name: float(array[realization, event]) for name, array in values.items()}
        return {"realization": int(realization), "event": self.labels[event], **found}


def _laws(
    values: np.ndarray, spacing: np.ndarray, domain: Domain, tolerance: float, where: _Where
) -> Iterator[dict[str, Any]]:
    matrix, constants, _ = domain.matrix()
    for law, row, constant in zip(domain.equalities, matrix, constants, strict=True):
        residual, ratio = residual_and_ulps(row, values, constant, spacing)
        beyond = int((ratio > tolerance).sum())
        yield {
            **_heading(law),
            "judged": int(np.isfinite(residual).sum()),
            "residual": _spread(np.abs(residual)),
            "ulps": _spread(ratio),
            "worst": where(ratio, residual=residual, ulps=ratio),
            "beyond_tolerance": beyond,
            "closure": _closure(law, residual),
            "holds": beyond == 0,
        }


def _inequalities(
    values: np.ndarray, spacing: np.ndarray, domain: Domain, tolerance: float, where: _Where
) -> Iterator[dict[str, Any]]:
    matrix, constants, _ = domain.inequality_matrix()
    for law, row, constant in zip(domain.inequalities, matrix, constants, strict=True):
        excess, ratio = residual_and_ulps(row, values, constant, spacing)
        allowed = 0.0 if _is_comparison(row, constant) else tolerance
        violated = (excess > 0) & (ratio > allowed)
        yield {
            **_heading(law),
            "judged": int(np.isfinite(excess).sum()),
            "tolerance_ulps": allowed,
            "violations": int(violated.sum()),
            "worst": where(np.where(violated, excess, np.nan), excess=excess, ulps=ratio),
            "holds": not violated.any(),
        }


def _bounds(values: np.ndarray, domain: Domain, where: _Where) -> Iterator[dict[str, Any]]:
    for column, variable in enumerate(domain.variables):
        present = values[..., column]
        for side, bound, sign in (("lower", variable.lower, -1.0), ("upper", variable.upper, 1.0)):
            if bound is None:
                continue
            outside = np.isfinite(present) & (sign * (present - bound) > 0)
            distance = np.where(outside, sign * (present - bound), np.nan)
            yield {
                "variable": variable.name,
                "units": variable.units,
                "side": side,
                "bound": bound,
                "on_bound": int((present == bound).sum()),
                "violations": int(outside.sum()),
                "worst": where(distance, value=present),
                "holds": not outside.any(),
            }


def residual_and_ulps(
    row: np.ndarray, values: np.ndarray, constant: float, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signed residual `a.z - b` and its size in ulps, each (realization, event), NaN where a member is not finite.

    Args:
        row: coefficients (variable,).
        values: (realization, event, variable).
        constant: right-hand side.
        spacing: half spacing of the stored representation, shaped as values.
    """
    used = np.flatnonzero(row)
    residual, ratio = np.empty(values.shape[:2]), np.empty(values.shape[:2])
    step = max(1, _ROWS_AT_ONCE // max(1, values.shape[1]))
    for start in range(0, values.shape[0], step):
        part = slice(start, start + step)
        residual[part], ratio[part] = _judged(row[used], values[part][..., used], constant, spacing[part][..., used])
    return residual, ratio


def _judged(row: np.ndarray, values: np.ndarray, constant: float, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    finite = np.isfinite(values).all(axis=-1)
    # A law is not judged on a value that is not there; zeros keep the arithmetic silent until they are masked.
    z = torch.from_numpy(np.where(finite[..., np.newaxis], values, 0.0))
    h = torch.from_numpy(np.where(finite[..., np.newaxis], spacing, 0.0))
    a = torch.from_numpy(row[np.newaxis].astype(np.float64))
    b = torch.tensor([constant], dtype=torch.float64)
    residual = compensated_residual(a, z, b)[..., 0].numpy()
    ratio = ulps(a, z, b, h, float64_half_spacing(b))[..., 0].numpy()
    return np.where(finite, residual, np.nan), np.where(finite, ratio, np.nan)


def _heading(law: Law) -> dict[str, Any]:
    return {"name": law.name, "equation": law.equation, "units": law.units, "reference": law.reference}


def _is_comparison(row: np.ndarray, constant: float) -> bool:
    """Whether an inequality compares two stored values, which takes no arithmetic and so no rounding."""
    coefficients = row[row != 0]
    return constant == 0 and len(coefficients) <= 2 and sorted(coefficients) in ([-1.0], [1.0], [-1.0, 1.0])


def _spread(size: np.ndarray) -> dict[str, Any]:
    present = size[np.isfinite(size)]
    if not present.size:
        return {"max": None, "mean": None, "quantiles": {f"{q:g}": None for q in QUANTILES}}
    quantiles = np.percentile(present, QUANTILES)
    named = {f"{q:g}": float(value) for q, value in zip(QUANTILES, quantiles, strict=True)}
    return {"max": float(present.max()), "mean": float(present.mean()), "quantiles": named}


def _closure(law: Law, residual: np.ndarray) -> dict[str, Any] | None:
    if law.tolerance is None:
        return None
    beyond = int((np.abs(residual) > law.tolerance).sum())
    return {"tolerance": law.tolerance, "beyond": beyond, "holds": beyond == 0}


def _by_variable(mask: np.ndarray, domain: Domain) -> dict[str, int]:
    counts = mask.sum(axis=(0, 1))
    return {name: int(count) for name, count in zip(domain.names, counts, strict=True) if count}


def _ratio_columns(values: np.ndarray, domain: Domain) -> Iterator[tuple[Ratio, np.ndarray]]:
    columns = ratios(values, domain)
    return ((ratio, columns[..., k]) for k, ratio in enumerate(domain.ratios))


def _ratio(ratio: Ratio, values: np.ndarray, where: _Where) -> dict[str, Any]:
    low = -np.inf if ratio.lower is None else ratio.lower
    high = np.inf if ratio.upper is None else ratio.upper
    outside = np.maximum(low - values, values - high)
    present = values[np.isfinite(values)]
    return {
        "name": ratio.name,
        "quotient": f"{ratio.numerator} / {ratio.denominator}",
        "units": ratio.units,
        "lower": ratio.lower,
        "upper": ratio.upper,
        "defined": int(present.size),
        "min": float(present.min()) if present.size else None,
        "max": float(present.max()) if present.size else None,
        "outside": int((outside > 0).sum()),
        "worst": where(np.where(outside > 0, outside, np.nan), value=values),
    }
