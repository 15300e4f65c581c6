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
    wanted = domain.stored if values else domain.stored[:-1]
    missing = [name for name in wanted if name not in ds]
    if missing:
        raise InputError(f"graphs of domain {domain.name!r}: the data have no variable {missing[0]!r}")
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
    if values:
        _require_values(domain, ds)


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


def _require_values(domain: GraphDomain, ds: xr.Dataset) -> None:
    if not np.isfinite(ds[domain.value.name]).all():
        raise InputError(f"{domain.value.name} is not finite everywhere")
    off = np.abs(domain.sums(ds) - ds[domain.total.name].to_numpy())
    if (off > domain.tolerance).any():
        graph = int(np.argwhere(off > domain.tolerance)[0][-1])
        raise InputError(
            f"{domain.equation} misses by {off[..., graph].max():.2g} {domain.value.units} in {domain.graph} {graph}; "
            f"data may be {domain.tolerance:g} off"
        )
