"""`ConstrainedBernoulli` where digits would cancel: large logits, and variables that are nearly certain."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from lawful.core import ConstrainedBernoulli


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def masses(powers, k):
    """The exact probability of each set of k ones, of odds 2^q."""
    weight = {s: Fraction(2) ** sum(powers[i] for i in s) for s in itertools.combinations(range(len(powers)), k)}
    whole = sum(weight.values())
    return {s: w / whole for s, w in weight.items()}


def entropy(mass):
    """`-sum p log p`, with the logarithm of p by 1 - p where that is small."""
    logs = [math.log1p(-float(1 - p)) if p > 0.5 else math.log(float(p)) for p in mass.values()]
    return -math.fsum(float(p) * log for p, log in zip(mass.values(), logs, strict=True))


@pytest.mark.parametrize("offset", [1e2, 1e5, -9e5])
def test_an_offset_of_a_group_costs_no_digits(offset):
    # Multiples of 2^-10, so that adding the offset rounds nothing.
    base, groups = double([0.125, -0.25, 0.5, 0.0, 0.75, -1.5, 3.0]).requires_grad_(), [0, 1, 0, 1, 0, 1, 0]
    shifts = double([offset, -offset])[groups]
    value = double([1, 0, 0, 1, 1, 1, 0])
    for of in (
        lambda law: law.entropy(),
        lambda law: law.log_prob(value),
        lambda law: law.mean,
        lambda law: law.variance,
    ):
        near, far = (of(ConstrainedBernoulli(x, [2, 2], groups)) for x in (base, base + shifts))
        torch.testing.assert_close(far, near, rtol=1e-14, atol=1e-14)
        slopes = [torch.autograd.grad(x.sum(), base)[0] for x in (near, far)]
        torch.testing.assert_close(*slopes, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("powers", [[0, 0, 3, -1, 2], [60, 0, 2, -50, 1], [300, -300, 300, 1, 0], [40, 40, 40, -40, 0]])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_entropy_and_variance_by_fractions(powers, k):
    mass = masses(powers, k)
    law = ConstrainedBernoulli(double(powers) * math.log(2), k)
    assert law.entropy().item() == pytest.approx(entropy(mass), rel=1e-12)
    chances = [sum(p for s, p in mass.items() if i in s) for i in range(5)]
    np.testing.assert_allclose(law.variance, [float(p * (1 - p)) for p in chances], rtol=1e-12)


def test_entropy_among_logits_that_are_far_apart():
    far = double([1e5, -1e5, 1e5, -1e5, 1e5]).requires_grad_()
    for k, ways in ((1, 3), (2, 3), (3, 1), (4, 2), (5, 1)):
        value = ConstrainedBernoulli(far, k).entropy()
        assert value.item() == pytest.approx(math.log(ways), abs=1e-13)
        # Equal logits are the most uncertain: no first derivative.
        assert torch.autograd.grad(value, far)[0].abs().max() < 1e-13


def test_entropy_has_further_derivatives_where_logits_are_equal():
    logits, counts = double([[0.5, 0.5, 0.5, 0.0, 0.0], [0.0, 1.0, -2.0, 0.0, 3.0]]).requires_grad_(), [[1, 1], [2, 0]]

    def entropy(logits):
        return ConstrainedBernoulli(logits, counts, [0, 0, 0, 1, 1]).entropy()

    assert torch.autograd.gradcheck(entropy, (logits,))
    assert torch.autograd.gradgradcheck(entropy, (logits,))


def test_log_prob_of_values_off_the_count_is_the_formula_as_it_stands():
    law = ConstrainedBernoulli(torch.tensor([5.0, 1.0, 2.0], dtype=torch.float64), 2, validate_args=False)
    normaliser = math.log(math.exp(6) + math.exp(7) + math.exp(3))
    for value, chosen in (([1.0, 0.0, 0.0], 5.0), ([0.9, 0.5, 0.5], 6.0), ([1.0, 0.0, 1.0], 7.0)):
        found = law.log_prob(torch.tensor(value, dtype=torch.float64))
        assert found.item() == pytest.approx(chosen - normaliser, abs=1e-14)
