"""The map between a bounded polyhedron and all of space by links of distances from its limits."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.autograd.functional import jacobian

from lawful.core.polyhedra.limits import LimitsMap

INF = math.inf


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def box(width=1.0):
    """`|s| < width` in two dimensions."""
    return LimitsMap(torch.eye(2).double(), tensor(0, 0), tensor(-width, -width), tensor(width, width))


def random_map(seed, D=3, R=8):
    """A bounded set around zero: random limits, and a box far outside."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.cat([torch.randn(R, D, generator=g, dtype=torch.float64), torch.eye(D).double()])
    high = torch.cat([0.1 + torch.rand(R, generator=g, dtype=torch.float64), torch.full((D,), 5.0).double()])
    low = torch.cat([torch.full((R,), -INF).double(), torch.full((D,), -5.0).double()])
    return rows, torch.zeros(R + D).double(), low, high


def points(limits, count=200, seed=0):
    """Inside, up to very close to a limit."""
    rows, _, low, high = limits
    g = torch.Generator().manual_seed(seed)
    s = torch.randn(count, rows.shape[1], generator=g, dtype=torch.float64)
    change = s @ rows.T
    reach = torch.where(change > 0, high, low).div(change).amin(1, keepdim=True)
    return s * reach * (1 - 10.0 ** (-6 * torch.rand(count, 1, generator=g, dtype=torch.float64)))


def test_closed_form_of_a_segment():
    """`h(x) = (1 - e^-c) log(e^(c x) - 1) / c`, and `w = h(1 + s) - h(1 - s)`."""
    c = 2.0
    line = LimitsMap(tensor([1.0]), tensor(0), tensor(-1), tensor(1), c)
    s = torch.linspace(-0.999, 0.999, 41, dtype=torch.float64)[:, None]
    w = (1 - math.exp(-c)) / c * (torch.expm1(c * (1 + s)).log() - torch.expm1(c * (1 - s)).log())
    torch.testing.assert_close(line.inverse(s), w, rtol=1e-12, atol=1e-14)
    found, converged = line.solve(w)
    assert converged.all()
    torch.testing.assert_close(found, s, rtol=1e-11, atol=1e-13)


def test_closed_form_of_a_triangle():
    """`s > 0, t > 0, s + t < 3` around (1, 1): logarithms of parts, in the limit, are log-ratios of a composition."""
    rows = tensor([1, 0], [0, 1], [1, 1])
    triangle = LimitsMap(rows, tensor(1, 1, 2), tensor(0, 0, -INF), tensor(INF, INF, 3), 1e-9)
    w = 4 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, converged = triangle.solve(w)
    assert converged.all()
    share = torch.cat([w, torch.zeros(100, 1)], 1).softmax(1)
    torch.testing.assert_close(1 + s, 3 * share[:, :2], rtol=1e-6, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), D=st.integers(1, 6), R=st.integers(0, 12), c=st.sampled_from([0.1, 1.0, 5.0]))
def test_there_and_back(seed, D, R, c):
    limits = random_map(seed, D, R)
    mapped, s = LimitsMap(*limits, c), points(limits, seed=seed)
    found, converged = mapped.solve(mapped.inverse(s @ limits[0].T))
    assert converged.all()
    torch.testing.assert_close(found, s, rtol=1e-6, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1.0, 10.0, 100.0, 1e6]))
def test_every_coordinate_has_a_point_inside(seed, size):
    limits = random_map(seed)
    w = size * torch.randn(50, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    s, converged = LimitsMap(*limits).solve(w)
    # Far out limits are nearer than numbers can tell.
    assert converged.all() or size > 1
    assert (s @ limits[0].T < limits[3] + 1e-12).all()
    assert (s @ limits[0].T > limits[2] - 1e-12).all()


@pytest.mark.parametrize("sharpness", [0.125, 1.0, 4.0])
def test_the_volume_is_that_of_the_derivative(sharpness):
    limits = random_map(4)
    s, mapped = points(limits, 20), LimitsMap(*limits, sharpness)
    J = torch.stack([jacobian(lambda t: mapped.inverse((t @ limits[0].T)[None])[0], each) for each in s])
    torch.testing.assert_close(J, J.mT, rtol=1e-9, atol=1e-9)
    assert (torch.linalg.eigvalsh(J) > 0).all()
    torch.testing.assert_close(mapped.log_det(s @ limits[0].T), torch.logdet(J), rtol=1e-9, atol=1e-9)


def test_at_the_centre_a_step_is_a_step_of_the_barrier():
    """Whatever the sharpness, the derivative there is `L' L`."""
    rows, start, low, high = random_map(4)
    below, above = low.isfinite(), high.isfinite()
    L = torch.cat([rows[below] / (start - low)[below, None], -rows[above] / (high - start)[above, None]])
    for sharpness in (0.1, 1.0, 10.0):
        mapped = LimitsMap(rows, start, low, high, sharpness)
        J = jacobian(lambda t, e=mapped: e.inverse((t @ rows.T)[None])[0], torch.zeros(3).double())
        torch.testing.assert_close(J, L.T @ L, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [1e-9, 1.0, 1e9])
def test_units_do_not_count(width):
    w = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # In units of the width coordinates are 1 / width times as large.
    s = box(width).solve(w / width)[0]
    torch.testing.assert_close(s / width, box().solve(w)[0], rtol=1e-10, atol=0)


def test_values_on_a_limit_have_coordinates():
    w = box().inverse(tensor([1.0, 0.0], [2.0, 0.0]))
    assert w.isfinite().all()
    assert w[1, 0] > w[0, 0] > 18
    assert (box().solve(w)[0][:, 0] <= 1).all()


def test_what_is_no_number_does_not_converge():
    s, converged = box().solve(tensor([math.nan, 0], [0, INF], [1, 1]))
    assert converged.tolist() == [False, False, True]
    assert s.isfinite().all()


def test_nothing_to_solve():
    none = LimitsMap(torch.zeros(0, 0).double(), tensor(), tensor(), tensor())
    s, converged = none.solve(torch.zeros(4, 0).double())
    assert s.shape == (4, 0) and converged.all()
    assert box().solve(torch.zeros(0, 2).double())[0].shape == (0, 2)
