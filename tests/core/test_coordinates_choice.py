"""Scales of links that follow the events: logarithmic up to the largest values where these lie on many scales."""

from functools import partial

import numpy as np
import pytest
import torch
from coordinates_cases import INF, make_problem, tensor

from lawful.core.coordinates import Chart
from lawful.core.coordinates.choice import likeliest_apart, likeliest_together
from lawful.core.polyhedra import Link

EVENTS = 600


def ions(spread=2.0):
    """Four concentrations over some decades, with charges that balance: a + 2 b = c + d."""
    rng = np.random.default_rng(0)
    salt, lime = np.exp(rng.normal(0, spread, EVENTS)), np.exp(rng.normal(-1, spread / 2, EVENTS))
    b = lime + 0.1 * np.exp(rng.normal(-2, spread, EVENTS))
    z = np.stack([salt, b, salt * rng.uniform(0.2, 0.9, EVENTS), np.zeros(EVENTS)], 1)
    z[:, 3] = z[:, 0] + 2 * z[:, 1] - z[:, 2]
    return make_problem([[1, 2, -1, -1]], [0], [0] * 4, [INF] * 4), tensor(z)


@pytest.mark.parametrize(
    ("values", "factor"),
    [(np.exp(2 * np.random.default_rng(0).normal(size=2000)), 100.0), (np.linspace(0.001, 2, 2000), 1.0)],
)
def test_a_factor_follows_the_shape_of_values(values, factor):
    """Logarithms of the first are normal; the second are spread evenly, so that wider scales only add a long tail."""
    link = Link(tensor([0, -INF]), tensor([INF, INF]), tensor([1, 5]))
    found = likeliest_together(link, tensor(np.stack([values, values], 1)), torch.tensor([0]))
    assert found.scale.tolist() == [factor, 5.0]


def test_what_is_not_inside_tells_nothing():
    z = torch.exp(2 * torch.randn(500, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    link = Link(tensor([0]), tensor([INF]), tensor([1]))
    with_others = torch.cat([z, torch.zeros(300, 1), torch.full((200, 1), torch.nan)]).double()
    columns = torch.tensor([0])
    assert torch.equal(likeliest_together(link, with_others, columns).scale, likeliest_together(link, z, columns).scale)


def worst_log_ratio(chart, z, ids):
    """Of 99 % of values, when coordinates are off by a hundredth of a standard deviation."""
    w, generator = chart.encode(z, ids, torch.Generator()), torch.Generator().manual_seed(0)
    off = 0.01 * w.std(0) * torch.randn(w.shape, generator=generator, dtype=torch.float64)
    made = chart.decode(w + off * chart.coordinate[ids], ids, z)
    assert made.lawful.all()
    return (made.z / z).log().abs().quantile(0.99).item()


def test_small_errors_of_coordinates_are_small_errors_of_concentrations():
    problem, z = ions()
    chart, ids = Chart.fit(problem, z)
    link = chart.link
    narrow = Chart(problem, chart.states, Link(link.lower, link.upper, link.scale / 100), chart.ratios, chart.order)
    assert worst_log_ratio(chart, z, ids) < 0.25 * worst_log_ratio(narrow, z, ids)


def test_each_scale_has_its_own_factor_where_laws_are_solved_for_what_has_no_bound(monkeypatch):
    asked = []
    for name in ("likeliest_together", "likeliest_apart"):
        chosen = partial(lambda name, link, *_: asked.append(name) or link, name)
        monkeypatch.setattr(f"lawful.core.coordinates.chart.{name}", chosen)
    problem, z = ions()
    Chart.fit(make_problem([[1, 2, -1, -1]], [0], [0, 0, 0, -INF], [INF] * 4), z)
    Chart.fit(problem, z)
    assert asked == ["likeliest_apart", "likeliest_together"]


def test_factors_of_one_variable_do_not_depend_on_others():
    _, z = ions(spread=3.0)
    link, columns = Link(tensor([0] * 4), tensor([INF] * 4), z.median(0).values), torch.arange(4)
    scale = likeliest_apart(link, z, columns).scale
    assert len((scale / link.scale).round().unique()) > 1
    for column in columns.split(1):
        assert torch.equal(likeliest_apart(link, z, column).scale[column], scale[column])


def test_a_trickle_over_decades_is_logarithmic_up_to_its_largest_values():
    """What lies beyond its coordinates by a tenth of their range is near the least and the largest value still."""
    rng = np.random.default_rng(0)
    z = np.stack([rng.normal(50, 20, 2000), np.exp(rng.uniform(np.log(1e-12), np.log(15), 2000)), np.zeros(2000)], 1)
    z[:, 1] *= rng.random(2000) < 0.05
    z[:, 2] = z[:, 0] - z[:, 1]
    chart, ids = Chart.fit(make_problem([[1, -1, -1]], [0], [-INF, 0, -INF], [INF] * 3), tensor(z))
    on = chart.coordinate[ids][:, 1]
    w = chart.encode(tensor(z), ids, torch.Generator())[on, 1]
    margin = 0.1 * (w.max() - w.min())
    low, high = chart.link.forward(torch.stack([w.min() - margin, w.max() + margin])[:, None].expand(2, 3))[:, 1]
    assert on.sum() > 50
    assert low > 1e-3 * z[z[:, 1] > 0, 1].min()
    assert high < 2 * z[:, 1].max()


def test_a_scale_by_itself_leaves_the_largest_values_linear():
    """Logarithms would suit these all the way, and draws would go far beyond the largest."""
    z = torch.exp(4 * torch.randn(2000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    link = Link(tensor([0]), tensor([INF]), tensor([1]))
    scale = likeliest_apart(link, z, torch.tensor([0])).scale
    assert z.amax() / 12 < scale < z.amax() / 3


def test_what_stays_away_from_its_bound_stays_linear():
    """As longwave radiation does; a logarithm would do no harm to its density, and no good."""
    generator = torch.Generator().manual_seed(0)
    z = 300 + 40 * torch.randn(2000, 1, generator=generator, dtype=torch.float64)
    link = Link(tensor([0]), tensor([INF]), tensor([2.0]))
    assert torch.equal(likeliest_apart(link, z, torch.tensor([0])).scale, link.scale)
    assert torch.equal(likeliest_apart(link, z.abs() * 0, torch.tensor([0])).scale, link.scale)
