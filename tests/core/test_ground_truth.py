"""The study of closed-form truths in small: its truths are true, a family reaches them, and wrong methods do not."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet, norm

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.coordinates import Chart
from lawful.core.models import AutoregressiveModel, Batch, Settings, sample_events
from lawful.core.training import Schedule, fit

DOCS = Path(__file__).parents[2] / "docs"
EVENTS = 2000


@pytest.fixture
def study(monkeypatch):
    """The module of truths, with fewer reference draws."""
    monkeypatch.syspath_prepend(str(DOCS))
    module = importlib.import_module("ground_truth")
    monkeypatch.setattr(module, "REFERENCE", 10_000)
    return module


def truth(study, name):
    return next(t for t in study.truths() if t.name.startswith(name))


def largest(distance):
    return max(distance.mean, distance.spread, distance.correlation, distance.marginals, distance.faces)


def test_exact_draws_are_lawful_and_near(study):
    for t in study.truths():
        z = t.draw(EVENTS, np.random.default_rng(1))
        problem = t.problem
        assert np.abs(z @ problem.A.numpy().T - problem.b.numpy()).max() < 1e-9
        assert ((z >= problem.lower.numpy()) & (z <= problem.upper.numpy())).all()
        assert largest(study.distance(t, z)) < 0.09, t.name


def test_a_cut_normal_is_a_constrained_normal_within_its_bounds(study):
    A, loc, scale = [[1.0, 1.0, 1.0, 1.0]], [0.5, 0.2, 0.1, 0.4], [0.3, 0.2, 0.2, 0.4]
    made = study.Cut(*map(np.array, ([1.0], [loc], [np.diag(np.square(scale))], A, [1.0], [0.0] * 4, [1.0] * 4)))
    law = ConstrainedNormal(torch.tensor(loc).double(), torch.tensor(scale).double(), LinearSystem(A, [1.0]))
    z = made.draw(50, np.random.default_rng(0))
    expected = law.log_prob(torch.from_numpy(z)).numpy() - made.log_mass
    np.testing.assert_allclose(made.log_density(z), expected, atol=1e-5)
    assert np.exp(made.log_mass) == pytest.approx(made.inside(law.sample((20_000,)).numpy()).mean(), abs=0.02)


def test_a_composition_has_the_density_of_a_dirichlet_on_each_face(study):
    t = truth(study, "zero-inflated")
    z = t.draw(500, np.random.default_rng(0))
    alpha, there = np.array([3.0, 1.5, 1.0, 2.0]), np.array([1.0, 0.9, 0.6, 0.3])
    for row, found in zip(z, t.log_density(z), strict=True):
        on = row > 0
        face = np.log(np.where(on, there, 1 - there)[1:]).sum()
        flat = dirichlet.logpdf(row[on] / 100, alpha[on]) if on.sum() > 1 else 0.0
        volume = (on.sum() - 1) * np.log(100) + 0.5 * np.log(on.sum())
        assert found == pytest.approx(face + flat - volume)


def test_ions_have_the_density_of_their_lognormal_parts_on_the_plane_of_the_law(study):
    """Its integral over the plane is one: by importance sampling from a wider lognormal."""
    t = truth(study, "lognormal ions")
    rng = np.random.default_rng(0)
    log_z = rng.normal(np.log([1.0, 0.3, 0.5]), 1.5, (400_000, 3))
    z = np.exp(log_z)
    z = np.column_stack([z, z @ [1, 2, -1]])
    inside = z[:, 3] > 0
    drawn = norm.logpdf(log_z, np.log([1.0, 0.3, 0.5]), 1.5).sum(1) - log_z.sum(1) - 0.5 * np.log(7)
    weights = np.exp(t.log_density(np.abs(z)) - drawn) * inside
    assert weights.mean() == pytest.approx(1, abs=0.02)


def test_the_family_that_is_the_default_reaches_a_truth_in_draws_and_density(study):
    t = truth(study, "zero-inflated")
    rng = np.random.default_rng(0)
    known, generator = t.draw(EVENTS, rng), torch.Generator().manual_seed(0)
    z = torch.from_numpy(known)
    chart, ids = Chart.fit(t.problem, z)
    batch = Batch(ids, chart.encode(z, ids, generator), torch.zeros(EVENTS, 0), z)
    torch.manual_seed(0)
    model = AutoregressiveModel(chart, 0, Settings(width=24, experts=4, dropout=0.0))
    fit(model, [batch], torch.arange(EVENTS) % 8 == 0, Schedule(steps=120, check_every=40, batch_size=256), generator)
    drawn = sample_events(model, chart, batch.context, z, generator).z.numpy()
    assert largest(study.distance(t, drawn)) < 0.1
    fresh = t.draw(500, rng)
    nats = study.divergence(t, model, known, ids, fresh)
    assert -0.02 < nats < 0.1
    # A density that is wrong by a tenth in the spread of one coordinate shows.
    model.standard.coordinate_std[0] *= 1.3
    assert study.divergence(t, model, known, ids, fresh) > nats + 0.02


def wrong_methods(t, rng):
    """Draws by methods that are wrong, in the ways that are usual."""
    mean, covariance = t.mean_and_covariance
    normal = rng.multivariate_normal(mean, covariance, EVENTS, method="svd")
    yield "a normal of the right mean and covariance", normal
    total = mean.sum()
    clipped = normal.clip(0)
    yield "clipped and scaled to its total", clipped * total / clipped.sum(1, keepdims=True)


@pytest.mark.parametrize("name", ["mixture", "zero-inflated", "normal, cut"])
def test_wrong_methods_do_not_reach_it(study, name):
    t = truth(study, name)
    exact = largest(study.distance(t, t.draw(EVENTS, np.random.default_rng(1))))
    for what, z in wrong_methods(t, np.random.default_rng(2)):
        assert largest(study.distance(t, z)) > max(0.1, 1.5 * exact), what
