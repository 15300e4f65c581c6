"""Events that spread evenly over what laws and bounds leave open: hit-and-run from wherever a model has put them.

Each event is a chain of its own, in a polyhedron of its own: given values differ from event to event, and with them
right-hand sides and the room that inequalities leave. Steps of hit-and-run leave the uniform distribution as it is and
forget where a chain began (Smith 1984, doi:10.1287/opre.32.6.1296); how many it takes depends on how well the axes are
rounded and how close the first draws are. The axes of all events of a state are those of one covariance matrix, for
any axes that do not depend on an event leave its distribution as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates.finish import state_laws
from lawful.core.coordinates.plan import Plan
from lawful.core.coordinates.problem import Problem
from lawful.core.polyhedra.bounds import Bounds, Inequalities
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.mirror import MirrorMap
from lawful.core.polyhedra.reduced import Reduced
from lawful.core.polyhedra.walk import Target, Walk

SWEEPS = 32
"""Steps along each axis."""

REFLECTED = 0.5
"""Share of steps that reflect. In few sweeps every axis must also be drawn afresh, at least once."""

_NEAR_STEPS = 25
"""Steps of Newton's method from the centre of a state, after which a draw counts as too far out."""

_PULLS = (1.0, 0.5, 0.25, 0.0)
"""How much of its way from the centre a draw keeps, the next where the one before is too far out."""

_CHAINS = 1024
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Spread:
    """Where events of a uniform problem lie, as training events tell.

    `covariance` (n, n) is that around the mean of events with the same given values: it decides on the axes. `centres`
    (S, n + k) are the means of variables and slacks in each state: close to them a solution is looked for.
    """

    covariance: Tensor
    centres: Tensor

    @classmethod
    def of_data(cls, problem: Problem, z: Tensor, ids: Tensor) -> Spread:
        """The spread of events `z` (N, n) in the states `ids` (N,)."""
        lifted = problem.extend(z)[:, : problem.lifted]
        return cls(covariance_within(z, problem.given), _means(lifted, ids))


def near_solution(A: Tensor, link: Link, centre: Tensor, y: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Points (B, F) of coordinates `y` (B, F) on laws `A` (m, F), and which were found (B,).

    Where Newton's method takes long, the draw is pulled towards the `centre` (F,): steps take every draw on from
    wherever it starts, so that a start nearer by does no harm.
    """
    mirror, rest = MirrorMap(A, link, centre), link.inverse(centre)
    z, found = torch.zeros_like(y), torch.zeros(len(y), dtype=torch.bool)
    for pull in _PULLS:
        todo = (~found).nonzero()[:, 0]
        if not len(todo):
            break
        solution = mirror.solve(rest + pull * (y[todo] - rest), b[todo], max_steps=_NEAR_STEPS)
        z[todo], found[todo] = solution.z, solution.converged
    return z, found


def spread_out(problem: Problem, plan: Plan, spread: Spread, lifted: Tensor, generator: torch.Generator) -> Tensor:
    """Variables and slacks `(B, n + k)` in the state of `plan` after some steps from such, inside bounds, on laws."""
    if not len(lifted) or not plan.coordinate.any():
        return lifted
    return torch.cat([_walked(problem, plan, spread, part, generator) for part in lifted.split(_CHAINS)])


def _walked(problem: Problem, plan: Plan, spread: Spread, lifted: Tensor, generator: torch.Generator) -> Tensor:
    z = lifted[:, : problem.n]
    laws = state_laws(problem, plan, lifted).restrict(~plan.fixed[: problem.n], z, check=False)
    reduced = Reduced.of(laws, z, Bounds(problem.lower, problem.upper), Inequalities(problem.C, problem.d))
    D = reduced.dimension
    still = torch.zeros(D, len(z), dtype=torch.float64)
    walk = Walk(Target.uniform(reduced), still[:, 0], _axes(reduced.moves, spread.covariance), still)
    moved = reduced.z(walk.stepped(SWEEPS * D, generator, reflected=REFLECTED).t)
    return torch.cat([moved, problem.d - moved @ problem.C.T], 1)


def _axes(moves: Tensor, covariance: Tensor) -> Tensor:
    """Axes (D, D) along which a covariance (n, n) is one, in coordinates of the `moves` (n, D)."""
    back = torch.linalg.pinv(moves)
    within = back @ covariance @ back.T
    size = within.diagonal().clamp_min(torch.finfo(torch.float64).tiny).sqrt()
    values, vectors = torch.linalg.eigh(within / size / size[:, None])
    return size[:, None] * vectors * values.clamp_min(_LEAST_VARIANCE * values[-1]).sqrt()


def covariance_within(z: Tensor, given: Tensor) -> Tensor:
    """Covariance (n, n) of events `z` (N, n) around the mean of those with the same values where `given` (n,)."""
    groups = torch.unique(z[:, given], dim=0, return_inverse=True)[1]
    means = _means(z, groups)
    rest = z - means[groups]
    return rest.T @ rest / max(len(z) - len(means), 1)


def _means(z: Tensor, groups: Tensor) -> Tensor:
    """Means (G, n) of the events `z` (N, n) of each group (N,)."""
    counts = torch.bincount(groups).double()
    return torch.zeros(len(counts), z.shape[1], dtype=torch.float64).index_add(0, groups, z) / counts[:, None]
