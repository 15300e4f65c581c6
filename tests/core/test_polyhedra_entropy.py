"""The map between a bounded polyhedron and all of space by the entropy of distances from its limits."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from lawful.core.polyhedra.entropy import EntropyMap

INF = math.inf


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def box(width=1.0):
    """`|s| < width` in two dimensions."""
    return EntropyMap(torch.eye(2).double(), tensor(0, 0), tensor(-width, -width), tensor(width, width))


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
    """`w = (log(1 + s) - log(1 - s))`, whose inverse is `tanh(w / 2)`."""
    line = EntropyMap(tensor([1.0]), tensor(0), tensor(-1), tensor(1))
    w = torch.linspace(-20, 20, 41, dtype=torch.float64)[:, None]
    s, converged = line.solve(w)
    assert converged.all()
    torch.testing.assert_close(s, torch.tanh(w / 2), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(line.inverse(s)[5:36], w[5:36], rtol=1e-6, atol=1e-12)


def test_closed_form_of_a_triangle():
    """`s > 0, t > 0, s + t < 3` around (1, 1): `w = (log s - log u, log t - log u)` with u = 3 - s - t."""
    rows = tensor([1, 0], [0, 1], [1, 1])
    triangle = EntropyMap(rows, tensor(1, 1, 2), tensor(0, 0, -INF), tensor(INF, INF, 3))
    w = 4 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, converged = triangle.solve(w)
    assert converged.all()
    share = torch.cat([w, torch.zeros(100, 1)], 1).softmax(1)
    torch.testing.assert_close(1 + s, 3 * share[:, :2], rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), D=st.integers(1, 6), R=st.integers(0, 12))
def test_there_and_back(seed, D, R):
    limits = random_map(seed, D, R)
    entropy, s = EntropyMap(*limits), points(limits, seed=seed)
    found, converged = entropy.solve(entropy.inverse(s @ limits[0].T))
    assert converged.all()
    torch.testing.assert_close(found, s, rtol=1e-6, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([1.0, 10.0, 100.0, 1e6]))
def test_every_coordinate_has_a_point_inside(seed, size):
    limits = random_map(seed)
    w = size * torch.randn(50, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    s, converged = EntropyMap(*limits).solve(w)
    # Far out limits are nearer than numbers can tell.
    assert converged.all() or size > 1
    assert (s @ limits[0].T < limits[3] + 1e-12).all()
    assert (s @ limits[0].T > limits[2] - 1e-12).all()


def test_coordinates_are_the_gradient_of_the_entropy():
    limits = random_map(4)
    s = points(limits, 20).requires_grad_()
    rows, start, low, high = limits
    below, above = low.isfinite(), high.isfinite()
    values = start + s @ rows.T
    x = torch.cat(
        [
            (values - low)[:, below] / (start - low)[below],
            (high - values)[:, above] / (high - start)[above],
        ],
        1,
    )
    (gradient,) = torch.autograd.grad((x * x.log() - x).sum(), s)
    torch.testing.assert_close(EntropyMap(*limits).inverse(values.detach()), gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [1e-9, 1.0, 1e9])
def test_units_do_not_count(width):
    w = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # In units of the width coordinates are 1 / width times as large.
    s = box(width).solve(w / width)[0]
    torch.testing.assert_close(s / width, box().solve(w)[0], rtol=1e-10, atol=0)


def test_values_on_a_limit_have_coordinates():
    w = box().inverse(tensor([1.0, 0.0], [2.0, 0.0]))
    assert w.isfinite().all()
    assert w[1, 0] > w[0, 0] > 29
    assert (box().solve(w)[0][:, 0] <= 1).all()


def test_what_is_no_number_does_not_converge():
    s, converged = box().solve(tensor([math.nan, 0], [0, INF], [1, 1]))
    assert converged.tolist() == [False, False, True]
    assert s.isfinite().all()


def test_nothing_to_solve():
    none = EntropyMap(torch.zeros(0, 0).double(), tensor(), tensor(), tensor())
    s, converged = none.solve(torch.zeros(4, 0).double())
    assert s.shape == (4, 0) and converged.all()
    assert box().solve(torch.zeros(0, 2).double())[0].shape == (0, 2)
