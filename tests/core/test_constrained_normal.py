"""`ConstrainedNormal` against closed forms and against the density in an orthonormal null-space basis."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from lawful.core import ConstrainedNormal, Full, InvalidValueError, LinearSystem, LowRank, OffSupportError, ShapeError


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


class Reference:
    """Independent of the code under test: coordinates t in an orthonormal null-space basis, z = p + N t."""

    def __init__(self, A, b, loc, scale):
        self.N = null_space(A, rcond=1e-12)
        self.point = np.linalg.lstsq(A, b, rcond=None)[0]
        weighted = self.N / scale[:, None]
        self.covariance = np.linalg.inv(weighted.T @ weighted)
        self.mean = self.covariance @ weighted.T @ ((loc - self.point) / scale)
        self.normal = multivariate_normal(self.mean, self.covariance)

    def log_prob(self, z):
        return self.normal.logpdf((z - self.point) @ self.N)

    def moments(self):
        return self.point + self.N @ self.mean, self.N @ self.covariance @ self.N.T


def random_case(seed, redundant=0):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    A = rng.normal(size=(int(rng.integers(1, n - 1)), n))
    A = np.vstack([A, rng.integers(-2, 3, (redundant, len(A))) @ A])
    return A, A @ rng.normal(size=n), rng.normal(size=n), np.exp(rng.normal(size=n)), rng


def test_two_variables_with_a_given_sum():
    # x + y = 3 of x ~ N(0, 1), y ~ N(1, 2^2): x ~ N(0.4, 0.8), y = 3 - x.
    law = LinearSystem([[1.0, 1.0]], [3.0])
    normal = ConstrainedNormal(double([0.0, 1.0]), double([1.0, 2.0]), law)
    torch.testing.assert_close(normal.mean, double([0.4, 2.6]))
    torch.testing.assert_close(normal.variance, double([0.8, 0.8]))
    torch.testing.assert_close(normal.covariance_matrix, double([[0.8, -0.8], [-0.8, 0.8]]))
    # Length along the line is sqrt(2) times that along x.
    expected = -0.5 * 0.6**2 / 0.8 - 0.5 * math.log(2 * math.pi * 2 * 0.8)
    assert normal.log_prob(double([1.0, 2.0])).item() == pytest.approx(expected, abs=1e-14)
    assert normal.entropy().item() == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 1.6), abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 2))
def test_density_and_moments_in_a_null_space_basis(seed, redundant):
    A, b, loc, scale, _ = random_case(seed, redundant)
    normal = ConstrainedNormal(double(loc), double(scale), LinearSystem(A, b))
    reference = Reference(A, b, loc, scale)
    z = normal.sample((4,))
    np.testing.assert_allclose(normal.log_prob(z), reference.log_prob(z.numpy()), rtol=1e-8, atol=1e-8)
    mean, covariance = reference.moments()
    np.testing.assert_allclose(normal.mean, mean, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(normal.covariance_matrix, covariance, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(normal.variance, np.diag(covariance), rtol=1e-8, atol=1e-9)
    assert normal.entropy().item() == pytest.approx(float(reference.normal.entropy()), abs=1e-8)


def test_density_is_the_kriging_formula():
    A, b, loc, scale, _ = random_case(7)
    system = LinearSystem(A, b)
    normal = ConstrainedNormal(double(loc), double(scale), system)
    z = normal.sample()
    K = (A * scale**2) @ A.T
    expected = (
        multivariate_normal(loc, np.diag(scale**2)).logpdf(z.numpy())
        - multivariate_normal(A @ loc, K).logpdf(b)
        - 0.5 * np.linalg.slogdet(A @ A.T)[1]
    )
    assert normal.log_prob(z).item() == pytest.approx(expected, abs=1e-11)


def test_units_of_the_laws_do_not_count():
    A, b, loc, scale, _ = random_case(11, redundant=1)
    units = 10.0 ** np.linspace(-9, 9, len(A))
    plain = ConstrainedNormal(double(loc), double(scale), LinearSystem(A, b))
    scaled = ConstrainedNormal(double(loc), double(scale), LinearSystem(A * units[:, None], b * units))
    z = plain.sample((3,))
    torch.testing.assert_close(plain.log_prob(z), scaled.log_prob(scaled.system.project(z)), rtol=1e-9, atol=1e-9)


def test_equal_scales_project():
    A, b, loc, _, _ = random_case(3)
    system = LinearSystem(A, b)
    normal = ConstrainedNormal(double(loc), torch.full_like(double(loc), 0.3), system)
    torch.testing.assert_close(normal.mean, system.project(loc))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]), st.floats(0, 5))
def test_samples_obey_the_laws_to_eight_ulps(seed, dtype, spread):
    A, b, loc, _, rng = random_case(seed, redundant=1)
    scale = 10.0 ** rng.uniform(-spread, spread, len(loc))
    system = LinearSystem(A, b)
    z = ConstrainedNormal(torch.tensor(loc * scale, dtype=dtype), torch.tensor(scale, dtype=dtype), system).rsample(
        (20,)
    )
    assert z.dtype == dtype
    assert system.ulps(z).max() <= 8.0


def test_sample_moments():
    A, b, loc, scale, _ = random_case(5)
    torch.manual_seed(0)
    normal = ConstrainedNormal(double(loc), double(scale), LinearSystem(A, b))
    z = normal.sample((40_000,))
    spread = normal.variance.clamp(min=1e-30).sqrt()
    assert ((z.mean(0) - normal.mean).abs() < 5 * spread / 200 + 1e-12).all()
    torch.testing.assert_close(z.T.cov(), normal.covariance_matrix, rtol=0.1, atol=0.05)


def test_batched_is_a_loop():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(2, 5))
    loc, scale, b = (
        double(rng.normal(size=(3, 1, 5))),
        double(rng.uniform(0.5, 2, (4, 5))),
        double(rng.normal(size=(4, 2))),
    )
    together = ConstrainedNormal(loc, scale, LinearSystem(A, b))
    assert together.batch_shape == (3, 4) and together.event_shape == (5,)
    z = together.sample((2,))
    assert z.shape == (2, 3, 4, 5)
    log_prob = together.log_prob(z)
    assert log_prob.shape == (2, 3, 4)
    for i in range(3):
        for j in range(4):
            alone = ConstrainedNormal(loc[i, 0], scale[j], LinearSystem(A, b[j]))
            torch.testing.assert_close(log_prob[:, i, j], alone.log_prob(z[:, i, j]))
            for moment in ("mean", "variance", "covariance_matrix"):
                torch.testing.assert_close(getattr(together, moment)[i, j], getattr(alone, moment))
            torch.testing.assert_close(together.entropy()[i, j], alone.entropy())


def test_coefficients_per_sample():
    rng = np.random.default_rng(1)
    A, loc = double(rng.normal(size=(6, 2, 4))), double(rng.normal(size=(6, 4)))
    together = ConstrainedNormal(loc, torch.ones(4, dtype=torch.float64), LinearSystem(A))
    z = together.sample((3,))
    for i in range(6):
        alone = ConstrainedNormal(loc[i], torch.ones(4, dtype=torch.float64), LinearSystem(A[i]))
        torch.testing.assert_close(together.log_prob(z)[:, i], alone.log_prob(z[:, i]))


def test_expand():
    A, b, loc, scale, _ = random_case(2)
    normal = ConstrainedNormal(double(loc), double(scale), LinearSystem(A, b))
    wide = normal.expand((2, 3))
    assert wide.batch_shape == (2, 3)
    assert wide.sample((4,)).shape == (4, 2, 3, len(loc))
    z = normal.sample()
    torch.testing.assert_close(wide.log_prob(z), normal.log_prob(z).expand(2, 3))
    assert wide.entropy().shape == (2, 3) and wide.mean.shape == wide.variance.shape == (2, 3, len(loc))


@pytest.mark.parametrize("kappa", [1e4, 1e8])
def test_ill_conditioned_laws(kappa):
    rng = np.random.default_rng(0)
    U, V = np.linalg.qr(rng.normal(size=(4, 4)))[0], np.linalg.qr(rng.normal(size=(9, 4)))[0]
    A = U * np.logspace(0, -np.log10(kappa), 4) @ V.T
    loc, scale = rng.normal(size=9), np.exp(rng.normal(size=9))
    system = LinearSystem(A, A @ rng.normal(size=9))
    normal = ConstrainedNormal(double(loc), double(scale), system)
    z = normal.sample((50,))
    assert system.ulps(z).max() <= 8.0
    # The same laws, orthonormal from the start.
    better = ConstrainedNormal(double(loc), double(scale), LinearSystem(V.T, V.T @ z[0].numpy()))
    torch.testing.assert_close(normal.log_prob(z[0]), better.log_prob(better.system.project(z[0])), atol=1e-6, rtol=0)


def test_scales_of_very_different_size():
    # K is singular in float64: 2e16 + 1 rounds to 2e16. In the weighted laws kappa is 1e8.
    A = double([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    scale = double([1e8, 1e8, 1.0, 1.0])
    normal = ConstrainedNormal(double([0.0] * 4), scale, LinearSystem(A))
    # z3 = z4 follows from the laws, so that together they have variance 1/2.
    torch.testing.assert_close(normal.variance[2:], double([0.5, 0.5]), rtol=1e-6, atol=0)
    assert normal.system.ulps(normal.sample((100,))).max() <= 8.0


def test_support():
    normal = ConstrainedNormal(torch.zeros(2), torch.ones(2), LinearSystem([[1.0, 1.0]], [1.0]))
    assert normal.support.check(torch.tensor([[0.5, 0.5], [0.3, 0.7], [0.5, 0.6]])).tolist() == [True, True, False]
    assert normal.support.event_dim == 1
    assert normal.support.check(normal.sample((100,))).all()


def test_a_value_off_the_laws_is_refused_by_name():
    laws = LinearSystem([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], names=["water", "heat"])
    normal = ConstrainedNormal(torch.zeros(3), torch.ones(3), laws, validate_args=True)
    value = torch.tensor([[1.0, -1.0, 1.0], [1.0, -1.0, 2.0]])
    with pytest.raises(OffSupportError, match=r"Law 'heat' is broken by .* ulps in sample 1 "):
        normal.log_prob(value)
    unchecked = ConstrainedNormal(torch.zeros(3), torch.ones(3), laws, validate_args=False)
    assert torch.isfinite(unchecked.log_prob(value)).all()


def test_no_freedom_left():
    normal = ConstrainedNormal(double([1.0, 1.0]), double([1.0, 2.0]), LinearSystem(np.eye(2), [3.0, 4.0]))
    assert normal.sample().tolist() == [3.0, 4.0]
    assert normal.log_prob(double([3.0, 4.0])).item() == pytest.approx(0.0, abs=1e-15)
    assert normal.entropy().item() == pytest.approx(0.0, abs=1e-15)
    assert normal.variance.abs().max() < 1e-15


def test_float32_follows_float64():
    A, b, loc, scale, _ = random_case(4)
    system = LinearSystem(A, b)
    single = ConstrainedNormal(double(loc).float(), double(scale).float(), system)
    same = ConstrainedNormal(single.loc.double(), single.scale.double(), system)
    z = single.sample((5,))
    assert z.dtype == single.mean.dtype == single.log_prob(z).dtype == single.entropy().dtype == torch.float32
    torch.testing.assert_close(
        single.log_prob(z).double(), same.log_prob(system.project(z.double())), rtol=1e-5, atol=1e-5
    )
    torch.testing.assert_close(single.mean, same.mean.float())


def test_arguments_are_checked():
    law = LinearSystem([[1.0, 1.0]])
    with pytest.raises(ValueError, match="scale"):
        ConstrainedNormal(torch.zeros(2), torch.tensor([1.0, -1.0]), law, validate_args=True)
    with pytest.raises(ShapeError, match="loc and scale"):
        ConstrainedNormal(torch.zeros(3), torch.ones(2), law)
    with pytest.raises(ShapeError, match="loc and scale"):
        ConstrainedNormal(torch.zeros(2), torch.tensor(1.0), law)
    with pytest.raises(ShapeError, match="broadcast"):
        ConstrainedNormal(torch.zeros(3, 2), torch.ones(4, 2), law)
    with pytest.raises(ShapeError, match="value"):
        ConstrainedNormal(torch.zeros(2), torch.ones(2), law, validate_args=True).log_prob(torch.zeros(3))


@pytest.mark.parametrize(
    ("loc", "scale", "says"),
    [
        ([0.0, math.inf], [1.0, 1.0], "mean of 'b' is inf"),
        ([math.nan, 0.0], [1.0, 1.0], "mean of 'a' is nan"),
        ([0.0, 0.0], [math.inf, 1.0], "scale of 'a' is inf"),
        ([[0.0, 0.0]] * 2, [[1.0, 1.0], [1.0, -2.0]], "scale of 'b' is -2 in sample 1"),
    ],
)
def test_the_moment_that_is_wrong_is_named(loc, scale, says):
    law = LinearSystem([[1.0, 1.0]], columns=["a", "b"])
    with pytest.raises(InvalidValueError, match=says):
        ConstrainedNormal(torch.tensor(loc), torch.tensor(scale), law, validate_args=True)


@pytest.mark.parametrize("fixed", [False, True])
def test_an_empty_batch(fixed):
    law = LinearSystem([[1.0, 1.0, 1.0]], [1.0])
    law = law.restrict([True, True, False], torch.zeros(3)) if fixed else law
    spreads = (torch.ones(3), LowRank(torch.ones(3, 1), torch.ones(3)), Full(torch.eye(3)))
    for spread in spreads:
        normal = ConstrainedNormal(torch.zeros(0, 3), spread, law, validate_args=True)
        assert normal.rsample((4,)).shape == (4, 0, 3)
        assert normal.mean.shape == normal.variance.shape == (0, 3)
        assert normal.log_prob(torch.zeros(0, 3)).shape == normal.entropy().shape == (0,)
