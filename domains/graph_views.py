"""Graphs as vectors, to be judged as other events are: all nodes of one graph, and one node with its neighbours."""

import numpy as np
import xarray as xr
from scipy import sparse

from lawful.domains.declarations import Blocks, Law, Variable
from lawful.domains.domain import Domain
from lawful.domains.graph_domain import GraphDomain
from lawful.domains.shaped import View, Views

DEGREE = "degree"


def graph_views(domain: GraphDomain, width: int) -> Views:
    """Views of graphs of up to `width` nodes."""
    nodes = View(_node_domain(domain), lambda ds: _nodes(ds, domain))
    return Views((View(_whole_domain(domain, width), lambda ds: _padded(ds, domain, width)),), nodes, nodes)


def _whole_domain(domain: GraphDomain, width: int) -> Domain:
    """One event a graph; what a small graph lacks is zero, which no sum notices."""
    value, total = domain.value, domain.total
    unbounded = {"lower": None, "upper": None}
    equation = f"sum({value.name}, over={domain.node}) = {total.name}"
    return Domain(
        name=domain.name, title=domain.title, event=domain.graph, event_dim=domain.graph,
        dimensions={domain.node: tuple(str(k + 1) for k in range(width))},
        variables=(
            value.model_copy(update={**unbounded, "over": domain.node}),
            total.model_copy(update={**unbounded, "given": True}),
        ),
        laws=(Law(name="total", equation=equation, units=value.units, tolerance=domain.tolerance),),
        blocks=Blocks(kind="order"), references=domain.references,
    )  # fmt: skip


def _padded(ds: xr.Dataset, domain: GraphDomain, width: int) -> xr.Dataset:
    counts = ds[domain.counts[0]].to_numpy()
    value = ds[domain.value.name].transpose(..., domain.node)
    graph = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(graph)) - (np.cumsum(counts) - counts)[graph]
    wide = np.zeros((*value.shape[:-1], len(counts), width), dtype=value.dtype)
    wide[..., graph, place] = value.to_numpy()
    dims = (*value.dims[:-1], domain.graph)
    columns = {f"{domain.value.name}[{k + 1}]": (dims, wide[..., k], value.attrs) for k in range(width)}
    total = np.broadcast_to(ds[domain.total.name].to_numpy(), wide.shape[:-1]).copy()
    return xr.Dataset({**columns, domain.total.name: (dims, total, ds[domain.total.name].attrs)})


def _node_domain(domain: GraphDomain) -> Domain:
    """One event a node: its value and the mean of its neighbours', given its kind and how many they are."""
    value = domain.value
    nearby = Variable(
        name=f"{value.name}_nearby", units=value.units, description=f"mean over the {domain.node}s that it is joined to"
    )
    return Domain(
        name=domain.name, title=domain.title, event=domain.node, event_dim=domain.node,
        variables=(
            value, nearby,
            Variable(name=domain.node_kind, units="1", given=True),
            Variable(name=DEGREE, units="1", given=True, description=f"number of {domain.edge}s"),
        ),
        laws=(), blocks=Blocks(kind="label", label=domain.graph), references=domain.references, note=domain.note,
    )  # fmt: skip


def _nodes(ds: xr.Dataset, domain: GraphDomain) -> xr.Dataset:
    """Nodes of all graphs; where there are several sets of values, one set after another."""
    value = ds[domain.value.name].transpose(..., domain.node)
    sets = [dim for dim in value.dims[:-1] if dim != "realization"]
    copies = int(np.prod([value.sizes[dim] for dim in sets]))
    own = value.transpose("realization", *sets, domain.node, missing_dims="ignore").to_numpy()
    lead = own.shape[: own.ndim - 1 - len(sets)]
    own = own.reshape(*lead, copies, -1)
    first, second = _ends(ds, domain)
    degree = np.bincount(np.concatenate([first, second]), minlength=own.shape[-1])
    there, back = np.concatenate([first, second]), np.concatenate([second, first])
    joins = sparse.csr_array((np.ones(len(there)), (there, back)), shape=(len(degree), len(degree)))
    nearby = (joins @ own.reshape(-1, len(degree)).T.astype(np.float64)).T.reshape(own.shape) / np.maximum(degree, 1)
    graph = np.repeat(np.arange(ds.sizes[domain.graph]), ds[domain.counts[0]].to_numpy())
    dims = (*("realization",)[: len(lead)], domain.node)
    known = {domain.node_kind: ds[domain.node_kind].to_numpy(), DEGREE: degree}
    columns = {
        domain.value.name: own, f"{domain.value.name}_nearby": nearby,
        **{name: np.broadcast_to(array.astype(np.float64), own.shape).copy() for name, array in known.items()},
    }  # fmt: skip
    flat = {name: (dims, array.reshape(*lead, -1)) for name, array in columns.items()}
    return xr.Dataset({**flat, domain.graph: (domain.node, np.tile(graph, copies))})


def _ends(ds: xr.Dataset, domain: GraphDomain) -> np.ndarray:
    """Numbers of the nodes that each edge joins, among those of all graphs, (2, edges)."""
    counts, edges = (ds[name].to_numpy() for name in domain.counts)
    return ds[domain.ends].to_numpy().astype(np.int64).T + np.repeat(np.cumsum(counts) - counts, edges)
