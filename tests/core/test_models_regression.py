"""Mixtures of regressions by expectation maximisation."""

import pytest
import torch

from lawful.core.models.regression import fit_regression_mixture


def generator():
    return torch.Generator().manual_seed(0)


def two_lines(N=2000, noise=0.01, share=0.7):
    X = torch.randn(N, 2, generator=generator(), dtype=torch.float64)
    first = torch.rand(N, generator=generator(), dtype=torch.float64) < share
    lines = torch.stack([2 * X[:, 0] + 1, -X[:, 0] + 0.5 * X[:, 1] - 1], 1)
    y = torch.where(first, lines[:, 0], lines[:, 1])
    return X, y + noise * torch.randn(N, generator=generator(), dtype=torch.float64)


def test_two_sharp_lines_are_found():
    X, y = two_lines()
    mixture = fit_regression_mixture(X, y, 2, floor=1e-3)
    order = mixture.shares.argsort(descending=True)
    assert mixture.shares[order].tolist() == pytest.approx([0.7, 0.3], abs=0.05)
    expected = torch.tensor([[2.0, 0.0], [-1.0, 0.5]], dtype=torch.float64)
    torch.testing.assert_close(mixture.weights[order], expected, atol=0.05, rtol=0)
    assert mixture.intercepts[order].tolist() == pytest.approx([1, -1], abs=0.05)
    # Sharp: hundreds of times less than the spread of y, give or take the prior.
    assert (mixture.scales < 0.1 * y.std()).all()


def test_one_expert_is_the_least_squares_fit():
    X, y = two_lines(share=1.0, noise=0.1)
    mixture = fit_regression_mixture(X, y, 1, floor=1e-3)
    assert mixture.shares.tolist() == pytest.approx([1])
    assert mixture.weights[0].tolist() == pytest.approx([2, 0], abs=0.05)
    assert mixture.scales.item() == pytest.approx(0.1, rel=0.3)


def test_coinciding_inputs_and_constants_do_no_harm():
    X, y = two_lines(200)
    for target in (y, torch.zeros_like(y)):
        mixture = fit_regression_mixture(X[:, [0, 0, 1, 1]], target, 3, floor=1e-3)
        for part in (mixture.weights, mixture.intercepts, mixture.scales, mixture.shares):
            assert part.isfinite().all()
        assert (mixture.scales >= 1e-3).all()
        assert mixture.shares.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("N", [0, 1, 2, 3])
def test_hardly_any_events(N):
    X, y = two_lines(10)
    mixture = fit_regression_mixture(X[:N], y[:N], 4, floor=1e-3)
    assert mixture.weights.shape == (4, 2)
    assert mixture.shares.sum().item() == pytest.approx(1)
    for part in (mixture.weights, mixture.intercepts, mixture.scales):
        assert part.isfinite().all()
