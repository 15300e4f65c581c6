"""Reads an ensemble as it is stored, to be judged: nothing is left out and no dtype changes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from lawful.data_recipes.chunk_cache import bounded_chunk_cache
from lawful.data_recipes.layout import stacked
from lawful.data_recipes.names import no_such_variable
from lawful.data_recipes.opening import open_file, sha256
from lawful.data_recipes.read import Reading, in_units
from lawful.data_recipes.selection import check_mapping, companions
from lawful.data_recipes.words import not_numbers
from lawful.domains import Domain, InputError, Variable
from lawful.domains.components import bind

REALIZATION = "realization"


def read_ensemble(path: str | Path, domain: Domain, mapping: Mapping[str, str] | None = None) -> Reading:
    """Read the variables of a domain with dimensions (realization, event_dim) and the dtype they are stored in.

    A file without realizations is read too, along the event dimension alone. Nothing is refused for its values:
    missing ones stay NaN and are counted in the notes. Units other than the domain's are converted and rounded to
    the stored dtype again, packed variables are unpacked; the notes say so.

    Raises:
        InputError: the file cannot be read, a variable is missing, or its dimensions or units are not those of
            the domain.
    """
    file = Path(path)
    with open_ensemble(file, domain, mapping) as (ds, bound, notes):
        chosen = _ordered(ds.load(), bound, file)
    values = {v.name: _stored(chosen[v.name], v, bound, notes, file) for v in bound.variables}
    return Reading(chosen.assign(values), bound, notes, sha256(file))


@contextmanager
def open_ensemble(
    path: str | Path, domain: Domain, mapping: Mapping[str, str] | None = None, *, in_place: bool = False
) -> Iterator[tuple[xr.Dataset, Domain, list[str]]]:
    """The variables of a domain in a file while it is open, not loaded, in its own units and dimensions.

    With them the domain as it is bound to the labels and parameters of the file, and notes. Only points that are to be
    stacked into events are loaded; `in_place` leaves them where they lie, with events along the first of the stack's
    dimensions.

    Raises:
        InputError: the file cannot be read, or a variable is missing or holds no numbers.
    """
    file = Path(path)
    check_mapping(mapping or {}, domain)
    with bounded_chunk_cache(len(domain.names)), open_file(file, domain, mapping or {}) as (ds, notes):
        domain = bind(domain, ds)
        _check_present(ds, domain, file)
        chosen = ds[[*domain.names, *(name for name in companions(domain) if name in ds.variables)]]
        if domain.stack and in_place:
            yield chosen, domain.model_copy(update={"event_dim": domain.stack[0], "stack": ()}), notes
            return
        if set(domain.stack) & set(chosen.dims):
            chosen = stacked(chosen.load(), domain, notes)
        yield _name_dimensions(chosen, domain, notes), domain, notes


def _check_present(ds: xr.Dataset, domain: Domain, file: Path) -> None:
    for name in domain.names:
        if name not in ds.variables:
            raise no_such_variable(file, name, map(str, ds.variables))
        if ds[name].dtype.kind not in "fiu":
            raise not_numbers(file, ds[name])
    require_samples(ds[list(domain.names)], file)


def require_samples(ds: xr.Dataset, file: Path) -> None:
    """Raise InputError where a data set of a file has a dimension without any place along it."""
    for dim, size in ds.sizes.items():
        if size == 0:
            raise InputError(f"{file} holds no sample: its dimension {str(dim)!r} is empty")


def _name_dimensions(ds: xr.Dataset, domain: Domain, notes: list[str]) -> xr.Dataset:
    dims = {str(dim) for name in domain.names for dim in ds[name].dims}
    unknown, absent = sorted(dims - {REALIZATION, domain.event_dim}), {REALIZATION, domain.event_dim} - dims
    # One unknown dimension is what is absent; alone in its file, it is that of the events.
    meant = domain.event_dim if domain.event_dim in absent else REALIZATION
    if len(unknown) != 1 or meant not in absent:
        return ds
    notes.append(f"dimension {unknown[0]!r} is taken for {meant!r}")
    return ds.swap_dims({unknown[0]: meant}) if meant in ds.variables else ds.rename({unknown[0]: meant})


def _ordered(ds: xr.Dataset, domain: Domain, file: Path) -> xr.Dataset:
    expected = {frozenset((REALIZATION, domain.event_dim)), frozenset((domain.event_dim,))}
    found = {frozenset(map(str, ds[name].dims)) for name in domain.names}
    if len(found) > 1 or not found <= expected:
        shapes = "; ".join(sorted({" x ".join(map(str, ds[name].dims)) or "no dimension" for name in domain.names}))
        wanted = f"{REALIZATION} x {domain.event_dim}"
        raise InputError(f"{file}: every variable must lie along {wanted} (or {domain.event_dim} alone), not {shapes}")
    return ds.transpose(REALIZATION, domain.event_dim, ..., missing_dims="ignore")


def _stored(values: xr.DataArray, variable: Variable, domain: Domain, notes: list[str], file: Path) -> xr.DataArray:
    if {"scale_factor", "add_offset"} & set(values.encoding):
        notes.append(f"{variable.name} is packed as {values.encoding.get('dtype')}; it is judged unpacked")
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    numbers = in_units(values, variable, domain, notes, file, judged=True).astype(dtype)
    missing = int((~np.isfinite(numbers)).sum())
    if missing:
        notes.append(f"{variable.name} has {missing} missing or infinite values of {numbers.size}")
    return values.copy(data=numbers).assign_attrs(units=variable.units)
