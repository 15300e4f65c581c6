"""What a data set must hold to be one of graphs: to learn from, or to be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from lawful.domains.errors import InputError

if TYPE_CHECKING:
    from lawful.domains.graph_domain import GraphDomain


def require_graphs(domain: GraphDomain, ds: xr.Dataset, *, values: bool) -> None:
    """Raise InputError where a data set does not hold graphs of a domain; with `values` where they break it."""
    require_layout(domain, ds, values=values)
    for name, dim, kinds in (
        (domain.node_kind, domain.node, domain.node_kinds),
        (domain.edge_kind, domain.edge, domain.edge_kinds),
    ):
        strange = ~np.isin(ds[name].to_numpy(), kinds)
        if strange.any():
            first = int(strange.argmax())
            raise InputError(f"{name} of {dim} {first} is {ds[name].values[first]:g}: not one of this domain's")
    for name, dim in zip(domain.counts, (domain.node, domain.edge), strict=True):
        _require_count(ds, name, dim)
    _require_nodes(domain, ds)
    _require_edges(domain, ds)
    _require_finite(ds, domain.total.name, domain.graph)
    if values:
        _require_values(domain, ds)


def require_layout(domain: GraphDomain, ds: xr.Dataset, *, values: bool) -> None:
    """Raise InputError where a variable of graphs is missing, holds no numbers or lies along other dimensions."""
    wanted = domain.stored if values else domain.stored[:-1]
    missing = [name for name in wanted if name not in ds]
    if missing:
        raise InputError(f"graphs of domain {domain.name!r}: the data have no variable {missing[0]!r}")
    along = {domain.node_kind: domain.node, domain.edge_kind: domain.edge}
    along |= dict.fromkeys((*domain.counts, domain.total.name), domain.graph)
    for name, dim in along.items():
        _require_numbers(ds[name], f"along {dim}", ds[name].dims == (dim,))
    ends = ds[domain.ends]
    sizes = dict(ends.sizes)
    pairs = sizes.pop(domain.edge, None) is not None and list(sizes.values()) == [2]
    _require_numbers(ends, f"along {domain.edge} and a dimension of 2", pairs)
    if values:
        value = ds[domain.value.name]
        _require_numbers(value, f"along {domain.node}", domain.node in value.dims)


def _require_numbers(values: xr.DataArray, where: str, fits: bool) -> None:
    if not fits or values.dtype.kind not in "fiu":
        raise InputError(
            f"{values.name!r} needs numbers {where}, not {values.dtype} along {sorted(map(str, values.dims))}"
        )


def require_shape(domain: GraphDomain, ds: xr.Dataset) -> None:
    """Raise InputError where a data set does not hold a value for each node of graphs, and their totals.

    The values may be any, and nothing is asked of kinds and edges, which no law speaks of.
    """
    count, value, total = domain.counts[0], domain.value.name, domain.total.name
    sets = {str(dim) for dim in ds[value].dims} - {domain.node}
    for name, needed, others in ((count, domain.graph, set()), (value, domain.node, sets), (total, domain.graph, sets)):
        dims = {str(dim) for dim in ds[name].dims}
        if needed not in dims or dims - others - {needed} or ds[name].dtype.kind not in "fiu":
            raise InputError(f"{name!r} needs numbers along {needed}, not {ds[name].dtype} along {sorted(dims)}")
    _require_count(ds, count, domain.node)
    _require_nodes(domain, ds)


def _require_count(ds: xr.Dataset, name: str, dim: str) -> None:
    counted = ds[name].to_numpy()
    if counted.sum() != ds.sizes[dim] or (counted < 0).any() or (counted != np.rint(counted)).any():
        raise InputError(f"{name} adds up to {counted.sum()}, but there are {ds.sizes[dim]} {dim}s")


def _require_nodes(domain: GraphDomain, ds: xr.Dataset) -> None:
    alone = ds[domain.counts[0]].to_numpy() < 1
    if alone.any():
        raise InputError(f"{domain.graph} {alone.argmax()} has no {domain.node}")


def _require_edges(domain: GraphDomain, ds: xr.Dataset) -> None:
    """Edges join two nodes of their graph, and no two edges the same."""
    node, edge = domain.node, domain.edge
    sizes, counts = (ds[name].to_numpy().astype(np.int64) for name in domain.counts)
    ends = ds[domain.ends].transpose(edge, ...).to_numpy()
    graph = np.repeat(np.arange(len(counts)), counts)
    last = sizes[graph] - 1
    wrong = ~((ends >= 0) & (ends <= last[:, np.newaxis]) & (ends == np.rint(ends))).all(1) | (ends[:, 0] == ends[:, 1])
    if wrong.any():
        k = int(wrong.argmax())
        raise InputError(
            f"{edge} {k} joins {node}s {ends[k, 0]:g} and {ends[k, 1]:g} of {domain.graph} {graph[k]}: expected two "
            f"different numbers from 0 to {last[k]}"
        )
    pairs = np.column_stack([graph, np.sort(ends, axis=1).astype(np.int64)])
    first, each = np.unique(pairs, axis=0, return_index=True, return_inverse=True)[1:]
    again = first[each.reshape(-1)] != np.arange(len(pairs))
    if again.any():
        k = int(again.argmax())
        raise InputError(
            f"{edge} {k} joins {node}s {ends[k, 0]:g} and {ends[k, 1]:g} of {domain.graph} {graph[k]}, as {edge} "
            f"{first[each.reshape(-1)[k]]} does: give every {edge} once, in one direction"
        )


def _require_finite(ds: xr.Dataset, name: str, dim: str) -> None:
    bad = np.argwhere(~np.isfinite(ds[name].transpose(..., dim).to_numpy()))
    if len(bad):
        found = ds[name].transpose(..., dim).to_numpy()[tuple(bad[0])]
        raise InputError(f"{name} of {dim} {bad[0][-1]} is {found:g}, one of {len(bad)} that are not finite")


def _require_values(domain: GraphDomain, ds: xr.Dataset) -> None:
    _require_finite(ds, domain.value.name, domain.node)
    off = np.abs(domain.sums(ds) - ds[domain.total.name].to_numpy())
    if (off > domain.tolerance).any():
        graph = int(np.argwhere(off > domain.tolerance)[0][-1])
        raise InputError(
            f"{domain.equation} misses by {off[..., graph].max():.2g} {domain.value.units} in {domain.graph} {graph}; "
            f"data may be {domain.tolerance:g} off"
        )
