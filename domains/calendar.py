"""The time coordinate of a data set, in any CF calendar."""

from datetime import timedelta

import numpy as np
import xarray as xr

from lawful.domains.errors import InputError

# A Monday, so that blocks of seven days are calendar weeks.
_EPOCH = "1970-01-05"


def time_coordinate(ds: xr.Dataset, dim: str) -> xr.DataArray:
    """The decoded time coordinate along `dim`: its own, or the one other that holds times, as of stacked points.

    Raises:
        InputError: there is none, or its values are not times.
    """
    name = time_name(ds, dim)
    if name is not None:
        return ds[name]
    if dim not in ds.coords:
        raise InputError(f"no coordinate {dim!r}: this domain needs the time of each event")
    units = ds[dim].attrs.get("units", "no units")
    raise InputError(f"coordinate {dim!r} ({units}) does not hold times; write units as 'hours since 2012-01-01'")


def time_name(ds: xr.Dataset, dim: str) -> str | None:
    """What the coordinate with the times along `dim` is called; None where there is none, or several beside `dim`."""
    if dim in ds.coords and holds_times(ds[dim]):
        return dim
    found = [str(name) for name, values in ds.coords.items() if values.dims == (dim,) and holds_times(values)]
    return found[0] if len(found) == 1 else None


def holds_times(time: xr.DataArray) -> bool:
    """Whether a coordinate holds times of any calendar."""
    if time.dtype.kind == "M":
        return True
    return time.dtype.kind == "O" and time.size > 0 and hasattr(time.to_numpy().flat[0], "calendar")


def days(time: xr.DataArray) -> np.ndarray:
    """Times (events,) as float64 days since Monday 5 January 1970, in the calendar of the data."""
    values = time.to_numpy()
    if values.dtype.kind == "M":
        return (values - np.datetime64(_EPOCH)) / np.timedelta64(1, "D")
    midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
    epoch = values.flat[0].replace(year=1970, month=1, day=5, **midnight)
    return np.array([(value - epoch).total_seconds() for value in values]) / 86400


def later(time: xr.DataArray, days: float) -> xr.DataArray:
    """Times (events,) moved on by a number of days, in the calendar of the data."""
    step = timedelta(days=days)
    return time.copy(data=time.to_numpy() + (np.timedelta64(step, "us") if time.dtype.kind == "M" else step))


def hour_of_day(time: xr.DataArray) -> np.ndarray:
    """Hour of the day (events,) with its fraction, 0 <= hour < 24."""
    return np.asarray(time.dt.hour + time.dt.minute / 60 + time.dt.second / 3600, dtype=np.float64)
