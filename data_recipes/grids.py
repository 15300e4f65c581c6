"""The grid of fields: coordinates of blocks, and whether another file has the grid that a model was trained on."""

from pathlib import Path

import numpy as np
import xarray as xr

from lawful.domains import InputError
from lawful.domains.field_blocks import split
from lawful.domains.field_domain import FieldDomain

_SAME = 1e-6
_KEPT = ("units", "standard_name", "long_name", "axis")


def of_blocks(dim: str) -> str:
    """What the dimension of blocks along a dimension of cells is called."""
    return f"{dim}_coarse"


def blocks_named(ds: xr.Dataset, names: list[str], domain: FieldDomain) -> xr.Dataset:
    """Coarse variables `names` with the dimensions of blocks, whatever the file calls these.

    Rows come first in the file, unless names of its dimensions say otherwise: `lon_c` has those of columns `lon`.
    """
    dims = [str(dim) for dim in ds[names[0]].dims if dim != domain.dim]
    if len(dims) != 2:
        return ds
    if _speaks_of(dims[1], domain.rows, domain.columns) and _speaks_of(dims[0], domain.columns, domain.rows):
        dims.reverse()
    wanted = dict(zip(dims, map(of_blocks, (domain.rows, domain.columns)), strict=True))
    return ds.rename({dim: new for dim, new in wanted.items() if dim != new})


def _speaks_of(name: str, of: str, other: str) -> bool:
    return of in name and other not in name


def with_known(ds: xr.Dataset, data: xr.Dataset, domain: FieldDomain, path: Path, notes: list[str]) -> xr.Dataset:
    """The data set with what it lacks of the grid, and of covariates and weights that are the same for all samples.

    Raises:
        InputError: it has other numbers of cells or blocks than the training data `data`.
    """
    _require_sizes(ds, data, domain, path)
    known = [*domain.covariates, *([domain.weights] if domain.weights else [])]
    fixed = [name for name in known if name not in ds.variables and domain.dim not in data[name].dims]
    if fixed:
        notes.append(f"{', '.join(fixed)} taken from the training data")
    axes = [dim for dim in (domain.rows, domain.columns) if dim in data.coords and dim not in ds.variables]
    ds = ds.assign({name: data[name].variable for name in [*fixed, *axes]})
    if domain.weights is not None and not {domain.rows, domain.columns} <= set(ds.sizes):
        # Weights by row alone do not tell how many columns there are.
        grid = {dim: data.sizes[dim] for dim in (domain.rows, domain.columns)}
        weights = ds[domain.weights].variable
        ds = ds.assign({domain.weights: weights.set_dims({**dict(weights.sizes), **grid})})
    return ds


def _require_sizes(ds: xr.Dataset, data: xr.Dataset, domain: FieldDomain, path: Path) -> None:
    for dim, size in zip((domain.rows, domain.columns), domain.block, strict=True):
        for name, wanted in ((dim, data.sizes[dim]), (of_blocks(dim), data.sizes[dim] // size)):
            if ds.sizes.get(name, wanted) != wanted:
                raise InputError(
                    f"{path}: {ds.sizes[name]} places along {name!r}; the model was trained on {wanted}, "
                    f"{data.sizes[domain.rows]} x {data.sizes[domain.columns]} cells in blocks of "
                    f"{domain.block[0]} x {domain.block[1]}"
                )


def with_block_coordinates(ds: xr.Dataset, domain: FieldDomain) -> xr.Dataset:
    """The data set with coordinates of blocks: the middle of those of their cells."""
    found = {}
    for dim, size in zip((domain.rows, domain.columns), domain.block, strict=True):
        cells = _axis(ds, dim)
        if cells is not None and of_blocks(dim) not in ds.variables and of_blocks(dim) in ds.sizes:
            attrs = {key: value for key, value in ds[dim].attrs.items() if key in _KEPT}
            found[of_blocks(dim)] = (of_blocks(dim), cells.reshape(-1, size).mean(axis=1), attrs)
    return ds.assign_coords(found)


def require_same_grid(
    ds: xr.Dataset, data: xr.Dataset, domain: FieldDomain, path: Path, notes: list[str]
) -> xr.Dataset:
    """The data set with the weights of the training data `data`, whose grid it has.

    Raises:
        InputError: it runs the other way, or has other weights.
    """
    for dim in (domain.rows, domain.columns):
        _require_way(ds, data, dim, path, notes)
        _require_blocks_in_place(ds, dim, path)
    return _with_weights(ds, data, domain, path)


def _axis(ds: xr.Dataset, dim: str) -> np.ndarray | None:
    """The coordinate of a dimension, None where there is none of numbers that rise or fall all along."""
    if dim not in ds.coords or ds[dim].dtype.kind not in "fiu":
        return None
    places = ds[dim].to_numpy().astype(np.float64)
    steps = np.diff(places)
    return places if (steps > 0).all() or (steps < 0).all() else None


def _require_way(ds: xr.Dataset, data: xr.Dataset, dim: str, path: Path, notes: list[str]) -> None:
    there, trained = _axis(ds, dim), _axis(data, dim)
    if there is None or trained is None or _close(there, trained):
        return
    if _close(there[::-1], trained):
        raise InputError(f"{path}: {dim!r} runs the other way than in the training data; turn it round")
    notes.append(
        f"{dim} runs from {there[0]:g} to {there[-1]:g}, in the training data from {trained[0]:g} to {trained[-1]:g}"
    )


def _require_blocks_in_place(ds: xr.Dataset, dim: str, path: Path) -> None:
    cells, blocks = _axis(ds, dim), _axis(ds, of_blocks(dim))
    if cells is None or blocks is None or _inside(blocks, cells):
        return
    said = (
        f"{path}: {of_blocks(dim)} runs from {blocks[0]:g} to {blocks[-1]:g}, and {dim} from {cells[0]:g} to "
        f"{cells[-1]:g}"
    )
    if _inside(blocks[::-1], cells):
        raise InputError(f"{said}; turn the coarse fields round")
    # Blocks may be numbered; in the units of the cells they are somewhere else.
    if ds[dim].attrs.get("units") and ds[dim].attrs.get("units") == ds[of_blocks(dim)].attrs.get("units"):
        raise InputError(f"{said}: the blocks are not those of these cells")


def _inside(blocks: np.ndarray, cells: np.ndarray) -> bool:
    """Whether each block lies where its cells are."""
    own, half = cells.reshape(len(blocks), -1), np.abs(np.diff(cells)).max(initial=0.0) / 2
    return bool(((blocks >= own.min(axis=1) - half) & (blocks <= own.max(axis=1) + half)).all())


def _with_weights(ds: xr.Dataset, data: xr.Dataset, domain: FieldDomain, path: Path) -> xr.Dataset:
    if domain.weights is None:
        return ds
    there, trained = domain.weights_of(ds, domain.inside(data)), domain.weights_of(data)
    if there is None or trained is None or not _close(_shares(there, domain), _shares(trained, domain)):
        raise InputError(
            f"{path}: {domain.weights!r} weighs cells otherwise than the training data, whose means the model holds"
        )
    return ds.assign({domain.weights: data[domain.weights].variable})


def _shares(weights: np.ndarray, domain: FieldDomain) -> np.ndarray:
    """Weights of cells over that of their block."""
    cut = split(weights, domain)
    whole = cut.sum(axis=-1, keepdims=True)
    return cut / np.where(whole > 0, whole, 1.0)


def _close(first: np.ndarray, second: np.ndarray) -> bool:
    size = np.abs(second).max(initial=0.0)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=_SAME, atol=_SAME * size))
