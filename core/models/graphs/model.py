"""Values on the nodes of graphs, normal given the graph, conditioned on the total of each graph.

Generative models of partial charges under a total charge: Li, Sahu, Van den Broeck, Zeng (2025), arXiv:2502.05416. The
form of the normal is that of electronegativity equalisation (Rappe & Goddard 1991, doi:10.1021/j100161a070; learned by
networks in Ghasemi et al. 2015, doi:10.1103/PhysRevB.92.045131): an energy that is quadratic in the charges, and
charges distributed by it as at a temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from lawful.core.distributions import ConstrainedNormal, Covariance, Diagonal, Full
from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.models.base import Trainable
from lawful.core.models.graphs.batch import Graphs
from lawful.core.models.graphs.network import MessagePassing
from lawful.core.models.sampling import InfeasibleEventsError

_ROUNDS = 50


@dataclass(frozen=True)
class GraphSettings:
    """Size and regularisation of the network; `floor` is the least standard deviation, in standard units.

    Without `correlated` nodes vary independently but for the law.
    """

    width: int = 64
    rounds: int = 4
    dropout: float = 0.0
    floor: float = 3e-3
    correlated: bool = True


class GraphModel(Trainable):
    """`z | graph ~ ConstrainedNormal(loc, covariance)` on `sum of z = total` for each graph; exact likelihood.

    The network says a mean and a spread `d` of each node, and a coupling `w >= 0`, `-1 < c < 1` of each edge. With
    `u = (z - mean) / d` the energy before the law is half of `sum over nodes of u^2` and of `sum over edges of w (u_i^2
    + 2 c u_i u_j + u_j^2)`: a Gaussian Markov random field (Rue & Held 2005), positive definite whatever w and c are.

    Args:
        features, links, context: numbers of features of nodes, edges and graphs.
        settings: of the network.

    Raises:
        MissingPackageError: torch_geometric is not installed.
    """

    unit: Tensor

    def __init__(self, features: int, links: int = 0, context: int = 0, settings: GraphSettings | None = None):
        super().__init__()
        self.settings = s = settings or GraphSettings()
        self.passing = MessagePassing(features, links, context, s.width, s.rounds, s.dropout)
        self.linear, self.of_node = nn.Linear(features, 1), nn.Linear(s.width, 2)
        self.of_edge = nn.Linear(s.width, 2)
        self.register_buffer("unit", torch.ones((), dtype=torch.float64))

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        """A network on many nodes needs little decay."""
        return super().parameter_groups(0.1 * decay)

    @torch.no_grad()
    def initialise(self, events: Graphs, train: Tensor) -> None:
        """The unit of values and a linear regression on the nodes' own features, from the graphs `train`."""
        known = events[train]
        if not known.z.isfinite().all():
            raise InvalidValueError("Graphs to learn from need a finite value at every node.")
        size = known.z.square().mean().sqrt()
        if not size.isfinite():
            raise InvalidValueError("Values of nodes are too large to be squared: take larger units.")
        # A power of two, so that no rounding comes with it.
        self.unit.copy_(2.0 ** torch.where(size > 0, size, 1.0).clamp_min(1e-300).log2().round())
        X = torch.cat([known.nodes.double(), torch.ones(len(known.nodes), 1)], 1)
        ridge = 1e-6 * len(X) * torch.eye(X.shape[1], dtype=torch.float64)
        weights = torch.linalg.solve(X.mT @ X + ridge, X.mT @ (known.z / self.unit.cpu()))
        self.linear.weight.copy_(weights[None, :-1])
        self.linear.bias.copy_(weights[-1:])

    def loss(self, batch: Graphs) -> Tensor:
        """Negative log-likelihood in standard units, a node, `()`; of the normal before bounds cut it."""
        free = (~batch.given).sum().to(self.unit.device)
        return -(self.log_prob(batch).sum() / free + self.unit.log()).float()

    def log_prob(self, graphs: Graphs) -> Tensor:
        """Log density (G,) float64 of the values of each graph, with respect to Lebesgue measure on its law.

        Values off the law are not refused: data may close to their own tolerance.
        """
        graphs = graphs.to(self.unit.device)
        return self.distribution(graphs).log_prob(graphs.groups.split(graphs.z, 0.0))

    @torch.no_grad()
    def mean(self, graphs: Graphs) -> Tensor:
        """The conditional mean (n,) float64, on the laws."""
        return self._joined(graphs, self.distribution(graphs).mean)

    @torch.no_grad()
    def variance(self, graphs: Graphs) -> Tensor:
        """The conditional variance (n,) float64."""
        return self._joined(graphs, self.distribution(graphs).variance)

    def distribution(self, graphs: Graphs) -> ConstrainedNormal:
        """Of values in their own units, batch shape (G,), event shape (W,); nodes that a graph lacks are fixed at 0."""
        graphs = graphs.to(self.unit.device)
        split = graphs.groups.split
        loc, covariance = self._before_law(graphs)
        free, fixed = split(~graphs.given, False), split(graphs.z.where(graphs.given, 0.0), 0.0)
        return ConstrainedNormal(loc, covariance, self._laws(graphs).restrict(free, fixed), validate_args=False)

    def _laws(self, graphs: Graphs) -> LinearSystem:
        ones = torch.ones(1, graphs.groups.width, dtype=torch.float64, device=graphs.z.device)
        return LinearSystem(ones, graphs.totals[:, None], names=["total"])

    def _before_law(self, graphs: Graphs) -> tuple[Tensor, Covariance]:
        """Mean (G, W) and covariance of the values before they are conditioned on the law; 0 and 1 without a node."""
        split = graphs.groups.split
        h, along = self.passing(graphs)
        preferred, raw = self.of_node(h).double().unbind(-1)
        preferred = preferred + self.linear(graphs.nodes.to(self.linear.weight.dtype))[:, 0].double()
        spread = split(self.settings.floor + softplus(raw - 2.0), 1.0)
        if not self.settings.correlated:
            return self.unit * split(preferred, 0.0), Diagonal(self.unit * spread)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(self._stiffness(graphs, along)))
        covariance = self.unit**2 * spread[..., None] * inverse * spread[..., None, :]
        return self.unit * split(preferred, 0.0), Full.of(covariance)

    def _stiffness(self, graphs: Graphs, along: Tensor) -> Tensor:
        """`I + sum over edges of w [[1, c], [c, 1]]` (G, W, W)."""
        strength, sign = self.of_edge(along).double().unbind(-1)
        w, c = softplus(strength - 2.0), torch.tanh(sign)
        width, (i, j) = graphs.groups.width, graphs.rank[graphs.edges]
        start = graphs.edge_owner * width**2
        places = torch.cat([start + a * width + b for a, b in ((i, i), (j, j), (i, j), (j, i))])
        flat = w.new_zeros(len(graphs) * width**2).index_add(0, places, torch.cat([w, w, w * c, w * c]))
        return flat.view(len(graphs), width, width) + torch.eye(width, dtype=torch.float64, device=w.device)

    @torch.no_grad()
    def sample(
        self, graphs: Graphs, generator: torch.Generator, *, draws: int = 1, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Values (draws, n) on the CPU in `dtype`, lawful in it and in their bounds; given ones exact.

        Draws of a graph that leave its bounds are drawn again: the distribution is the normal cut by the bounds.

        Raises:
            InfeasibleEventsError: some graphs stay out of their bounds after many draws.
        """
        split, join = graphs.groups.split, graphs.groups.join
        lower, upper = split(graphs.lower, 0.0), split(graphs.upper, 0.0)
        law = self.distribution(graphs)
        z = torch.zeros(draws, len(graphs), graphs.groups.width, dtype=dtype)
        todo = torch.ones(draws, len(graphs), dtype=torch.bool)
        for _ in range(_ROUNDS):
            drawn = _drawn(law, draws, generator).cpu().to(dtype)
            z[todo] = drawn[todo]
            todo = todo & ~((z >= lower) & (z <= upper)).all(-1)
            if not todo.any():
                return join(z)
        raise InfeasibleEventsError(todo.any(0).nonzero()[:, 0].tolist())

    @torch.no_grad()
    def law_residual(self, graphs: Graphs, generator: torch.Generator) -> tuple[float, float]:
        """The largest misfit of a law in draws, in ulps; no draw is unlawful."""
        law = self.distribution(graphs)
        return law.system.ulps(_drawn(law, 1, generator)).max().item(), 0.0

    def _joined(self, graphs: Graphs, values: Tensor) -> Tensor:
        return graphs.to(values.device).groups.join(values)


def _drawn(law: ConstrainedNormal, draws: int, generator: torch.Generator) -> Tensor:
    """Draws (draws, G, W) by random numbers of the generator."""
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return law.sample((draws,))
