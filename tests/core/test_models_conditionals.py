"""Mixture density networks: who sees whom, densities that integrate to one, and samples that follow them."""

import pytest
import torch
from scipy.stats import kstest

from lawful.core.models import Settings
from lawful.core.models.conditionals import MixtureConditionals

COUNT = 4


@pytest.fixture
def conditionals():
    """Random weights, mixtures far from a single normal."""
    torch.manual_seed(0)
    module = MixtureConditionals(2, COUNT, Settings(width=16, experts=3, dropout=0.0)).eval()
    with torch.no_grad():
        module.linear.normal_(0, 0.5)
        for weight, bias in zip(module.weights, module.biases, strict=True):
            weight.normal_(0, 0.3)
            bias.normal_(0, 0.7)
    return module


def inputs(B=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, 2, generator=generator), torch.randn(B, COUNT, 2, generator=generator)


def test_each_coordinate_depends_on_those_before_it_only(conditionals):
    static, dynamic = inputs()
    for i in range(COUNT):
        moving = dynamic.clone().requires_grad_()
        outputs = [x[i].sum() for x in conditionals(static, moving)]
        gradients = [torch.autograd.grad(x, moving, retain_graph=True)[0] for x in outputs]
        for gradient in gradients:
            assert (gradient[:, i:] == 0).all()
        if i:
            assert all((gradient[:, :i].abs().amax((0, 2)) > 0).all() for gradient in gradients)


def test_log_prob_depends_on_itself_and_the_inputs_of_those_before_it(conditionals):
    static, dynamic = inputs()
    for i in range(COUNT):
        seen, u = dynamic.clone().requires_grad_(), dynamic[..., 0].clone().requires_grad_()
        log_prob = conditionals.log_prob(static, seen, u)[:, i].sum()
        of_inputs, of_targets = torch.autograd.grad(log_prob, (seen, u))
        assert (of_inputs[:, i:] == 0).all()
        assert (of_targets[:, i] != 0).all()
        assert (torch.cat([of_targets[:, :i], of_targets[:, i + 1 :]], 1) == 0).all()


def density(conditionals, i, static, dynamic, grid):
    """p(u_i) on a grid, given the first of `static` and `dynamic`."""
    moved = dynamic[:1].repeat(len(grid), 1, 1)
    moved[:, i, 0] = grid
    with torch.no_grad():
        return conditionals.log_prob(static[:1].expand(len(grid), -1), moved, moved[..., 0])[:, i].double().exp()


@pytest.mark.parametrize("i", range(COUNT))
def test_densities_integrate_to_one(conditionals, i):
    static, dynamic = inputs()
    grid = torch.linspace(-60, 60, 60001)
    mass = torch.trapezoid(density(conditionals, i, static, dynamic, grid), grid.double())
    assert mass.item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("i", range(COUNT))
def test_samples_follow_their_density(conditionals, i):
    static, dynamic = inputs()
    grid = torch.linspace(-60, 60, 60001).double()
    p = density(conditionals, i, static, dynamic, grid.float())
    cdf = torch.cumulative_trapezoid(p, grid)
    B = 4000
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        draws = conditionals.sample(i, static[:1].expand(B, -1), dynamic[:1].expand(B, -1, -1), generator)

    def numerical(x):
        index = torch.searchsorted(grid[1:].contiguous(), torch.as_tensor(x).contiguous()).clamp_max(len(cdf) - 1)
        return cdf[index].numpy()

    assert draws.shape == (B,)
    # 0.036 is the 1e-4 quantile of the statistic for 4000 draws.
    assert kstest(draws.double().numpy(), numerical).statistic < 0.036


def test_sampling_looks_at_nothing_that_comes_later(conditionals):
    static, dynamic = inputs()
    other = dynamic.clone()
    other[:, 1:] = 99.0
    draws = [conditionals.sample(1, static, x, torch.Generator().manual_seed(0)) for x in (dynamic, other)]
    assert torch.equal(*draws)


def test_scales_keep_above_the_floor(conditionals):
    with torch.no_grad():
        conditionals.biases[-1].fill_(-1e3)
        _, _, log_scales = conditionals(*inputs())
    assert log_scales.exp().min().item() == pytest.approx(conditionals.settings.floor, rel=1e-3)


def test_start_is_the_regression_and_leaves_out_what_is_not_active():
    """Coordinate 1 follows coordinate 0 where it is there; elsewhere it is nonsense that must not count."""
    torch.manual_seed(0)
    N = 1500
    generator = torch.Generator().manual_seed(0)
    static = torch.randn(N, 1, generator=generator)
    dynamic = torch.randn(N, 2, 2, generator=generator)
    dynamic[:, 1, 0] = 0.8 * dynamic[:, 0, 0] - 0.5 * static[:, 0] + 0.05 * dynamic[:, 1, 1]
    active = torch.ones(N, 2, dtype=torch.bool)
    active[::3, 1] = False
    dynamic[::3, 1, 0] = 50.0
    module = MixtureConditionals(1, 2, Settings(width=8, experts=2, dropout=0.0)).eval()
    module.start_from_regression(static, dynamic, dynamic[..., 0], active)
    with torch.no_grad():
        log_weights, means, log_scales = module(static, dynamic)
    mean = (log_weights.exp() * means).sum(-1)[1]
    error = (mean - dynamic[:, 1, 0])[active[:, 1]]
    assert error.square().mean().sqrt() < 0.15
    assert log_scales[1].exp().max() < 0.5


def test_start_with_a_coordinate_that_no_event_has():
    static, dynamic = inputs(6)
    active = torch.ones(6, COUNT, dtype=torch.bool)
    active[:, 2] = False
    module = MixtureConditionals(2, COUNT, Settings(width=8, experts=2)).eval()
    module.start_from_regression(static, dynamic, dynamic[..., 0], active)
    assert module.log_prob(static, dynamic, dynamic[..., 0]).isfinite().all()
