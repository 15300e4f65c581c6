"""Conditionals that other blocks find too narrow or too wide are stretched; others stay as they are."""

import math

import pytest
import torch
from coordinates_cases import INF, make_problem
from torch.distributions import Normal

from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, Batch, Settings
from lawful.core.models.conditionals import log_density, stretched
from lawful.core.models.stretch import STRETCHES, stretch_of

SAME = int(STRETCHES.abs().argmin())


def sums_of(errors, blocks):
    """Log densities of errors under unit normals at each stretch, summed over blocks, of one coordinate."""
    each = torch.stack([Normal(0, by).log_prob(errors) for by in STRETCHES.exp().tolist()], -1)
    return torch.zeros(blocks, 1, len(STRETCHES)).index_add_(0, torch.arange(len(errors)) % blocks, each[:, None])


def test_zero_is_tried():
    assert STRETCHES[SAME] == 0


@pytest.mark.parametrize("width", [0.7, 1.0, 1.5])
def test_the_likeliest_factor_is_found(width):
    errors = width * torch.randn(2000, generator=torch.Generator().manual_seed(0))
    assert stretch_of(sums_of(errors, 20)).item() == pytest.approx(math.log(width), abs=0.06)


def test_one_odd_block_is_no_evidence():
    """Nineteen blocks are right as they are; one, off by six standard deviations, asks for more width than all do."""
    errors = torch.randn(2000, generator=torch.Generator().manual_seed(1))
    sums = sums_of(errors, 20)
    errors[::20] += 6.0
    odd = sums_of(errors, 20)
    odd[1:] = sums[1:]
    assert (odd.sum(0)[0] > odd.sum(0)[0, SAME]).any()
    assert stretch_of(odd).item() == 0.0


def test_little_evidence_counts_for_little():
    """Three blocks that gain as much: t = 3 / sqrt(3). Two that gain and one that loses as much: t is below one."""
    factor = torch.zeros(3, 1, len(STRETCHES))
    factor[..., SAME + 4] = 1.0
    assert stretch_of(factor).item() == pytest.approx(0.2 * (1 - 1 / 3), abs=1e-6)
    factor[2, 0, SAME + 4] = -1.0
    assert stretch_of(factor).item() == 0.0


def test_no_events_no_stretch():
    assert stretch_of(torch.zeros(3, 2, len(STRETCHES))).tolist() == [0.0, 0.0]


def mixture():
    logits = torch.tensor([[[0.3, 0.7]]], dtype=torch.float64).log()
    return logits, torch.tensor([[[-1.0, 2.0]]], dtype=torch.float64), torch.tensor([[[0.0, -1.0]]]).double()


def test_a_stretched_mixture_has_the_mean_and_so_many_times_the_spread():
    grid = torch.linspace(-40, 40, 80001, dtype=torch.float64)
    found = []
    for by in (0.0, 0.4):
        parts = [x.expand(1, len(grid), 2) for x in stretched(*mixture(), torch.tensor([by]).double())]
        density = log_density(*parts, grid[:, None])[:, 0].exp()
        mass, mean = torch.trapezoid(density, grid), torch.trapezoid(density * grid, grid)
        found.append((mean.item(), torch.trapezoid(density * (grid - mean) ** 2, grid).sqrt().item()))
        assert mass.item() == pytest.approx(1.0, abs=1e-9)
    assert found[0][0] == pytest.approx(0.3 * -1 + 0.7 * 2) and found[1][0] == pytest.approx(found[0][0])
    assert found[1][1] / found[0][1] == pytest.approx(math.exp(0.4))


@pytest.fixture
def bagged():
    """Two members that start from regressions of `a` on nothing, and events of which the first half taught them."""
    z = torch.randn(1200, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.cat([z, 1 - z], 1)
    chart, ids = Chart.fit(make_problem([[1, 1]], [1], [-INF] * 2, [INF] * 2), z)
    w = chart.encode(z, ids, torch.Generator().manual_seed(0))
    batch = Batch(ids, w, torch.zeros(1200, 0), z, torch.arange(1200) // 50)
    model = BaggedModel("autoregressive", chart, 0, Settings(networks=2, width=8, experts=2)).eval()
    for member in model.members:
        member.initialise(batch, torch.arange(600))
        member.coordinates.weights[-1].data.zero_()
    return model, batch, [torch.arange(1200) >= 600] * 2


def spread(model):
    columns = model.members[0].order
    drawn = model.sample(torch.zeros(6000, 0), torch.zeros(6000, 2), torch.Generator().manual_seed(2))[1]
    return drawn[:, columns].std().item()


def test_a_model_that_is_right_is_left_alone(bagged):
    model, batch, judged = bagged
    before = spread(model)
    assert list(model.calibrate(batch, judged).values()) == pytest.approx([1.0], abs=0.06)
    assert spread(model) == pytest.approx(before, rel=0.06)


def test_draws_and_densities_of_a_model_that_is_too_narrow_become_wider(bagged):
    model, batch, judged = bagged
    truth = spread(model)
    for member in model.members:
        member.coordinates.biases[-1].data[..., -2:] -= 0.4
        member.coordinates.linear.data.zero_()
    narrow, loss = spread(model), model.loss(batch).item()
    (factor,) = model.calibrate(batch, judged).values()
    assert factor == pytest.approx(truth / narrow, rel=0.1) and factor > 1.1
    assert spread(model) == pytest.approx(truth, rel=0.1)
    assert model.loss(batch).item() < loss
    assert list(model.calibrate(batch, judged).values()) == pytest.approx([factor])


def test_events_that_trained_a_model_do_not_count(bagged):
    model, batch, judged = bagged
    batch.w[:600] *= 3.0
    assert list(model.calibrate(batch, judged).values()) == pytest.approx([1.0], abs=0.06)


def test_other_families_are_left_alone(bagged):
    _, batch, judged = bagged
    model = BaggedModel("gan", bagged[0].chart, 0, Settings(networks=2, joint_width=8))
    assert model.calibrate(batch, judged) == {}
