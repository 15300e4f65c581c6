"""`ConstrainedPoisson` against enumeration of unconditional Poisson counts and against torch's multinomial."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from lawful.core import ConstrainedPoisson, InvalidValueError, LinearSystem, OffSupportError, ShapeError


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def enumerated(rate, totals, groups):
    """All counts with these totals, and their probabilities, by conditioning a product of Poisson laws."""
    highest = [range(int(totals[g]) + 1) for g in groups]
    counts = np.array(
        [x for x in itertools.product(*highest) if all(np.sum(x, where=groups == g) == k for g, k in enumerate(totals))]
    )
    mass = poisson(rate).pmf(counts).prod(-1)
    return counts, mass / mass.sum()


def random_case(seed):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.array([0, 0, 0, 1, 1] if seed % 2 else [1, 0, 2, 0]))
    rate = np.exp(rng.normal(size=len(groups)))
    rate[groups == 0] *= rng.integers(0, 2, (groups == 0).sum()) if seed % 3 == 0 else 1
    totals = rng.integers(0, 5, groups.max() + 1)
    totals[0] = totals[0] if rate[groups == 0].any() else 0
    return rate, totals, groups


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_everything_by_enumeration(seed):
    rate, totals, groups = random_case(seed)
    counts, mass = enumerated(rate, totals, groups)
    law = ConstrainedPoisson(double(rate), totals, groups)
    np.testing.assert_allclose(law.log_prob(double(counts)).exp(), mass, rtol=1e-11, atol=1e-300)
    mean = mass @ counts
    np.testing.assert_allclose(law.mean, mean, rtol=1e-11)
    covariance = (counts - mean).T @ ((counts - mean) * mass[:, None])
    np.testing.assert_allclose(law.covariance_matrix, covariance, atol=1e-11)
    np.testing.assert_allclose(law.variance, np.diag(covariance), atol=1e-11)
    some = mass[mass > 0]
    np.testing.assert_allclose(law.entropy(), -(some * np.log(some)).sum(), atol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_are_the_probabilities(n):
    torch.manual_seed(n)
    rate = double(np.exp(np.random.default_rng(n).normal(size=n)))
    law = ConstrainedPoisson(rate, 3)
    draws = law.sample((40_000,))
    counts, mass = enumerated(rate.numpy(), [3], np.zeros(n, int))
    frequency = (draws[:, None] == double(counts)).all(-1).double().mean(0).numpy()
    assert math.isclose(frequency.sum(), 1)
    assert (np.abs(frequency - mass) < 5 * np.sqrt(mass * (1 - mass) / 40_000) + 1e-12).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]))
def test_draws_add_up_and_zero_rates_stay_zero(seed, dtype):
    rate, totals, groups = random_case(seed)
    totals[rate[groups == 0].any().astype(int) :] *= 10**6
    law = ConstrainedPoisson(torch.tensor(rate, dtype=dtype), totals, groups)
    draws = law.sample((30,))
    laws = LinearSystem((groups == np.arange(len(totals))[:, None]).astype(float), totals)
    assert draws.dtype == dtype and (laws.residual(draws) == 0).all()
    assert (draws >= 0).all() and (draws[:, rate == 0] == 0).all()
    assert law.support.check(draws).all()


def test_it_is_torchs_multinomial():
    rate, total = double([0.5, 2.0, 1.5]), 7
    theirs = torch.distributions.Multinomial(total, probs=rate)
    ours = ConstrainedPoisson(rate, total)
    value = theirs.sample((10,))
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value))
    torch.testing.assert_close(ours.entropy(), theirs.entropy(), rtol=1e-6, atol=0)
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)


def test_large_totals_have_the_right_moments():
    torch.manual_seed(0)
    rate = double([1e-3, 1.0, 30.0, 0.0, 7.0])
    law = ConstrainedPoisson(rate, 10**9)
    draws = law.sample((4000,))
    assert (draws.sum(-1) == 10**9).all()
    error = (draws.mean(0) - law.mean) / (law.variance.sqrt() / math.sqrt(4000)).clamp(min=1e-300)
    assert error.abs().max() < 5
    torch.testing.assert_close(draws.var(0), law.variance, rtol=0.15, atol=0)


def test_variances_keep_their_digits_where_a_share_is_nearly_one():
    rates = double([1e-20, 3.0, 2e-20, 5.0, 1.0])
    law = ConstrainedPoisson(rates, [6, 9], [0, 0, 0, 1, 1])
    exact = double([6 / 3e20, 6e-20, 12 / 3e20, 9 * 5 / 36, 9 * 5 / 36])
    torch.testing.assert_close(law.variance, exact, rtol=1e-14, atol=0)
    torch.testing.assert_close(law.covariance_matrix.diagonal(), exact, rtol=1e-14, atol=0)
    torch.testing.assert_close(law.covariance_matrix[1, :3].sum(), double(0), rtol=0, atol=1e-34)
    single = ConstrainedPoisson(rates.float(), [6, 9], [0, 0, 0, 1, 1])
    torch.testing.assert_close(single.variance, exact.float(), rtol=1e-6, atol=0)


def test_batches_of_rates_and_totals():
    groups = [0, 1, 0, 1, 1]
    rate, totals = double(np.exp(np.random.default_rng(0).normal(size=(3, 1, 5)))), double([[2, 5], [0, 1]])
    together = ConstrainedPoisson(rate, totals, groups)
    assert together.batch_shape == (3, 2) and together.event_shape == (5,)
    draws = together.sample((4,))
    assert draws.shape == (4, 3, 2, 5)
    for i, j in itertools.product(range(3), range(2)):
        alone = ConstrainedPoisson(rate[i, 0], totals[j], groups)
        torch.testing.assert_close(together.log_prob(draws)[:, i, j], alone.log_prob(draws[:, i, j]))
        torch.testing.assert_close(together.entropy()[i, j], alone.entropy())
    wide = ConstrainedPoisson(rate[0, 0], totals[0], groups).expand((2, 3))
    assert wide.sample().shape == wide.mean.shape == (2, 3, 5) and wide.entropy().shape == (2, 3)
    assert ConstrainedPoisson(rate, double([1.0, 2.0])).total.tolist() == [[1.0, 2.0]] * 3


def test_derivatives():
    groups, totals = [0, 1, 0, 1], double([[3.0, 2.0], [0.0, 4.0]])
    rate = double([[0.5, 1.0, 2.0, 0.3], [1.5, 0.2, 1.0, 0.7]]).requires_grad_()
    value = ConstrainedPoisson(rate.detach(), totals, groups).sample()

    def law(rate):
        return ConstrainedPoisson(rate, totals, groups)

    for of in (
        lambda r: law(r).log_prob(value),
        lambda r: law(r).mean,
        lambda r: law(r).entropy(),
        lambda r: law(r).covariance_matrix,
    ):
        assert torch.autograd.gradcheck(of, (rate,))


def test_zero_rates_have_finite_gradients():
    rate = double([0.0, 1.0, 2.0]).requires_grad_()
    law = ConstrainedPoisson(rate, 3)
    (law.log_prob(double([0.0, 1.0, 2.0])) + law.entropy() + law.mean.sum()).backward()
    assert rate.grad.isfinite().all()
    # d/d rate_0 of log_prob = -k / sum(rate) = -1.
    rate = rate.detach().requires_grad_()
    ConstrainedPoisson(rate, 3).log_prob(double([0.0, 1.0, 2.0])).backward()
    torch.testing.assert_close(rate.grad, double([-1.0, 0.0, 0.0]))
    assert law.log_prob(double([1.0, 1.0, 1.0])).item() == -math.inf


def test_float32_follows_float64():
    rate, totals, groups = random_case(7)
    single = ConstrainedPoisson(torch.tensor(rate, dtype=torch.float32), totals, groups)
    same = ConstrainedPoisson(single.rate.double(), totals, groups)
    value = single.sample((5,))
    for got, want in (
        (single.log_prob(value), same.log_prob(value)),
        (single.mean, same.mean),
        (single.entropy(), same.entropy()),
    ):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), want, rtol=1e-6, atol=1e-6)


def test_values_off_the_totals_are_refused():
    law = ConstrainedPoisson(torch.ones(4), torch.tensor([2, 3]), [0, 0, 1, 1], validate_args=True)
    with pytest.raises(OffSupportError, match="add up to 4 in group 1 in sample 1, not to 3"):
        law.log_prob(torch.tensor([[1.0, 1, 1, 2], [1.0, 1, 2, 2]]))
    with pytest.raises(OffSupportError, match="whole numbers of zero or more"):
        law.log_prob(torch.tensor([0.5, 1.5, 1, 2]))
    with pytest.raises(ShapeError, match="value"):
        law.log_prob(torch.ones(3))
    unchecked = ConstrainedPoisson(torch.ones(4), torch.tensor([2, 3]), [0, 0, 1, 1], validate_args=False)
    assert unchecked.log_prob(torch.tensor([1.0, 1, 2, 2])).isfinite()


@pytest.mark.parametrize(
    ("rate", "total", "groups", "error", "says"),
    [
        ([1.0, -1.0], 2, None, InvalidValueError, "rates of zero or more"),
        ([1.0, math.inf], 2, None, InvalidValueError, "finite rates"),
        ([1.0, 1.0], 2.5, None, InvalidValueError, "whole numbers of zero or more, got 2.5"),
        ([1.0, 1.0], [[2], [-1]], [0, 0], InvalidValueError, "got -1 in group 0 in sample 1"),
        ([0.0, 1.0], [1, 1], [0, 1], InvalidValueError, "All rates are zero in group 0"),
        ([1.0, 1.0], 2, [0, 1], ShapeError, "total of shape"),
        ([1.0, 1.0], [2, 2], [0, 2], InvalidValueError, "Group 1 has no variable"),
        ([1.0, 1.0], [2], [0], ShapeError, "groups of shape"),
        ([1.0, 1.0], [2, 2], [0.0, 1.0], InvalidValueError, "whole numbers"),
        ([1.0, 1.0], 2**25, None, InvalidValueError, "float32 can count"),
    ],
)
def test_arguments_are_checked(rate, total, groups, error, says):
    with pytest.raises(error, match=says):
        ConstrainedPoisson(torch.tensor(rate), total, groups)


def test_an_empty_batch():
    counts = ConstrainedPoisson(torch.ones(0, 3), 5)
    assert counts.sample((2,)).shape == (2, 0, 3)
    assert counts.entropy().shape == counts.log_prob(torch.zeros(0, 3)).shape == (0,)


def test_rates_that_are_wrong_are_named():
    with pytest.raises(InvalidValueError, match="got -1 of variable 1 in sample 1"):
        ConstrainedPoisson(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), 3)
    with pytest.raises(InvalidValueError, match="more than a number can be in group 1: divide them"):
        ConstrainedPoisson(double([1.0, 1e308, 1e308]), [1, 3], [0, 1, 1])
    with pytest.raises(ShapeError, match="one variable at least"):
        ConstrainedPoisson(torch.ones(0), 0)
