"""Metrics of a batch of weights: Gram matrices and orthogonal factors agree, and each is taken where it should be."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.linear.batch_metric import PatchedMetric, batch_metric
from lawful.core.linear.gram_metric import GramMetric
from lawful.core.linear.metric import WeightedMetric, weighted_metric


def random_laws(seed, m=4, n=9, kappa=1.0):
    rng = np.random.default_rng(seed)
    U, V = np.linalg.qr(rng.normal(size=(m, m)))[0], np.linalg.qr(rng.normal(size=(n, m)))[0]
    A = torch.from_numpy(U * np.logspace(0, -np.log10(kappa), m) @ V.T)
    return LinearSystem(A, A @ torch.from_numpy(rng.normal(size=n))), rng


def factor_of(system):
    return system._laws.factor.take(None)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(0, 2), st.sampled_from([1.0, 1e4, 1e8]))
def test_agrees_with_orthogonal_factors(seed, decades, kappa):
    system, rng = random_laws(seed, kappa=kappa)
    root = torch.from_numpy(10.0 ** rng.uniform(-decades / 2, decades / 2, (6, 9)))
    gram, orthogonal = batch_metric(factor_of(system), root), weighted_metric(factor_of(system), root)
    residual = system.residual(torch.from_numpy(rng.normal(size=(6, 9))))
    size = orthogonal.move(residual).abs().amax()
    torch.testing.assert_close(gram.move(residual), orthogonal.move(residual), rtol=0, atol=float(1e-9 * size * kappa))
    torch.testing.assert_close(gram.log_det, orthogonal.log_det, rtol=1e-8, atol=1e-8 * kappa)
    torch.testing.assert_close(gram.explained, orthogonal.explained, rtol=1e-7 * kappa, atol=1e-9 * kappa)
    gradient = torch.from_numpy(rng.normal(size=(2, 6, 9)))
    for ours, reference in zip(gram.adjoint(gradient), orthogonal.adjoint(gradient), strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-6, atol=float(1e-7 * kappa * reference.abs().amax()))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 1e4]))
def test_bounds_on_moves_hold(seed, kappa):
    system, rng = random_laws(seed, kappa=kappa)
    roots = torch.from_numpy(np.exp(rng.normal(size=(6, 9))))
    residual = torch.from_numpy(rng.normal(size=(6, 4)))
    for metric in (batch_metric(factor_of(system), roots), weighted_metric(factor_of(system), roots[0])):
        move, left = metric.bounded_move(residual, system.A)
        torch.testing.assert_close(move, metric.move(residual), rtol=0, atol=0)
        assert ((move @ system.A.mT - residual).abs() <= left).all()


def wild_roots(rng, bad):
    """Weights of which those of the samples `bad` make a Gram matrix singular in float64."""
    root = torch.from_numpy(np.exp(rng.normal(size=(8, 9)) / 3))
    root[bad] = torch.from_numpy(10.0 ** np.linspace(-12, 12, 9)[rng.permutation(9)])
    return root


def test_the_way_is_chosen_by_condition():
    system, rng = random_laws(0)
    tame = torch.from_numpy(np.exp(rng.normal(size=(8, 9)) / 3))
    assert isinstance(batch_metric(factor_of(system), tame), GramMetric)
    assert isinstance(batch_metric(factor_of(system), tame[0]), WeightedMetric)
    assert isinstance(batch_metric(factor_of(system), wild_roots(rng, [2, 5])), PatchedMetric)
    # All alike: the mean metric takes the decades out, whatever they are.
    alike = wild_roots(rng, [0])[0] * torch.from_numpy(rng.uniform(0.5, 2, (8, 1)))
    assert isinstance(batch_metric(factor_of(system), alike), GramMetric)


@pytest.mark.parametrize("bad", [[2], [0, 7], list(range(8))])
def test_samples_on_both_sides_of_the_switch(bad):
    system, rng = random_laws(1)
    root = wild_roots(rng, bad)
    metric, reference = batch_metric(factor_of(system), root), weighted_metric(factor_of(system), root)
    residual = torch.from_numpy(rng.normal(size=(3, 8, 4)))
    for i in range(8):
        size = float(reference.move(residual)[:, i].abs().amax())
        torch.testing.assert_close(
            metric.move(residual)[:, i], reference.move(residual)[:, i], rtol=0, atol=1e-9 * size
        )
    torch.testing.assert_close(metric.log_det, reference.log_det, rtol=1e-9, atol=1e-9)
    shares = (m.explained / root.square() for m in (metric, reference))
    torch.testing.assert_close(*shares, rtol=0, atol=1e-6)
    z = ConstrainedNormal(torch.zeros(9).double(), root, system).sample((5,))
    assert system.ulps(z).max() <= 8.0


@pytest.mark.parametrize("bad", [[], [1]])
def test_derivatives_of_any_order(bad):
    system, rng = random_laws(2, m=2, n=4)
    root = torch.from_numpy(np.exp(rng.normal(size=(3, 4)) / 3))
    root[bad] = torch.tensor([1e-6, 1e6, 1.0, 1e-3], dtype=torch.float64)
    z = torch.from_numpy(rng.normal(size=(3, 4))).requires_grad_()
    b = torch.from_numpy(rng.normal(size=(3, 2))).requires_grad_()

    def point(z, b, factor):
        laws = LinearSystem(system.A, b)
        return laws.project_with(laws.metric(root * factor), z)

    def density_parts(factor):
        metric = system.metric(root * factor)
        return metric.log_det, metric.explained / root.square()

    factor = torch.ones(3, 4, dtype=torch.float64).requires_grad_()
    once, again = (
        torch.autograd.grad(point(z, b, factor).square().sum(), (z, b, factor), create_graph=graph)
        for graph in (False, True)
    )
    torch.testing.assert_close(once, again, rtol=1e-6, atol=1e-5 if bad else 1e-9)
    assert torch.autograd.gradcheck(point, (z, b, factor))
    assert torch.autograd.gradcheck(density_parts, (factor,))
    if not bad:
        assert torch.autograd.gradgradcheck(point, (z, b, factor))
        assert torch.autograd.gradgradcheck(density_parts, (factor,))


def test_float32_gram_matrices_where_they_are_large(monkeypatch):
    monkeypatch.setattr("lawful.core.linear.batch_metric._LARGE", 1)
    system, rng = random_laws(3)
    root = torch.from_numpy(np.exp(rng.normal(size=(50, 9)) / 3)).float()
    metric = batch_metric(factor_of(system), root)
    exact = batch_metric(factor_of(system), root.double())
    residual = torch.from_numpy(rng.normal(size=(50, 4)))
    assert metric.adjoint(root)[0].dtype == torch.float32
    torch.testing.assert_close(metric.move(residual), exact.move(residual), rtol=1e-3, atol=1e-4)
    assert (metric.move(residual) != exact.move(residual)).any()
    torch.testing.assert_close(metric.log_det, exact.log_det, rtol=1e-12, atol=1e-12)
    z = ConstrainedNormal(torch.zeros(9), root, system).sample((20,))
    assert system.ulps(z).max() <= 8.0


@pytest.mark.gpu
def test_on_a_gpu():
    system, rng = random_laws(4)
    root = wild_roots(rng, [3])
    there = batch_metric(factor_of(system.to("cuda")), root.cuda())
    residual = torch.from_numpy(rng.normal(size=(8, 4)))
    here = batch_metric(factor_of(system), root).move(residual)
    torch.testing.assert_close(there.move(residual.cuda()).cpu(), here, rtol=1e-6, atol=float(1e-9 * here.abs().amax()))
