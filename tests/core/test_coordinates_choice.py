"""Scales of links that follow the events: logarithmic up to the largest values where these lie on many scales."""

import numpy as np
import pytest
import torch
from coordinates_cases import INF, make_problem, tensor

from lawful.core.coordinates import Chart
from lawful.core.coordinates.choice import likeliest_link
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
    found = likeliest_link(link, tensor(np.stack([values, values], 1)), torch.tensor([0]))
    assert found.scale.tolist() == [factor, 5.0]


def test_what_is_not_inside_tells_nothing():
    z = torch.exp(2 * torch.randn(500, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    link = Link(tensor([0]), tensor([INF]), tensor([1]))
    with_others = torch.cat([z, torch.zeros(300, 1), torch.full((200, 1), torch.nan)]).double()
    columns = torch.tensor([0])
    assert torch.equal(likeliest_link(link, with_others, columns).scale, likeliest_link(link, z, columns).scale)


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


def test_scales_stay_where_laws_are_solved_for_what_has_no_bound(monkeypatch):
    asked = []
    monkeypatch.setattr("lawful.core.coordinates.chart.likeliest_link", lambda link, *_: asked.append(1) or link)
    problem, z = ions()
    Chart.fit(make_problem([[1, 2, -1, -1]], [0], [0, 0, 0, -INF], [INF] * 4), z)
    assert not asked
    Chart.fit(problem, z)
    assert asked
