"""`ConstrainedBernoulli` against enumeration of all zeros and ones, and at extreme odds against exact arithmetic."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import ConstrainedBernoulli, InvalidValueError, OffSupportError, ShapeError


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def enumerated(logits, counts, groups):
    """All values with these counts of ones, and their probabilities."""
    every = np.array(list(itertools.product([0, 1], repeat=len(logits))))
    right = [(every[:, groups == g].sum(-1) == k) for g, k in enumerate(counts)]
    values = every[np.all(right, axis=0)]
    logs = values @ logits
    mass = np.exp(logs - logs.max())
    return values, mass / mass.sum()


def random_case(seed, spread):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 13))
    groups = rng.integers(0, rng.integers(1, 4), n)
    groups = np.unique(groups, return_inverse=True)[1]
    counts = [int(rng.integers(0, (groups == g).sum() + 1)) for g in range(groups.max() + 1)]
    return spread * rng.normal(size=n), np.array(counts), groups


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 3.0, 20.0]))
def test_everything_by_enumeration(seed, spread):
    logits, counts, groups = random_case(seed, spread)
    values, mass = enumerated(logits, counts, groups)
    law = ConstrainedBernoulli(double(logits), counts, groups)
    np.testing.assert_allclose(law.log_prob(double(values)).exp(), mass, rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(law.mean, mass @ values, rtol=1e-11, atol=1e-300)
    np.testing.assert_allclose(law.variance, mass @ values * (1 - mass @ values), rtol=1e-9, atol=1e-12)
    some = mass[mass > 0]
    np.testing.assert_allclose(law.entropy(), -(some * np.log(some)).sum(), atol=1e-11)
    assert law.mode.tolist() == values[mass.argmax()].tolist()


@pytest.mark.parametrize("k", [0, 1, 3, 5])
def test_frequencies_are_the_probabilities(k):
    torch.manual_seed(k)
    logits = double([0.0, 1.0, -2.0, 0.5, 0.3])
    draws = ConstrainedBernoulli(logits, k).sample((40_000,))
    values, mass = enumerated(logits.numpy(), [k], np.zeros(5, int))
    frequency = (draws[:, None] == double(values)).all(-1).double().mean(0).numpy()
    assert math.isclose(frequency.sum(), 1)
    assert (np.abs(frequency - mass) < 5 * np.sqrt(mass * (1 - mass) / 40_000) + 1e-12).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]), st.sampled_from([1.0, 50.0, 1000.0]))
def test_draws_have_the_right_number_of_ones(seed, dtype, spread):
    logits, counts, groups = random_case(seed, spread)
    law = ConstrainedBernoulli(torch.tensor(logits, dtype=dtype), counts, groups)
    draws = law.sample((50,))
    assert draws.dtype == dtype
    assert law.support.check(draws).all()
    assert law.log_prob(draws).isfinite().all()


def test_extreme_odds_against_exact_fractions():
    # Odds 2^q with exact sums of products: nothing underflows, whatever q.
    powers = [72, -72, 72, -72, 0, 1, 70]
    odds = [Fraction(2) ** q for q in powers]
    law = ConstrainedBernoulli(double(powers) * math.log(2), 3)
    weight = {s: math.prod(odds[i] for i in s) for s in itertools.combinations(range(7), 3)}
    whole = sum(weight.values())
    marginals = [float(sum(w for s, w in weight.items() if i in s) / whole) for i in range(7)]
    np.testing.assert_allclose(law.mean, marginals, rtol=1e-12)
    assert law.mean[1] > 0
    np.testing.assert_allclose(law.mean.sum(), 3, rtol=1e-14)


def test_many_variables_at_once():
    # Equal odds: e_k = C(n, k), marginals k / n, all log probabilities -log C(n, k).
    law = ConstrainedBernoulli(torch.full((300,), 40.0, dtype=torch.float64), 120)
    torch.testing.assert_close(law.mean, torch.full_like(law.mean, 0.4), rtol=1e-11, atol=0)
    log_choose = math.lgamma(301) - math.lgamma(121) - math.lgamma(181)
    assert law.log_prob(law.sample()).item() == pytest.approx(-log_choose, abs=1e-8)
    assert law.entropy().item() == pytest.approx(log_choose, abs=1e-8)


def test_none_and_all():
    logits = double([-50.0, 3.0, 50.0]).requires_grad_()
    for k in (0, 3):
        law = ConstrainedBernoulli(logits, k)
        assert law.mean.tolist() == [k / 3] * 3
        assert law.sample((2,)).tolist() == [[k / 3] * 3] * 2
        assert law.log_prob(torch.full((3,), k / 3)).item() == 0.0
        assert law.entropy().item() == pytest.approx(0, abs=1e-13)
        (gradient,) = torch.autograd.grad(law.mean.sum() + law.entropy(), logits)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-13)


def test_only_differences_of_logits_count():
    logits = double([0.2, -1.0, 3.0, 0.0])
    one, other = ConstrainedBernoulli(logits, 2), ConstrainedBernoulli(logits + 7.0, 2)
    torch.testing.assert_close(one.mean, other.mean)
    torch.testing.assert_close(one.entropy(), other.entropy())


def test_batches_of_logits_and_counts():
    groups = [0, 1, 0, 1, 1]
    logits, counts = double(np.random.default_rng(0).normal(size=(3, 1, 5))), double([[2, 0], [0, 1]])
    together = ConstrainedBernoulli(logits, counts, groups)
    assert together.batch_shape == (3, 2) and together.event_shape == (5,)
    draws = together.sample((4,))
    assert draws.shape == (4, 3, 2, 5)
    for i, j in itertools.product(range(3), range(2)):
        alone = ConstrainedBernoulli(logits[i, 0], counts[j], groups)
        torch.testing.assert_close(together.log_prob(draws)[:, i, j], alone.log_prob(draws[:, i, j]))
        torch.testing.assert_close(together.mean[i, j], alone.mean)
        torch.testing.assert_close(together.entropy()[i, j], alone.entropy())
    wide = ConstrainedBernoulli(logits[0, 0], counts[0], groups).expand((2, 3))
    assert wide.sample().shape == wide.mean.shape == (2, 3, 5) and wide.entropy().shape == (2, 3)
    per_sample = ConstrainedBernoulli(logits[:, 0], torch.tensor([0, 5, 2]))
    assert per_sample.sample((10,)).sum(-1).tolist() == [[0.0, 5.0, 2.0]] * 10
    assert per_sample.count.tolist() == [0.0, 5.0, 2.0]


def test_derivatives():
    groups, counts = [0, 1, 0, 1, 0, 1, 1], double([[1.0, 2.0], [0.0, 4.0], [3.0, 1.0]])
    logits = (2 * double(np.random.default_rng(3).normal(size=(3, 7)))).requires_grad_()
    value = ConstrainedBernoulli(logits.detach(), counts, groups).sample()

    def law(logits):
        return ConstrainedBernoulli(logits, counts, groups)

    for of in (lambda x: law(x).log_prob(value), lambda x: law(x).mean, lambda x: law(x).entropy()):
        assert torch.autograd.gradcheck(of, (logits,))


def test_derivatives_are_covariances():
    logits = double([0.3, -50.0, 50.0, 1.0, 0.0])
    values, mass = enumerated(logits.numpy(), [2], np.zeros(5, int))
    mean = mass @ values
    covariance = (values - mean).T @ ((values - mean) * mass[:, None])
    jacobian = torch.autograd.functional.jacobian(lambda x: ConstrainedBernoulli(x, 2).mean, logits)
    np.testing.assert_allclose(jacobian, covariance, atol=1e-13)
    value = double(values[0])
    gradient = torch.autograd.functional.jacobian(lambda x: ConstrainedBernoulli(x, 2).log_prob(value), logits)
    np.testing.assert_allclose(gradient, values[0] - mean, atol=1e-13)
    hessian = torch.autograd.functional.hessian(lambda x: ConstrainedBernoulli(x, 2).log_prob(value), logits)
    np.testing.assert_allclose(hessian, -covariance, atol=1e-13)


def test_float32_follows_float64():
    logits, counts, groups = random_case(5, 3.0)
    single = ConstrainedBernoulli(torch.tensor(logits, dtype=torch.float32), counts, groups)
    same = ConstrainedBernoulli(single.logits.double(), counts, groups)
    value = single.sample((5,))
    for got, want in (
        (single.log_prob(value), same.log_prob(value)),
        (single.mean, same.mean),
        (single.entropy(), same.entropy()),
    ):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), want, rtol=1e-6, atol=1e-6)


def test_values_off_the_count_are_refused():
    law = ConstrainedBernoulli(torch.zeros(4), 2, validate_args=True)
    with pytest.raises(OffSupportError, match="add up to 3 in sample 1, not to 2"):
        law.log_prob(torch.tensor([[1.0, 1, 0, 0], [1.0, 1, 1, 0]]))
    with pytest.raises(OffSupportError, match="add up to 1, not to 2"):
        law.log_prob(torch.tensor([1.0, 0, 0, 0]))
    with pytest.raises(OffSupportError, match="whole numbers from 0 to 1"):
        law.log_prob(torch.tensor([2.0, 0, 0, 0]))
    with pytest.raises(ShapeError, match="value"):
        law.log_prob(torch.ones(3))


@pytest.mark.parametrize(
    ("logits", "count", "groups", "error", "says"),
    [
        ([[0.0, 1.0], [0.0, math.inf]], 1, None, InvalidValueError, "variable 1 is inf in sample 1"),
        ([0.0, math.nan], 1, None, InvalidValueError, "variable 1 is nan"),
        ([0.0, 1.0], 3, None, InvalidValueError, "Count 3 is more than the 2 variables"),
        ([0.0, 1.0, 1.0], [1, 2], [0, 0, 1], InvalidValueError, "Count 2 in group 1 is more than the 1"),
        ([0.0, 1.0], 0.5, None, InvalidValueError, "whole numbers of zero or more, got 0.5"),
    ],
)
def test_arguments_are_checked(logits, count, groups, error, says):
    with pytest.raises(error, match=says):
        ConstrainedBernoulli(torch.tensor(logits), count, groups)
