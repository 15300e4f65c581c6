"""Reads data for a domain: checked, in the domain's units, with everything said that was done to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from lawful.data_recipes import screening
from lawful.data_recipes.cf import variable_attributes
from lawful.data_recipes.layout import along_events
from lawful.data_recipes.machine import memory
from lawful.data_recipes.misfits import with_misfits, without_misfits
from lawful.data_recipes.opening import open_file
from lawful.data_recipes.pieces import thinned
from lawful.data_recipes.selection import check_mapping, only_conditions, select
from lawful.data_recipes.several import files_of, hash_of, together
from lawful.data_recipes.stored_bounds import stands_for
from lawful.domains import Domain, ShapedDomain, Variable
from lawful.domains.components import IN_ARRAY, bind
from lawful.domains.errors import InputError
from lawful.domains.units import convert, equivalent

MINIMUM_EVENTS = 50
_COPIES = 4
"""How many copies of the data there are while they are read and screened, about."""


@dataclass(frozen=True)
class Reading:
    """A data set, the domain with what the file says of it, what was done on the way in, and the file's SHA-256."""

    dataset: xr.Dataset
    domain: Domain
    notes: list[str] = field(default_factory=list)
    sha256: str = ""


def read(
    path: str | Path,
    domain: Domain,
    mapping: Mapping[str, str] | None = None,
    *,
    minimum_events: int = MINIMUM_EVENTS,
    refuse: bool = True,
    needed: tuple[str, ...] | None = None,
    most: int | None = None,
) -> Reading:
    """Read events to learn from: float64 variables in the domain's units along its event dimension.

    Events with a missing value are left out and counted. Whatever was converted, renamed, assumed or left out is
    in the notes.

    Args:
        path: a NetCDF-3, NetCDF-4, plain HDF5, Zarr, CSV or Parquet file, or a pattern that several files fit.
        domain: what the file should hold.
        mapping: name in the domain -> name (or HDF5 path) in the file, where they differ.
        minimum_events: fewer complete events than this are refused.
        refuse: whether values out of bounds, broken laws and too few events are errors; otherwise they are notes,
            for looking at a file whose faults are the question.
        needed: variables that are enough, with the context, where the file does not hold all; None asks for all.
        most: of more events than this, so many are read, in stretches spread over the files; None reads all.

    Raises:
        InputError: one line on what is wrong with the file, where, and what to do.
    """
    check_mapping(mapping or {}, domain)
    notes: list[str] = []
    files = files_of(Path(path))
    parts = []
    for file in files:
        domain, part, said = _read_one(file, domain, mapping or {}, needed, most and max(1, most // len(files)))
        parts.append(part)
        notes += [note for note in said if note not in notes]
    whole = together(parts, domain, notes)
    ds = screening.leave_out_missing(whole, domain, notes)
    faults = [*screening.too_few(ds, whole, domain, minimum_events), *screening.out_of_bounds(ds, domain)]
    broken = screening.broken_laws(ds, domain)
    if refuse:
        _refuse(faults + (broken if domain.closure != "reconcile" else []), Path(path))
    return Reading(ds, domain, [*notes, *faults, *broken, *screening.odd_ratios(ds, domain)], hash_of(files))


def _read_one(
    file: Path, domain: Domain, mapping: Mapping[str, str], needed: tuple[str, ...] | None, most: int | None
) -> tuple[Domain, xr.Dataset, list[str]]:
    with open_file(file, domain, mapping, most) as (raw, notes):
        domain = bind(domain, raw)
        domain = domain if needed is None else only_conditions(without_misfits(domain, raw), raw, needed, notes)
        stored = without_misfits(domain, raw)
        picked = select(raw, stored, file)
        chosen = along_events(picked if domain.window else thinned(picked, stored, most, notes), stored, notes)
        _require_memory(chosen, file)
        return domain, with_misfits(_numbers(chosen.load(), stored, notes, file), domain, notes), notes


def _require_memory(ds: xr.Dataset, file: Path) -> None:
    need, have = _COPIES * ds.nbytes, memory()
    if need > have:
        raise InputError(
            f"{file}: its variables take about {need / 2**30:,.0f} GiB of memory as float64 and this machine has "
            f"{have / 2**30:,.0f}; give a part of them, or fewer --max-events where a run reads them"
        )


def _refuse(faults: list[str], file: Path) -> None:
    if faults:
        more = f" (and {len(faults) - 1} more faults: {'; '.join(faults[1:])})" if len(faults) > 1 else ""
        raise InputError(f"{file}: {faults[0]}{more}")


def _numbers(ds: xr.Dataset, domain: Domain, notes: list[str], file: Path) -> xr.Dataset:
    converted = {v.name: in_units(ds[v.name], v, domain, notes, file) for v in domain.variables}
    return ds.assign({v.name: (ds[v.name].dims, converted[v.name], variable_attributes(v)) for v in domain.variables})


def in_units(
    values: xr.DataArray,
    variable: Variable,
    domain: Domain | ShapedDomain,
    notes: list[str],
    file: Path | None = None,
    *,
    judged: bool = False,
) -> np.ndarray:
    """Float64 values in the units of the domain, NaN where they stand for none; a note says what was converted.

    Numbers that stand for zero or a bound of the variable are on it, whatever unpacking and conversion have made of
    them; in data to learn from, and not in those that are `judged`, so are the neighbours of a bound that single
    precision does not hold.

    Raises:
        InputError: the units of the `file` are unknown or do not convert; both are named.
    """
    numbers = values.to_numpy().astype(np.float64)
    there = np.where(np.isin(numbers, domain.missing), np.nan, numbers) if domain.missing else numbers
    try:
        units = _stated_units(values, variable, notes)
        converted = convert(there, units, variable.units, domain.density)
    except InputError as error:
        raise InputError(f"{f'{file}: ' if file else ''}variable {variable.name!r}: {error}") from error
    exact = np.array(sorted(_bounds(variable)))
    places = convert(exact, variable.units, units, domain.density)
    masks = [
        stands_for(values, there, bound, place, neighbours=not judged)
        for bound, place in zip(exact, places, strict=True)
    ]
    for bound, mask in zip(exact, masks, strict=True):
        converted[mask] = bound
    return converted


def _bounds(variable: Variable) -> set[float]:
    """Zero, and the bounds of a variable: values that events may have exactly."""
    return {0.0, *(bound for bound in (variable.lower, variable.upper) if bound is not None)}


def _stated_units(values: xr.DataArray, variable: Variable, notes: list[str]) -> str:
    units, name = values.attrs.get("units"), _named(values, variable)
    if units is None:
        if variable.units != "1":
            _say(f"{name} has no units; {variable.units!r} assumed", notes)
        return variable.units
    if str(units) == variable.file_units:
        return variable.units
    if not equivalent(str(units), variable.units):
        _say(f"{name} converted from {str(units)!r} to {variable.units!r}", notes)
    return str(units)


def _named(values: xr.DataArray, variable: Variable) -> str:
    """What notes call a variable: an array that it was taken out of, which is converted as a whole."""
    return str(values.encoding[IN_ARRAY][0]) if IN_ARRAY in values.encoding else variable.name


def _say(note: str, notes: list[str]) -> None:
    if note not in notes:
        notes.append(note)
