"""Every family: what its second factor must do, and closed-form truths that a wrong one does not reach."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from coordinates_cases import INF, make_case, make_problem, tensor

from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import holds
from lawful.core.models import FAMILIES, Batch, Settings, sample_events
from lawful.core.training import Schedule, fit

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
N = 3000
SMALL = Settings(width=24, experts=3, dropout=0.0, joint_width=48, joint_dropout=0.0, depth=2, steps=10)
LIKELIHOOD = ("autoregressive", "normalizing-flow")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def trained(family, problem, z, context=None, steps=120, settings=SMALL):
    chart, ids = Chart.fit(problem, z)
    context = torch.zeros(len(z), 0) if context is None else context
    views = [Batch(ids, chart.encode(z, ids, generator(seed)), context, z) for seed in range(2)]
    torch.manual_seed(0)
    model = FAMILIES[family](chart, context.shape[1], settings)
    schedule = Schedule(steps=steps, check_every=40, batch_size=256)
    fit(model, views, torch.arange(len(z)) % 8 == 0, schedule, generator())
    return model, views[0]


def drawn(model, batch, seed=1):
    return sample_events(model, model.chart, batch.context, batch.z, generator(seed)).z


def composition(alpha, there, rng):
    """Gamma parts, each there with a probability of its own, closed to 100: a zero-inflated Dirichlet."""
    parts = rng.gamma(alpha, 1.0, (N, len(alpha))) * (rng.random((N, len(alpha))) < there)
    parts = 100 * parts / parts.sum(1, keepdims=True)
    parts[:, 0] += 100 - parts.sum(1)
    return make_problem([[1] * len(alpha)], [100], [0] * len(alpha), [100] * len(alpha)), tensor(parts)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["ratio", "quantised", "two-sided", "given", "no laws"])
def test_every_draw_is_lawful_and_reproducible(family, name):
    problem, z = make_case(name, N=400)
    model, batch = trained(family, problem, z, steps=10)
    first, again, other = (drawn(model, batch, seed) for seed in (3, 3, 4))
    assert holds(problem, first, torch.float64).all()
    assert torch.equal(first, again)
    assert problem.given.all() or not torch.equal(first, other)
    assert torch.equal(first[:, problem.given], z[:, problem.given])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["quantised", "given"])
def test_units_have_no_say(family, name):
    """A power of two scales numbers without rounding."""
    unit = 2.0**-50
    problem, z = make_case(name, N=400)
    size = {key: getattr(problem, key) * unit for key in ("b", "d", "lower", "upper", "resolution")}
    scaled = replace(problem, **size)
    plain, other = (drawn(*trained(family, p, x, steps=10)) for p, x in ((problem, z), (scaled, z * unit)))
    torch.testing.assert_close(other / unit, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_zero_inflated_composition(family):
    there = np.array([1.0, 0.9, 0.6, 0.3])
    problem, z = composition([1.5, 1.5, 1.0, 2.0], there, np.random.default_rng(1))
    found = drawn(*trained(family, problem, z)).numpy()
    assert holds(problem, tensor(found), torch.float64).all()
    np.testing.assert_allclose((found == 0).mean(0), 1 - there, atol=0.04)
    both = ((found[:, 2] == 0) & (found[:, 3] == 0)).mean()
    assert both == pytest.approx(0.4 * 0.7, abs=0.04)
    truth = z.numpy()
    np.testing.assert_array_less(np.abs(found.mean(0) - truth.mean(0)), 0.1 * truth.std(0))
    np.testing.assert_allclose(found.std(0), truth.std(0), rtol=0.12)
    np.testing.assert_array_less(np.abs(np.corrcoef(found.T) - np.corrcoef(truth.T)), 0.08)


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.slow] if name == "gan" else []) for name in FAMILIES]
)
def test_two_clusters_stay_two(family):
    """A mixture of two normals on a law: a family that learned nothing but regressions would fill the gap."""
    rng = np.random.default_rng(2)
    a = rng.choice([-2.0, 2.0], N) + 0.3 * rng.normal(size=N)
    b = rng.normal(size=N)
    z = tensor(np.stack([a, b, a + b], 1))
    problem = make_problem([[1, 1, -1]], [0], [-INF] * 3, [INF] * 3)
    # Memory has few parameters, and a step of it asks of every event.
    found = drawn(*trained(family, problem, z, steps=120 if family == "kernel" else 600)).numpy()
    assert (np.abs(found[:, 0]) < 1).mean() < 0.12
    assert (found[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.12)
    assert np.abs(found[:, 0]).mean() == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("family", FAMILIES)
def test_context_moves_values(family):
    # A step of memory asks of every event.
    rng, count = np.random.default_rng(3), 2000 if family == "kernel" else N
    x = rng.choice([-1.0, 1.0], count)
    b = 3 * x + (1.5 + 0.5 * x) * rng.normal(size=count)
    a = rng.gamma(4, 0.25, count)
    problem = make_problem([[1, 1, -1]], [0], [0, -INF, -INF], [INF] * 3)
    z, context = tensor(np.stack([a, b, a + b], 1)), torch.as_tensor(x)[:, None].float()
    found = drawn(*trained(family, problem, z, context, steps=300)).numpy()
    for side in (-1, 1):
        assert found[x == side, 1].mean() == pytest.approx(3 * side, abs=0.3)
        # A game has no rest: its spread swings about the right one.
        share = 0.25 if family == "gan" else 0.15
        assert found[x == side, 1].std() == pytest.approx(1.5 + 0.5 * side, rel=share)


@pytest.mark.parametrize("family", LIKELIHOOD)
def test_log_density_is_that_of_a_dirichlet(family):
    """Mean negative log-likelihood over fresh events against the entropy of the truth, in the same coordinates."""
    alpha = np.array([4.0, 2.0, 1.5])
    problem, z = composition(alpha, np.ones(3), np.random.default_rng(4))
    model, batch = trained(family, problem, z, steps=300)
    _, fresh = composition(alpha, np.ones(3), np.random.default_rng(5))
    w = model.chart.encode(fresh, torch.zeros(N, dtype=torch.long), generator())
    with torch.no_grad():
        found = model.loss(Batch(batch.ids, w, batch.context, fresh)).item()
    expected = -_dirichlet_log_density(alpha, fresh.numpy() / 100).mean() + _log_units(model, w).mean()
    assert found == pytest.approx(expected, abs=0.05)


def _dirichlet_log_density(alpha, share):
    """With respect to the first parts but the last."""
    from scipy.special import gammaln

    return gammaln(alpha.sum()) - gammaln(alpha).sum() + ((alpha - 1) * np.log(share)).sum(1)


def _log_units(model, w):
    """`-log |d share / d u|` by central differences of decoding, `u` the coordinates in standard units."""
    columns, std = model.order, model.standard.coordinate_std
    ids, given = torch.zeros(len(w), dtype=torch.long), torch.zeros(len(w), 3, dtype=torch.float64)
    slopes = []
    for column, unit in zip(columns, std, strict=True):
        step = torch.zeros_like(w)
        step[:, column] = 1e-5 * unit
        above, below = (model.chart.decode(w + s * step, ids, given).z[:, :2] / 100 for s in (1, -1))
        slopes.append((above - below) / 2e-5)
    return -np.log(np.abs(np.linalg.det(torch.stack(slopes, -1).numpy())))


def test_residuals_invert():
    problem, z = make_case("composition", N=500)
    model, batch = trained("vae", problem, z, steps=2)
    on = model._on(batch.ids)
    static = model._static(batch.ids, model._known(batch.context, batch.z))
    v = model.residuals(static, batch.w, on)
    back = model.residuals.coordinates(static, v, on)
    torch.testing.assert_close(back, batch.w, rtol=1e-4, atol=1e-4)


def test_normalizing_flow_inverts_and_has_the_density_of_its_draws():
    problem, z = make_case("composition", N=800)
    model, batch = trained("normalizing-flow", problem, z, steps=40)
    on = model._on(batch.ids)
    static = model._static(batch.ids, model._known(batch.context, batch.z))
    context = torch.cat([on.to(static.dtype), static], -1)
    x = torch.randn(on.shape, generator=generator()) * on
    with torch.no_grad():
        for layer in model.layers:
            y, _ = layer(x, context, on)
            torch.testing.assert_close(layer.inverse(y, context, on), x, rtol=1e-3, atol=1e-3)


def test_flow_matching_needs_few_steps_and_its_diffusion_agrees():
    rng = np.random.default_rng(2)
    a = rng.choice([-2.0, 2.0], N) + 0.3 * rng.normal(size=N)
    z = tensor(np.stack([a, 1 - a], 1))
    problem = make_problem([[1, 1]], [1], [-INF] * 2, [INF] * 2)
    model, batch = trained("flow-matching", problem, z, steps=400)
    draws = {}
    for steps, churn in ((10, 0.0), (100, 0.0), (60, 1.0)):
        model.settings = Settings(**{**SMALL.__dict__, "steps": steps, "churn": churn})
        draws[steps] = np.sort(drawn(model, batch)[:, 0].numpy())
    assert np.abs(draws[10] - draws[100]).mean() < 0.1
    assert np.abs(draws[60] - draws[100]).mean() < 0.2
