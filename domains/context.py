"""What is known of an event beforehand, as numbers: cyclic harmonics of time, days of the week, other variables."""

import numpy as np
import xarray as xr

from lawful.domains.calendar import holds_times, hour_of_day, later, time_coordinate
from lawful.domains.declarations import Context
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.solar import sine_of_elevation

HOUR_HARMONICS = 3
DAY_HARMONICS = 2
_DAYS_A_YEAR = 365.2425
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Columns = list[tuple[str, np.ndarray]]


def context_features(
    ds: xr.Dataset, domain: Domain, day_shift: np.ndarray | float = 0.0
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Features of the context of each event, float64 (events, k), and their k names.

    They depend on nothing but the event itself, so that training and test data are treated alike. A `variable`
    comes as it is in the file, in its own units. A domain without context gives k = 0.

    `day_shift` (events,), in days, moves the day of the year alone: training on randomly shifted days keeps a model
    from taking the date for the weather of the one week that it saw then.

    Raises:
        InputError: the data lack the times or a variable that the context needs.
    """
    columns = [column for context in domain.context for column in _columns(ds, domain, context, day_shift)]
    if not columns:
        return np.zeros((ds.sizes[domain.event_dim], 0)), ()
    return np.stack([values for _, values in columns], axis=1), tuple(name for name, _ in columns)


def in_own_units(ds: xr.Dataset, domain: Domain) -> np.ndarray:
    """Which features (k,) of `context_features` are numbers in units of their own; the others are of the size of 1."""
    own = [
        context.kind == "variable" and not context.categories
        for context in domain.context
        for _ in _columns(ds, domain, context, 0.0)
    ]
    return np.array(own, dtype=bool)


def step_features(ds: xr.Dataset, domain: Domain, day_shift: np.ndarray | float = 0.0) -> np.ndarray:
    """The same for each step of windows, (events, steps, k): at the times of the steps, and with their own variables.

    Raises:
        InputError: as `context_features`.
    """
    found = []
    for step in range(len(domain.dimensions[str(domain.window)])):
        at_step = _at_step(ds, domain, step)
        whole = domain.model_copy(
            update={"context": tuple(c.model_copy(update={"over": None}) for c in domain.context)}
        )
        found.append(context_features(at_step, whole, day_shift)[0])
    return np.stack(found, axis=1)


def _at_step(ds: xr.Dataset, domain: Domain, step: int) -> xr.Dataset:
    """Windows as if they were their steps number `step`."""
    stepwise = {c.name: c.over for c in domain.context if c.over}
    ds = ds.assign({name: ds[name].isel({over: step}) for name, over in stepwise.items() if name in ds})
    time = ds.get(domain.event_dim)
    if time is None or not holds_times(time):
        return ds
    return ds.assign_coords({domain.event_dim: later(time, step * domain.step_days)})


def _columns(ds: xr.Dataset, domain: Domain, context: Context, day_shift: np.ndarray | float) -> Columns:
    if context.kind == "variable":
        return _variable(ds, domain, context)
    time = time_coordinate(ds, domain.event_dim)
    if context.kind == "hour_of_day":
        return _harmonics(context.name, hour_of_day(time) / 24, HOUR_HARMONICS)
    if context.kind == "day_of_year":
        since_new_year = time.dt.dayofyear.to_numpy() - 1 + hour_of_day(time) / 24 + day_shift
        return _harmonics(context.name, since_new_year / _DAYS_A_YEAR, DAY_HARMONICS)
    if context.kind == "solar_elevation":
        return _sun(context, time)
    weekday = time.dt.dayofweek.to_numpy()
    return [(f"{context.name}_{day}", (weekday == i).astype(np.float64)) for i, day in enumerate(_WEEKDAYS)]


def _sun(context: Context, time: xr.DataArray) -> Columns:
    """The sine of the elevation, which vertical fluxes go with, and its part above the horizon."""
    hour = hour_of_day(time) + context.offset_hours
    day = time.dt.dayofyear.to_numpy() - 1 + hour / 24
    sine = sine_of_elevation(day, hour, context.latitude or 0.0, context.longitude or 0.0)
    return [(f"{context.name}_sine", sine), (f"{context.name}_above", np.maximum(sine, 0.0))]


def _harmonics(name: str, cycles: np.ndarray, count: int) -> Columns:
    waves = [(kind, k, wave) for k in range(1, count + 1) for kind, wave in (("sin", np.sin), ("cos", np.cos))]
    return [(f"{name}_{kind}{k}", wave(2 * np.pi * k * cycles)) for kind, k, wave in waves]


def _variable(ds: xr.Dataset, domain: Domain, context: Context) -> Columns:
    """One column, or one for each step."""
    name, dims = context.name, (domain.event_dim, *((context.over,) if context.over else ()))
    if name not in ds.variables:
        raise InputError(f"no variable {name!r}, which domain {domain.name!r} takes as context")
    if set(ds[name].dims) != set(dims) or ds[name].dtype.kind not in "fiub":
        raise InputError(f"context {name!r} needs one number for each {domain.event}, along {' x '.join(dims)}")
    values = ds[name].transpose(*dims).to_numpy().astype(np.float64).reshape(ds.sizes[domain.event_dim], -1)
    labels = domain.dimensions[context.over] if context.over else ()
    columns = list(zip([f"{name}[{label}]" for label in labels] or [name], values.T, strict=True))
    return _indicators(columns, context) if context.categories else columns


def _indicators(columns: Columns, context: Context) -> Columns:
    """1 where a value is of a category and else 0, for each category."""
    for _, values in columns:
        strangers = values[~np.isin(values, context.categories)]
        if strangers.size:
            known = ", ".join(f"{category:g}" for category in context.categories)
            raise InputError(f"context {context.name!r} holds {strangers[0]:g}; its categories are {known}")
    return [
        (f"{name}_{category:g}", (values == category).astype(np.float64))
        for name, values in columns
        for category in context.categories
    ]
