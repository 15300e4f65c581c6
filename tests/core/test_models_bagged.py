"""The mixture of networks, and what networks see of variables with a resolution."""

import torch
from coordinates_cases import INF, make_problem

from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, Batch, Settings
from lawful.core.models.standard import Standard


def two_parts():
    """Two parts of a total of one; the chart and the training events."""
    a = torch.rand(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.stack([a, 1 - a], 1)
    chart, ids = Chart.fit(make_problem([[1, 1]], [1], [-INF] * 2, [INF] * 2), z)
    batch = Batch(ids, chart.encode(z, ids, torch.Generator().manual_seed(0)), torch.zeros(400, 0), z)
    return chart, batch


def test_events_come_from_every_member_in_equal_shares():
    chart, batch = two_parts()
    model = BaggedModel("autoregressive", chart, 0, Settings(networks=3, width=8, experts=2))
    for k, member in enumerate(model.members):
        member.initialise(batch, torch.arange(len(batch)))
        # Members that always say one thing, each its own.
        for name, value in (("lowest", k), ("highest", k), ("below", 0), ("above", 0)):
            getattr(member.standard, name).fill_(float(value))
    _, w = model.eval().sample(torch.zeros(3000, 0), torch.zeros(3000, 2), torch.Generator().manual_seed(1))
    said = w[:, model.members[0].order[0]]
    values, counts = said.unique(return_counts=True)
    assert len(values) == 3
    assert ((counts - 1000).abs() < 150).all()


def test_members_start_apart():
    chart, _ = two_parts()
    first, second = BaggedModel("autoregressive", chart, 0, Settings(networks=2, width=8)).members
    assert not torch.equal(first.coordinates.weights[0], second.coordinates.weights[0])


def test_a_variable_with_a_resolution_is_seen_as_the_multiple_that_it_will_be():
    steps = torch.randint(1, 6, (300,), generator=torch.Generator().manual_seed(0)).double()
    z = torch.stack([0.2 * steps, 1 - 0.2 * steps], 1)
    problem = make_problem([[1, 1]], [1], [0, -INF], [INF] * 2, resolution=[0.2, 0])
    chart, ids = Chart.fit(problem, z)
    order = [0]
    standard = Standard(chart, order)
    on = torch.ones(300, 1, dtype=torch.bool)
    first, second = (chart.encode(z, ids, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    standard.fit(first, on)
    assert not torch.equal(standard.targets(first, on), standard.targets(second, on))
    assert torch.equal(standard.inputs(first, on), standard.inputs(second, on))
    seen = standard.inputs(first, on)[:, 0, 1].double() * standard.physical_std[0] + standard.physical_mean[0]
    assert torch.allclose(seen, z[:, 0], atol=1e-5)
