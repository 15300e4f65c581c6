"""What storage has moved off an exact value, moved back: what laws give, values that recur, multiples of a resolution.

Numbers that stand for a bound are on it as they are read.
"""

import numpy as np
import xarray as xr
from scipy.sparse import coo_array
from scipy.sparse.linalg import lsqr

from lawful.domains import Domain, Variable

_NOISE = 1e-6
_ROUNDING = float(np.finfo(np.float64).eps)
_SOLVED = 1e-12
_NONE = np.empty(0)
_OFTEN, _SHARE = 10, 0.005
"""A value that recurs as seldom is taken for no exact one by any part of the data that a model is trained on."""


def restored(ds: xr.Dataset, domain: Domain, given: tuple[str, ...] = ()) -> tuple[xr.Dataset, list[str]]:
    """Events as they were before they were stored, and notes on the values that moved.

    A model takes a value that recurs for one with a probability of its own. One of 0.3 is 0.30000001 in single
    precision, and a pattern of such values obeys no law. Values of `given` variables that recur stay as they are.
    """
    return _multiples(_tied(_pinned(ds, domain), domain, given), domain)


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


def _tied(ds: xr.Dataset, domain: Domain, given: tuple[str, ...]) -> xr.Dataset:
    """Values that recur where a law ties them to each other and to bounds, moved together by rounding noise at most
    until it holds: 0.15 and 0.3 of 0.45, each as single precision has it."""
    if not all(name in ds for name in domain.names):
        return ds
    z = np.stack([ds[name].to_numpy() for name in domain.names], axis=-1)
    kept = (*domain.given, *domain.expanded(given))
    atoms = [_recurring(z[:, i], v) if v.name not in kept else _NONE for i, v in enumerate(domain.variables)]
    ties, misfits = _ties(z, atoms, domain)
    if not (np.abs(misfits) > _ROUNDING).any():
        return ds
    # Each moves by a small part of itself, whatever units it is in.
    shares = lsqr(ties, misfits, atol=_SOLVED, btol=_SOLVED)[0]
    shares[np.abs(shares) > _NOISE] = 0.0
    ends = np.cumsum([len(values) for values in atoms])
    for i, (name, old, share) in enumerate(zip(domain.names, atoms, np.split(shares, ends[:-1]), strict=True)):
        new = old * (1 + share)
        if moved := {x: y for x, y in zip(old, new, strict=True) if x != y and domain.lower[i] <= y <= domain.upper[i]}:
            column = z[:, i]
            picked = [column == x for x in moved]
            ds = ds.assign({name: ds[name].copy(data=np.select(picked, list(moved.values()), column))})
    return ds


def _recurring(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Values off bounds, apart from multiples and kinds, that a model may take for exact ones."""
    if variable.resolution or variable.categorical:
        return _NONE
    found, counts = np.unique(values, return_counts=True)
    often = counts >= max(_OFTEN, _SHARE * len(values))
    return found[often & (found != variable.lower) & (found != variable.upper)]


def _ties(z: np.ndarray, atoms: list[np.ndarray], domain: Domain) -> tuple[coo_array, np.ndarray]:
    """What each set of values that recur or are bounds, of all members of a law, adds up to if each value grows by a
    share of itself, `(sets, values)`, and what it lacks; in sizes of the law's terms."""
    first = np.cumsum([0, *map(len, atoms)])
    limits = zip(atoms, domain.lower, domain.upper, strict=True)
    exact = np.stack([np.isin(z[:, i], [*found, low, high]) for i, (found, low, high) in enumerate(limits)], axis=-1)
    entries, places, misfits = [_NONE], [np.empty((2, 0), int)], [_NONE]
    for coefficients, constant in zip(*domain.matrix()[:2], strict=True):
        members = np.flatnonzero(coefficients)
        sets = np.unique(z[exact[:, members].all(-1)][:, members], axis=0)
        terms = coefficients[members] * sets
        size = np.abs(terms).sum(-1) + abs(constant)
        misfit = constant - terms.sum(-1)
        near = (np.abs(misfit) <= _NOISE * size) & (size > 0)
        count = sum(map(len, misfits))
        for j, i in enumerate(members):
            rows = np.flatnonzero(np.isin(sets[near, j], atoms[i]))
            entries.append((terms[near, j] / size[near])[rows])
            places.append(np.stack([count + rows, first[i] + np.searchsorted(atoms[i], sets[near, j][rows])]))
        misfits.append(misfit[near] / size[near])
    lacking = np.concatenate(misfits)
    shape = (len(lacking), int(first[-1]))
    return coo_array((np.concatenate(entries), tuple(np.concatenate(places, axis=1))), shape=shape), lacking


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
