"""Graphs as vectors, to be judged as other events are: all nodes of one graph, and one node with its neighbours."""

from functools import partial

import numpy as np
import xarray as xr
from scipy import sparse

from lawful.domains.declarations import Blocks, Law, Variable
from lawful.domains.domain import Domain
from lawful.domains.graph_domain import GraphDomain
from lawful.domains.shaped import PADDED, Place, View, Views

DEGREE = "degree"


def graph_views(domain: GraphDomain, width: int) -> Views:
    """Views of graphs of up to `width` nodes."""
    whole = View(_whole_domain(domain, width), lambda ds: _padded(ds, domain, width))
    values = View(_value_domain(domain), lambda ds: ds[[domain.value.name]], partial(_node_at, domain=domain))
    return Views((whole,), values, View(_node_domain(domain), lambda ds: _nodes(ds, domain)))


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
    counts = _counts(ds, domain)
    value = ds[domain.value.name].transpose(..., domain.node)
    graph = np.repeat(np.arange(len(counts)), counts)
    wide = np.full((*value.shape[:-1], len(counts), width), np.inf, dtype=np.result_type(value.dtype, np.float32))
    # Infinite values are judged with the nodes; here they are no padding.
    wide[..., graph, _numbers(counts)] = np.where(np.isposinf(value), np.nan, value)
    dims = (*value.dims[:-1], domain.graph)
    encoding = {**value.encoding, PADDED: True}
    columns = {
        f"{domain.value.name}[{k + 1}]": xr.Variable(dims, wide[..., k], value.attrs, encoding) for k in range(width)
    }
    total = ds[domain.total.name].variable
    whole = total.set_dims(dict(zip(dims, wide.shape[:-1], strict=True))).transpose(*dims).copy()
    return xr.Dataset({**columns, domain.total.name: whole})


def _counts(ds: xr.Dataset, domain: GraphDomain) -> np.ndarray:
    return ds[domain.counts[0]].to_numpy().astype(np.int64)


def _numbers(counts: np.ndarray) -> np.ndarray:
    """The number of each node within its graph, from 0."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _value_domain(domain: GraphDomain) -> Domain:
    """One event a node: its value alone, for bounds."""
    return Domain(
        name=domain.name, title=domain.title, event=domain.node, event_dim=domain.node, variables=(domain.value,),
        laws=(), blocks=Blocks(kind="order"),
    )  # fmt: skip


def _node_at(ds: xr.Dataset, place: Place, *, domain: GraphDomain) -> Place:
    """A node by its graph and its number there, from 0 as edges count; "index" stays that among nodes of all graphs."""
    counts, node = _counts(ds, domain), place["index"][domain.node]
    graph = int(np.searchsorted(np.cumsum(counts), node, side="right"))
    named = ds[domain.graph].to_numpy()[graph] if domain.graph in ds.coords else graph
    number = str(node - int(counts[:graph].sum()))
    return {**place, "event": str(named), "place": {**place["place"], domain.node: number}}


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
