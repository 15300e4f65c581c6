"""Looks into a file that no domain knows yet: which variables belong together, what is missing, which laws hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import numpy as np
import xarray as xr

from lawful.data_recipes.relations import Relation, relations, rounding
from lawful.data_recipes.screening import present
from lawful.data_recipes.words import first_word, is_number, text
from lawful.domains import InputError
from lawful.domains.calendar import days, holds_times

_MARKS_OF_MISSING = (-9999.0, -999.0, -99.0, -9999.9, -999.9, -99.9, -6999.0, -7777.0)
_FEWEST = 50
_LISTED = 20


@dataclass(frozen=True)
class Column:
    """One variable of a file: its name there and in equations, units, and what its values are like.

    Units that are not understood are `strange_units`, and `units` is 1 then. Whole numbers with the attribute
    `flag_values` (CF conventions, section 3.5) are a category.
    """

    source: str
    name: str
    units: str
    strange_units: str
    description: str
    standard_name: str
    low: float
    high: float
    zeros: float
    missing: float
    dtype: str
    distinct: int
    flag_values: tuple[int, ...] = ()
    flag_meanings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Words:
    """A variable that holds text: its name, how many different words there are, the first of these in their order.

    `stray` says which word stands where in a variable of which most cells are numbers; it is empty for others.
    """

    source: str
    distinct: int
    first: tuple[str, ...]
    stray: str


@dataclass(frozen=True)
class Found:
    """What a starting domain is written from."""

    event_dim: str
    stack: tuple[str, ...]
    events: int
    complete: int
    columns: tuple[Column, ...]
    left_out: tuple[tuple[Column, str], ...]
    laws: tuple[Relation, ...]
    missing: tuple[float, ...]
    times: np.ndarray | None  # different ones, ascending, in days
    label: str | None
    words: tuple[Words, ...]
    notes: tuple[str, ...]


def look(ds: xr.Dataset, notes: list[str]) -> Found:
    """What there is in a data set.

    Raises:
        InputError: no variables of numbers lie along a common dimension with enough events.
    """
    names, dims, others = _belonging_together(ds)
    event_dim = dims[0] if len(dims) == 1 else "point"
    shaped = ds[names].reset_coords(drop=True).squeeze(drop=True).transpose(*dims)
    raw = {name: shaped[name].to_numpy().reshape(-1).astype(np.float64) for name in names}
    missing = tuple(mark for mark in _MARKS_OF_MISSING if any((values == mark).any() for values in raw.values()))
    values = {name: np.where(present(v) & ~np.isin(v, missing), v, np.nan) for name, v in raw.items()}
    columns = _columns(ds, values)
    kept, left_out = _kept(columns, values)
    whole = np.stack([values[c.source] for c in kept], axis=1)
    whole = whole[np.isfinite(whole).all(1)]
    if len(whole) < _FEWEST:
        raise InputError(f"{len(whole)} events have all of {', '.join(c.source for c in kept)}; {_FEWEST} are needed")
    steps = np.array([_half_step(whole[:, i], ds[c.source], c.dtype) for i, c in enumerate(kept)])
    numeric = [i for i, c in enumerate(kept) if not c.flag_values]
    laws = relations(whole[:, numeric], [kept[i].name for i in numeric], steps[numeric])
    stack = dims if len(dims) > 1 else ()
    events = len(next(iter(values.values())))
    return Found(
        event_dim, stack, events, len(whole), tuple(kept), tuple(left_out), tuple(laws), missing,
        _times(ds, dims), _label(ds, dims, events), tuple(_words_of(ds, dims)),
        (*notes, *others),
    )  # fmt: skip


def _half_step(values: np.ndarray, variable: xr.DataArray, dtype: str) -> float:
    """Half the step in which values (N,) are stored; that of packed integers need be no decimal one."""
    packed = abs(float(variable.encoding.get("scale_factor") or 0.0)) / 2
    return max(rounding(values, np.dtype(dtype)), packed)


def _belonging_together(ds: xr.Dataset) -> tuple[list[str], tuple[str, ...], list[str]]:
    """The most variables of numbers that share their dimensions, with more than one place along each of these.

    What never changes at a place does not come before what changes there in time. Notes say what is not among them.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    bounds = {str(v.attrs.get(key)) for v in ds.variables.values() for key in ("bounds", "climatology")}
    for key, variable in ds.data_vars.items():
        name, dims = str(key), tuple(str(dim) for dim in variable.dims if variable.sizes[dim] > 1)
        if variable.dtype.kind in "fiu" and dims and name not in bounds and not _counts(variable):
            groups.setdefault(dims, []).append(name)
    # Edges of cells and of months lie along a dimension of two.
    groups = {dims: names for dims, names in groups.items() if not any(_is_edges(ds, dim) for dim in dims)}
    if not groups:
        raise InputError("no variable of numbers lies along a dimension; a domain needs events")
    changing = [
        dims for dims in groups if not any(set(dims) < set(o) and _time_dim(ds, _more(o, dims)) for o in groups)
    ]
    dims = max(changing, key=lambda dims: (len(groups[dims]), np.prod([ds.sizes[dim] for dim in dims])))
    notes = [
        f"not looked at, for other dimensions: {', '.join(names)} ({' x '.join(other)})"
        for other, names in groups.items() if other != dims
    ]  # fmt: skip
    if len(dims) == 3 and _time_dim(ds, dims):
        notes.append("fields on a grid whose means over blocks are given: `lawful init` with --block (docs/domains.md)")
    return groups[dims], dims, notes


def _more(dims: tuple[str, ...], than: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dim for dim in dims if dim not in than)


