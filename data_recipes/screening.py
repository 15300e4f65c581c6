"""What is wrong with data, counted and with the worst of it: missing values, bounds, laws."""

import numpy as np
import pandas as pd
import xarray as xr

from lawful.data_recipes.selection import needs_time
from lawful.domains import Domain, Law, Ratio
from lawful.domains.calendar import time_name

# NetCDF's own fill values, which a file need not declare.
_FILL = 9.9e36
_SINGLE_PRECISION = 1e-6
_LISTED = 10
_DIGITS = 1e-5


def leave_out_missing(ds: xr.Dataset, domain: Domain, notes: list[str]) -> xr.Dataset:
    """Events whose values, numeric context and time are all there; a note counts the others."""
    gaps = {name: _gaps(ds[name], domain) for name in _checked(ds, domain)}
    lost = np.zeros(ds.sizes[domain.event_dim], dtype=bool)
    for gap in gaps.values():
        lost |= gap
    if not lost.any():
        return ds
    where = _holes({name: int(gap.sum()) for name, gap in gaps.items()})
    notes.append(f"{_count(int(lost.sum()), lost.size, domain)} left out for missing values ({where})")
    return ds.isel({domain.event_dim: ~lost})


def _holes(counts: dict[str, int]) -> str:
    holes = [f"{name} {count}" for name, count in counts.items() if count]
    return ", ".join(holes[:_LISTED]) + (f" and {len(holes) - _LISTED} more" if len(holes) > _LISTED else "")


def _gaps(values: xr.DataArray, domain: Domain) -> np.ndarray:
    """Which events lack a value; of context for each step of a window, one of its values."""
    there = present(values.transpose(domain.event_dim, ...).to_numpy())
    return np.asarray(~there.reshape(len(there), -1).all(axis=1))


def _checked(ds: xr.Dataset, domain: Domain) -> list[str]:
    context = [context.name for context in domain.context if context.kind == "variable"]
    time = time_name(ds, domain.event_dim) or domain.event_dim
    return [*domain.names, *context, *([time] if needs_time(domain) else [])]


def present(values: np.ndarray) -> np.ndarray:
    """Which values are there: finite numbers below NetCDF's fill values, times, words."""
    if values.dtype.kind == "f":
        return np.isfinite(values) & (np.abs(values) < _FILL)
    return ~np.asarray(pd.isna(values))


def too_few(ds: xr.Dataset, whole: xr.Dataset, domain: Domain, minimum: int) -> list[str]:
    """A fault when there are fewer events than `minimum`; it names what the `whole` data set lacks most."""
    events, there = ds.sizes[domain.event_dim], whole.sizes[domain.event_dim]
    if events >= minimum:
        return []
    fault = f"{events} complete {domain.event}s, {minimum} at least are needed"
    counts = {name: int(_gaps(whole[name], domain).sum()) for name in _checked(whole, domain)}
    worst = _holes(dict(sorted(counts.items(), key=lambda item: -item[1])))
    return [f"{fault}; of {there}, values are missing or infinite in {worst}" if worst else fault]


def out_of_bounds(ds: xr.Dataset, domain: Domain) -> list[str]:
    """A fault for each bound that some values are beyond."""
    faults = []
    for v in domain.variables:
        values = ds[v.name].to_numpy()
        if v.lower is not None:
            faults += _beyond(ds, domain, v.name, v.lower - values, f"below {v.lower:g} {v.units}")
        if v.upper is not None:
            faults += _beyond(ds, domain, v.name, values - v.upper, f"above {v.upper:g} {v.units}")
        if v.categorical:
            strange = ~np.isin(values, v.flag_values)
            words = f"of no category ({', '.join(f'{value:g}' for value in v.flag_values)})"
            faults += _beyond(ds, domain, v.name, strange.astype(np.float64), words)
    return faults


