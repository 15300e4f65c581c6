"""`ConstrainedNormal` with variables that are fixed, by zero scale or by `restrict`, and its gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from lawful.core import ConstrainedNormal, InconsistentSystemError, LinearSystem, OffSupportError

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 7))
A[2] = A[0] + A[1]
B = A @ RNG.normal(size=7)
LAWS = LinearSystem(A, B, columns=list("abcdefg"))
LOC, SCALE = torch.from_numpy(RNG.normal(size=7)), torch.from_numpy(np.exp(RNG.normal(size=7)))


def log_density_of_free(A, b, loc, scale, free, z):
    """The density of the free variables alone, in an orthonormal basis of the moves they have."""
    N = null_space(A[:, free])
    point = z[free]
    weighted = N / scale[free][:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    mean = covariance @ weighted.T @ ((loc[free] - point) / scale[free])
    return multivariate_normal(mean, covariance).logpdf(np.zeros(N.shape[1]))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 4), st.integers(0, 4), st.booleans())
def test_density_is_that_of_the_free_variables(i, j, by_restriction):
    free = np.ones(7, dtype=bool)
    free[[i, j]] = False
    if by_restriction:
        normal = ConstrainedNormal(torch.zeros(7) + LOC, SCALE, LAWS.restrict(free, LOC))
    else:
        normal = ConstrainedNormal(LOC, torch.where(torch.from_numpy(free), SCALE, 0.0), LAWS)
    z = normal.sample()
    expected = log_density_of_free(A, B, LOC.numpy(), SCALE.numpy(), free, z.numpy())
    assert normal.log_prob(z).item() == pytest.approx(expected, abs=1e-9)
    assert torch.equal(z[~torch.from_numpy(free)], LOC[~torch.from_numpy(free)])
    assert normal.variance[~torch.from_numpy(free)].abs().max() == 0.0
    assert LAWS.ulps(z).max() <= 8.0


def test_values_given_replace_loc():
    free = torch.tensor([True, False, True, True, True, True, False])
    given = torch.arange(7, dtype=torch.float64)
    normal = ConstrainedNormal(torch.zeros(7).double(), SCALE, LAWS.restrict(free, given))
    z = normal.sample((5,))
    assert torch.equal(z[:, ~free], given[~free].expand(5, 2))
    assert torch.equal(normal.mean[~free], given[~free])
    single = ConstrainedNormal(torch.zeros(7), SCALE.float(), LAWS.restrict(free, given))
    assert torch.equal(single.sample()[~free], given[~free].float())


def test_patterns_per_sample_are_a_loop():
    generator = torch.Generator().manual_seed(0)
    free = torch.rand(12, 7, generator=generator) < 0.7
    free[:, :3] = True
    given = torch.randn(12, 7, generator=generator).double()
    scale = SCALE * (torch.rand(12, 7, generator=generator) < 0.9)
    scale[:, :3] = 1.0
    together = ConstrainedNormal(LOC, scale, LAWS.restrict(free, given))
    z = together.sample((4,))
    assert LAWS.ulps(z).max() <= 8.0
    for i in range(12):
        alone = ConstrainedNormal(LOC, scale[i], LAWS.restrict(free[i], given[i]))
        torch.testing.assert_close(together.log_prob(z)[:, i], alone.log_prob(z[:, i]))
        torch.testing.assert_close(together.mean[i], alone.mean)
        torch.testing.assert_close(together.variance[i], alone.variance)
        torch.testing.assert_close(together.entropy()[i], alone.entropy())


def test_small_scales_tend_to_zero_scale():
    scale = SCALE.clone()
    scale[2] = 0.0
    fixed = ConstrainedNormal(LOC, scale, LAWS)
    scale[2] = 1e-9
    nearly = ConstrainedNormal(LOC, scale, LAWS)
    torch.testing.assert_close(nearly.mean, fixed.mean, atol=1e-7, rtol=0)
    torch.testing.assert_close(nearly.covariance_matrix, fixed.covariance_matrix, atol=1e-7, rtol=0)


def test_all_fixed():
    z = LAWS.project(LOC)
    normal = ConstrainedNormal(z, torch.zeros(7).double(), LAWS)
    assert torch.equal(normal.sample(), z)
    assert normal.log_prob(z).item() == 0.0


def test_fixed_variables_that_break_a_law_are_refused():
    law = LinearSystem([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], [1.0, 0.0], names=["water", "heat"])
    with pytest.raises(InconsistentSystemError, match="'water' has no free variable"):
        ConstrainedNormal(torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), law)


def test_a_value_that_moves_a_fixed_variable_is_refused_by_name():
    scale = SCALE.clone()
    scale[1] = 0.0
    normal = ConstrainedNormal(LOC, scale, LAWS, validate_args=True)
    z = normal.sample((3,))
    moved = z.clone()
    moved[2, 1] += 1e-3
    assert normal.support.check(z).all()
    assert normal.support.check(moved).tolist() == [True, True, False]
    with pytest.raises(OffSupportError, match=r"'b' is fixed, but the value differs from it in sample 2:"):
        normal.log_prob(moved)


def leaf(x):
    return x.clone().requires_grad_()


@pytest.mark.parametrize("fixed", [[], [3], [0, 3]])
def test_gradients_to_loc_and_scale(fixed):
    keep = torch.ones(7, dtype=torch.bool)
    keep[fixed] = False
    z = ConstrainedNormal(LOC, torch.where(keep, SCALE, 0.0), LAWS).sample()

    def quantities(loc, scale):
        torch.manual_seed(1)
        # The value is held: where loc of a fixed variable moves, it is off the support.
        normal = ConstrainedNormal(loc, torch.where(keep, scale, 0.0), LAWS, validate_args=False)
        held = normal.system.project(normal.system.with_fixed(z))
        return normal.rsample((2,)), normal.mean, normal.variance, normal.entropy(), normal.log_prob(held)

    assert torch.autograd.gradcheck(quantities, (leaf(LOC), leaf(SCALE)))


def test_gradients_with_given_values_and_right_hand_sides():
    free = torch.tensor([[True, False, True, True, True, True, True], [True, True, True, True, False, True, True]])

    def mean(given, b):
        return ConstrainedNormal(LOC, SCALE, LinearSystem(A[:2], b).restrict(free, given)).mean

    assert torch.autograd.gradcheck(mean, (leaf(LOC), leaf(torch.from_numpy(B[:2]))))


def test_gradients_in_batches_are_those_of_each():
    scale = leaf(SCALE.repeat(3, 1))
    loc = leaf(torch.stack([LOC, 2 * LOC, -LOC]))
    torch.manual_seed(0)
    z = LAWS.project(torch.randn(3, 7).double())
    ConstrainedNormal(loc, scale, LAWS).log_prob(z).sum().backward()
    for i in range(3):
        one_loc, one_scale = leaf(loc[i].detach()), leaf(scale[i].detach())
        ConstrainedNormal(one_loc, one_scale, LAWS).log_prob(z[i]).backward()
        torch.testing.assert_close(loc.grad[i], one_loc.grad)
        torch.testing.assert_close(scale.grad[i], one_scale.grad)


def test_gradients_of_float32_parameters_are_float32():
    loc, scale = leaf(LOC.float()), leaf(SCALE.float())
    ConstrainedNormal(loc, scale, LAWS).rsample((8,)).square().sum().backward()
    assert loc.grad.dtype == scale.grad.dtype == torch.float32
    assert torch.isfinite(loc.grad).all() and torch.isfinite(scale.grad).all()


def test_pathwise_and_marginal_gradients_agree_for_loc():
    """The pathwise derivative of a draw by `loc` is that of the mean, draw by draw."""
    torch.manual_seed(0)
    draw = torch.autograd.functional.jacobian(lambda loc: ConstrainedNormal(loc, SCALE, LAWS).rsample(), LOC)
    mean = torch.autograd.functional.jacobian(lambda loc: ConstrainedNormal(loc, SCALE, LAWS).mean, LOC)
    torch.testing.assert_close(draw, mean)
