"""Cuts series in time into windows, the events of a domain with `window`."""

import numpy as np
import xarray as xr

from lawful.data_recipes.cf import storage_encoding
from lawful.data_recipes.pieces import spread, take
from lawful.domains import Domain, InputError
from lawful.domains.calendar import days, holds_times
from lawful.domains.components import arrays

CUT = "lawful_cut"
"""Where the encoding of a variable has the places (window, label) along the series that it was cut out of."""

_SAME = 1e-6


def windowed(ds: xr.Dataset, domain: Domain, notes: list[str], most: int | None = None) -> xr.Dataset:
    """The data set with windows of `n` steps along the event dimension, named by the times of their first steps.

    Variables over the window's dimension take its steps. Those over a dimension of `n + 1` labels are states at the
    ends of steps, the first of them at the end of the step before the window, so that neighbours share a state. Context
    over the window's dimension has a value for each step; what else lies along time keeps that of the first step.
    Windows across a gap in the times are left out and counted, and those behind it begin at the same hours as those
    before; of more than `most`, stretches spread over all are read.

    Raises:
        InputError: the series are shorter than one window, or their steps are of another length than the domain's.
    """
    over = {v.name.partition("[")[0]: str(v.over) for v in domain.variables if v.over}
    over |= {context.name: context.over for context in domain.context if context.over}
    stepwise = [*arrays(domain), *(context.name for context in domain.context if context.over)]
    series = [name for name in stepwise if name in ds.variables and over.get(name) not in ds[name].dims]
    if domain.window is None or not series:
        return ds
    dim, steps = _dim(ds, series), len(domain.dimensions[domain.window])
    lead = int(any(len(domain.dimensions[over[name]]) == steps + 1 for name in series))
    starts = _starts(ds, dim, domain, lead, notes)
    kept = starts[spread(len(starts), most or len(starts))]
    if len(kept) < len(starts):
        notes.append(f"{len(kept)} of {len(starts)} windows read, in stretches spread over all")
    needed = np.unique(kept[:, None] + np.arange(-lead, steps))
    part = take(ds[series].squeeze(), dim, needed)
    first = np.searchsorted(needed, kept)
    cut = {name: _cut(part[name], first, kept, over[name], domain, steps, lead) for name in series}
    others = ds.drop_vars(series).isel({dim: kept})
    return others.rename({dim: domain.event_dim} if dim != domain.event_dim else {}).assign(cut)


def other_hours(events: xr.Dataset, data: xr.Dataset, domain: Domain) -> list[str]:
    """A note where windows of `events` begin at hours of the day at which none of `data` does."""
    dim, found = domain.event_dim, []
    if domain.window is None or domain.step_days >= 1 or not all(dim in ds.coords for ds in (events, data)):
        return []
    for ds in (events, data):
        minutes = np.rint(days(ds[dim]) % 1 * 1440) % 1440 if holds_times(ds[dim]) else np.array([])
        found.append([f"{minute // 60:02.0f}:{minute % 60:02.0f}" for minute in np.unique(minutes)])
    if not found[0] or not found[1] or set(found[0]) <= set(found[1]):
        return []
    return [
        f"windows begin at {', '.join(found[0])}, and in the training data at {', '.join(found[1])}: steps of the same "
        "name are other hours of the day; let the file begin where windows should"
    ]


def _dim(ds: xr.Dataset, series: list[str]) -> str:
    dims = {str(dim) for name in series for dim in ds[name].dims if ds.sizes[dim] > 1}
    if len(dims) != 1:
        raise InputError(
            f"windows are cut from series along one dimension; {', '.join(series)} lie along {sorted(dims)}"
        )
    return dims.pop()


def _starts(ds: xr.Dataset, dim: str, domain: Domain, lead: int, notes: list[str]) -> np.ndarray:
    """Numbers of the first steps of windows without a gap, which follow one another from the first step on."""
    steps = len(domain.dimensions[str(domain.window)])
    starts = np.arange(lead, ds.sizes[dim] - steps + 1, steps)
    if dim in ds.coords and holds_times(ds[dim]) and len(starts):
        times = days(ds[dim])
        gaps = np.diff(times)
        if abs(np.median(gaps) - domain.step_days) > _SAME:
            raise InputError(
                f"steps along {dim!r} are {np.median(gaps):g} days long; step_days is {domain.step_days:g}"
            )
        odd = np.abs(gaps - domain.step_days) > _SAME
        # By time and not by number, so that behind a gap steps are those of the same hours as before it.
        since = np.rint((times - times[lead]) / domain.step_days).astype(int)
        starts = np.flatnonzero((since % steps == 0) & (since >= 0))
        starts = starts[(starts >= lead) & (starts <= ds.sizes[dim] - steps)]
        starts = np.array([s for s in starts if not odd[s - lead : s + steps - 1].any()], dtype=int)
        possible = (since[-1] + 1) // steps
        if len(starts) < possible:
            notes.append(f"{possible - len(starts)} of {possible} windows left out for gaps in {dim}")
    if not len(starts):
        raise InputError(f"{ds.sizes[dim]} places along {dim!r} hold no window of {steps} steps without a gap")
    return starts


def _cut(
    values: xr.DataArray, first: np.ndarray, starts: np.ndarray, over: str, domain: Domain, steps: int, lead: int
) -> xr.Variable:
    """Windows of `values`, in which they begin at `first`, and in the whole series at `starts`."""
    labels = domain.dimensions[over]
    if len(labels) not in (steps, steps + lead):
        raise InputError(f"{values.name} lies over {over!r} with {len(labels)} labels; a window has {steps} steps")
    after = np.arange(len(labels)) - (len(labels) - steps)
    array = values.to_numpy()[first[:, None] + after]
    variable = xr.Variable((domain.event_dim, over), array, values.attrs)
    variable.encoding = {CUT: starts[:, None] + after, **storage_encoding(values.encoding)}
    return variable