def _words_of(ds: xr.Dataset, dims: tuple[str, ...]) -> Iterator[Words]:
    """Variables of text along the events, or along one of the dimensions that are stacked."""
    for key, values in ds.data_vars.items():
        if (
            not values.dims
            or not set(values.dims) <= set(dims)
            or values.dtype.kind not in "OSU"
            or holds_times(values)
        ):
            continue
        cells = [text(item) for item in values.to_numpy().ravel()]
        different = sorted({cell for cell in cells if cell})
        stray = first_word(values) if sum(map(is_number, cells)) > len(cells) / 2 else None
        yield Words(
            str(key), len(different), tuple(different[:_LISTED]), f"{stray[0]!r} in {stray[1]}" if stray else ""
        )


def _is_edges(ds: xr.Dataset, dim: str) -> bool:
    return ds.sizes[dim] == 2 and any(word in dim.lower() for word in ("bnd", "bound", "nv", "edge"))


def _counts(variable: xr.DataArray) -> bool:
    """Whether a column numbers its rows: whole numbers, each one more than the last."""
    values = variable.to_numpy()
    return values.ndim == 1 and values.dtype.kind in "iu" and values.size > 2 and bool((np.diff(values) == 1).all())


def _columns(ds: xr.Dataset, values: dict[str, np.ndarray]) -> list[Column]:
    taken: set[str] = set()
    columns = []
    for source, v in values.items():
        there, attrs, dtype = v[np.isfinite(v)], ds[source].attrs, ds[source].encoding.get("dtype", ds[source].dtype)
        low, high = (float(there.min()), float(there.max())) if there.size else (np.nan, np.nan)
        columns.append(
            Column(
                source, _identifier(source, taken), *_units(attrs), _words(attrs.get("long_name", "")),
                _words(attrs.get("standard_name", "")), low, high, float((there == 0).mean()) if there.size else 0.0,
                float(1 - there.size / v.size), str(np.dtype(dtype)), len(np.unique(there[:10_000])),
                *_flags(attrs, there, np.dtype(dtype)),
            )
        )  # fmt: skip
    return columns


def _flags(attrs: dict[Any, Any], values: np.ndarray, dtype: np.dtype) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Values and meanings of a category; none where numbers are no whole ones, or others than the flags."""
    flags = np.atleast_1d(attrs.get("flag_values", ()))
    if dtype.kind not in "iu" or flags.dtype.kind not in "iu" or len(flags) < 2 or not np.isin(values, flags).all():
        return (), ()
    words = tuple(str(attrs.get("flag_meanings", "")).split())
    return tuple(flags.tolist()), words if len(set(words)) == len(flags) else ()


def _identifier(source: str, taken: set[str]) -> str:
    """A name that can stand in an equation: letters, digits and _."""
    name = re.sub(r"\W+", "_", normalize("NFKC", source)).strip("_") or "x"
    name = name if name.isidentifier() else f"x_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _units(attrs: dict[str, object]) -> tuple[str, str]:
    # Here, because pint is slow to import.
    from lawful.domains.units import require_units

    units = _words(attrs.get("units", ""))
    try:
        require_units(units)
    except InputError:
        return "1", units
    return units or "1", ""


def _words(value: object) -> str:
    return " ".join(str(value).split())[:200]


def _kept(columns: list[Column], values: dict[str, np.ndarray]) -> tuple[list[Column], list[tuple[Column, str]]]:
    """Columns without those that never change or leave too few whole events: the emptiest goes first."""
    left_out = [(c, "missing everywhere" if c.missing == 1 else "the same everywhere") for c in columns if _is_flat(c)]
    kept = [c for c in columns if not _is_flat(c)]
    while len(kept) > 1:
        whole = np.isfinite(np.stack([values[c.source] for c in kept])).all(0).mean()
        emptiest = max(kept, key=lambda c: c.missing)
        if whole >= 0.5 * (1 - min(c.missing for c in kept)) or emptiest.missing == 0:
            break
        kept.remove(emptiest)
        left_out.append((emptiest, f"missing in {emptiest.missing:.0%}, which would leave {whole:.0%} of the events"))
    if not kept:
        raise InputError("every variable is the same everywhere; there is nothing to learn")
    return kept, left_out


def _is_flat(column: Column) -> bool:
    return not column.low < column.high


def _times(ds: xr.Dataset, dims: tuple[str, ...]) -> np.ndarray | None:
    """The different times of the events in days, ascending, when there are two at least."""
    dim = _time_dim(ds, dims)
    if dim is None:
        return None
    when = days(ds[dim])
    return np.unique(when) if np.isfinite(when).all() and len(np.unique(when)) > 1 else None


def _time_dim(ds: xr.Dataset, dims: tuple[str, ...]) -> str | None:
    """The dimension of events, or of those that are stacked into events, that holds times."""
    return next((dim for dim in dims if dim in ds.coords and holds_times(ds[dim])), None)


def _label(ds: xr.Dataset, dims: tuple[str, ...], events: int) -> str | None:
    """A variable that tells groups of events apart: words, or the coordinate of a stacked dimension but time."""
    if len(dims) > 1:
        # Each time a block of its own would part neighbours in time.
        places = [dim for dim in dims if dim != _time_dim(ds, dims)]
        return next((dim for dim in places if dim in ds.coords and 5 <= ds.sizes[dim] < events), None)
    for key, variable in ds.variables.items():
        if variable.dims == dims and variable.dtype.kind in "OSU":
            distinct = len(set(variable.to_numpy().astype(str)))
            if 10 <= distinct <= 0.8 * events:
                return str(key)
    return None
