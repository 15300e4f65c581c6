"""`ConstrainedPoisson` where totals are large: against whole numbers of any length, and against Stirling's series."""

import math

import numpy as np
import pytest
import torch

from lawful.core import ConstrainedPoisson

LARGE = [10**8, 10**10, 10**12, 10**15]


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def log_binomial_at(m, d):
    """`log C(2m, m + d) / 4^m`: at the middle -log(pi m)/2 - 1/(8m), then the ratios of neighbours."""
    return -0.5 * math.log(math.pi * m) - 1 / (8 * m) + math.fsum(math.log1p(-d / (m + i)) for i in range(1, d + 1))


def large_entropy(shares, k):
    """`log((2 pi e k)^(n - 1) prod p) / 2 + (3n - 2 - sum 1/p) / (12k)`, up to terms in 1/k^2."""
    n = len(shares)
    largest = 0.5 * ((n - 1) * math.log(2 * math.pi * math.e * k) + np.log(shares).sum())
    return largest + (3 * n - 2 - (1 / shares).sum()) / (12 * k)


@pytest.mark.parametrize("k", [1, 30, 100, 101, 129, 700, 3000])
@pytest.mark.parametrize("odds", [1, 3, 200])
def test_entropy_by_whole_numbers(k, odds):
    # Masses C(k, x) odds^x / (1 + odds)^k are ratios of whole numbers, rounded once.
    masses = [math.comb(k, x) * odds**x / (1 + odds) ** k for x in range(k + 1)]
    exact = -math.fsum(p * math.log(p) for p in masses if p)
    assert ConstrainedPoisson(double([odds, 1.0]), k).entropy().item() == pytest.approx(exact, rel=1e-12, abs=2e-13)


@pytest.mark.parametrize("k", LARGE)
def test_entropy_and_its_gradient_by_stirlings_series(k):
    rates = double([0.3, 2.0, 1.0, 7.0]).requires_grad_()
    entropy = ConstrainedPoisson(rates, k).entropy()
    shares = rates.detach().numpy() / 10.3
    assert entropy.item() == pytest.approx(large_entropy(shares, k), rel=1e-13)
    (gradient,) = torch.autograd.grad(entropy, rates)
    of_shares = 0.5 / shares + 1 / (12 * k * shares**2)
    exact = (of_shares - shares @ of_shares) / 10.3
    np.testing.assert_allclose(gradient, exact, rtol=1e-8 if k < 10**10 else 1e-6)


def test_entropies_of_very_different_totals_at_once():
    rates, totals = double([1e-9, 2.0, 5.0, 0.0]), double([0.0, 1.0, 40.0, 1e4, 1e7, 1e12])
    alone = torch.stack([ConstrainedPoisson(rates, k).entropy() for k in totals])
    torch.testing.assert_close(ConstrainedPoisson(rates, totals).entropy(), alone, rtol=1e-13, atol=1e-13)


def test_entropy_has_further_derivatives():
    rates = double([[0.3, 2.0, 1.0, 0.5]] * 2).requires_grad_()

    def entropy(rates):
        return ConstrainedPoisson(rates, double([[7.0, 200.0], [40.0, 3000.0]]), [0, 1, 0, 1]).entropy()

    assert torch.autograd.gradcheck(entropy, (rates,))
    assert torch.autograd.gradgradcheck(entropy, (rates,), rtol=1e-4)


@pytest.mark.parametrize("k", LARGE)
@pytest.mark.parametrize("away", [0, 1, 2000])
def test_log_prob_by_ratios_of_neighbours(k, away):
    rates, value = double([0.0, 1.5, 1.5]).requires_grad_(), double([0, k // 2 + away, k // 2 - away])
    log_prob = ConstrainedPoisson(rates, k).log_prob(value)
    assert log_prob.item() == pytest.approx(log_binomial_at(k // 2, away), rel=1e-13)
    # x / rate - k / sum(rates)
    (gradient,) = torch.autograd.grad(log_prob, rates)
    np.testing.assert_allclose(gradient, [-k / 3, away / 1.5, -away / 1.5], rtol=1e-10, atol=1e-15 * k)


@pytest.mark.filterwarnings("ignore:.torch.jit.script")
def test_log_prob_has_further_derivatives():
    rates, value = double([0.3, 2.0, 1.0]).requires_grad_(), double([40.0, 300.0, 160.0])

    def log_prob(rates):
        return ConstrainedPoisson(rates, 500).log_prob(value)

    assert torch.autograd.gradcheck(log_prob, (rates,))
    assert torch.autograd.gradgradcheck(log_prob, (rates,))
    # -x / rate^2 on the diagonal, and k / sum(rates)^2 everywhere
    exact = torch.diag(-value / rates.detach() ** 2) + 500 / 3.3**2
    torch.testing.assert_close(torch.func.hessian(log_prob)(rates.detach()), exact)


@pytest.mark.parametrize("k", LARGE)
def test_log_prob_of_the_mean_by_stirlings_series(k):
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    counts = double([k // 10 * i for i in (1, 2, 3, 4)])
    exact = -0.5 * (3 * math.log(2 * math.pi * k) + np.log(shares).sum()) + (1 - (1 / shares).sum()) / (12 * k)
    for scale in (1.0, 1e-7):
        assert ConstrainedPoisson(double(shares) * scale, k).log_prob(counts).item() == pytest.approx(exact, rel=1e-12)


def test_float32_rates_with_the_largest_total_they_count_to():
    rates = torch.tensor([0.25, 1.0, 3.0])
    single, same = ConstrainedPoisson(rates, 2**24), ConstrainedPoisson(rates.double(), 2**24)
    value = single.sample()
    assert single.entropy().item() == pytest.approx(large_entropy(rates.numpy() / 4.25, 2**24), rel=1e-6)
    assert single.log_prob(value).item() == pytest.approx(same.log_prob(value.double()).item(), rel=1e-7)


def test_log_prob_of_rates_further_apart_than_numbers_reach():
    rates = double([1e-200, 1e200, 3e199]).requires_grad_()
    found = ConstrainedPoisson(rates, 2.0).log_prob(double([1.0, 1.0, 0.0]))
    # 2 p q with p = 1e-200 / 1.3e200 and q = 1 / 1.3.
    assert found.item() == pytest.approx(math.log(2) - 400 * math.log(10) - 2 * math.log(1.3), rel=1e-14)
    (gradient,) = torch.autograd.grad(found, rates)
    np.testing.assert_allclose(gradient, [1e200, 1e-200 - 2 / 1.3e200, -2 / 1.3e200], rtol=1e-12)
    subnormal = ConstrainedPoisson(double([1e-160, 1e160]), 2.0).log_prob(double([1.0, 1.0]))
    assert subnormal.item() == pytest.approx(math.log(2) - 320 * math.log(10), rel=1e-14)


def test_log_prob_of_values_that_do_not_add_up_is_the_formula_as_it_stands():
    rates = double([0.5, 1.5, 2.0])
    found = ConstrainedPoisson(rates, 3.0, validate_args=False).log_prob(double([1.0, 1.0, 2.0]))
    exact = math.log(0.5) + math.log(1.5) + 2 * math.log(2.0) - math.log(2) + math.log(6) - 3 * math.log(4.0)
    assert found.item() == pytest.approx(exact, rel=1e-13)
