"""A variational autoencoder that learns by a loss on lawful draws."""

from typing import get_args

import numpy as np
import pytest
import torch
from coordinates_cases import INF, make_case, make_problem, tensor

from lawful.core import InvalidValueError
from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import holds
from lawful.core.distributions.gradients import Estimator
from lawful.core.models import Batch, Settings, sample_events
from lawful.core.models.sample_loss import SampleLossVAE, energy_score, squared_error
from lawful.core.training import Schedule, fit

N = 800
SMALL = Settings(joint_width=24, depth=1, joint_dropout=0.0, width=8, latent=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def prepared():
    """Independent normals given two sums."""
    a = np.random.default_rng(0).normal([1.0, -2.0], [0.5, 2.0], (N, 2))
    z = tensor(np.column_stack([a, a.sum(1), 1 - a[:, 0]]))
    problem = make_problem([[1, 1, -1, 0], [1, 0, 0, 1]], [0, 1], [-INF] * 4, [INF] * 4)
    chart, ids = Chart.fit(problem, z)
    return chart, Batch(ids, chart.encode(z, ids, generator()), torch.zeros(N, 0), z)


def trained(steps, **options):
    chart, batch = prepared()
    torch.manual_seed(0)
    model = SampleLossVAE(chart, SMALL, **options)
    schedule = Schedule(steps=steps, batch_size=128, check_every=steps, weight_decay=0.0)
    fitted = fit(model, [batch], torch.arange(N) % 5 == 0, schedule, generator())
    return model, batch, fitted, sample_events(model, chart, batch.context, batch.z, generator(1)).z


@pytest.mark.parametrize("sample_loss", [energy_score, squared_error])
@pytest.mark.parametrize("estimator", get_args(Estimator))
def test_draws_are_lawful_and_judging_is_reproducible(estimator, sample_loss):
    model, batch, fitted, z = trained(3, estimator=estimator, sample_loss=sample_loss)
    assert holds(model.chart.problem, z, torch.float64).all()
    with torch.no_grad():
        state = torch.get_rng_state()
        assert model.loss(batch) == model.loss(batch)
        assert torch.equal(torch.get_rng_state(), state)
    assert np.isfinite(fitted.validation)


def test_a_proper_score_with_pathwise_gradients_learns_centre_and_spread():
    _, batch, _, z = trained(150)
    gap = (z.mean(0) - batch.z.mean(0)).abs() / batch.z.std(0)
    assert gap.max() < 0.15
    torch.testing.assert_close(z.std(0), batch.z.std(0), rtol=0.2, atol=0)


def test_bounds_and_states_are_refused():
    for name in ("composition", "given"):
        problem, z = make_case(name, N=100)
        with pytest.raises(InvalidValueError, match="for laws alone"):
            SampleLossVAE(Chart.fit(problem, z)[0])


def test_the_energy_score_is_least_for_the_right_spread():
    """In one dimension and for normals, by many draws."""
    events = torch.randn(4000, 1, generator=generator())
    found = {}
    for spread in (0.5, 1.0, 2.0):
        draws = spread * torch.randn(2, 4000, 1, generator=generator(1))
        with torch.no_grad():
            found[spread] = energy_score(draws, events).mean().item()
    assert min(found, key=found.get) == 1.0


def test_the_gradient_of_the_energy_score_is_that_of_its_value():
    """By the spread of many draws, against differences of the value."""
    events, noise = torch.randn(20_000, 1, generator=generator()), torch.randn(2, 20_000, 1, generator=generator(1))
    spread = torch.tensor(1.5, requires_grad=True)
    energy_score(spread * noise, events).mean().backward()
    with torch.no_grad():
        above, below = (energy_score(x * noise, events).mean() for x in (1.51, 1.49))
    assert spread.grad.item() == pytest.approx((above - below).item() / 0.02, rel=0.05)
