"""Domains of graphs: samples of variable size, with a value at every node and a total for every graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from lawful.domains.declarations import Variable
from lawful.domains.errors import InputError
from lawful.domains.graph_data import require_graphs
from lawful.domains.shaped import ShapedDomain, Views, Whole
from lawful.domains.units import equivalent

if TYPE_CHECKING:
    # torch is slow to import, and whoever only lists domains does not need it.
    import torch

    from lawful.core.models.graphs import Graphs

TOTAL = "total"
"""The name of the law."""


class GraphDomain(ShapedDomain):
    """The law is `sum over {node} of {value} = {total}`, for every graph.

    A data set holds graphs as contiguous ragged arrays (CF conventions 1.11, section 9.3.3): nodes of one graph after
    those of another, `{node}_count` of each; so for edges, whose `{edge}_ends` are numbers of nodes within the graph,
    from 0; every edge is there once, in one direction. `value` has the dimension of nodes and may have others, for
    several values on one graph. It and `total` have the same units.

    Attributes:
        graph, node, edge: names of dimensions, such as "molecule", "atom" and "bond".
        value, total: what is generated at nodes, and its sum over a graph, which is given.
        node_kind, edge_kind: names of the variables that say what a node or an edge is, one of `node_kinds` or
            `edge_kinds`.
        tolerance: how well data close, in units of the value.
    """

    graph: str
    node: str
    edge: str
    value: Variable
    total: Variable
    node_kind: str
    node_kinds: tuple[float, ...]
    edge_kind: str
    edge_kinds: tuple[float, ...]
    tolerance: float = Field(gt=0)

    @model_validator(mode="after")
    def _sums_can_be_held(self) -> Self:
        value, total = self.value, self.total
        if not equivalent(value.units, total.units):
            raise InputError(
                f"{total.name}: a sum of {value.name} is in {value.units!r}, not in {total.units!r}", ("total",)
            )
        names = (self.graph, self.node, self.edge, value.name, total.name, self.node_kind, self.edge_kind)
        again = [name for k, name in enumerate(names) if name in names[:k]]
        if again:
            raise InputError(f"{again[0]!r} names two of graph, node, edge, value, total, node_kind and edge_kind")
        for v in (value, total):
            if v.over or v.resolution or v.closes or v.categorical:
                raise InputError(f"{v.name}: graphs have no over, resolution, closes or flags", (v.name,))
        return self

    @property
    def equation(self) -> str:
        """The law as it is written."""
        return f"sum({self.value.name} over {self.node}) = {self.total.name}"

    @property
    def equations(self) -> dict[str, str]:
        return {TOTAL: self.equation}

    @property
    def held_to(self) -> tuple[str, ...]:
        return (self.total.name,)

    @property
    def judged_by(self) -> tuple[str, ...]:
        return (self.counts[0], self.total.name, self.value.name)

    @property
    def tolerances(self) -> dict[str, float | None]:
        return {TOTAL: self.tolerance}

    @property
    def stored(self) -> tuple[str, ...]:
        return (*self.counts, self.total.name, self.node_kind, self.edge_kind, self.ends, self.value.name)

    @property
    def noun(self) -> str:
        return self.graph

    @property
    def event_dim(self) -> str:
        return self.graph

    @property
    def generated(self) -> tuple[Variable, ...]:
        return (self.value,)

    def views(self, *datasets: xr.Dataset) -> Views:
        from lawful.domains.graph_views import graph_views

        return graph_views(self, max(int(ds[self.counts[0]].max()) for ds in datasets))

    def wholes(self, ds: xr.Dataset) -> tuple[Whole, ...]:
        from lawful.domains.graph_views import graphs_by_size

        return graphs_by_size(self, ds)

    @property
    def counts(self) -> tuple[str, str]:
        """Names of the variables that count nodes and edges."""
        return f"{self.node}_count", f"{self.edge}_count"

    @property
    def ends(self) -> str:
        """Name of the variable of the nodes that edges join."""
        return f"{self.edge}_ends"

    def dataset(self, arrays: Mapping[str, Any], values: np.ndarray) -> xr.Dataset:
        """A data set of `arrays` by the names of their variables, and values (..., nodes)."""
        count, edges = self.counts
        dims = {
            count: (self.graph,), edges: (self.graph,), self.total.name: (self.graph,), self.node_kind: (self.node,),
            self.edge_kind: (self.edge,), self.ends: (self.edge, "end"),
        }  # fmt: skip
        said = {
            count: {"long_name": f"number of {self.node}s", "sample_dimension": self.node},
            edges: {"long_name": f"number of {self.edge}s", "sample_dimension": self.edge},
            self.ends: {"long_name": f"numbers of the {self.node}s that it joins, within its {self.graph}, from 0"},
            self.total.name: {"long_name": self.total.description, "units": self.total.units},
        }
        others = [f"sample_{i}" for i in range(values.ndim - 1)]
        value = (
            [*others, self.node], values, {"long_name": self.value.description, "units": self.value.units}
        )  # fmt: skip
        found = {name: (dims[name], np.asarray(array), said.get(name, {})) for name, array in arrays.items()}
        facts = {
            "Conventions": "CF-1.11", "title": self.title, "references": "; ".join(self.references),
            "lawful_laws": self.equation,
            "lawful_closure_tolerance": f"{self.total.name}: {self.tolerance:g} {self.total.units}",
        }  # fmt: skip
        return xr.Dataset({**found, self.value.name: value}, attrs=facts)

    def sums(self, ds: xr.Dataset) -> np.ndarray:
        """Sums of the values by graph, (..., graphs) float64."""
        value = ds[self.value.name].transpose(..., self.node).to_numpy().astype(np.float64)
        starts = np.cumsum(ds[self.counts[0]].to_numpy()) - ds[self.counts[0]].to_numpy()
        return np.add.reduceat(value, starts, axis=-1)

    def ulps(self, ds: xr.Dataset) -> np.ndarray:
        """The misfit of the law in rounding units of the stored values, (..., graphs)."""
        from lawful.core.linear import LinearSystem

        groups = np.repeat(np.arange(ds.sizes[self.graph]), ds[self.counts[0]].to_numpy())
        system = LinearSystem.totals(groups, ds[self.total.name].to_numpy().astype(np.float64))
        return system.ulps(ds[self.value.name].transpose(..., self.node).to_numpy()).numpy()

    def graphs(self, ds: xr.Dataset, *, values: bool = True) -> Graphs:
        """The graphs of a data set; with `values` one for each set of values, one set after another.

        Raises:
            InputError: the data do not hold graphs of this domain.
        """
        from lawful.core.models.graphs import Graphs

        require_graphs(self, ds, values=values)
        sizes, edge_counts = (ds[name].to_numpy().astype(np.int64) for name in self.counts)
        sets = np.full((1, int(sizes.sum())), np.nan)
        if values:
            sets = ds[self.value.name].transpose(..., self.node).to_numpy().reshape(-1, sizes.sum())
        starts = np.repeat(np.cumsum(sizes) - sizes, edge_counts)
        ends = ds[self.ends].transpose(self.edge, ...).to_numpy().astype(np.int64).T + starts
        nodes, links = self._features(ds)
        copies, n = len(sets), int(sizes.sum())
        bound = {name: getattr(self.value, name) for name in ("lower", "upper")}
        try:
            return Graphs.of(
                np.tile(sizes, copies), nodes.repeat(copies, 1),
                np.concatenate([ends + k * n for k in range(copies)], axis=1),
                np.tile(ds[self.total.name].to_numpy().astype(np.float64), copies),
                z=sets.astype(np.float64).ravel(), links=links.repeat(copies, 1),
                **{name: np.full(n * copies, limit) for name, limit in bound.items() if limit is not None},
            )  # fmt: skip
        except ValueError as error:
            raise InputError(f"graphs of domain {self.name!r}: {error}") from error

    def single(self, ds: xr.Dataset) -> xr.Dataset:
        """The first graph with the first set of values, the second with the second, and so on."""
        value = ds[self.value.name].transpose(..., self.node)
        sets = value.to_numpy().reshape(-1, ds.sizes[self.node])
        graph = np.repeat(np.arange(ds.sizes[self.graph]), ds[self.counts[0]].to_numpy())
        one = sets[graph % len(sets), np.arange(len(graph))]
        return ds.assign({self.value.name: (self.node, one, value.attrs)})

    def chosen(self, ds: xr.Dataset, rows: np.ndarray) -> xr.Dataset:
        """The graphs of these numbers, in rising order, with their nodes and edges."""
        kept = np.zeros(ds.sizes[self.graph], dtype=bool)
        kept[rows] = True
        of_nodes, of_edges = (np.repeat(kept, ds[name].to_numpy()) for name in self.counts)
        return ds.isel({self.graph: kept, self.node: of_nodes, self.edge: of_edges})

    def _features(self, ds: xr.Dataset) -> tuple[torch.Tensor, torch.Tensor]:
        """Kinds of nodes and of edges as indicators."""
        import torch

        pairs = ((self.node_kind, self.node_kinds), (self.edge_kind, self.edge_kinds))
        of_nodes, of_edges = (
            torch.from_numpy(ds[name].to_numpy()[:, None] == np.array(kinds)).float() for name, kinds in pairs
        )
        return of_nodes, of_edges
