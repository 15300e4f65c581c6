"""Reads graphs and fields: checked, in the domain's units, with everything said that was done to them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import xarray as xr

from lawful.data_recipes.cells import of_cells
from lawful.data_recipes.cf import variable_attributes
from lawful.data_recipes.grids import blocks_named, of_blocks, require_same_grid, with_block_coordinates, with_known
from lawful.data_recipes.names import no_such_variable
from lawful.data_recipes.opening import file_format, from_sources, open_plainly, renamed, sha256
from lawful.data_recipes.read import in_units
from lawful.domains import InputError, ShapedDomain, Variable
from lawful.domains.field_domain import FieldDomain, coarse
from lawful.domains.graph_data import require_graphs, require_layout
from lawful.domains.graph_domain import GraphDomain

_SINGLE_PRECISION = 1e-6


def read_shaped(
    path: Path,
    domain: ShapedDomain,
    mapping: Mapping[str, str] | None = None,
    *,
    most: int | None = None,
    like: xr.Dataset | None = None,
) -> tuple[xr.Dataset, list[str], str]:
    """Samples of a file, what was done to them in words, and the SHA-256 of the file.

    Of more than `most` samples, so many are taken, spread over the file. Without fine values, which only training and
    judging need, coarse ones or totals are enough. Fields for a model that was trained on those of `like` must have its
    grid and weights; what is the same for all samples there may be missing in the file.

    Raises:
        InputError: one line on what is wrong with the file, where, and what to do.
    """
    check_names(mapping or {}, domain)
    with open_named(path) as (stored, notes):
        ds = from_sources(renamed(stored, path, mapping or {}), domain.generated)
        if domain.event_dim not in ds.sizes:
            raise InputError(f"{path} has no dimension {domain.event_dim!r}; it has {', '.join(map(str, ds.sizes))}")
        ds = _graphs(ds, domain, path, notes) if isinstance(domain, GraphDomain) else ds
        ds = _fields(ds, domain, path, notes, like) if isinstance(domain, FieldDomain) else ds
        count = ds.sizes[domain.event_dim]
        if most is not None and count > most:
            ds = domain.chosen(ds, np.linspace(0, count - 1, most).astype(int))
            notes.append(f"{most} of {count} samples read, spread over the file")
        return ds.load(), notes, sha256(path)


def open_named(path: Path) -> AbstractContextManager[tuple[xr.Dataset, list[str]]]:
    """`open_plainly`, for files whose dimensions have names; InputError for plain HDF5."""
    if file_format(path) == "hdf5":
        raise InputError(f"{path} is plain HDF5, which names no dimensions; graphs and fields need NetCDF or Zarr")
    return open_plainly(path)


def check_names(mapping: Mapping[str, str], domain: ShapedDomain) -> None:
    """Raise InputError when a mapping speaks of something that files of the domain do not hold."""
    unknown = [name for name in mapping if name not in domain.stored]
    if unknown:
        known = ", ".join(domain.stored)
        raise InputError(f"mapping names {unknown[0]!r}, unknown to domain {domain.name!r}; it has {known}")


def _graphs(ds: xr.Dataset, domain: GraphDomain, path: Path, notes: list[str]) -> xr.Dataset:
    """Graphs with values and totals in the units of the domain; what is in these already stays as it is."""
    values = domain.value.name in ds
    try:
        require_layout(domain, ds, values=values)
        for v in (domain.total, domain.value)[: 1 + values]:
            stored = ds[v.name]
            numbers = in_units(stored, v, domain, notes)
            if not np.array_equal(numbers, stored.to_numpy(), equal_nan=True):
                ds = ds.assign({v.name: (stored.dims, numbers, {**stored.attrs, "units": v.units})})
        require_graphs(domain, ds, values=values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return ds


def _fields(ds: xr.Dataset, domain: FieldDomain, path: Path, notes: list[str], like: xr.Dataset | None) -> xr.Dataset:
    fine = domain.names[0] in ds or coarse(domain.names[0]) not in ds
    names = {v.name if fine else coarse(v.name): v for v in domain.variables}
    known = [*domain.covariates, *([domain.weights] if domain.weights else [])]
    label = [str(domain.blocks.label)] if domain.blocks.label else []
    unused = [name for name in domain.held_to if fine and name in ds.variables]
    if unused:
        notes.append(f"{', '.join(unused)} of the file not used: block means are taken of {', '.join(names)}")
    wanted = [*names, *known, *label]
    for name in names:
        if name not in ds.variables:
            raise no_such_variable(path, name, map(str, ds.variables))
    ds = ds[[name for name in wanted if name in ds.variables]]
    ds = ds if fine else blocks_named(ds, list(names), domain)
    ds = ds if like is None else with_known(ds, like, domain, path, notes)
    for name in wanted:
        if name not in ds.variables:
            raise no_such_variable(path, name, map(str, ds.variables))
    if fine or known:
        require_grid(ds, domain, path, known)
    ds = ds.load() if like is None else require_same_grid(ds.load(), like, domain, path, notes)
    along = (domain.rows, domain.columns)
    dims = (domain.dim, *(along if fine else map(of_blocks, along)))
    columns = {name: (dims, _numbers(ds, name, v, dims, domain, path, notes), variable_attributes(v))
               for name, v in names.items()}  # fmt: skip
    ds = of_cells(ds.drop_vars(list(names)).assign(columns), list(names), domain, path, notes, like)
    for name, v in names.items():
        _require_bounds(ds[name], v, path)
    ds = _on_cell_laws(ds, list(names), domain, path, notes)
    ds = _with_means(ds, domain) if fine else ds
    return with_block_coordinates(ds, domain)


def require_grid(ds: xr.Dataset, domain: FieldDomain, path: Path, known: list[str]) -> None:
    """See that a file has the grid of a domain, and numbers `known` on it."""
    for dim, size in zip((domain.rows, domain.columns), domain.block, strict=True):
        if dim not in ds.sizes:
            raise InputError(f"{path} has no dimension {dim!r}; it has {', '.join(map(str, ds.sizes))}")
        if ds.sizes[dim] % size:
            raise InputError(f"{path}: {ds.sizes[dim]} cells along {dim!r} are no multiple of blocks of {size}")
    for name in known:
        fixed = name == domain.weights
        if not set(ds[name].dims) <= {domain.rows, domain.columns, *([] if fixed else [domain.dim])}:
            there = " x ".join(map(str, ds[name].dims))
            only = ", the same for all samples" if fixed else ""
            raise InputError(
                f"{path}: {name!r} needs numbers along {domain.rows} x {domain.columns}{only}, not along {there}"
            )
        if ds[name].dtype.kind not in "fiub":
            raise InputError(f"{path}: {name!r} needs numbers along {domain.rows} x {domain.columns}")
        if fixed:
            _require_weights(ds[name].astype(np.float64), path)


def _require_weights(weights: xr.DataArray, path: Path) -> None:
    """Missing ones are those of cells that are not of the field."""
    wrong = weights.where((weights < 0) | np.isinf(weights), drop=True)
    if wrong.size:
        raise InputError(f"{path}: {weights.name!r} weighs cells by {float(wrong.min()):g}; no weight is below zero")
    if not (weights > 0).any():
        raise InputError(f"{path}: {weights.name!r} weighs no cell; weights are above zero where there is a value")


def _numbers(
    ds: xr.Dataset, name: str, v: Variable, dims: tuple[str, ...], domain: FieldDomain, path: Path, notes: list[str]
) -> np.ndarray:
    values = ds[name]
    if values.ndim != 3 or domain.dim not in values.dims or values.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: {name!r} needs numbers along {' x '.join(dims)}, not {' x '.join(map(str, values.dims))}"
        )
    values = values.transpose(*dims) if set(dims) == set(values.dims) else values.transpose(domain.dim, ...)
    return in_units(values, v.model_copy(update={"name": name}), domain, notes)


def _require_bounds(values: xr.DataArray, v: Variable, path: Path) -> None:
    if v.lower is not None and values.size and float(values.min()) < v.lower:
        where = np.unravel_index(int(np.nanargmin(values.to_numpy())), values.shape)
        place = ", ".join(f"{dim} {k}" for dim, k in zip(values.dims, where, strict=True))
        raise InputError(f"{path}: {values.name} is {float(values.min()):g} {v.units} at {place}, below {v.lower:g}")


def _on_cell_laws(ds: xr.Dataset, names: list[str], domain: FieldDomain, path: Path, notes: list[str]) -> xr.Dataset:
    """Fields `names` moved onto the laws of a cell by the least change, where they close to their tolerance.

    Fine fields have means on the laws, and coarse ones must lie there to be means of any. A change counts by the
    spread of its variable, whatever units that is in.
    """
    if not domain.laws:
        return ds
    found = np.stack([ds[name].to_numpy() for name in names])
    there = ~np.isnan(found).any(axis=0)
    A, z = domain.cell_laws(), found[:, there]
    off, size = np.tensordot(A, z, 1), np.tensordot(np.abs(A), np.abs(z), 1)
    for law, misfit, gross in zip(domain.laws, np.abs(off), size, strict=True):
        # Means near zero carry the rounding of the larger values that they were taken of.
        rounding = _SINGLE_PRECISION * np.maximum(gross, gross.mean() if gross.size else 0.0)
        allowed = rounding if law.tolerance is None else law.tolerance
        if (misfit > allowed).any():
            raise InputError(
                f"{path}: law {law.name!r} ({law.equation}) is off by up to {misfit.max():.3g} {law.units}"
            )
    spread, largest = z.std(axis=1), np.abs(z).max(axis=1, initial=0.0)
    spread = np.where(spread > 0, spread, largest)
    moved = z - np.tensordot(spread[:, None] * np.linalg.pinv(A * spread), off, 1)
    if (moved != z).any():
        changes = zip(names, np.abs(moved - z).max(axis=1), domain.variables, strict=True)
        most = ", ".join(f"{name} {change:.2g} {v.units}" for name, change, v in changes)
        notes.append(f"fields were moved onto the laws of a cell, at most by {most}")
    found[:, there] = moved
    return ds.assign({name: ds[name].copy(data=found[k]) for k, name in enumerate(names)})


def _with_means(ds: xr.Dataset, domain: FieldDomain) -> xr.Dataset:
    means = domain.fields(ds).coarse.numpy()
    dims = (domain.dim, of_blocks(domain.rows), of_blocks(domain.columns))
    said = {v.name: {"units": v.units, "long_name": f"mean of {v.name} over blocks of cells"} for v in domain.variables}
    return ds.assign({coarse(name): (dims, means[:, k], said[name]) for k, name in enumerate(domain.names)})
