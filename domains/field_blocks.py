"""Blocks of cells as vectors: those whose cells have the same weights have the same laws."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.declarations import Blocks, Law, Parameter, Variable
from lawful.domains.domain import Domain
from lawful.domains.field_domain import FieldDomain, coarse, law_of
from lawful.domains.shaped import Place, View, Whole

BLOCK = "block_of_cells"
"""The dimension along which blocks lie that are judged by one law."""


def block_laws(domain: FieldDomain, ds: xr.Dataset) -> tuple[View, ...]:
    """Blocks without bounds; those whose cells have the same weights are judged by one law."""
    return tuple(
        _block_view(domain, (v.model_copy(update={"lower": None}),), (), alike)
        for v in domain.variables for alike in alike_blocks(domain, ds)
    )  # fmt: skip


def whole_blocks(domain: FieldDomain, ds: xr.Dataset) -> tuple[Whole, ...]:
    """Blocks with their bounds: of one variable, or of all where cells have laws between them."""
    together = [domain.variables] if domain.laws else [(v,) for v in domain.variables]
    return tuple(
        Whole(_block_view(domain, variables, domain.laws, alike), variables)
        for variables in together for alike in alike_blocks(domain, ds)
    )  # fmt: skip


@dataclass(frozen=True)
class Alike:
    """The numbers of blocks whose `cells` have the same weights (cells,), and which such kind of block it is."""

    blocks: np.ndarray
    cells: np.ndarray
    weights: np.ndarray | None
    number: str


def alike_blocks(domain: FieldDomain, ds: xr.Dataset) -> list[Alike]:
    shape, weights = (ds.sizes[domain.rows], ds.sizes[domain.columns]), domain.weights_of(ds)
    by_block = split(np.ones(shape) if weights is None else weights, domain).reshape(-1, np.prod(domain.block))
    rows, kind = np.unique(by_block, axis=0, return_inverse=True)
    kinds = [k for k, row in enumerate(rows) if (row > 0).any()]
    found = []
    for number, k in enumerate(kinds, 1):
        cells = np.flatnonzero(rows[k] > 0)
        own = None if domain.weights is None else rows[k][cells]
        found.append(Alike(np.flatnonzero(kind.reshape(-1) == k), cells, own, f" {number}" * (len(kinds) > 1)))
    return found


def _block_view(domain: FieldDomain, variables: tuple[Variable, ...], laws: tuple[Law, ...], alike: Alike) -> View:
    names = tuple(v.name for v in variables)
    return View(
        _block_domain(domain, variables, laws, alike),
        partial(_blocks, domain=domain, names=names, alike=alike),
        partial(_block_at, domain=domain, chosen=alike.blocks),
        law_of(variables[0]),
    )


def _block_domain(domain: FieldDomain, variables: tuple[Variable, ...], laws: tuple[Law, ...], alike: Alike) -> Domain:
    cells = tuple(str(k + 1) for k in range(len(alike.cells)))
    weights, by = alike.weights, "" if alike.weights is None else ", weights=weight"
    known = () if weights is None else (Parameter(name="weight", over="cell", values=tuple(weights.tolist())),)
    means = tuple(
        Law(name=f"{law_of(v)}{alike.number}", equation=f"mean({v.name}, over=cell{by}) = {coarse(v.name)}",
            units=v.units) for v in variables
    )  # fmt: skip
    # Made anew: what was parsed of a law between variables is not that of one between arrays.
    of_cells = tuple(Law.model_validate(law.model_dump(exclude={"expanded", "coefficients"})) for law in laws)
    return made(
        domain, event="block of cells", event_dim=domain.dim, dimensions={"cell": cells}, parameters=known,
        variables=(
            *(v.model_copy(update={"over": "cell"}) for v in variables),
            *(Variable(name=coarse(v.name), units=v.units, given=True) for v in variables),
        ),
        laws=(*means, *of_cells), blocks=Blocks(kind="order"),
    )  # fmt: skip


def _blocks(ds: xr.Dataset, *, domain: FieldDomain, names: tuple[str, ...], alike: Alike) -> xr.Dataset:
    """Along realizations, samples and the blocks of one kind, which are numbered row by row."""
    dims, found = (*lead(ds), domain.dim, BLOCK), {}
    for name in names:
        whole = split(values_of(ds, domain, name), domain)
        cells = whole.reshape(*whole.shape[:-3], -1, whole.shape[-1])[..., alike.blocks, :][..., alike.cells]
        fine, means = ds[name], ds[coarse(name)]
        for k in range(cells.shape[-1]):
            found[f"{name}[{k + 1}]"] = xr.Variable(dims, cells[..., k], fine.attrs, fine.encoding)
        ordered = means.transpose(*(dim for dim in dims if dim in means.dims), ...)
        by_block = ordered.to_numpy().reshape(*ordered.shape[:-2], -1)[..., alike.blocks]
        repeated = np.broadcast_to(by_block, cells.shape[:-1]).copy()
        found[coarse(name)] = xr.Variable(dims, repeated, means.attrs, means.encoding)
    return labelled(xr.Dataset(found), ds, domain)


def _block_at(ds: xr.Dataset, place: Place, *, domain: FieldDomain, chosen: np.ndarray) -> Place:
    """A block by its row and column among blocks, as coarse values have them."""
    rows, columns = block_dims(ds, domain, domain.variables[0])
    index = {dim: position for dim, position in place["index"].items() if dim != BLOCK}
    found = divmod(int(chosen[place["index"][BLOCK]]), ds.sizes[columns])
    named = {dim: str(position) for dim, position in zip((rows, columns), found, strict=True)}
    return {**place, "place": named, "index": {**index, **dict(zip((rows, columns), found, strict=True))}}


def block_dims(ds: xr.Dataset, domain: FieldDomain, variable: Variable) -> tuple[str, ...]:
    return tuple(str(dim) for dim in ds[coarse(variable.name)].dims if dim not in (domain.dim, "realization"))


def split(values: np.ndarray, domain: FieldDomain) -> np.ndarray:
    """(..., rows, columns) -> (..., row of blocks, column of blocks, cells of a block)."""
    (r, c), (rows, columns) = domain.block, values.shape[-2:]
    cut = values.reshape(*values.shape[:-2], rows // r, r, columns // c, c)
    return np.moveaxis(cut, -3, -2).reshape(*values.shape[:-2], rows // r, columns // c, r * c)


def lead(ds: xr.Dataset) -> tuple[str, ...]:
    return ("realization",) if "realization" in ds.sizes else ()


def values_of(ds: xr.Dataset, domain: FieldDomain, name: str) -> np.ndarray:
    return ds[name].transpose(*lead(ds), domain.dim, domain.rows, domain.columns).to_numpy()


def labelled(seen: xr.Dataset, ds: xr.Dataset, domain: FieldDomain) -> xr.Dataset:
    return seen.assign_coords({domain.dim: ds[domain.dim]}) if domain.dim in ds.coords else seen


def made(domain: FieldDomain, **declared: Any) -> Domain:
    """A domain of vectors under the name of that of fields."""
    kept = ("name", "title", "note", "references", "density")
    said = {name: getattr(domain, name) for name in kept}
    return Domain.model_validate({**said, **declared})
