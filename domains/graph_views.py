"""Graphs as vectors, to be judged as other events are: all nodes of one graph, and one node with its neighbours."""

from functools import partial

import numpy as np
import xarray as xr
from scipy import sparse

from lawful.domains.declarations import Blocks, Law, Variable
from lawful.domains.domain import Domain
from lawful.domains.graph_domain import TOTAL, GraphDomain
from lawful.domains.shaped import PADDED, Place, View, Views, Whole

DEGREE = "degree"


def graph_views(domain: GraphDomain, width: int) -> Views:
    """Views of graphs of up to `width` nodes."""
    unbounded = domain.value.model_copy(update={"lower": None, "upper": None})
    whole = View(_whole_domain(domain, unbounded, width), lambda ds: _padded(ds, domain, width), law=TOTAL)
    values = View(_value_domain(domain), lambda ds: ds[[domain.value.name]], partial(_node_at, domain=domain))
    return Views((whole,), values, View(_node_domain(domain), lambda ds: _nodes(ds, domain)))


def graphs_by_size(domain: GraphDomain, ds: xr.Dataset) -> tuple[Whole, ...]:
    """Graphs of one number of nodes after those of another, with bounds."""
    counts = _counts(ds, domain)
    return tuple(_alike(domain, np.flatnonzero(counts == size), size) for size in np.unique(counts).tolist())


def _alike(domain: GraphDomain, chosen: np.ndarray, size: int) -> Whole:
    view = View(
        _whole_domain(domain, domain.value, size),
        partial(_of_size, domain=domain, chosen=chosen),
        partial(_graph_at, domain=domain, chosen=chosen),
    )
    return Whole(view, (domain.value,))


def _of_size(ds: xr.Dataset, *, domain: GraphDomain, chosen: np.ndarray) -> xr.Dataset:
    """The `chosen` graphs, which have equally many nodes."""
    counts, value = _counts(ds, domain), ds[domain.value.name].transpose(..., domain.node)
    first, dims = (np.cumsum(counts) - counts)[chosen], (*value.dims[:-1], domain.graph)
    columns = {
        f"{value.name}[{k + 1}]": xr.Variable(dims, value.to_numpy()[..., first + k], value.attrs, value.encoding)
        for k in range(int(counts[chosen[0]]))
    }
    return xr.Dataset({**columns, domain.total.name: _total(ds, domain, value).isel({domain.graph: chosen})})


def _graph_at(ds: xr.Dataset, place: Place, *, domain: GraphDomain, chosen: np.ndarray) -> Place:
    graph = int(chosen[place["index"][domain.graph]])
    return {**place, "event": _label(ds, domain, graph), "index": {**place["index"], domain.graph: graph}}


def _label(ds: xr.Dataset, domain: GraphDomain, graph: int) -> str:
    return str(ds[domain.graph].to_numpy()[graph] if domain.graph in ds.coords else graph)


def _whole_domain(domain: GraphDomain, value: Variable, width: int) -> Domain:
    """One event a graph; what a small graph lacks is zero, which no sum notices."""
    total = domain.total
    equation = f"sum({value.name}, over={domain.node}) = {total.name}"
    return Domain(
        name=domain.name, title=domain.title, event=domain.graph, event_dim=domain.graph,
        dimensions={domain.node: tuple(str(k + 1) for k in range(width))},
        variables=(
            value.model_copy(update={"over": domain.node}),
            total.model_copy(update={"lower": None, "upper": None, "given": True}),
        ),
        laws=(Law(name=TOTAL, equation=equation, units=value.units, tolerance=domain.tolerance),),
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
    return xr.Dataset({**columns, domain.total.name: _total(ds, domain, value)})


def _total(ds: xr.Dataset, domain: GraphDomain, value: xr.DataArray) -> xr.Variable:
    """Totals for each set of values; (..., graphs) for values (..., nodes)."""
    total = ds[domain.total.name].variable
    sizes = {str(dim): value.sizes[dim] for dim in value.dims[:-1]} | {domain.graph: ds.sizes[domain.graph]}
    whole = total.set_dims(sizes).transpose(*sizes).copy()
    whole.encoding = total.encoding
    return whole


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
    number = str(node - int(counts[:graph].sum()))
    return {**place, "event": _label(ds, domain, graph), "place": {**place["place"], domain.node: number}}


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
    return ds[domain.ends].transpose(domain.edge, ...).to_numpy().astype(np.int64).T + np.repeat(
        np.cumsum(counts) - counts, edges
    )
