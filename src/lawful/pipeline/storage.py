"""What storage has moved off an exact value, moved back: bounds, what laws alone give, multiples of a resolution."""

import numpy as np
import xarray as xr

from lawful.domains import Domain

_NOISE = 1e-6


def restored(ds: xr.Dataset, domain: Domain) -> tuple[xr.Dataset, list[str]]:
    """Events as they were before they were stored, and notes on the values that moved.

    A model takes a value that recurs for one with a probability of its own. One on a bound of 0.3 is 0.30000001 in
    single precision, and a pattern of such values obeys no law.
    """
    return _multiples(_pinned(_on_bounds(ds, domain), domain), domain)


def _on_bounds(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    """Values that are a bound in single precision, on that bound."""
    for variable in domain.variables:
        for bound in (variable.lower, variable.upper):
            if bound is None or variable.name not in ds or (single := float(np.float32(bound))) == bound:
                continue
            values = ds[variable.name].to_numpy()
            ds = ds.assign({variable.name: ds[variable.name].copy(data=np.where(values == single, bound, values))})
    return ds


def _pinned(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    """Values that a law gives where all else in it is on bounds, if that is what single precision makes of them."""
    if not all(name in ds for name in domain.names):
        return ds
    z = np.stack([ds[name].to_numpy() for name in domain.names], axis=-1)
    stored = z.copy()
    low, high = domain.lower, domain.upper
    coarse = np.array([bool(variable.resolution) for variable in domain.variables])
    for coefficients, constant in zip(*domain.matrix()[:2], strict=True):
        members = np.flatnonzero(coefficients)
        free = (z[..., members] != low[members]) & (z[..., members] != high[members])
        (events,) = np.nonzero(free.sum(-1) == 1)
        columns = members[free[events].argmax(-1)]
        rest = z[events] @ coefficients - z[events, columns] * coefficients[columns]
        given, found = z[events, columns], (constant - rest) / coefficients[columns]
        with np.errstate(over="ignore"):
            same = found.astype(np.float32) == given.astype(np.float32)
        same &= (found >= low[columns]) & (found <= high[columns]) & ~coarse[columns]
        z[events[same], columns[same]] = found[same]
    moved = (z != stored).any(0)
    return ds.assign({name: ds[name].copy(data=z[:, i]) for i, name in enumerate(domain.names) if moved[i]})


def _multiples(ds: xr.Dataset, domain: Domain) -> tuple[xr.Dataset, list[str]]:
    """Values that miss a multiple of their resolution by rounding noise, moved there."""
    notes = []
    for variable in domain.variables:
        if not variable.resolution:
            continue
        values = ds[variable.name].to_numpy()
        nearest = np.round(values / variable.resolution) * variable.resolution
        moved = np.abs(nearest - values)
        noise = (moved > 0) & (moved <= _NOISE * variable.resolution)
        if noise.any():
            ds = ds.assign({variable.name: ds[variable.name].copy(data=np.where(noise, nearest, values))})
            notes.append(
                f"{variable.name}: {noise.sum()} values moved to multiples of {variable.resolution:g} "
                f"{variable.units}, by {moved[noise].max():.1e} at most"
            )
    return ds, notes
