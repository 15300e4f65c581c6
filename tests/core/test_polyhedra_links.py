"""Links: increasing, inside their bounds, with the derivative and the inverse that belong to them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core.polyhedra import Link

INF = float("inf")
KINDS = {"none": (-INF, INF), "lower": (-2.0, INF), "upper": (-INF, 3.0), "both": (-2.0, 3.0)}


def make_link(kind, scale=0.7):
    lower, upper = KINDS[kind]
    return Link(*(torch.tensor([x], dtype=torch.float64) for x in (lower, upper, scale)))


def column(values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(1e-6, 1e6))
def test_values_are_finite_within_bounds_and_increase(kind, y, scale):
    link = make_link(kind, scale)
    z = link.forward(column(sorted(y)))
    assert z.isfinite().all()
    assert ((z >= link.lower) & (z <= link.upper)).all()
    rounding = 4 * torch.finfo(torch.float64).eps * (z.abs() + 3.0)
    assert (z.diff(dim=0) >= -rounding[1:]).all()


@kinds
def test_strictly_inside_where_float64_can_tell(kind):
    link = make_link(kind)
    z = link.forward(column([-30.0, -1.0, 0.0, 1.0, 30.0]))
    assert ((z > link.lower) & (z < link.upper)).all()


@pytest.mark.parametrize("kind", ["lower", "both"])
def test_distance_from_a_bound_at_zero_keeps_its_relative_precision(kind):
    zero = torch.zeros(1, dtype=torch.float64)
    link = Link(zero, zero + KINDS[kind][1], zero + 1)
    height = 3.0 if kind == "both" else 1.0
    for y in (-40.0, -300.0, -700.0):
        assert link.forward(column([y])).item() == pytest.approx(height * math.exp(y), rel=1e-13)


@kinds
@settings(deadline=None)
@given(st.floats(-40, 40))
def test_derivative_is_that_of_forward(kind, y):
    link = make_link(kind)
    y = column([y]).requires_grad_()
    (slope,) = torch.autograd.grad(link.forward(y).sum(), y)
    derivative = link.derivative(y.detach())
    assert (derivative > 0).all()
    torch.testing.assert_close(derivative, slope, rtol=1e-12, atol=1e-300)
    step = 1e-5
    difference = (link.forward(y.detach() + step) - link.forward(y.detach() - step)) / (2 * step)
    torch.testing.assert_close(derivative, difference, rtol=1e-6, atol=1e-10)


@kinds
@settings(deadline=None)
@given(st.floats(-15, 15), st.floats(1e-3, 1e3))
def test_inverse_undoes_forward(kind, y, scale):
    link = make_link(kind, scale)
    y = column([y])
    torch.testing.assert_close(link.inverse(link.forward(y)), y, rtol=1e-7, atol=1e-7)


@kinds
@settings(deadline=None)
@given(st.floats(0.001, 0.999))
def test_forward_undoes_inverse(kind, share):
    link = make_link(kind)
    z = column([-2 + 5 * share])
    torch.testing.assert_close(link.forward(link.inverse(z)), z, rtol=1e-13, atol=1e-14)


def test_inverse_of_large_values_does_not_overflow():
    link = make_link("lower", 1e-3)
    z = column([1e9])
    torch.testing.assert_close(link.forward(link.inverse(z)), z, rtol=1e-14, atol=0)


@kinds
def test_inverse_on_or_beyond_a_bound_is_not_finite(kind):
    link = make_link(kind)
    for bound, beyond in ((link.lower, -1.0), (link.upper, 1.0)):
        if bound.isfinite().all():
            assert not link.inverse(bound[None]).isfinite().any()
            assert link.inverse(bound[None] + beyond).isnan().all()


def test_some_of_the_variables():
    bounds = torch.tensor(list(KINDS.values()), dtype=torch.float64)
    link = Link(bounds[:, 0], bounds[:, 1], torch.full((4,), 0.7, dtype=torch.float64))
    y = torch.linspace(-3, 3, 8, dtype=torch.float64).reshape(2, 4)
    chosen = torch.tensor([3, 1])
    torch.testing.assert_close(link[chosen].forward(y[:, chosen]), link.forward(y)[:, chosen], rtol=0, atol=0)
    for i, kind in enumerate(KINDS):
        torch.testing.assert_close(link.forward(y)[:, i : i + 1], make_link(kind).forward(y[:, i : i + 1]))
