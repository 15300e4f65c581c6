"""Message passing on the edges of graphs, by torch_geometric."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lawful.core.errors import LawfulError
from lawful.core.models.graphs.batch import Graphs


class MissingPackageError(LawfulError, ImportError):
    """A package that only one family needs is not installed."""


class MessagePassing(nn.Module):
    """Nodes that hear from their neighbours, `rounds` times (GINE: Hu et al. 2020, ICLR, arXiv:1905.12265).

    What it gives follows nodes and edges wherever they stand in a graph, and graphs in a batch. `context` is told to
    every node. Gives features (n, width) of nodes and (E, width) of edges, alike from both ends.
    """

    def __init__(self, features: int, links: int, context: int, width: int, rounds: int, dropout: float):
        super().__init__()
        convolution = _gine()
        self.first, self.link = nn.Linear(features + context, width), nn.Linear(max(1, links), width)
        self.rounds = nn.ModuleList(convolution(_two_layers(width, width, dropout)) for _ in range(rounds))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(rounds))
        self.last, self.ends = nn.LayerNorm(width), _two_layers(3 * width, width, 0.0)

    def forward(self, graphs: Graphs) -> tuple[Tensor, Tensor]:
        context = graphs.context[graphs.owner]
        h = self.first(torch.cat([graphs.nodes, context], -1).to(self.first.weight.dtype))
        links = graphs.links if graphs.links.shape[1] else graphs.links.new_ones(graphs.edges.shape[1], 1)
        along = self.link(links.to(h.dtype))
        both_ways, twice = torch.cat([graphs.edges, graphs.edges.flip(0)], 1), torch.cat([along, along])
        for norm, step in zip(self.norms, self.rounds, strict=True):
            h = h + step(norm(h), both_ways, twice)
        h = self.last(h)
        one, other = h[graphs.edges[0]], h[graphs.edges[1]]
        return silu(h), silu(self.ends(torch.cat([one + other, (one - other).abs(), along], -1)))


def _two_layers(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Dropout(dropout), nn.Linear(outputs, outputs))


def _gine() -> type[nn.Module]:
    try:
        # Here, because it is slow to import and only graphs need it.
        from torch_geometric.nn import GINEConv
    except ImportError as error:
        raise MissingPackageError("The graph family needs torch_geometric: pip install 'lawful[graphs]'.") from error
    return GINEConv
