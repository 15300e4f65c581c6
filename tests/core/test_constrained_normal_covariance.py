"""Low-rank and full covariances, KL divergences and moments, against normal distributions in a null-space basis."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space
from torch.distributions import MultivariateNormal, kl_divergence

from lawful.core import ConstrainedNormal, Full, InvalidValueError, LinearSystem, LowRank, ShapeError

KINDS = ["diagonal", "low rank", "full"]


def case(seed, kind, n=6, m=2):
    """Laws, mean, what is asked of the code under test, and the same covariance as a plain matrix."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(m, n))
    loc, scale = torch.from_numpy(rng.normal(size=n)), torch.from_numpy(np.exp(rng.normal(size=n) / 2))
    factor = torch.from_numpy(rng.normal(size=(n, 2)))
    system = LinearSystem(A, A @ rng.normal(size=n))
    if kind == "diagonal":
        return system, loc, scale, scale.square().diag()
    matrix = factor @ factor.T + scale.square().diag()
    return system, loc, LowRank(factor, scale) if kind == "low rank" else Full.of(matrix), matrix


def in_null_space(system, loc, matrix, free=None, values=None):
    """The conditional normal of z = point + N t by plain algebra: of t, and the basis and the point."""
    n = len(loc)
    rows = torch.cat([system.A, torch.eye(n, dtype=torch.float64)[~free]]) if free is not None else system.A
    target = torch.cat([system.b, values[~free]]) if free is not None else system.b
    N = torch.from_numpy(null_space(rows.numpy()))
    point = torch.linalg.lstsq(rows, target.unsqueeze(-1), driver="gelsd").solution.squeeze(-1)
    precision = torch.linalg.inv(matrix)
    covariance = torch.linalg.inv(N.T @ precision @ N)
    mean = covariance @ N.T @ precision @ (loc - point)
    return MultivariateNormal(mean, covariance), N, point


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_density_and_moments_in_a_null_space_basis(seed, kind):
    system, loc, spread, matrix = case(seed, kind)
    normal = ConstrainedNormal(loc, spread, system)
    reference, N, point = in_null_space(system, loc, matrix)
    z = normal.sample((4,))
    assert system.ulps(z).max() <= 8.0
    torch.testing.assert_close(normal.log_prob(z), reference.log_prob((z - point) @ N), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(normal.mean, point + N @ reference.mean, rtol=1e-8, atol=1e-9)
    covariance = N @ reference.covariance_matrix @ N.T
    torch.testing.assert_close(normal.covariance_matrix, covariance, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(normal.variance, covariance.diagonal(), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(normal.entropy(), reference.entropy(), rtol=1e-8, atol=1e-8)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(KINDS))
def test_given_values_condition_correlated_variables(seed, kind):
    system, loc, spread, matrix = case(seed, kind)
    free = torch.tensor([True, True, False, True, True, True])
    values = torch.full((6,), 0.7, dtype=torch.float64)
    normal = ConstrainedNormal(loc, spread, system.restrict(free, values))
    reference, N, point = in_null_space(system, loc, matrix, free, values)
    z = normal.sample((4,))
    assert (z[:, 2] == 0.7).all()
    torch.testing.assert_close(normal.mean, point + N @ reference.mean, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(normal.covariance_matrix, N @ reference.covariance_matrix @ N.T, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(normal.log_prob(z), reference.log_prob((z - point) @ N), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_mean_and_the_covariance(kind):
    system, loc, spread, _ = case(5, kind)
    torch.manual_seed(0)
    normal, count = ConstrainedNormal(loc, spread, system), 40_000
    z = normal.sample((count,))
    deviations, C = normal.variance.sqrt(), normal.covariance_matrix
    # Six standard errors each: of a mean, and of a covariance of normal variables.
    assert ((z.mean(0) - normal.mean).abs() <= 6 * deviations / math.sqrt(count)).all()
    error = ((C.square() + torch.outer(normal.variance, normal.variance)) / count).sqrt()
    assert ((z.T.cov() - C).abs() <= 6 * error).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_kl_is_that_in_a_null_space_basis(seed, kind, other):
    system, loc, spread, matrix = case(seed, kind)
    _, other_loc, other_spread, other_matrix = case(seed + 1, other)
    p, q = ConstrainedNormal(loc, spread, system), ConstrainedNormal(other_loc, other_spread, system)
    reference = kl_divergence(in_null_space(system, loc, matrix)[0], in_null_space(system, other_loc, other_matrix)[0])
    torch.testing.assert_close(kl_divergence(p, q), reference, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(kl_divergence(p, p), torch.zeros(()).double(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_kl_is_the_mean_of_log_ratios(kind):
    system, loc, spread, _ = case(3, kind)
    p, q = ConstrainedNormal(loc, spread, system), ConstrainedNormal(loc + 0.3, torch.ones(6).double(), system)
    torch.manual_seed(0)
    z = p.sample((20_000,))
    ratios = p.log_prob(z) - q.log_prob(z)
    assert (ratios.mean() - kl_divergence(p, q)).abs() <= 6 * ratios.std() / math.sqrt(len(z))


def test_kl_in_batches_and_with_fixed_variables():
    system, loc, scale, _ = case(4, "diagonal")
    scales = scale * torch.tensor([[1.0], [2.0], [0.5]])
    scales[:, 1] = 0.0
    p, q = ConstrainedNormal(loc, scales, system), ConstrainedNormal(loc, scales[:1] / 2, system)
    together = kl_divergence(p, q)
    assert together.shape == (3,)
    for i in range(3):
        alone = kl_divergence(ConstrainedNormal(loc, scales[i], system), ConstrainedNormal(loc, scales[0] / 2, system))
        torch.testing.assert_close(together[i], alone)


def test_kl_between_different_laws_is_refused():
    system, loc, scale, _ = case(0, "diagonal")
    p = ConstrainedNormal(loc, scale, system)
    for q in (
        ConstrainedNormal(loc, scale, LinearSystem(system.A, system.b + 1)),
        ConstrainedNormal(loc, torch.where(torch.arange(6) == 2, 0.0, scale), system),
    ):
        with pytest.raises(InvalidValueError, match="different laws"):
            kl_divergence(p, q)


@pytest.mark.parametrize("fixed", [[], [3]])
@pytest.mark.parametrize("kind", ["low rank", "full"])
def test_gradients(kind, fixed):
    system, loc, spread, matrix = case(1, kind)
    if fixed:
        system = system.restrict(torch.tensor([i not in fixed for i in range(6)]), torch.zeros(6))
    z = ConstrainedNormal(loc, spread, system).sample()
    parts = [spread._factor, spread._scale] if kind == "low rank" else [torch.linalg.cholesky(matrix)]

    other = ConstrainedNormal(torch.zeros(6).double(), torch.ones(6).double(), system, validate_args=False)

    def quantities(loc, *parts):
        torch.manual_seed(1)
        spread = LowRank(*parts) if kind == "low rank" else Full(parts[0])
        normal = ConstrainedNormal(loc, spread, system, validate_args=False)
        divergence = kl_divergence(normal, other)
        return normal.rsample((2,)), normal.mean, normal.variance, normal.entropy(), normal.log_prob(z), divergence

    assert torch.autograd.gradcheck(quantities, [x.clone().requires_grad_() for x in (loc, *parts)])


def test_gradient_of_the_kl_divergence():
    system, loc, scale, _ = case(2, "diagonal")
    q = ConstrainedNormal(loc * 2, torch.ones(6).double(), system)

    def divergence(loc, scale):
        return kl_divergence(ConstrainedNormal(loc, scale, system), q)

    batch = torch.stack([scale, scale * 2]).requires_grad_()
    assert torch.autograd.gradcheck(divergence, (loc.clone().requires_grad_(), batch))


@pytest.mark.parametrize("kind", ["low rank", "full"])
def test_batches_are_loops_and_float32_is_float32(kind):
    system, loc, _, _ = case(6, kind)
    spreads = [case(seed, kind)[2] for seed in (6, 7, 8)]
    if kind == "full":
        together = Full(torch.stack([spread._tril for spread in spreads]))
    else:
        together = LowRank(torch.stack([s._factor for s in spreads]), torch.stack([s._scale for s in spreads]))
    normal = ConstrainedNormal(loc, together, system)
    assert normal.batch_shape == (3,)
    z = normal.sample((2,))
    wide = normal.expand((2, 3))
    assert wide.sample().shape == (2, 3, 6) and wide.variance.shape == (2, 3, 6)
    for i, spread in enumerate(spreads):
        alone = ConstrainedNormal(loc, spread, system)
        torch.testing.assert_close(normal.log_prob(z)[:, i], alone.log_prob(z[:, i]))
        torch.testing.assert_close(normal.covariance_matrix[i], alone.covariance_matrix)
    scale_tril = Full.of(case(6, kind)[3].float())
    single = ConstrainedNormal(loc.float(), scale_tril, system)
    assert single.sample((3,)).dtype == torch.float32
    assert system.ulps(single.sample((100,))).max() <= 8.0


def test_variables_that_do_not_vary():
    system, loc, _, matrix = case(9, "full")
    still = torch.tensor([True, True, False, True, True, True])
    matrix = matrix * still * still.unsqueeze(-1)
    normal = ConstrainedNormal(loc, Full.of(matrix), system)
    z = normal.sample((5,))
    assert (z[:, 2] == loc[2]).all() and system.ulps(z).max() <= 8.0
    assert normal.variance[2] == 0.0
    factor = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).double() * still.unsqueeze(-1)
    low = ConstrainedNormal(loc, LowRank(factor, still.double()), system)
    same = ConstrainedNormal(loc, Full.of(factor @ factor.T + still.double().diag()), system)
    torch.testing.assert_close(low.log_prob(z), same.log_prob(z))
    torch.testing.assert_close(low.covariance_matrix, same.covariance_matrix)


def test_bad_covariances_are_refused():
    with pytest.raises(ShapeError, match="factor"):
        LowRank(torch.zeros(3, 2), torch.ones(4))
    with pytest.raises(InvalidValueError, match="Variable 1 has a factor but a scale of zero"):
        LowRank(torch.ones(3, 2), torch.tensor([1.0, 0.0, 1.0]))
    with pytest.raises(ShapeError, match="scale_tril"):
        Full(torch.zeros(3, 2))
    with pytest.raises(InvalidValueError, match="positive diagonal"):
        Full(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    with pytest.raises(InvalidValueError, match="positive definite"):
        Full.of(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))


def test_factors_and_scales_that_make_no_covariance_are_refused():
    factor, nothing = torch.ones(2, 1), torch.full((2, 1), torch.nan)
    for one, scale, says in (
        (factor, [1.0, -1.0], "scale of 'variable 1' is -1: expected zero or more"),
        (factor, [1.0, torch.nan], "scale of 'variable 1' is nan"),
        (nothing, [1.0, 1.0], "factor of variable 0 is not finite"),
    ):
        with pytest.raises(InvalidValueError, match=says):
            LowRank(one, torch.tensor(scale))
    for shape in ((3,), (3, 2)):
        with pytest.raises(ShapeError, match=r"\(\.\.\., n, n\)"):
            Full.of(torch.ones(shape))


def test_no_factor_is_a_diagonal():
    law, z = LinearSystem(torch.ones(1, 3)), torch.tensor([1.0, 0.0, -1.0])
    plain = ConstrainedNormal(torch.zeros(3), torch.ones(3), law)
    without = ConstrainedNormal(torch.zeros(3), LowRank(torch.ones(3, 0), torch.ones(3)), law)
    torch.testing.assert_close(without.log_prob(z), plain.log_prob(z))


UNEQUAL = torch.tensor([[3.0, 5.0, 0.0, 0.0], [0.0, 0.0, 7.0, 1.0]], dtype=torch.float64)


def of_kind(kind, *batch):
    factor = torch.randn(*batch, 4, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    scale = torch.tensor([1.0, 0.5, 2.0, 1.0], dtype=torch.float64).expand(*batch, 4)
    if kind == "diagonal":
        return scale
    matrix = factor @ factor.mT + torch.diag_embed(scale.square())
    return LowRank(factor, scale) if kind == "low rank" else Full.of(matrix)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [(), (3,)])
def test_laws_that_are_kept_sparse_have_the_densities_and_moments_of_dense_ones(kind, batch):
    dense, kept = (LinearSystem(A, [1.0, 2.0]) for A in (UNEQUAL, UNEQUAL.to_sparse()))
    assert kept.structure == "disjoint"
    loc = torch.zeros(4, dtype=torch.float64)
    p, q = (ConstrainedNormal(loc, of_kind(kind, *batch), system) for system in (dense, kept))
    torch.testing.assert_close(q.log_prob(p.mean), p.log_prob(p.mean))
    torch.testing.assert_close(q.entropy(), p.entropy())
    torch.testing.assert_close(q.covariance_matrix, p.covariance_matrix)


@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_kl_on_laws_that_are_kept_sparse(one, other):
    loc = torch.linspace(0, 1, 4, dtype=torch.float64)
    systems = [[LinearSystem(A, [1.0, 2.0]) for _ in range(2)] for A in (UNEQUAL, UNEQUAL.to_sparse())]
    dense, kept = (
        kl_divergence(ConstrainedNormal(loc, of_kind(one, 3), p), ConstrainedNormal(-loc, of_kind(other), q))
        for p, q in systems
    )
    torch.testing.assert_close(kept, dense)
    different = ConstrainedNormal(loc, of_kind(other), LinearSystem(2 * UNEQUAL.to_sparse(), [1.0, 2.0]))
    with pytest.raises(InvalidValueError, match="different laws"):
        kl_divergence(ConstrainedNormal(loc, of_kind(one), systems[1][0]), different)


def test_kl_of_batches_that_do_not_fit_is_refused():
    loc = torch.zeros(4, dtype=torch.float64)
    system = LinearSystem(UNEQUAL)
    p, q = (ConstrainedNormal(loc, of_kind("diagonal", count), system) for count in (2, 3))
    with pytest.raises(ShapeError, match="do not broadcast"):
        kl_divergence(p, q)


@pytest.mark.parametrize("place", [(2, 0), (1, 1)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_factors_that_are_not_finite_are_refused(place, value):
    tril = torch.eye(3, dtype=torch.float64)
    tril[place] = value
    with pytest.raises(InvalidValueError, match="scale_tril of numbers"):
        Full(tril)
