"""The autoregressive model and its sampling: a known truth is learned, and every sample is lawful."""

import numpy as np
import pytest
import torch
from coordinates_cases import INF, make_case, make_problem, tensor

from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import holds
from lawful.core.models import AutoregressiveModel, Batch, InfeasibleEventsError, Settings, sample_events
from lawful.core.training import Schedule, fit

N = 4000
pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def no_context(z):
    return torch.zeros(len(z), 0)


def batch_of(chart, ids, z, context=None, seed=0):
    return Batch(ids, chart.encode(z, ids, generator(seed)), no_context(z) if context is None else context, z)


def trained(problem, z, context=None, steps=60, **options):
    chart, ids = Chart.fit(problem, z)
    views = [batch_of(chart, ids, z, context, seed) for seed in range(2)]
    torch.manual_seed(0)
    settings = Settings(**{"width": 24, "experts": 4, "dropout": 0.0, **options})
    model = AutoregressiveModel(chart, views[0].context.shape[1], settings)
    validation = torch.arange(len(z)) % 8 == 0
    fit(model, views, validation, Schedule(steps=steps, check_every=20, batch_size=256), generator())
    return model


def drawn(model, z, context=None, seed=1, **options):
    context = no_context(z) if context is None else context
    return sample_events(model, model.chart, context, z, generator(seed), **options)


def assert_moments(found, truth, mean=0.1, std=0.1, correlation=0.08):
    """Means to `mean` standard deviations, standard deviations to a share `std`, correlations to `correlation`."""
    found, truth = found.numpy(), np.asarray(truth)
    spread = truth.std(0)
    np.testing.assert_array_less(np.abs(found.mean(0) - truth.mean(0)), mean * spread)
    np.testing.assert_array_less(np.abs(found.std(0) / spread - 1), std)
    np.testing.assert_array_less(np.abs(np.corrcoef(found.T) - np.corrcoef(truth.T)), correlation)


@pytest.fixture(scope="module")
def dirichlet():
    """A composition of four parts with closed-form moments."""
    parts = np.random.default_rng(0).dirichlet([4, 2, 1.5, 1], N) * 100
    parts[:, 0] += 100 - parts.sum(1)
    problem = make_problem([[1] * 4], [100], [0] * 4, [100] * 4)
    return trained(problem, tensor(parts)), problem, tensor(parts)


def test_a_dirichlet_composition(dirichlet):
    model, problem, z = dirichlet
    sampled = drawn(model, z)
    assert holds(problem, sampled.z, torch.float64).all()
    assert sampled.redrawn <= 0.01 * N
    alpha = np.array([4, 2, 1.5, 1])
    share = alpha / alpha.sum()
    mean, variance = 100 * share, 1e4 * share * (1 - share) / (alpha.sum() + 1)
    np.testing.assert_array_less(np.abs(sampled.z.numpy().mean(0) - mean), 0.1 * np.sqrt(variance))
    np.testing.assert_allclose(sampled.z.numpy().var(0), variance, rtol=0.2)
    assert_moments(sampled.z, z)


def test_a_zero_inflated_composition():
    rng = np.random.default_rng(1)
    there = [1.0, 0.9, 0.6, 0.3]
    parts = rng.gamma(1.5, 1, (N, 4)) * (rng.random((N, 4)) < there)
    parts = 100 * parts / parts.sum(1, keepdims=True)
    parts[:, 0] += 100 - parts.sum(1)
    problem = make_problem([[1] * 4], [100], [0] * 4, [100] * 4)
    model = trained(problem, tensor(parts))
    sampled = drawn(model, tensor(parts))
    assert holds(problem, sampled.z, torch.float64).all()
    np.testing.assert_allclose((sampled.z == 0).double().mean(0).numpy(), 1 - np.array(there), atol=0.04)
    both = ((sampled.z[:, 2] == 0) & (sampled.z[:, 3] == 0)).double().mean().item()
    assert both == pytest.approx(0.4 * 0.7, abs=0.04)
    assert_moments(sampled.z, parts)


def test_normals_cut_by_a_law_and_positivity():
    draws = np.random.default_rng(2).normal([3, 2, 1], 1, (4 * N, 3))
    draws = np.column_stack([draws, draws[:, 0] + draws[:, 1] - draws[:, 2]])
    draws = draws[(draws > 0).all(1)][:N]
    problem = make_problem([[1, 1, -1, -1]], [0], [0] * 4, [INF] * 4)
    sampled = drawn(trained(problem, tensor(draws)), tensor(draws))
    assert holds(problem, sampled.z, torch.float64).all()
    assert_moments(sampled.z, draws)


