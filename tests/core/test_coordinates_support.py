"""Where columns are generated: recurring edges, bounds that a ratio implies, and scales of links."""

import pytest
import torch
from coordinates_cases import INF, make_problem

from lawful.core.coordinates import Ratio
from lawful.core.coordinates.states import States
from lawful.core.coordinates.support import SOLVED_SLOPE, scales, support


def supported(problem, z):
    extended = problem.extend(z)
    return support(problem, States.of_data(problem, extended)[0], extended)


def shortwave(ratio_upper):
    """b = rho a with 0 <= rho <= ratio_upper, a and b at least 0, and b <= a."""
    rho = 0.1 + 0.1 * torch.rand(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a = 1 + torch.rand(500, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ratio = Ratio("rho", 1, 0, 0.0, ratio_upper)
    problem = make_problem([], [], [0, 0], [INF, INF], C=[[-1, 1]], d=[0], ratios=[ratio])
    return problem, torch.stack([a, rho * a], 1)


def test_a_ratio_of_at_most_one_implies_the_numerator_and_the_slack():
    lower, _ = supported(*shortwave(1.0))
    assert lower.tolist() == [0.0, -INF, -INF, 0.0]


def test_a_ratio_that_may_exceed_one_does_not_imply_the_slack():
    lower, _ = supported(*shortwave(2.0))
    assert lower.tolist() == [0.0, -INF, 0.0, 0.0]


def test_nothing_goes_beyond_a_recurring_edge():
    inner = 2 + torch.rand(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a = torch.cat([inner, torch.full((100,), 3.0, dtype=torch.float64)])
    problem = make_problem([[1, 1]], [0], [0, -INF], [INF, INF])
    lower, upper = supported(problem, torch.stack([a, -a], 1))
    assert upper[0] == 3.0
    assert lower[0] == 0.0


def test_scales_are_logarithmic_near_a_bound_only():
    g = torch.Generator().manual_seed(0)
    near = torch.exp(2 * torch.randn(4000, generator=g, dtype=torch.float64))
    far = 300 + 30 * torch.randn(4000, generator=g, dtype=torch.float64)
    free = 5 * torch.randn(4000, generator=g, dtype=torch.float64)
    extended = torch.stack([near, far, free, free], 1)
    lower = torch.tensor([0, 0, -INF, -INF], dtype=torch.float64)
    found = scales(extended, lower, torch.full((4,), INF, dtype=torch.float64), {3})
    assert found[0] == pytest.approx(near.median().item())
    assert found[1] == pytest.approx(0.05 * far.std().item(), rel=1e-3)
    assert found[2] == pytest.approx(free.std().item(), rel=1e-3)
    assert found[3] == pytest.approx(SOLVED_SLOPE * free.std().item(), rel=1e-3)
