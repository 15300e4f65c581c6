"""Gradient estimators against exact gradients: closed forms for the normal, enumeration for discrete laws."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import ConstrainedBernoulli, ConstrainedNormal, ConstrainedPoisson, LinearSystem
from lawful.core.distributions import draw, expected_loss
from lawful.core.errors import InvalidValueError, ShapeError

ESTIMATORS = ("pathwise", "marginal", "score", "straight-through")
COUNT = 4000


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def quadratic(n, seed=0):
    rng = np.random.default_rng(seed)
    Q, c = double(rng.normal(size=(n, n))), double(rng.normal(size=n))
    return lambda z: ((z @ Q) * z).sum(-1) + z @ c


def normal_problem(on_laws):
    system = LinearSystem([[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, 2.0]], [1.0, 0.5])
    loc, scale = double([0.3, -0.2, 0.5, 1.0]), double([1.0, 0.5, 2.0, 0.7])
    return system, system.project(loc) if on_laws else loc, scale


def per_draw(make, parameters, loss, estimator, count=COUNT, samples=4):
    """One independent gradient a row, for each parameter."""
    copies = [p.expand(count, *p.shape).clone().requires_grad_() for p in parameters]
    total = expected_loss(make(*copies), loss, estimator, samples).sum()
    return torch.autograd.grad(total, copies, allow_unused=True, materialize_grads=True)


def assert_mean(gradients, exact):
    error = gradients.std(0) / COUNT**0.5
    assert ((gradients.mean(0) - exact).abs() <= 5 * error + 1e-12).all()


def exact_by_enumeration(make, parameter, values, loss):
    parameter = parameter.clone().requires_grad_()
    mass = make(parameter).log_prob(values).exp()
    return torch.autograd.grad((mass * loss(values)).sum(), parameter)[0]


def discrete(name):
    if name == "bernoulli":
        values = [x for x in itertools.product([0.0, 1.0], repeat=5) if sum(x) == 2]
        return lambda p: ConstrainedBernoulli(p, 2), double([0.5, -1.0, 0.0, 1.0, 0.3]), double(values)
    values = [x for x in itertools.product(range(4), repeat=3) if sum(x) == 3]
    return lambda p: ConstrainedPoisson(p, 3), double([0.5, 1.0, 2.0]), double(values)


@pytest.mark.parametrize("estimator", ["pathwise", "score"])
@pytest.mark.parametrize("on_laws", [True, False])
def test_unbiased_for_the_normal(estimator, on_laws):
    torch.manual_seed(0)
    system, *parameters = normal_problem(on_laws)
    loss = quadratic(4)
    gradients = per_draw(lambda *p: ConstrainedNormal(*p, system), parameters, loss, estimator)
    parameters = [p.clone().requires_grad_() for p in parameters]
    law = ConstrainedNormal(*parameters, system)
    exact = loss(law.mean) + (law.covariance_matrix * hessian(loss)).sum() / 2
    for got, want in zip(gradients, torch.autograd.grad(exact, parameters), strict=True):
        assert_mean(got, want)


def hessian(loss):
    return torch.autograd.functional.hessian(loss, double([0.0] * 4))


@pytest.mark.parametrize("estimator", ["score", "marginal"])
@pytest.mark.parametrize("name", ["bernoulli", "poisson"])
def test_unbiased_for_discrete_laws(name, estimator):
    # The marginal estimator is so where the loss is linear.
    torch.manual_seed(0)
    make, parameter, values = discrete(name)
    c = double(np.random.default_rng(1).normal(size=values.shape[-1]))
    loss = quadratic(values.shape[-1]) if estimator == "score" else (lambda z: z @ c)
    (gradients,) = per_draw(make, [parameter], loss, estimator)
    assert_mean(gradients, exact_by_enumeration(make, parameter, values, loss))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.booleans())
def test_marginal_is_pathwise_in_the_location(seed, on_laws):
    system, loc, scale = normal_problem(on_laws)
    got = []
    for estimator in ("pathwise", "marginal"):
        torch.manual_seed(seed)

        def make(p):
            return ConstrainedNormal(p, scale, system)

        got.append(per_draw(make, [loc], quadratic(4, seed), estimator, count=10)[0])
    torch.testing.assert_close(*got, rtol=1e-10, atol=1e-10)


def test_marginal_learns_no_scale_where_the_location_is_lawful():
    system, loc, scale = normal_problem(on_laws=True)
    (gradients,) = per_draw(lambda p: ConstrainedNormal(loc, p, system), [scale], quadratic(4), "marginal")
    assert gradients.abs().max() < 1e-12
    (pathwise,) = per_draw(lambda p: ConstrainedNormal(loc, p, system), [scale], quadratic(4), "pathwise")
    assert pathwise.mean(0).abs().max() > 0.1


def test_straight_through_passes_the_gradient_of_the_loss():
    system, loc, scale = normal_problem(on_laws=False)
    loc.requires_grad_()
    z = draw(ConstrainedNormal(loc, scale, system), "straight-through", (3,))
    quadratic(4)(z).sum().backward()
    at = z.detach().requires_grad_()
    quadratic(4)(at).sum().backward()
    torch.testing.assert_close(loc.grad, at.grad.sum(0))
    logits = double([0.5, -1.0, 0.0]).requires_grad_()
    draw(ConstrainedBernoulli(logits, 1), "straight-through").sum().backward()
    torch.testing.assert_close(logits.grad, logits.sigmoid().detach() * (1 - logits.sigmoid().detach()))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_values_are_those_of_draws(estimator):
    system, loc, scale = normal_problem(on_laws=False)
    law = ConstrainedNormal(loc.requires_grad_(), scale, system)
    seen = []

    def loss(z):
        seen.append(z.detach())
        return z.square().sum(-1)

    value = expected_loss(law, loss, estimator, samples=5)
    assert (system.ulps(seen[0]) <= 8).all()
    torch.testing.assert_close(value, seen[0].square().sum(-1).mean(0))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_parameters_of_the_loss_get_their_own_gradient(estimator):
    system, loc, scale = normal_problem(on_laws=False)
    weight = double([1.0, 2.0, 3.0, 4.0]).requires_grad_()
    torch.manual_seed(0)
    expected_loss(ConstrainedNormal(loc.requires_grad_(), scale, system), lambda z: z @ weight, estimator).backward()
    torch.manual_seed(0)
    z = ConstrainedNormal(loc.detach(), scale, system).sample((8,))
    torch.testing.assert_close(weight.grad, z.mean(0))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_types(estimator, dtype):
    law = ConstrainedNormal(torch.zeros(3, 4, dtype=dtype, requires_grad=True), torch.ones(4), normal_problem(True)[0])
    if estimator != "score":
        assert draw(law, estimator, (2,)).shape == (2, 3, 4)
    value = expected_loss(law, lambda z: z.square().sum(-1), estimator, samples=6)
    assert value.shape == (3,) and value.dtype == dtype


@pytest.mark.parametrize("whole", [torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_that_are_whole_numbers_count_as_numbers(whole, dtype):
    gradients = []
    for cast in (whole, dtype):
        logits = torch.tensor([0.5, -1.0, 0.0], dtype=dtype, requires_grad=True)
        torch.manual_seed(0)
        value = expected_loss(ConstrainedBernoulli(logits, 1), lambda z, cast=cast: z[..., 0].to(cast), "score")
        assert value.dtype == dtype
        gradients.append(torch.autograd.grad(value, logits)[0])
    assert gradients[0].any() and torch.equal(*gradients)
    system, *parameters = normal_problem(on_laws=True)
    normal = ConstrainedNormal(*(p.to(dtype).requires_grad_() for p in parameters), system)
    for estimator in ("pathwise", "marginal", "straight-through"):
        value = expected_loss(normal, lambda z: (z[..., 0] > 0).to(whole), estimator)
        assert value.dtype == dtype and not value.requires_grad and 0 <= value <= 1


def test_what_does_not_exist_is_refused_with_advice():
    law = ConstrainedBernoulli(torch.zeros(3), 1)
    with pytest.raises(InvalidValueError, match=r"ConstrainedBernoulli is discrete.*'marginal'.*'score'"):
        draw(law, "pathwise")
    with pytest.raises(InvalidValueError, match="expected_loss"):
        draw(law, "score")
    with pytest.raises(InvalidValueError, match="estimator of pathwise, marginal"):
        expected_loss(law, lambda z: z.sum(-1), "reinforce")
    with pytest.raises(InvalidValueError, match="2 samples"):
        expected_loss(law, lambda z: z.sum(-1), "score", samples=1)
    with pytest.raises(ShapeError, match=r"losses of shape \(8,\), one a draw, got \(\)"):
        expected_loss(law, lambda z: z.sum(), "score")


def test_numbers_of_samples_and_losses_that_are_none_are_refused():
    normal = ConstrainedNormal(torch.zeros(2), torch.ones(2), LinearSystem([[1.0, 1.0]]))
    for samples in (0, -1):
        with pytest.raises(InvalidValueError, match="one sample or more"):
            expected_loss(normal, lambda z: z.sum(-1), "pathwise", samples)
    with pytest.raises(InvalidValueError, match="Expected real losses"):
        expected_loss(normal, lambda z: z.sum(-1) * 1j, "score")
    with pytest.raises(ShapeError, match="one a draw, got a float"):
        expected_loss(normal, lambda z: 1.0, "pathwise")
