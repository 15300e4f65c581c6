"""Conditionals that other blocks find too narrow or too wide are stretched; others stay as they are."""

import math

import pytest
import torch
from coordinates_cases import INF, make_problem, tensor

from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, Batch, Settings
from lawful.core.models.conditionals import log_density, mixture_moments, stretched
from lawful.core.models.stretch import stretch_of


def sums_of(errors, blocks):
    """Sums over blocks of squares of errors and of the variance of unit normals, of one coordinate."""
    place = torch.arange(len(errors)) % blocks
    squares = torch.zeros(blocks, 1, dtype=torch.float64).index_add_(0, place, errors.double()[:, None] ** 2)
    return squares, torch.bincount(place)[:, None].double()


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_the_ratio_of_error_to_spread_is_found(width):
    errors = width * torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    assert stretch_of(*sums_of(errors, 20)).item() == pytest.approx(math.log(width), abs=0.03)


def test_one_odd_block_is_no_evidence():
    """Nineteen blocks are right as they are; one is off by six standard deviations, and the ratio is 1.7."""
    errors = torch.randn(2000, generator=torch.Generator().manual_seed(1))
    errors[::20] += 6.0
    squares, variances = sums_of(errors, 20)
    assert (squares.sum() / variances.sum()).sqrt().item() > 1.6
    assert stretch_of(squares, variances).item() < 0.1


def test_a_coordinate_is_shrunk_by_its_standard_error_beside_the_spread_of_all_by_hand():
    """Two blocks, of which leaving out one leaves the other's ratio."""
    squares, variances = tensor([[1.0, 4.0], [3.0, 4.0]]), tensor([[1.0, 1.0], [1.0, 1.0]])
    factor = tensor([math.log(2) / 2, math.log(4) / 2])
    error = tensor([((math.log(3) / 2) ** 2) / 4, 0.0])
    spread = ((factor**2 - error).sum() / 2).item()
    expected = factor * spread / (spread + error)
    torch.testing.assert_close(stretch_of(squares, variances).double(), expected, atol=1e-6, rtol=0)


def test_little_evidence_counts_for_nothing():
    squares = tensor([[4.0], [0.3], [0.9]])
    assert stretch_of(squares, torch.ones(3, 1, dtype=torch.float64)).item() == 0.0


def test_a_coordinate_without_events_and_blocks_without_any_change_nothing():
    squares, variances = sums_of(2 * torch.randn(1000, generator=torch.Generator().manual_seed(0)), 10)
    alone = stretch_of(squares, variances)
    empty = torch.zeros(10, 1, dtype=torch.float64)
    both = stretch_of(torch.cat([squares, empty], 1), torch.cat([variances, empty], 1))
    assert both.tolist() == [alone.item(), 0.0]
    more = stretch_of(torch.cat([squares, empty]), torch.cat([variances, empty]))
    assert more.item() == alone.item()
    assert stretch_of(empty, empty).tolist() == [0.0] and stretch_of(squares[:1], variances[:1]).tolist() == [0.0]


def test_no_factor_is_endless():
    squares, variances = torch.zeros(5, 1, dtype=torch.float64), torch.ones(5, 1, dtype=torch.float64)
    assert stretch_of(squares, variances).item() == pytest.approx(-math.log(20) / 2)
    # Members that disagree by more than they err.
    assert stretch_of(squares - 1, variances).item() == pytest.approx(-math.log(20) / 2)


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
        variance = torch.trapezoid(density * (grid - mean) ** 2, grid)
        found.append((mean.item(), variance.sqrt().item()))
        assert mass.item() == pytest.approx(1.0, abs=1e-9)
        moments = mixture_moments(*stretched(*mixture(), torch.tensor([by]).double()))
        assert [x.item() for x in moments] == pytest.approx([mean.item(), variance.item()])
    assert found[0][0] == pytest.approx(0.3 * -1 + 0.7 * 2) and found[1][0] == pytest.approx(found[0][0])
    assert found[1][1] / found[0][1] == pytest.approx(math.exp(0.4))


@pytest.fixture
def bagged():
    """Two members that start from regressions of `a` on a given `c`, which tells nothing of it, and events of which the
    first half taught them."""
    a, c = torch.randn(2, 1200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.stack([a, c - a, c], 1)
    chart, ids = Chart.fit(make_problem([[1, 1, -1]], [0], [-INF] * 3, [INF] * 3, given=["c"]), z)
    w = chart.encode(z, ids, torch.Generator().manual_seed(0))
    batch = Batch(ids, w, torch.zeros(1200, 0), z, torch.arange(1200) // 50)
    model = BaggedModel("autoregressive", chart, 0, Settings(networks=2, width=8, experts=2)).eval()
    for member in model.members:
        member.initialise(batch, torch.arange(600))
        member.coordinates.weights[-1].data.zero_()
    return model, batch, [torch.arange(1200) >= 600] * 2


def spread(model):
    columns = model.members[0].order
    drawn = model.sample(torch.zeros(6000, 0), torch.zeros(6000, 3), torch.Generator().manual_seed(2))[1]
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


def test_members_that_disagree_are_made_narrower_so_that_their_mixture_is_not_too_wide(bagged):
    """Means at -0.8 and 0.8 add a variance of 0.64 to what is 1 in truth, with no error of their own mean."""
    model, batch, judged = bagged
    truth = spread(model)
    for member, off in zip(model.members, (-0.8, 0.8), strict=True):
        member.coordinates.biases[-1].data[..., 2:4] += off
        member.coordinates.linear.data.zero_()
    assert spread(model) > 1.2 * truth
    (factor,) = model.calibrate(batch, judged).values()
    assert factor == pytest.approx(math.sqrt(1 - 0.64), rel=0.1)
    assert spread(model) == pytest.approx(truth, rel=0.05)


def test_events_that_trained_a_model_do_not_count(bagged):
    model, batch, judged = bagged
    batch.w[:600] *= 3.0
    assert list(model.calibrate(batch, judged).values()) == pytest.approx([1.0], abs=0.06)


def test_of_many_events_the_sums_are_those_of_their_parts(bagged, monkeypatch):
    model, batch, judged = bagged
    model.members[0].coordinates.biases[-1].data[..., -2:] -= 0.4
    whole = model.calibrate(batch, judged)
    monkeypatch.setattr("lawful.core.models.stretch._ROWS", 130)
    assert model.calibrate(batch, judged) == pytest.approx(whole, rel=1e-6)


def test_where_nothing_is_given_conditionals_stay_as_they_were_learned(bagged):
    a = bagged[1].z[:, :1]
    z = torch.cat([a, 1 - a], 1)
    chart, ids = Chart.fit(make_problem([[1, 1]], [1], [-INF] * 2, [INF] * 2), z)
    batch = Batch(ids, chart.encode(z, ids, torch.Generator()), torch.zeros(1200, 0), z)
    model = BaggedModel("autoregressive", chart, 0, Settings(networks=1, width=8, experts=2))
    model.members[0].initialise(batch, torch.arange(600))
    model.members[0].coordinates.biases[-1].data[..., -2:] -= 0.4
    assert model.calibrate(batch, [torch.arange(1200) >= 600]) == {}
    assert not model.members[0].coordinates.stretch.any()


def test_other_families_are_left_alone(bagged):
    _, batch, judged = bagged
    model = BaggedModel("gan", bagged[0].chart, 0, Settings(networks=2, joint_width=8))
    assert model.calibrate(batch, judged) == {}
