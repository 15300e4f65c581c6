"""Reads graphs and fields as they are stored, to be judged: no value is refused, and none changed."""

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from lawful.data_recipes.cells import left_out
from lawful.data_recipes.ensemble import REALIZATION, require_samples
from lawful.data_recipes.names import no_such_variable
from lawful.data_recipes.opening import from_sources, renamed
from lawful.data_recipes.shaped import check_names, open_named, require_grid
from lawful.domains import InputError, ShapedDomain
from lawful.domains.field_domain import FieldDomain
from lawful.domains.graph_data import require_shape
from lawful.domains.graph_domain import GraphDomain


def read_shaped_ensemble(
    path: Path, domain: ShapedDomain, mapping: Mapping[str, str] | None = None
) -> tuple[xr.Dataset, list[str]]:
    """Values of a file, what they are held to, and what tells their shape, in the file's units; and notes.

    All of it is read into memory. Values may be any; only a file whose shape is not that of the domain is refused.

    Raises:
        InputError: one line on what is wrong with the file, where, and what to do.
    """
    check_names(mapping or {}, domain)
    with open_named(path) as (stored, notes):
        ds = from_sources(renamed(stored, path, mapping or {}), domain.generated)
        for name in domain.judged_by:
            if name not in ds.variables:
                raise no_such_variable(path, name, map(str, ds.variables))
        if domain.event_dim not in ds.sizes:
            raise InputError(f"{path} has no dimension {domain.event_dim!r}; it has {', '.join(map(str, ds.sizes))}")
        ds = ds[list(domain.judged_by)]
        require_samples(ds, path)
        if isinstance(domain, FieldDomain):
            ds = _on_grid(ds, domain, path, notes)
        ds = ds.load()
    if isinstance(domain, GraphDomain):
        _require_graphs(ds, domain, path)
    return ds, notes


def _require_graphs(ds: xr.Dataset, domain: GraphDomain, path: Path) -> None:
    try:
        require_shape(domain, ds)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _on_grid(ds: xr.Dataset, domain: FieldDomain, path: Path, notes: list[str]) -> xr.Dataset:
    require_grid(ds, domain, path, [domain.weights] if domain.weights else [])
    notes.extend(left_out(domain.inside(ds), domain))
    grid = {dim: ds.sizes[dim] for dim in (domain.dim, domain.rows, domain.columns)}
    ds = _with_realizations(ds, set(grid), domain, notes)
    sets = {REALIZATION} & set(ds[domain.names[0]].dims)
    for name in domain.names:
        _require(ds[name], {*grid, *sets}, f"along {' x '.join([*sets, *grid])}", path)
    blocks = [grid[dim] // size for dim, size in zip((domain.rows, domain.columns), domain.block, strict=True)]
    for name in domain.held_to:
        own = [str(dim) for dim in ds[name].dims if dim not in (domain.dim, REALIZATION)]
        wanted = f"along {domain.dim} and {blocks[0]} x {blocks[1]} blocks"
        _require(ds[name], {domain.dim, *own, *({REALIZATION} & set(ds[name].dims) & sets)}, wanted, path)
        if [ds.sizes[dim] for dim in own] != blocks:
            raise InputError(f"{path}: {name!r} needs numbers {wanted}, not {dict(ds[name].sizes)}")
    return ds


def _with_realizations(ds: xr.Dataset, grid: set[str], domain: FieldDomain, notes: list[str]) -> xr.Dataset:
    """A dimension beside those of the grid is that of realizations, whatever it is called."""
    others = {str(dim) for name in domain.names for dim in ds[name].dims} - grid
    if len(others) != 1 or REALIZATION in others or REALIZATION in ds.variables:
        return ds
    (dim,) = others
    notes.append(f"dimension {dim!r} is taken for {REALIZATION!r}")
    return ds.rename({dim: REALIZATION})


def _require(values: xr.DataArray, dims: set[str], wanted: str, path: Path) -> None:
    if {str(dim) for dim in values.dims} != dims or values.dtype.kind not in "fiu":
        there = " x ".join(map(str, values.dims))
        raise InputError(f"{path}: {values.name!r} needs numbers {wanted}, not {values.dtype} along {there}")
