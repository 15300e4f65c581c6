"""Graphs, as the pipeline trains and draws them."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lawful.core.models import InfeasibleEventsError
from lawful.core.models.graphs import GraphModel, Graphs, GraphSettings
from lawful.core.training import Schedule
from lawful.domains import InputError
from lawful.domains.graph_domain import GraphDomain

_CHUNK = 512
"""Graphs that are drawn at once, at most."""

_NUMBERS = 2**22
"""Of the matrices of so many graphs together; all are as wide as the largest graph."""


class GraphKind:
    """A normal distribution given the graph, conditioned on its total."""

    family = "graph"

    def settings(self, domain: GraphDomain, fast: bool) -> GraphSettings:
        return GraphSettings(width=32, rounds=2) if fast else GraphSettings(width=32)

    def schedule(self, fast: bool) -> Schedule:
        return Schedule(steps=60 if fast else 600, batch_size=32, check_every=30 if fast else 100)

    def events(self, domain: GraphDomain, ds: xr.Dataset) -> Graphs:
        return domain.graphs(ds)

    def model(self, domain: GraphDomain, ds: xr.Dataset, settings: GraphSettings) -> GraphModel:
        return self.empty(domain, {}, settings)

    def tensors(self, model: GraphModel) -> dict[str, Tensor]:
        return {}

    def empty(self, domain: GraphDomain, tensors: dict[str, Tensor], settings: GraphSettings) -> GraphModel:
        return GraphModel(len(domain.node_kinds), len(domain.edge_kinds), 0, settings)

    def draw(
        self, model: GraphModel, domain: GraphDomain, ds: xr.Dataset, members: int, generator: torch.Generator,
        dtype: torch.dtype, done: Callable[[int], None],
    ) -> tuple[xr.Dataset, dict[str, tuple[tuple[str, ...], np.ndarray]]]:  # fmt: skip
        bare = ds.drop_vars(domain.value.name, errors="ignore")
        asked, parts = domain.graphs(bare, values=False), []
        for rows in chunks(asked.sizes):
            try:
                parts.append(model.sample(asked[rows], generator, draws=members, dtype=dtype))
            except InfeasibleEventsError as error:
                raise InputError(_out_of_bounds(domain, asked, int(rows[error.events[0]]))) from error
            done(members * len(rows))
        return bare, {domain.value.name: (("realization", domain.node), torch.cat(parts, 1).numpy())}


def chunks(sizes: Tensor) -> Iterator[Tensor]:
    """Numbers of graphs of so many nodes (G,) that are drawn together, in their order."""
    start = widest = 0
    for number, size in enumerate(sizes.tolist()):
        wider = max(widest, size)
        count = number - start + 1
        if count > 1 and (count > _CHUNK or count * wider**2 > _NUMBERS):
            yield torch.arange(start, number)
            start, wider = number, size
        widest = wider
    yield torch.arange(start, len(sizes))


def _out_of_bounds(domain: GraphDomain, asked: Graphs, number: int) -> str:
    """Why no draw of a graph is within the bounds of its values, and what to do."""
    value, total = domain.value, domain.total
    graph = asked[torch.tensor([number])]
    low, high, wanted = (x.sum().item() for x in (graph.lower, graph.upper, graph.totals))
    if not low <= wanted <= high:
        return (
            f"{domain.graph} {number}: {total.name} {wanted:g} cannot be met: {len(graph.nodes)} {domain.node}s within "
            f"their bounds add up to {low:g} to {high:g}"
        )
    return (
        f"{domain.graph} {number}: no draw keeps {value.name} of all its {len(graph.nodes)} {domain.node}s within "
        "bounds, which are for values that seldom reach them; declare no bounds, and `lawful repair` the ensemble "
        "with a domain that has them"
    )


GRAPHS = GraphKind()