def _beyond(ds: xr.Dataset, domain: Domain, name: str, excess: np.ndarray, where: str) -> list[str]:
    if not (excess > 0).any():
        return []
    worst = int(excess.argmax())
    value = ds[name].to_numpy()[worst]
    count = _count(int((excess > 0).sum()), excess.size, domain)
    # Digits of the value itself may not tell it from the bound.
    by = f", by {excess[worst]:.2g} at most," if excess[worst] < _DIGITS * abs(value) else ""
    place = _event(ds, domain, worst)
    return [f"{name}: {count} {where}, worst {value:g}{by} at {place}; mend them or leave them out"]


def broken_laws(ds: xr.Dataset, domain: Domain) -> list[str]:
    """A fault for each law that some events break by more than the closure tolerance of the data.

    An equation without a tolerance is held to single precision: a millionth of the sizes of its terms.
    """
    return [fault for law in domain.laws for fault in _broken(ds, domain, law)]


def _broken(ds: xr.Dataset, domain: Domain, law: Law) -> list[str]:
    terms = np.stack(_terms(ds, law))
    difference = terms.sum(axis=0) - law.parsed.constant
    distance = np.abs(difference) if law.is_equality else difference
    tolerance, by = _tolerance(law, np.abs(terms).sum(axis=0) + abs(law.parsed.constant))
    broken = distance > tolerance
    if not broken.any():
        return []
    worst = int(distance.argmax())
    where = f"worst {distance[worst]:.3g} {law.units} at {_event(ds, domain, worst)}"
    return [
        f"law {law.name!r} ({law.equation}): {_count(int(broken.sum()), broken.size, domain)} break it {by}, {where}"
    ]


def _terms(ds: xr.Dataset, law: Law) -> list[np.ndarray]:
    single = [factor * ds[name].to_numpy() for name, factor in law.parsed.coefficients.items()]
    pairs = law.parsed.products.items()
    return [*single, *(value * ds[factor].to_numpy() * ds[name].to_numpy() for (factor, name), value in pairs)]


def _tolerance(law: Law, sizes: np.ndarray) -> tuple[np.ndarray | float, str]:
    if law.tolerance is not None or not law.is_equality:
        tolerance = law.tolerance or 0.0
        return tolerance, f"by more than {tolerance:g} {law.units}"
    return _SINGLE_PRECISION * sizes, f"by more than {_SINGLE_PRECISION:g} of its terms"


def odd_ratios(ds: xr.Dataset, domain: Domain) -> list[str]:
    """A note for each ratio that leaves its range in some events; it is undefined where its denominator is zero."""
    return [note for ratio in domain.ratios for note in _odd(ds, domain, ratio)]


def _odd(ds: xr.Dataset, domain: Domain, ratio: Ratio) -> list[str]:
    numerator, denominator = ds[ratio.numerator].to_numpy(), ds[ratio.denominator].to_numpy()
    defined = denominator != 0
    values = numerator[defined] / denominator[defined]
    odd = np.zeros(values.size, dtype=bool)
    for bound, beyond in ((ratio.lower, np.less), (ratio.upper, np.greater)):
        odd |= beyond(values, bound) if bound is not None else False
    where = f"{ratio.name} = {ratio.numerator}/{ratio.denominator}"
    return [f"{where} is out of its range in {_count(int(odd.sum()), values.size, domain)}"] if odd.any() else []


def _count(count: int, total: int, domain: Domain) -> str:
    return f"{count} of {total} {domain.event}s"


def _event(ds: xr.Dataset, domain: Domain, index: int) -> str:
    """The labels of an event; of a stacked point, its places along the dimensions of the file."""
    dims = [dim for dim in domain.stack if dim in ds.coords] or [domain.event_dim]
    return ", ".join(f"{dim} {_word(ds[dim].to_numpy()[index])}" for dim in dims)


def _word(label: object) -> str:
    return str(np.datetime_as_string(label, unit="s") if isinstance(label, np.datetime64) else label)
