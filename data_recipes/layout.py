"""Brings the variables of a file onto the one dimension along which events lie."""

import numpy as np
import xarray as xr

from lawful.data_recipes.cf import storage_encoding
from lawful.data_recipes.selection import companions, needs_time
from lawful.domains import Domain, InputError
from lawful.domains.calendar import time_coordinate, time_name


def along_events(ds: xr.Dataset, domain: Domain, notes: list[str], extra: tuple[str, ...] = ()) -> xr.Dataset:
    """The data set along the event dimension, with a coordinate that labels the events.

    Dimensions of length one are dropped, and the only dimension of a file is renamed if it must be; both are said.

    Args:
        ds: variables and companions of the domain.
        domain: says what the event dimension is called.
        notes: where to say what was done.
        extra: other dimensions that variables may have.

    Raises:
        InputError: variables have other dimensions, or the domain needs times and there are none.
    """
    if domain.stack:
        return _label_events(stacked(ds, domain, notes), domain)
    ds = _drop_single(ds, {domain.event_dim, *extra}, notes)
    ds = _rename_only(ds, domain, set(extra), notes)
    stepwise = {context.name: {context.over} for context in domain.context if context.over}
    for name in [*domain.names, *companions(domain)]:
        if set(ds[name].dims) - set(extra) - stepwise.get(name, set()) != {domain.event_dim}:
            raise InputError(f"variables must lie along {domain.event_dim!r} alone; {_dimensions(ds, domain)}")
    return _label_events(ds, domain)


def stacked(ds: xr.Dataset, domain: Domain, notes: list[str]) -> xr.Dataset:
    """Events are the points of several dimensions; the coordinates of these lie along the events.

    Raises:
        InputError: a variable has other dimensions, or one of the stack's is not there.
    """
    absent = [dim for dim in domain.stack if dim not in ds.sizes]
    if absent:
        raise InputError(f"no dimension {absent[0]!r} to stack into events; {_dimensions(ds, domain)}")
    ds = ds.squeeze([dim for dim, size in ds.sizes.items() if size == 1 and dim not in domain.stack], drop=True)
    wanted = [name for name in [*domain.names, *companions(domain)] if name in ds.variables]
    for name in wanted:
        unknown = set(map(str, ds[name].dims)) - set(domain.stack)
        if unknown:
            raise InputError(f"{name} lies along {', '.join(sorted(unknown))} too; events are {domain.stack}")
    places = _places(ds, domain)
    wanted = [name for name in wanted if name not in places]
    shaped = xr.broadcast(*(ds[name].reset_coords(drop=True) for name in wanted))
    points = shaped[0].size
    notes.append(f"events are the points of {' x '.join(domain.stack)}, {points} of them")
    flat = {
        name: xr.Variable(
            domain.event_dim, values.transpose(*domain.stack).to_numpy().reshape(-1), ds[name].attrs,
            storage_encoding(ds[name].encoding),
        )
        for name, values in zip(wanted, shaped, strict=True)
    }  # fmt: skip
    return xr.Dataset(flat, {**places, domain.event_dim: np.arange(points)}, ds.attrs)


def _places(ds: xr.Dataset, domain: Domain) -> dict[str, xr.Variable]:
    """Where in the stack's dimensions, and when, each event lies: their coordinates, all others along them too."""
    sizes = {dim: ds.sizes[dim] for dim in domain.stack}
    return {
        str(name): xr.Variable(
            domain.event_dim,
            # Not an index any more, and without its encoding, which speaks of another shape.
            np.array(values.variable.set_dims(sizes).transpose(*domain.stack).to_numpy()).reshape(-1),
            values.attrs,
        )
        for name, values in ds.coords.items()
        if values.dims and set(values.dims) <= set(domain.stack) and name not in (domain.event_dim, *domain.names)
    }


def _drop_single(ds: xr.Dataset, kept: set[str], notes: list[str]) -> xr.Dataset:
    single = [dim for dim, size in ds.sizes.items() if size == 1 and dim not in kept]
    if not single or len(single) == len(ds.sizes):
        return ds
    notes.append(f"dimensions of length one were dropped: {', '.join(map(str, single))}")
    return ds.squeeze(single, drop=True)


def _rename_only(ds: xr.Dataset, domain: Domain, extra: set[str], notes: list[str]) -> xr.Dataset:
    dims = {str(dim) for name in domain.names for dim in ds[name].dims} - extra
    if len(dims) != 1 or domain.event_dim in dims:
        return ds
    (dim,) = dims
    notes.append(f"dimension {dim!r} is taken for {domain.event_dim!r}")
    if domain.event_dim in ds.variables:
        return ds.swap_dims({dim: domain.event_dim})
    return ds.rename({dim: domain.event_dim})


def _dimensions(ds: xr.Dataset, domain: Domain) -> str:
    by_dims: dict[str, list[str]] = {}
    for name in domain.names:
        by_dims.setdefault(" x ".join(map(str, ds[name].dims)) or "no dimension", []).append(name)
    parts = [f"{dims}: {', '.join(names[:5])}{' ...' * (len(names) > 5)}" for dims, names in by_dims.items()]
    return "the file has " + "; ".join(parts)


def _label_events(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    if needs_time(domain):
        _require_time(ds, domain)
    if domain.event_dim in ds.coords:
        return ds
    return ds.assign_coords({domain.event_dim: np.arange(ds.sizes[domain.event_dim])})


def _require_time(ds: xr.Dataset, domain: Domain) -> None:
    if domain.event_dim in domain.stack and time_name(ds, domain.event_dim) is None:
        raise InputError(
            f"event_dim {domain.event_dim!r} is one of the dimensions that are stacked; give events a name of "
            "their own, such as event_dim: event"
        )
    time_coordinate(ds, domain.event_dim)
