"""Fields as vectors, to be judged as other events are: blocks of cells, cells with neighbours, and whole fields."""

from functools import partial

import numpy as np
import xarray as xr

from lawful.domains.declarations import Blocks, Variable
from lawful.domains.domain import Domain
from lawful.domains.field_blocks import block_dims, block_laws, labelled, lead, made, split, values_of
from lawful.domains.field_domain import FieldDomain, coarse
from lawful.domains.shaped import Place, View, Views

COMPARED = 6000
"""So many cells are compared with data, drawn at random from all fields."""

CELL = "cell_of_grid"
"""The dimension of cells where the grid has others that are not of the field."""


def field_views(domain: FieldDomain, ds: xr.Dataset) -> Views:
    """Views of fields on the grid of `ds`; blocks whose cells have the same weights are judged by one law.

    Cells that are not of the field, and blocks without others, are in no view but that of the whole grid, which has the
    mean of the others there.
    """
    inside = domain.inside(ds)
    cells = View(_cell_domain(domain), lambda ds: ds[list(domain.names)])
    if not inside.all():
        cells = View(
            cells.domain, partial(_cells, domain=domain, inside=inside), partial(_cell_at, domain=domain, inside=inside)
        )
    near = View(_near_domain(domain), partial(_near, domain=domain, inside=inside))
    grid = View(_grid_domain(domain, inside.shape), partial(_grid, domain=domain, inside=inside))
    return Views(block_laws(domain, ds), cells, near, grid, _there(domain, ds, inside))


def _there(domain: FieldDomain, ds: xr.Dataset, inside: np.ndarray) -> dict[str, xr.DataArray]:
    """Where variables have values, where that is not everywhere."""
    if inside.all():
        return {}
    filled = split(inside, domain).any(axis=-1)
    cells = xr.DataArray(inside, dims=(domain.rows, domain.columns))
    blocks = {coarse(v.name): xr.DataArray(filled, dims=block_dims(ds, domain, v)) for v in domain.variables}
    return {**dict.fromkeys(domain.names, cells), **blocks}


def _cells(ds: xr.Dataset, *, domain: FieldDomain, inside: np.ndarray) -> xr.Dataset:
    """Along realizations, samples and the cells of the field, row by row."""
    dims = (*lead(ds), domain.dim, CELL)
    return labelled(
        xr.Dataset(
            {
                name: (dims, values_of(ds, domain, name)[..., inside], ds[name].attrs, ds[name].encoding)
                for name in domain.names
            }
        ),
        ds,
        domain,
    )


def _cell_at(ds: xr.Dataset, place: Place, *, domain: FieldDomain, inside: np.ndarray) -> Place:
    """A cell by its row and column."""
    index = {dim: position for dim, position in place["index"].items() if dim != CELL}
    row, column = (int(position[place["index"][CELL]]) for position in np.nonzero(inside))
    named = {
        dim: str(ds[dim].to_numpy()[position]) if dim in ds.coords else str(position)
        for dim, position in ((domain.rows, row), (domain.columns, column))
    }
    return {**place, "place": named, "index": {**index, domain.rows: row, domain.columns: column}}


def _cell_domain(domain: FieldDomain) -> Domain:
    return made(
        domain, event="cell", event_dim=domain.dim, variables=domain.variables, laws=domain.laws,
        blocks=Blocks(kind="order"),
    )  # fmt: skip


def _near_domain(domain: FieldDomain) -> Domain:
    """One event a cell: its value and those of the next row and column, given the mean of its block."""
    own = [v.model_copy(update={"uncertainty": None}) for v in domain.variables]
    near = [
        v.model_copy(update={"name": f"{v.name}_{way}", "description": f"{v.name} of the next {way}"})
        for v in own for way in ("row", "column")
    ]  # fmt: skip
    means = [Variable(name=coarse(v.name), units=v.units, given=True, description="mean of its block") for v in own]
    return made(
        domain, event="cell", event_dim="cell", variables=(*own, *near, *means), laws=(),
        # Many cells are alike by nature, such as dry ones.
        leave_out=("copies", "near_copies", "closer", "repeats"),
        blocks=Blocks(kind="label", label=domain.dim),
    )  # fmt: skip


def _near(ds: xr.Dataset, *, domain: FieldDomain, inside: np.ndarray) -> xr.Dataset:
    """Cells that have a next row and column, `COMPARED` of them; the same for data sets of one size."""
    cells, below, beside = _neighbours(inside)
    count = ds.sizes[domain.dim] * len(cells)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(count, min(count, COMPARED), replace=False))
    event, cell = np.divmod(chosen, len(cells))
    row, column = np.divmod(cells[cell], inside.shape[1])
    dims = (*lead(ds), "cell")
    found = {}
    for name in domain.names:
        values = values_of(ds, domain, name)
        flat = values.reshape(*values.shape[:-2], -1)
        found[name] = flat[..., event, cells[cell]]
        found[f"{name}_row"] = flat[..., event, below[cell]]
        found[f"{name}_column"] = flat[..., event, beside[cell]]
        means = ds[coarse(name)].transpose(domain.dim, ...).to_numpy()
        mean = means[event, row // domain.block[0], column // domain.block[1]]
        found[coarse(name)] = np.broadcast_to(mean, found[name].shape).copy()
    return xr.Dataset({**{name: (dims, x) for name, x in found.items()}, domain.dim: ("cell", event)})


def _neighbours(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat places of cells whose next row and column are of the field too, and of these.

    At the last row or column of a grid of one, or where no cell has both, a cell itself stands for what it lacks.
    """
    places = np.arange(inside.size).reshape(inside.shape)

    def after(axis: int) -> tuple[np.ndarray, np.ndarray]:
        size = inside.shape[axis]
        following = np.minimum(np.arange(size) + 1, size - 1)
        found = places.take(following, axis)
        there = inside.take(following, axis) & ((found != places) | (size == 1))
        return np.where(there, found, places), there

    (below, has_row), (beside, has_column) = after(0), after(1)
    chosen = inside & has_row & has_column
    chosen = chosen if chosen.any() else inside
    return places[chosen], below[chosen], beside[chosen]


def _grid_domain(domain: FieldDomain, shape: tuple[int, int]) -> Domain:
    labels = tuple(str(k + 1) for k in range(shape[0] * shape[1]))
    return made(
        domain, event=domain.event, event_dim=domain.dim, dimensions={"cell": labels},
        grids={"cell": shape}, laws=(), blocks=domain.blocks,
        variables=tuple(v.model_copy(update={"over": "cell"}) for v in domain.variables),
    )  # fmt: skip


def _grid(ds: xr.Dataset, *, domain: FieldDomain, inside: np.ndarray) -> xr.Dataset:
    dims = (*lead(ds), domain.dim)
    found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in domain.names:
        values = values_of(ds, domain, name)
        if not inside.all():
            values = np.where(inside, values, values[..., inside].mean(axis=-1)[..., None, None])
        flat = values.reshape(*values.shape[:-2], -1)
        found |= {f"{name}[{k + 1}]": (dims, flat[..., k]) for k in range(flat.shape[-1])}
    kept = [str(domain.blocks.label)] if domain.blocks.label else []
    return xr.Dataset(found, {domain.dim: ds[domain.dim]} if domain.dim in ds.coords else {}).assign(
        {name: ds[name] for name in kept}
    )