def test_context_moves_values_and_states():
    """The mean and the share of zeros follow a context; both are closed-form here."""
    rng = np.random.default_rng(3)
    x = rng.choice([-1.0, 1.0], N)
    a = rng.gamma(4, 0.25, N) * np.exp(0.5 * x) * (rng.random(N) < np.where(x > 0, 0.9, 0.5))
    b = 3 * x + rng.normal(size=N)
    problem = make_problem([[1, 1, -1]], [0], [0, -INF, -INF], [INF] * 3)
    z, context = tensor(np.stack([a, b, a + b], 1)), torch.as_tensor(x)[:, None].float()
    sampled = drawn(trained(problem, z, context, steps=200), z, context).z.numpy()
    for side, zero in ((-1, 0.5), (1, 0.1)):
        rows = x == side
        assert (sampled[rows, 0] == 0).mean() == pytest.approx(zero, abs=0.06)
        positive = sampled[rows & (sampled[:, 0] > 0), 0]
        assert positive.mean() == pytest.approx(np.exp(0.5 * side), rel=0.12)
        assert sampled[rows, 1].mean() == pytest.approx(3 * side, abs=0.2)
        assert sampled[rows, 1].std() == pytest.approx(1, rel=0.12)


@pytest.mark.parametrize("name", ["inequality", "ratio", "quantised", "two-sided", "mixed signs", "no laws"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_every_sample_is_lawful_as_stored(name, dtype):
    problem, z = make_case(name)
    sampled = drawn(trained(problem, z, steps=5), z.repeat(2, 1), dtype=dtype)
    assert sampled.z.dtype == dtype
    assert holds(problem, sampled.z, dtype).all()
    zeros, expected = ((x == 0).double().mean(0)[problem.lower == 0].tolist() for x in (sampled.z, z))
    assert zeros == pytest.approx(expected, abs=0.1)


@pytest.fixture(scope="module")
def conditional():
    problem, z = make_case("given", N=2000)
    return trained(problem, z, steps=40), problem, z


def test_given_values_come_back_exactly(conditional):
    model, problem, z = conditional
    sampled = drawn(model, z).z
    assert torch.equal(sampled[:, problem.given], z[:, problem.given])
    assert holds(problem, sampled, torch.float64).all()
    assert_moments(sampled, z, mean=0.15, std=0.15, correlation=0.12)


def test_given_values_condition_the_others(conditional):
    model, _, z = conditional
    z = z[[0]].repeat(400, 1)
    for value in (5.0, 60.0):
        z[:, 1], z[:, 3] = value, 10.0
        rest = drawn(model, z).z[:, [0, 2, 4]].sum(1)
        torch.testing.assert_close(rest, torch.full_like(rest, 90.0 - value), rtol=1e-12, atol=0)


def test_infeasible_given_values_are_named(conditional):
    model, _, z = conditional
    z = z[:20].clone()
    z[[3, 11], 1], z[[3, 11], 3] = 70.0, 60.0
    with pytest.raises(InfeasibleEventsError, match="event 3 ") as caught:
        drawn(model, z)
    assert caught.value.events == [3, 11]


def test_the_same_seed_gives_the_same_bits(dirichlet):
    model, _, z = dirichlet
    first, again, other = (drawn(model, z[:500], seed=seed).z for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.manual_seed(123)
    assert torch.equal(first, drawn(model, z[:500], seed=5).z), "the global generator has no part in it"


def test_chunks_and_progress(dirichlet):
    model, problem, z = dirichlet
    steps = []
    sampled = drawn(model, z[:250], chunk=100, progress=steps.append)
    assert steps == [100, 100, 50]
    assert holds(problem, sampled.z, torch.float64).all()
    assert len(drawn(model, z[:0]).z) == 0


class _Stubborn:
    """Draws an event that breaks no law only now and then."""

    def __init__(self, model, share):
        self.model, self.share = model, share

    def sample(self, context, z, generator):
        ids, w = self.model.sample(context, z, generator)
        return ids, torch.where(torch.rand(len(w), 1, generator=generator) < self.share, w, torch.nan)


def test_draws_thrown_away_are_counted(dirichlet):
    model, problem, z = dirichlet
    context = no_context(z)
    sampled = sample_events(_Stubborn(model, 0.5), model.chart, context, z, generator())
    assert sampled.redrawn == pytest.approx(len(z), rel=0.1)
    assert holds(problem, sampled.z, torch.float64).all()
    with pytest.raises(InfeasibleEventsError) as caught:
        sample_events(_Stubborn(model, 0.0), model.chart, context[:7], z[:7], generator(), chunk=5)
    assert caught.value.events == [0, 1, 2, 3, 4]


def test_loss_is_the_negative_log_likelihood_of_state_and_coordinates(conditional):
    """Coordinates that a state does not have have no part in it."""
    model, problem, z = conditional
    batch = batch_of(model.chart, Chart.fit(problem, z)[1], z)
    known, on = model._known(batch.context, batch.z), model.chart.coordinate[batch.ids][:, model.order]
    assert not on.all()
    with torch.no_grad():
        states = model.state_logits(known).log_softmax(-1).gather(1, batch.ids[:, None])[:, 0]
        inputs, targets = model.standard.inputs(batch.w, on), model.standard.targets(batch.w, on)
        each = model.coordinates.log_prob(model._static(batch.ids, known), inputs, targets)
        expected = -(states + each.where(on, 0.0).sum(-1)).mean()
        assert model.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


def test_states_agree_with_given_values_on_their_bounds(conditional):
    model, problem, z = conditional
    ids, _ = model.sample(no_context(z), z, generator(4))
    zero = model.chart.states.values(ids)[:, : problem.n] == 0
    assert torch.equal(zero[:, problem.given], z[:, problem.given] == 0)
    assert (zero[:, ~problem.given].sum(0) > 0).any()


def test_samples_keep_to_the_range_of_the_data(dirichlet):
    model, _, z = dirichlet
    chart, ids = Chart.fit(model.chart.problem, z)
    w = chart.encode(z, ids, generator())
    _, drawn_w = model.sample(no_context(z), z, generator(2))
    low, high = w.amin(0), w.amax(0)
    margin = 0.2 * (high - low) + 1e-9
    assert ((drawn_w >= low - margin) & (drawn_w <= high + margin)).all()


def test_trickles_do_not_dry_up():
    """Evaporation is logarithmic below its median and linear up to forty times that: a tenth of this range below its
    least value would be nothing at all."""
    rng = np.random.default_rng(7)
    evaporation = np.exp(rng.normal(size=N))
    rain = 3 * rng.random(N)
    problem = make_problem([[1, -1, -1]], [0], [0, 0, -INF], [INF] * 3, given=["a"])
    z = tensor(np.stack([rain, evaporation, rain - evaporation], 1))
    chart, ids = Chart.fit(problem, z)
    batch = batch_of(chart, ids, z)
    model = AutoregressiveModel(chart, 0, Settings())
    model.initialise(batch, torch.arange(N))
    k = model.order.index(1)
    usual, far = z[:1], z[:1].clone()
    far[:, 0] = 2 * rain.max()
    for event, least, most in ((usual, 0.02, 2), (far, 1e-11, 4)):
        ends = torch.cat(model.standard.range(k, torch.cat([torch.ones(1, 1), model.standard.given(event)], 1)))
        low, high = chart.link.forward(model.standard.coordinate(k, ends)[:, None].expand(2, 3))[:, 1]
        assert least * evaporation.min() < low < evaporation.min()
        assert evaporation.max() < high < most * evaporation.max()


def test_more_rain_than_ever_before_runs_off_as_more_water_than_ever_before():
    """Skewed rain, of which four fifths run off; twice the wettest event of the training data is given."""
    rng = np.random.default_rng(5)
    rain = np.minimum(0.3 * rng.pareto(1.5, N), 20.0)
    runoff = 0.8 * rain + 0.02 * rng.random(N)
    problem = make_problem([[1, -1, -1]], [0], [0, 0, -INF], [INF] * 3, given=["a"])
    z = tensor(np.stack([rain, runoff, rain - runoff], 1))
    model = trained(problem, z, steps=100)
    far = torch.zeros(200, 3, dtype=torch.float64)
    far[:, 0] = 2 * z[:, 0].max()
    share = drawn(model, far).z[:, 1] / far[:, 0]
    assert share.mean().item() == pytest.approx(0.8, abs=0.08)
    within = z[z[:, 0] > 8]
    share = drawn(model, within).z[:, 1] / within[:, 0]
    assert share.mean().item() == pytest.approx(0.8, abs=0.04)
