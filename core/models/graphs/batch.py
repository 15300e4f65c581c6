"""Many graphs as one: nodes and edges of all, one graph after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lawful.core.distributions.groups import Groups
from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.arrays import as_float64, require_finite


@dataclass(frozen=True)
class Graphs:
    """G graphs with n nodes and E edges in all; the law is `sum over the nodes of a graph of z = total`.

    Attributes:
        sizes: (G,) nodes of each graph. edge_counts: (G,) edges of each.
        nodes: (n, f) features. edges: (2, E) numbers of the nodes that each edge joins, every edge once.
        links: (E, e) features of edges. context: (G, c) features of graphs.
        totals: (G,) float64. z: (n,) float64, the values of nodes; what is not `given` (n,) is generated.
        lower, upper: (n,) float64 bounds.
    """

    sizes: Tensor
    edge_counts: Tensor
    nodes: Tensor
    edges: Tensor
    links: Tensor
    context: Tensor
    totals: Tensor
    z: Tensor
    given: Tensor
    lower: Tensor
    upper: Tensor

    @classmethod
    def of(
        cls,
        sizes: Any,
        nodes: Any,
        edges: Any,
        totals: Any,
        *,
        z: Any = None,
        links: Any = None,
        context: Any = None,
        given: Any = None,
        lower: Any = None,
        upper: Any = None,
    ) -> Graphs:
        """Graphs from arrays; see `Graphs`. Edges may be in any order; without `z` there is nothing to learn from.

        Raises:
            ShapeError, InvalidValueError: arrays that do not fit, an edge between two graphs, a graph without nodes,
                numbers that are not finite, bounds that leave nothing.
        """
        sizes, edges = torch.as_tensor(sizes).long(), torch.as_tensor(edges).long()
        nodes = torch.as_tensor(nodes).float()
        n = len(nodes)
        edges = edges.reshape(2, 0) if not edges.numel() else edges
        owner = _owner(sizes, n)
        order = _order_of_edges(edges, owner)
        links = torch.zeros(edges.shape[1], 0) if links is None else torch.as_tensor(links).float()
        arrays = {
            "z": torch.full((n,), torch.nan) if z is None else z,
            "given": torch.zeros(n) if given is None else given,
            "lower": torch.full((n,), -torch.inf) if lower is None else lower,
            "upper": torch.full((n,), torch.inf) if upper is None else upper,
        }
        by_node = {name: as_float64(values) for name, values in arrays.items()}
        context = torch.zeros(len(sizes), 0) if context is None else torch.as_tensor(context).float()
        graphs = cls(
            sizes=sizes, edge_counts=torch.bincount(owner[edges[0]], minlength=len(sizes)), nodes=nodes,
            edges=edges[:, order], links=_of_length(links, edges.shape[1], "links", "edge")[order], context=context,
            totals=as_float64(totals), z=by_node["z"], given=by_node["given"] != 0,
            lower=by_node["lower"], upper=by_node["upper"],
        )  # fmt: skip
        graphs._require_fit()
        return graphs

    def _require_fit(self) -> None:
        for name in ("z", "given", "lower", "upper"):
            _of_length(getattr(self, name), len(self.nodes), name, "node", 1)
        _of_length(self.context, len(self), "context", "graph", 2)
        _of_length(self.totals, len(self), "totals", "graph", 1)
        require_finite(self.totals, "The total", [f"of graph {i}" for i in range(len(self))])
        for name in ("nodes", "links", "context"):
            if not getattr(self, name).isfinite().all():
                raise InvalidValueError(f"Expected finite features, but {name} has some that are not.")
        if not (self.z.isfinite() | ~self.given).all():
            raise InvalidValueError(
                f"Node {int((~self.z.isfinite() & self.given).nonzero()[0])} is given, but not finite."
            )
        crossed = (~(self.lower <= self.upper)).nonzero()
        if len(crossed):
            raise InvalidValueError(f"Node {int(crossed[0])} has a lower bound above its upper one.")

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, rows: Tensor) -> Graphs:
        """The graphs of these numbers, in their order."""
        nodes, edges = _members(self.sizes, rows), _members(self.edge_counts, rows)
        starts = self.sizes.cumsum(0) - self.sizes
        chosen = self.sizes[rows]
        moved = (chosen.cumsum(0) - chosen - starts[rows]).repeat_interleave(self.edge_counts[rows])
        by_graph = {name: getattr(self, name)[rows] for name in ("sizes", "edge_counts", "context", "totals")}
        by_node = {name: getattr(self, name)[nodes] for name in ("nodes", "z", "given", "lower", "upper")}
        return Graphs(edges=self.edges[:, edges] + moved, links=self.links[edges], **by_graph, **by_node)

    def to(self, device: torch.device) -> Graphs:
        """The same on another device."""
        return self._each(lambda tensor: tensor.to(device))

    def with_values(self, z: Tensor) -> Graphs:
        """The same graphs with other values of nodes (n,)."""
        return replace(self, z=z)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Graphs:
        return Graphs(**{field.name: change(getattr(self, field.name)) for field in fields(self)})

    @cached_property
    def groups(self) -> Groups:
        """Nodes by graph: `split` lays values (..., n) out as (..., G, W), W the nodes of the largest graph."""
        return Groups(self.owner, len(self.nodes), self.nodes.device)

    @cached_property
    def owner(self) -> Tensor:
        """(n,), the number of each node's graph."""
        return torch.arange(len(self), device=self.sizes.device).repeat_interleave(self.sizes)

    @property
    def edge_owner(self) -> Tensor:
        """(E,), the number of each edge's graph."""
        return self.owner[self.edges[0]]

    @property
    def rank(self) -> Tensor:
        """(n,), the number of each node within its graph."""
        return self.groups.place % self.groups.width


