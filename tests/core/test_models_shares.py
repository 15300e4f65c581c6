"""Intercepts of states: draws for the training events have the shares of states that these have."""

import pytest
import torch
from coordinates_cases import INF, make_case, make_problem, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, Batch, Settings
from lawful.core.models.kernel import block_weights
from lawful.core.models.shares import fitted_intercepts, spread_rows


@given(st.integers(0, 1000), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_mean_probabilities_become_the_shares(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(300, classes, generator=generator, dtype=torch.float64)
    ids = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    weight = torch.rand(300, generator=generator, dtype=torch.float64) + 0.5
    wrong = logits + 3 * torch.randn(classes, generator=generator, dtype=torch.float64)
    mean = weight @ (wrong + fitted_intercepts(wrong, ids, weight)).softmax(-1) / weight.sum()
    shares = torch.zeros(classes, dtype=torch.float64).index_add_(0, ids, weight) / weight.sum()
    torch.testing.assert_close(mean, shares, atol=1e-3, rtol=0)


def test_without_what_tells_them_apart_intercepts_are_logarithms_of_shares():
    ids = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    b = fitted_intercepts(torch.zeros(100, 3, dtype=torch.float64), ids, torch.ones(100, dtype=torch.float64))
    torch.testing.assert_close((b - b[0]).exp(), tensor([1, 0.6, 0.4]), atol=1e-3, rtol=0)


def test_what_no_event_shows_and_what_is_certain_stays_finite():
    logits = tensor([[0, -1e6, 0], [0, -1e6, -1e6]] * 50)
    b = fitted_intercepts(logits, torch.tensor([2, 0] * 50), torch.ones(100, dtype=torch.float64))
    assert b.isfinite().all() and (logits + b).softmax(-1)[0, 2] > 0.99
    assert b[1].item() == pytest.approx(0.0, abs=1e-3)


def test_of_many_events_some_from_all_over_are_taken():
    assert spread_rows(5, 3).tolist() == [0, 1, 2, 3, 4]
    rows = spread_rows(10**6, 10**3)
    assert len(rows) == 20_000 and rows[0] == 0 and rows[-1] == 10**6 - 1 and (rows.diff() > 0).all()


def dry_and_wet(family="autoregressive"):
    """Hours of two kinds, which the context tells: `a` is zero in a tenth of one and in nine tenths of the other. The
    network is told of the first half of them, where `a` is hardly ever zero."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.rand(2000, generator=generator) < 0.5
    zero = torch.rand(2000, generator=generator) < torch.where(kind, 0.9, 0.1)
    zero[:1000] &= torch.rand(1000, generator=generator) < 0.2
    a = torch.rand(2000, generator=generator, dtype=torch.float64) * ~zero
    z = torch.stack([a, 2 - a], 1)
    chart, ids = Chart.fit(make_problem([[1, 1]], [2], [0, 0], [INF] * 2), z)
    w = chart.encode(z, ids, torch.Generator().manual_seed(0))
    batch = Batch(ids, w, kind[:, None].float(), z, torch.arange(2000) // 50)
    torch.manual_seed(0)
    model = BaggedModel(family, chart, 1, Settings(networks=2, width=8, experts=2, joint_width=8)).eval()
    for member in model.members:
        member.initialise(batch, torch.arange(1000))
        with torch.no_grad():
            member.state_logits[-1].weight.normal_(0, 0.3, generator=generator)
    return model, batch


def share_of_zeros(model, batch):
    many = torch.arange(10 * len(batch)) % len(batch)
    ids, _ = model.sample(batch.context[many], batch.z[many], torch.Generator().manual_seed(1))
    return torch.bincount(ids, minlength=2)[batch.ids[batch.z[:, 0] == 0][0]].item() / len(ids)


@pytest.mark.parametrize("family", ["autoregressive", "vae"])
def test_draws_for_the_training_events_have_their_zeros(family):
    model, batch = dry_and_wet(family)
    truth = (batch.z[:, 0] == 0).double().mean().item()
    assert abs(share_of_zeros(model, batch) - truth) > 0.1
    model.calibrate(batch, [torch.arange(2000) >= 1000] * 2)
    assert share_of_zeros(model, batch) == pytest.approx(truth, abs=0.01)


def test_events_of_one_block_count_for_less_where_the_family_says_so():
    model, batch = dry_and_wet("kernel")
    batch = Batch(batch.ids, batch.w, batch.context, batch.z, torch.where(batch.ids == 0, 0, torch.arange(2000)))
    model.calibrate(batch, [torch.arange(2000) >= 1000] * 2)
    weight, zero = block_weights(batch.block).double(), batch.z[:, 0] == 0
    assert share_of_zeros(model, batch) == pytest.approx((weight[zero].sum() / weight.sum()).item(), abs=0.01)


def test_states_that_given_values_rule_out_have_no_part_in_it():
    problem, z = make_case("given", N=2000)
    chart, ids = Chart.fit(problem, z)
    w = chart.encode(z, ids, torch.Generator().manual_seed(0))
    batch = Batch(ids, w, torch.zeros(len(z), 0), z)
    model = BaggedModel("autoregressive", chart, 0, Settings(networks=1, width=8, experts=2)).eval()
    (member,) = model.members
    member.initialise(batch, torch.arange(200))
    with torch.no_grad():
        member.state_logits[-1].weight.normal_(0, 2, generator=torch.Generator().manual_seed(2))
    member.fit_shares(batch)
    many = torch.arange(20_000) % len(z)
    drawn, _ = model.sample(batch.context[many], z[many], torch.Generator().manual_seed(1))
    shares = torch.bincount(drawn, minlength=len(chart.states.table)) / len(drawn)
    torch.testing.assert_close(shares, chart.states.counts / len(z), atol=0.01, rtol=0)
