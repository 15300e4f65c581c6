"""The least change that puts measured events onto their laws, weighted by how uncertain each variable is."""

import torch
from torch import Tensor

from lawful.core.coordinates import Problem
from lawful.core.linear import LinearSystem

_SLACK_REACH = 1e3
"""How much more freely the slack of an inequality moves than its terms; its own change costs a millionth as much."""
_ROUNDING = 1e-14


def reconcile(z: Tensor, uncertainty: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """Events `(N, n)` with least `sum(((z' - z) / uncertainty)^2)` on laws, bounds and inequalities; which are good.

    Values on a bound, at multiples of a resolution, or given stay as they are, so exact zeros stay zeros. An active-set
    method (Nocedal & Wright 2006, Numerical Optimization, ch. 16.5) over all events at once: the variable that would
    leave its bounds farthest is held there, and one is let go when its multiplier says that this costs less.

    Args:
        z: measured events (N, n), float64.
        uncertainty: (n,) positive, in the units of the variables.
        problem: laws, bounds and inequalities.

    Returns:
        The events, and a mask `(N,)` of those that obey everything; the others have no such event near them.
    """
    lifted, sigma, lower, upper, laws = _lifted(z, uncertainty, problem)
    movable = (z > problem.lower) & (z < problem.upper) & ~problem.given & (problem.resolution == 0)
    movable = torch.cat([movable, torch.ones(len(z), len(problem.d), dtype=torch.bool)], 1)
    held, start = ~movable, lifted.clone()
    for _ in range(4 * lifted.shape[1]):
        moved = _solved(laws, ~held, sigma, lifted, start)
        wrong = movable & _costs_more(laws, moved, start, sigma, held, lower, upper)
        outside = _farthest(torch.maximum(lower - moved, moved - upper) / sigma, ~held) & ~wrong.any(1, keepdim=True)
        if not (outside.any() or wrong.any()):
            break
        lifted = torch.where(outside, moved.clamp(lower, upper), lifted)
        held = (held | outside) & ~wrong
    moved = moved[:, : problem.n]
    inside = ((moved >= problem.lower) & (moved <= problem.upper)).all(-1)
    # An inequality that binds holds to rounding; the chart takes it for an equation there.
    rounding = _ROUNDING * (moved.abs() @ problem.C.abs().T + problem.d.abs())
    inside &= (moved @ problem.C.T - problem.d <= rounding).all(-1)
    return moved, inside & problem.system.holds(moved)


def _lifted(z: Tensor, uncertainty: Tensor, problem: Problem) -> tuple[Tensor, Tensor, Tensor, Tensor, LinearSystem]:
    """Events, uncertainties, bounds and laws with one slack `s >= 0` for each inequality `C z + s = d`."""
    k = len(problem.d)
    slack = problem.d - z @ problem.C.T
    reach = _SLACK_REACH * (problem.C**2 @ uncertainty**2).sqrt().clamp_min(1e-150)
    above = torch.cat([problem.A, torch.zeros(len(problem.b), k, dtype=torch.float64)], 1)
    below = torch.cat([problem.C, torch.eye(k, dtype=torch.float64)], 1)
    lower = torch.cat([problem.lower, torch.zeros(k, dtype=torch.float64)])
    upper = torch.cat([problem.upper, torch.full((k,), torch.inf, dtype=torch.float64)])
    system = LinearSystem(torch.cat([above, below]), torch.cat([problem.b, problem.d]), check=False)
    return torch.cat([z, slack], 1), torch.cat([uncertainty, reach]), lower, upper, system


def _solved(laws: LinearSystem, free: Tensor, sigma: Tensor, held: Tensor, start: Tensor) -> Tensor:
    """The nearest to `start` on the laws, variables that are not free at their values in `held`."""
    restricted = laws.restrict(free, held, check=False)
    moved = restricted.project_with(restricted.metric(sigma.expand(start.shape)), torch.where(free, start, held))
    return torch.where(free, moved, held)


def _costs_more(
    laws: LinearSystem, moved: Tensor, start: Tensor, sigma: Tensor, held: Tensor, lower: Tensor, upper: Tensor
) -> Tensor:
    """The held variable of each event `(N, n)` whose multiplier says most that letting it go costs less."""
    pull = (moved - start) / sigma**2
    A = laws.A * sigma * ~held[:, None, :]
    multipliers = torch.linalg.pinv(A.transpose(1, 2)) @ (pull * sigma * ~held)[..., None]
    reduced = (pull - (laws.A.T @ multipliers)[..., 0]) * sigma
    gain = torch.where(moved == lower, -reduced, torch.where(moved == upper, reduced, 0.0))
    return _farthest(gain - 1e-9 * (1 + (pull * sigma).abs().amax(1, keepdim=True)), held)


def _farthest(distance: Tensor, among: Tensor) -> Tensor:
    """The variable of each event `(N, n)` with the largest distance above zero, among those of a mask."""
    distance = torch.where(among & (distance > 0), distance, 0.0)
    largest = distance.amax(1, keepdim=True)
    return (distance == largest) & (largest > 0)
