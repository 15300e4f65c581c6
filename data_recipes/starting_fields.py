"""Writes a commented YAML file to start a domain of fields from, and sees that it loads and reads its data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from lawful.data_recipes.looking import Found, look
from lawful.data_recipes.opening import open_plainly
from lawful.data_recipes.shaped import read_shaped
from lawful.data_recipes.starting_text import block_lines, law_lines, never_negative, quoted, variable_lines
from lawful.data_recipes.write import write_text
from lawful.domains import InputError
from lawful.domains.field_domain import FieldDomain
from lawful.domains.registry import find_any_domain

_AREAS = ("area", "areacella", "cell_area", "areacello")
_STEPS = {1 / 24: "hour", 1.0: "day", 30.4: "month"}
_READ = 400


def start_fields(name: str, data: Path, target: Path, block: tuple[int, int]) -> tuple[FieldDomain, list[str]]:
    """Look into `data` and write `target`, a domain of fields called `name`, held to their means over a `block`.

    Gives the domain, and notes on what a run would read.

    Raises:
        InputError: the target exists, or the data hold no fields, or none whose grid the block divides.
    """
    if target.exists():
        raise InputError(f"{target} exists; remove it, or give another NAME")
    with open_plainly(data) as (ds, notes):
        found = look(ds.load(), notes)
        if len(found.stack) != 3:
            there = " x ".join(found.stack or (found.event_dim,))
            raise InputError(f"{data}: a field lies along samples, rows and columns; {_names(found)} along {there}")
        write_text(as_yaml(name, data, found, ds, block), target)
    try:
        domain = find_any_domain(str(target))
        assert isinstance(domain, FieldDomain)
        return domain, read_shaped(data, domain, most=_READ)[1]
    except InputError:
        target.unlink()
        raise


def _names(found: Found) -> str:
    return ", ".join(column.source for column in found.columns)


def as_yaml(name: str, data: Path, found: Found, ds: xr.Dataset, block: tuple[int, int]) -> str:
    """The text of a domain file; what cannot be known is said in comments."""
    dim, rows, columns = found.stack
    kinds = [column for column in found.columns if column.flag_values]
    fields = [column for column in found.columns if not column.flag_values]
    bounded = all(map(never_negative, fields)) and not found.laws
    lines = [
        f"# Started by `lawful init` from {data.name}: fields of {' x '.join(found.stack)}.",
        "# Read it through: laws and bounds below hold in these data; whether they are laws, you know.",
        "shape: fields",
        f"name: {quoted(name)}",
        f"title: {quoted(f'What {data.name} holds')}",
        f"event: {_event(found)}",
        f"dim: {quoted(dim)}",
        f"rows: {quoted(rows)}",
        f"columns: {quoted(columns)}",
        f"block: [{block[0]}, {block[1]}]  # means over so many rows and columns are given, and hold exactly",
        *([f"missing: [{', '.join(f'{mark:g}' for mark in found.missing)}]"] if found.missing else []),
        *([] if bounded else ["# Fields are all of zero or more (lower: 0), or all without bounds."]),
        "variables:",
        *(line for column in fields for line in variable_lines(column, bounded=bounded)),
        *(f"  # {column.name}: left out, {why}" for column, why in found.left_out),
        *(f"  # {column.name}: left out, a category" for column in kinds),
        *(law_lines(found) if found.laws else []),
        *_covariates(ds, (rows, columns)),
        *_weights(ds, (rows, columns)),
        *(["periodic: true  # the last column is a neighbour of the first"] if _round(ds, columns) else []),
        *block_lines(replace(found, label=None, complete=ds.sizes[dim])),
    ]
    return "\n".join(lines) + "\n"


def _event(found: Found) -> str:
    """What a sample is, by the step of time."""
    if found.times is None:
        return "sample"
    step = float(np.median(np.diff(found.times)))
    return next((word for days, word in _STEPS.items() if abs(step - days) < 0.05 * days), "time step")


def _covariates(ds: xr.Dataset, grid: tuple[str, str]) -> list[str]:
    known = [
        str(name) for name, v in ds.data_vars.items()
        if set(v.dims) == set(grid) and v.dtype.kind in "fiu" and str(name) not in _areas(ds, grid)
    ]  # fmt: skip
    return [f"covariates: [{', '.join(map(quoted, known))}]  # known on the grid, told to the network"] if known else []


def _weights(ds: xr.Dataset, grid: tuple[str, str]) -> list[str]:
    areas = _areas(ds, grid)
    if areas:
        return [f"weights: {quoted(areas[0])}  # means are weighted by it"]
    return ["# weights: a variable of the file, such as areas of cells; without it cells count alike"]


def _areas(ds: xr.Dataset, grid: tuple[str, str]) -> list[str]:
    """Variables that are areas of cells by their name, or by the standard one."""
    return [
        str(name) for name, v in ds.data_vars.items()
        if v.dims and set(v.dims) <= set(grid) and v.dtype.kind in "fiu"
        and (v.attrs.get("standard_name") == "cell_area" or str(name).lower() in _AREAS)
    ]  # fmt: skip


def _round(ds: xr.Dataset, columns: str) -> bool:
    """Whether columns are longitudes all round the earth."""
    if columns not in ds.coords or not str(ds[columns].attrs.get("units", "")).lower().startswith("degree"):
        return False
    steps = np.diff(ds[columns].to_numpy().astype(np.float64))
    even = len(steps) > 1 and steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-3)
    return bool(even and abs((len(steps) + 1) * abs(steps[0]) - 360) < 0.01 * abs(steps[0]))