def _members(counts: Tensor, rows: Tensor) -> Tensor:
    """Numbers of all members of the groups `rows`, for groups of `counts` members one after another."""
    starts, chosen = (counts.cumsum(0) - counts)[rows], counts[rows]
    before = (chosen.cumsum(0) - chosen).repeat_interleave(chosen)
    return torch.arange(int(chosen.sum()), device=counts.device) - before + starts.repeat_interleave(chosen)


def _owner(sizes: Tensor, n: int) -> Tensor:
    if sizes.dim() != 1 or not len(sizes) or int(sizes.sum()) != n:
        raise ShapeError(f"Expected sizes of graphs that add up to the {n} nodes, got {int(sizes.sum())}.")
    if (sizes < 1).any():
        raise InvalidValueError(f"Graph {int((sizes < 1).nonzero()[0])} has no node: its total could not be met.")
    return torch.arange(len(sizes)).repeat_interleave(sizes)


def _order_of_edges(edges: Tensor, owner: Tensor) -> Tensor:
    """Edges by graph."""
    if edges.dim() != 2 or len(edges) != 2:
        raise ShapeError(f"Expected edges of shape (2, E), got {tuple(edges.shape)}.")
    wrong = ((edges < 0) | (edges >= len(owner))).any(0) | (edges[0] == edges[1])
    if not wrong.any():
        wrong = owner[edges[0]] != owner[edges[1]]
    if wrong.any():
        pair = tuple(edges[:, int(wrong.nonzero()[0])].tolist())
        raise InvalidValueError(f"Edge {int(wrong.nonzero()[0])} joins {pair}: expected two nodes of one graph.")
    return owner[edges[0]].argsort(stable=True)


def _of_length(values: Tensor, length: int, name: str, of: str, dims: int = 2) -> Tensor:
    if values.dim() != dims or len(values) != length:
        shape = f"({length},)" if dims == 1 else f"({length}, features)"
        raise ShapeError(f"Expected {name} of shape {shape}, one entry per {of}, got {tuple(values.shape)}.")
    return values
