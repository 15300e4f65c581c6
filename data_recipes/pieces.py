"""Reads a part of what lies along a dimension: stretches spread over the whole of it."""

import math

import numpy as np
import xarray as xr

from lawful.domains import Domain

STRETCHES = 100
"""Into how many stretches a part is divided: long ones keep neighbours together, many meet all seasons and places."""


def spread(total: int, most: int) -> np.ndarray:
    """Positions of at most `most` of `total`, int64: all, or stretches of equal length at equal distances."""
    if total <= most:
        return np.arange(total)
    stretches = min(STRETCHES, most)
    length = most // stretches
    starts = np.linspace(0, total - length, stretches).astype(np.int64)
    return (starts[:, None] + np.arange(length)).reshape(-1)


def take(ds: xr.Dataset, dim: str, positions: np.ndarray) -> xr.Dataset:
    """The ascending `positions` along a dimension, read stretch by stretch; what lies between is never read."""
    if len(positions) == ds.sizes[dim]:
        return ds
    seams = np.flatnonzero(np.diff(positions) != 1) + 1
    parts = [ds.isel({dim: slice(run[0], run[-1] + 1)}).load() for run in np.split(positions, seams)]
    if len(parts) == 1:
        return parts[0]
    part = xr.concat(parts, dim=dim, data_vars="minimal", coords="minimal", compat="override", join="override")
    for name, values in part.variables.items():
        values.encoding = dict(ds[name].encoding)
    return part


def thinned(ds: xr.Dataset, domain: Domain, most: int | None, notes: list[str]) -> xr.Dataset:
    """At most `most` events, not windows, in stretches spread over all; a note says so.

    Events that are points of several dimensions are thinned along the longest of these.
    """
    dims = [dim for dim in domain.stack if dim in ds.sizes] or _event_dims(ds, domain)
    if most is None or not dims:
        return ds
    dim = max(dims, key=lambda dim: ds.sizes[dim])
    beside = math.prod(ds.sizes[other] for other in domain.stack if other in ds.sizes and other != dim)
    positions = spread(ds.sizes[dim], max(1, most // beside))
    if len(positions) < ds.sizes[dim]:
        notes.append(f"{len(positions)} of {ds.sizes[dim]} places along {dim!r} read, in stretches spread over all")
    return take(ds, dim, positions)


def _event_dims(ds: xr.Dataset, domain: Domain) -> list[str]:
    """The one long dimension that variables share, under the name that it has in the file."""
    dims = [str(dim) for dim in ds[domain.names[0]].dims if ds.sizes[dim] > 1]
    return dims if len(dims) == 1 else []
