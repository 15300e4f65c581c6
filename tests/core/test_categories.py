"""Categories that are generated: a known joint distribution of kinds and compositions, and the faults that it shows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from coordinates_cases import make_problem

from lawful.core.coordinates import Chart
from lawful.core.models import FAMILIES, BaggedModel, Batch, Settings, sample_events
from lawful.core.training import Schedule, fit

SHARES = np.array([0.5, 0.3, 0.2])
SHAPES = np.array([[8.0, 3.0, 2.0], [2.0, 8.0, 3.0], [2.0, 2.0, 9.0]])
COUNT = 2000
SMALL = Settings(networks=1, width=24, experts=3, dropout=0.0, joint_width=32, joint_dropout=0.0, steps=6)


def drawn(count, rng):
    """A kind 0, 3 or 7 and, given it, parts of 100 that are Dirichlet distributed."""
    kind = rng.choice(3, count, p=SHARES)
    parts = np.stack([rng.dirichlet(SHAPES[k]) for k in kind]) * 100
    parts[:, 0] += 100 - parts.sum(1)
    return torch.from_numpy(np.concatenate([np.array([0.0, 3.0, 7.0])[kind][:, None], parts], 1))


def problem(**changes):
    made = make_problem([[0, 1, 1, 1]], [100], [0] * 4, [7, 100, 100, 100])
    return replace(made, categories=((0.0, 3.0, 7.0), (), (), ()), **changes)


def learned(family, z, steps=150, of=problem):
    torch.manual_seed(0)
    chart, ids = Chart.fit(of(), z)
    model = BaggedModel(family, chart, 0, SMALL)
    batch = Batch(ids, chart.encode(z, ids, torch.Generator().manual_seed(1)), torch.zeros(len(z), 0), z)
    schedule = Schedule(steps=steps, batch_size=256, check_every=50)
    fit(model.members[0], [batch], torch.arange(len(z)) % 8 == 0, schedule, torch.Generator().manual_seed(2))
    return model


def sampled(model, given=None):
    given = torch.zeros(COUNT, 4, dtype=torch.float64) if given is None else given
    generator = torch.Generator().manual_seed(3)
    return sample_events(model, model.chart, torch.zeros(len(given), 0), given, generator).z


def faults(z):
    """Distances from the truth in standard errors: of shares, and of means of parts within kinds."""
    found = {}
    for k, value in enumerate((0.0, 3.0, 7.0)):
        inside = z[:, 0] == value
        error = np.sqrt(SHARES[k] * (1 - SHARES[k]) / COUNT)
        found[f"share {k}"] = abs(float(inside.double().mean()) - SHARES[k]) / error
        total = SHAPES[k].sum()
        mean = SHAPES[k] / total
        error = 100 * np.sqrt(mean * (1 - mean) / (total + 1) / (COUNT * SHARES[k]))
        found[f"means {k}"] = float((np.abs(z[inside, 1:].mean(0).numpy() - 100 * mean) / error).max())
        spread = 100 * np.sqrt(mean * (1 - mean) / (total + 1))
        off = z[inside, 1:].std(0).numpy() / spread - 1
        found[f"spreads {k}"] = float(np.abs(off).max() * np.sqrt(2 * COUNT * SHARES[k]))
    return found


@pytest.fixture(scope="module")
def data():
    return drawn(COUNT, np.random.default_rng(0))


# Both data and draws have noise, and a network of a second is no truth: eight standard errors.
@pytest.mark.parametrize(("family", "steps"), [("autoregressive", 150), ("kernel", 10)])
def test_shares_and_distributions_within_kinds(family, steps, data):
    z = sampled(learned(family, data, steps))
    assert max(faults(z).values()) < 8, faults(z)
    assert torch.isin(z[:, 0], torch.tensor([0.0, 3.0, 7.0], dtype=z.dtype)).all()


def test_kinds_that_do_not_go_with_the_values_are_found():
    z = drawn(COUNT, np.random.default_rng(4))
    z[:, 0] = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(0)), 0]
    found = faults(z)
    assert max(found[f"share {k}"] for k in range(3)) < 8 and max(found[f"means {k}"] for k in range(3)) > 20


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_draws_kinds_on_the_laws(family, data):
    model = learned(family, data, steps=4)
    z = sampled(model)
    assert model.chart.problem.system.ulps(z).max() <= 8 and (z >= 0).all()
    shares = [float((z[:, 0] == value).double().mean()) for value in (0, 3, 7)]
    np.testing.assert_allclose(shares, SHARES, atol=0.05)


def test_a_given_kind_is_kept_and_decides(data):
    model = learned("autoregressive", data, of=lambda: problem().with_given(("a",)))
    given = drawn(COUNT, np.random.default_rng(5))
    z = sampled(model, given)
    assert torch.equal(z[:, 0], given[:, 0])
    found = faults(z)
    assert max(found[f"means {k}"] for k in range(3)) < 8, found


def test_a_rare_kind_is_a_kind():
    z = drawn(400, np.random.default_rng(1))
    z[:, 0] = torch.where(torch.arange(400) < 3, 3.0, 0.0)
    chart, _ = Chart.fit(problem(), z)
    assert sorted(chart.states.values(torch.arange(len(chart.states.table)))[:, 0].tolist()) == [0.0, 3.0]
