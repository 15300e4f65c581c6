"""Fields as vectors, to be judged as other events are: blocks of cells, cells with neighbours, and whole fields."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.declarations import Blocks, Law, Parameter, Variable
from lawful.domains.domain import Domain
from lawful.domains.field_domain import FieldDomain, coarse, law_of
from lawful.domains.shaped import Place, View, Views, Whole

COMPARED = 6000
"""So many cells are compared with data, drawn at random from all fields."""

BLOCK = "block_of_cells"
"""The dimension along which blocks lie that are judged by one law."""


def field_views(domain: FieldDomain, ds: xr.Dataset) -> Views:
    """Views of fields on the grid of `ds`; blocks whose cells have the same weights are judged by one law."""
    laws = [
        _block_view(domain, (v.model_copy(update={"lower": None}),), (), alike)
        for v in domain.variables for alike in _alike(domain, ds)
    ]  # fmt: skip
    cells = View(_cell_domain(domain), lambda ds: ds[list(domain.names)])
    near = View(_near_domain(domain), partial(_near, domain=domain))
    shape = (ds.sizes[domain.rows], ds.sizes[domain.columns])
    return Views(tuple(laws), cells, near, View(_grid_domain(domain, shape), partial(_grid, domain=domain)))


def whole_blocks(domain: FieldDomain, ds: xr.Dataset) -> tuple[Whole, ...]:
    """Blocks with their bounds: of one variable, or of all where cells have laws between them."""
    together = [domain.variables] if domain.laws else [(v,) for v in domain.variables]
    return tuple(
        Whole(_block_view(domain, variables, domain.laws, alike), variables)
        for variables in together for alike in _alike(domain, ds)
    )  # fmt: skip


@dataclass(frozen=True)
class _Alike:
    """The numbers of blocks whose cells have the same weights (cells,), and which such kind of block it is."""

    blocks: np.ndarray
    weights: np.ndarray | None
    number: str


def _alike(domain: FieldDomain, ds: xr.Dataset) -> list[_Alike]:
    shape, weights = (ds.sizes[domain.rows], ds.sizes[domain.columns]), domain.weights_of(ds)
    by_block = _split(np.ones(shape) if weights is None else weights, domain).reshape(-1, np.prod(domain.block))
    rows, kind = np.unique(by_block, axis=0, return_inverse=True)
    return [
        _Alike(np.flatnonzero(kind.reshape(-1) == k), None if weights is None else row, f" {k + 1}" * (len(rows) > 1))
        for k, row in enumerate(rows)
    ]


def _block_view(domain: FieldDomain, variables: tuple[Variable, ...], laws: tuple[Law, ...], alike: _Alike) -> View:
    names = tuple(v.name for v in variables)
    return View(
        _block_domain(domain, variables, laws, alike),
        partial(_blocks, domain=domain, names=names, chosen=alike.blocks),
        partial(_block_at, domain=domain, chosen=alike.blocks),
        law_of(variables[0]),
    )


def _split(values: np.ndarray, domain: FieldDomain) -> np.ndarray:
    """(..., rows, columns) -> (..., row of blocks, column of blocks, cells of a block)."""
    (r, c), (rows, columns) = domain.block, values.shape[-2:]
    cut = values.reshape(*values.shape[:-2], rows // r, r, columns // c, c)
    return np.moveaxis(cut, -3, -2).reshape(*values.shape[:-2], rows // r, columns // c, r * c)


def _lead(ds: xr.Dataset) -> tuple[str, ...]:
    return ("realization",) if "realization" in ds.sizes else ()


def _values(ds: xr.Dataset, domain: FieldDomain, name: str) -> np.ndarray:
    return ds[name].transpose(*_lead(ds), domain.dim, domain.rows, domain.columns).to_numpy()


def _made(domain: FieldDomain, **declared: Any) -> Domain:
    """A domain of vectors under the name of that of fields."""
    kept = ("name", "title", "note", "references", "density")
    said = {name: getattr(domain, name) for name in kept}
    return Domain.model_validate({**said, **declared})


def _block_domain(domain: FieldDomain, variables: tuple[Variable, ...], laws: tuple[Law, ...], alike: _Alike) -> Domain:
    cells = tuple(str(k + 1) for k in range(domain.block[0] * domain.block[1]))
    weights, by = alike.weights, "" if alike.weights is None else ", weights=weight"
    known = () if weights is None else (Parameter(name="weight", over="cell", values=tuple(weights.tolist())),)
    means = tuple(
        Law(name=f"{law_of(v)}{alike.number}", equation=f"mean({v.name}, over=cell{by}) = {coarse(v.name)}",
            units=v.units) for v in variables
    )  # fmt: skip
    # Made anew: what was parsed of a law between variables is not that of one between arrays.
    of_cells = tuple(Law.model_validate(law.model_dump(exclude={"expanded", "coefficients"})) for law in laws)
    return _made(
        domain, event="block of cells", event_dim=domain.dim, dimensions={"cell": cells}, parameters=known,
        variables=(
            *(v.model_copy(update={"over": "cell"}) for v in variables),
            *(Variable(name=coarse(v.name), units=v.units, given=True) for v in variables),
        ),
        laws=(*means, *of_cells), blocks=Blocks(kind="order"),
    )  # fmt: skip


def _blocks(ds: xr.Dataset, *, domain: FieldDomain, names: tuple[str, ...], chosen: np.ndarray) -> xr.Dataset:
    """Along realizations, samples and the `chosen` blocks, which are numbered row by row."""
    dims, found = (*_lead(ds), domain.dim, BLOCK), {}
    for name in names:
        split = _split(_values(ds, domain, name), domain)
        cells = split.reshape(*split.shape[:-3], -1, split.shape[-1])[..., chosen, :]
        fine, means = ds[name], ds[coarse(name)]
        for k in range(cells.shape[-1]):
            found[f"{name}[{k + 1}]"] = xr.Variable(dims, cells[..., k], fine.attrs, fine.encoding)
        ordered = means.transpose(*(dim for dim in dims if dim in means.dims), ...)
        by_block = ordered.to_numpy().reshape(*ordered.shape[:-2], -1)[..., chosen]
        whole = np.broadcast_to(by_block, cells.shape[:-1]).copy()
        found[coarse(name)] = xr.Variable(dims, whole, means.attrs, means.encoding)
    return _labelled(xr.Dataset(found), ds, domain)


def _labelled(seen: xr.Dataset, ds: xr.Dataset, domain: FieldDomain) -> xr.Dataset:
    return seen.assign_coords({domain.dim: ds[domain.dim]}) if domain.dim in ds.coords else seen


def _block_at(ds: xr.Dataset, place: Place, *, domain: FieldDomain, chosen: np.ndarray) -> Place:
    """A block by its row and column among blocks, as coarse values have them."""
    rows, columns = (str(dim) for dim in ds[coarse(domain.names[0])].dims if dim not in (domain.dim, "realization"))
    index = {dim: position for dim, position in place["index"].items() if dim != BLOCK}
    found = divmod(int(chosen[place["index"][BLOCK]]), ds.sizes[columns])
    named = {dim: str(position) for dim, position in zip((rows, columns), found, strict=True)}
    return {**place, "place": named, "index": {**index, **dict(zip((rows, columns), found, strict=True))}}


def _cell_domain(domain: FieldDomain) -> Domain:
    return _made(
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
    return _made(
        domain, event="cell", event_dim="cell", variables=(*own, *near, *means), laws=(),
        # Many cells are alike by nature, such as dry ones.
        leave_out=("copies", "near_copies", "closer", "repeats"),
        blocks=Blocks(kind="label", label=domain.dim),
    )  # fmt: skip


def _near(ds: xr.Dataset, *, domain: FieldDomain) -> xr.Dataset:
    """Cells that have a next row and column, `COMPARED` of them; the same for data sets of one size."""
    events, rows, columns = (ds.sizes[dim] for dim in (domain.dim, domain.rows, domain.columns))
    rows, columns = max(1, rows - 1), max(1, columns - 1)
    count = events * rows * columns
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(count, min(count, COMPARED), replace=False))
    event, row, column = np.unravel_index(chosen, (events, rows, columns))
    dims = (*_lead(ds), "cell")
    found = {}
    for name in domain.names:
        values = _values(ds, domain, name)
        last = values.shape[-2] - 1, values.shape[-1] - 1
        found[name] = values[..., event, row, column]
        found[f"{name}_row"] = values[..., event, np.minimum(row + 1, last[0]), column]
        found[f"{name}_column"] = values[..., event, row, np.minimum(column + 1, last[1])]
        means = ds[coarse(name)].transpose(domain.dim, ...).to_numpy()
        mean = means[event, row // domain.block[0], column // domain.block[1]]
        found[coarse(name)] = np.broadcast_to(mean, found[name].shape).copy()
    return xr.Dataset({**{name: (dims, x) for name, x in found.items()}, domain.dim: ("cell", event)})


def _grid_domain(domain: FieldDomain, shape: tuple[int, int]) -> Domain:
    labels = tuple(str(k + 1) for k in range(shape[0] * shape[1]))
    return _made(
        domain, event=domain.event, event_dim=domain.dim, dimensions={"cell": labels},
        grids={"cell": shape}, laws=(), blocks=domain.blocks,
        variables=tuple(v.model_copy(update={"over": "cell"}) for v in domain.variables),
    )  # fmt: skip


def _grid(ds: xr.Dataset, *, domain: FieldDomain) -> xr.Dataset:
    dims = (*_lead(ds), domain.dim)
    found: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in domain.names:
        values = _values(ds, domain, name)
        flat = values.reshape(*values.shape[:-2], -1)
        found |= {f"{name}[{k + 1}]": (dims, flat[..., k]) for k in range(flat.shape[-1])}
    kept = [str(domain.blocks.label)] if domain.blocks.label else []
    return xr.Dataset(found, {domain.dim: ds[domain.dim]} if domain.dim in ds.coords else {}).assign(
        {name: ds[name] for name in kept}
    )
