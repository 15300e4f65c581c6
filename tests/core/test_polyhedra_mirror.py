"""The mirror map: on the laws, inside the bounds, equal to what it generalises, and honest about failure."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize, root

from lawful.core import LinearSystem
from lawful.core.polyhedra import Link, MirrorMap

INF = float("inf")


def tensor(values):
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def mirror_map(A, y, b, link, **options):
    return MirrorMap(A, link).solve(y, b, **options)


def multipliers(A, y, link, solution):
    return torch.linalg.lstsq((A * link.unit).T, (solution.u - y).T).solution.T


def random_case(seed, batch=6, spread=1.0, bounded=None):
    """Laws of full row rank, links of every kind (or of two bounds), and right-hand sides of inner points."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 9))
    m = int(rng.integers(1, n - 1))
    kind = rng.integers(0, 4, n) if bounded is None else np.full(n, bounded)
    lower, upper = np.where(kind % 2 == 1, rng.normal(size=n), -INF), np.full(n, INF)
    upper = np.where(kind >= 2, np.where(kind == 3, lower, 0.0) + rng.uniform(0.5, 3, n), INF)
    link = Link(tensor(lower), tensor(upper), tensor(10.0 ** rng.uniform(-1, 1, n)))
    A = tensor(rng.normal(size=(m, n)))
    b = link.forward(tensor(rng.normal(size=(batch, n)))) @ A.T
    return A, tensor(spread * rng.normal(size=(batch, n))), b, link, rng


def assert_solves(A, b, link, solution, tol=1e-11):
    z = solution.z
    size = z.abs() @ A.abs().T + b.abs()
    assert solution.converged.all()
    assert ((z @ A.T - b).abs() <= tol * size).all()
    assert ((z >= link.lower) & (z <= link.upper)).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 1.0, 3.0]))
def test_on_the_laws_and_inside_the_bounds(seed, spread):
    A, y, b, link, _ = random_case(seed, spread=spread)
    solution = mirror_map(A, y, b, link)
    assert_solves(A, b, link, solution)
    torch.testing.assert_close(link.forward(solution.u), solution.z, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        y + multipliers(A, y, link, solution) @ (A * link.unit), solution.u, rtol=1e-9, atol=1e-9
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_y_counts_only_modulo_the_row_space(seed):
    A, y, b, link, rng = random_case(seed)
    first = mirror_map(A, y, b, link)
    moved = mirror_map(A, y + tensor(rng.normal(size=b.shape)) @ (A * link.unit), b, link)
    assert first.converged.all()
    assert moved.converged.all()
    torch.testing.assert_close(first.z, moved.z, rtol=1e-7, atol=1e-8)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_points_on_the_laws_stay_where_they_are(seed):
    A, y, _, link, _ = random_case(seed)
    z = link.forward(y)
    torch.testing.assert_close(mirror_map(A, y, z @ A.T, link).z, z, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_linear_links_project_with_their_scales_as_standard_deviations(seed):
    A, y, b, link, _ = random_case(seed, bounded=0)
    solution = mirror_map(A, y, b, link)
    for k in range(len(y)):
        expected = LinearSystem(A, b[k]).project(link.scale * y[k], weights=link.scale.square())
        torch.testing.assert_close(solution.z[k], expected, rtol=1e-8, atol=1e-9)


def test_far_out_softplus_links_make_a_softmax():
    # softplus(y) tends to exp(y) far below zero, which large scales enforce.
    y = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    link = Link(torch.zeros(7).double(), torch.full((7,), INF).double(), torch.full((7,), 1e9).double())
    solution = mirror_map(torch.ones(1, 7).double(), y, torch.ones(50, 1).double(), link)
    torch.testing.assert_close(solution.z, y.softmax(-1), rtol=1e-7, atol=0)


def test_marginal_of_poisson_rates_given_disjoint_sums():
    rates = tensor([[1.0, 2.0, 5.0, 0.1, 0.3], [4.0, 4.0, 0.5, 1e-3, 9.0]])
    A = tensor([[1, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    link = Link(torch.zeros(5).double(), torch.full((5,), INF).double(), torch.full((5,), 1e12).double())
    counts = tensor([[6.0, 2.0], [1.0, 30.0]])
    z = mirror_map(A, rates.log(), counts, link).z
    expected = rates * ((counts / (rates @ A.T)) @ A)
    torch.testing.assert_close(z, expected, rtol=1e-9, atol=0)


def test_a_scaled_down_law_and_variable_give_the_same_point():
    A, y, b, link, _ = random_case(3)
    rows = 10.0 ** tensor(np.linspace(-9, 9, len(A)))
    z, scaled = mirror_map(A, y, b, link).z, mirror_map(A * rows[:, None], y, b * rows, link)
    assert scaled.converged.all()
    torch.testing.assert_close(scaled.z, z, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_agrees_with_scipy_on_the_equations(seed):
    A, y, b, link, _ = random_case(seed, batch=1)

    def residual(nu):
        return (link.forward(y + tensor(nu)[None] @ (A * link.unit)) @ A.T - b)[0].numpy()

    solution = mirror_map(A, y, b, link)
    start = multipliers(A, y, link, solution)[0].numpy() + 0.3 / (A * link.unit).norm(dim=1).numpy()
    reference = root(residual, start, method="lm", tol=1e-13)
    expected = link.forward(y + tensor(reference.x)[None] @ (A * link.unit))
    torch.testing.assert_close(solution.z, expected, atol=1e-6, rtol=1e-6)


def test_is_the_minimum_of_the_dual_found_by_scipy():
    """The objective is integrated numerically here, while the map looks at slopes only."""
    lower, upper, scale = tensor([0, -INF, -1, -INF]), tensor([INF, 2, 1, INF]), tensor([0.5, 2, 1, 1])
    link = Link(lower, upper, scale)
    A, y = tensor([[1, 1, 1, 0], [0, 1, -1, 2]]), tensor([[0.3, -1, 0.5, 0.2]])
    b = tensor([[1.0, 0.5]])

    def objective(nu):
        ends = (y + tensor(nu)[None] @ (A * link.unit))[0]
        parts = [
            quad(lambda t, i=i: link.forward(torch.full((1, 4), t).double())[0, i].item(), 0.0, end.item())[0]
            / link.unit[i].item()
            for i, end in enumerate(ends)
        ]
        return sum(parts) - float(b[0].numpy() @ nu)

    best = minimize(objective, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-13})
    solution = mirror_map(A, y, b, link)
    np.testing.assert_allclose(multipliers(A, y, link, solution)[0].numpy(), best.x, atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_derivative_is_that_of_the_implicit_function(seed):
    A, y, b, link, _ = random_case(seed, batch=1)
    solution = mirror_map(A, y, b, link, tol=1e-14)
    D, U = torch.diag(link.derivative(solution.u)[0]), torch.diag(link.unit)
    expected = D - D @ U @ A.T @ torch.linalg.solve(A @ D @ U @ A.T, A @ D)
    h = 1e-5
    steps = h * torch.eye(y.shape[1], dtype=torch.float64)
    ends = [mirror_map(A, y + sign * steps, b.expand(len(steps), -1), link, tol=1e-14).z for sign in (1, -1)]
    difference = ((ends[0] - ends[1]) / (2 * h)).T
    scale = expected.abs().max()
    torch.testing.assert_close(difference / scale, expected / scale, atol=2e-5, rtol=0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([5.0, 10.0, 30.0]))
def test_near_saturated_y_is_solved_all_the_same(seed, spread):
    A, y, b, link, _ = random_case(seed, spread=spread, bounded=3)
    assert_solves(A, b, link, mirror_map(A, y, b, link))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.9, 0.99])
@pytest.mark.parametrize("y", [-800.0, -100.0, -20.0, -5.0, 5.0, 20.0, 100.0, 800.0])
def test_one_saturated_variable_finds_its_way_back(share, y):
    link = Link(*(tensor([x]) for x in (0.0, 1.0, 1.0)))
    solution = mirror_map(tensor([[1.0]]), tensor([[y]]), tensor([[share]]), link)
    assert solution.converged.all()
    assert solution.z.item() == pytest.approx(share, rel=1e-10)


def test_tiny_distances_from_bounds_survive():
    link = Link(*(tensor([x] * 3) for x in (0.0, 100.0, 1.0)))
    solution = mirror_map(tensor([[1, 1, 1]]), tensor([[0.0, 1.0, -60.0]]), tensor([[100.0]]), link)
    assert solution.converged.all()
    assert 0 < solution.z[0, 2] < 1e-22


def test_last_step_leaves_rounding_only():
    A, y, b, link, _ = random_case(11, batch=200)
    z = mirror_map(A, y, b, link).z
    residual = (z @ A.T - b).abs() / (z.abs() @ A.abs().T + b.abs())
    assert residual.quantile(0.9) < 1e-15
    assert residual.max() < 1e-13


@pytest.mark.parametrize("laws", [1, 2, 3])  # few by a Gram matrix of the laws, many by moves that keep them
def test_second_derivatives(laws):
    A = tensor(np.random.default_rng(laws).normal(size=(laws, 4)))
    link = Link(tensor([0, -INF, 0, -INF]), tensor([INF, 1, 2, INF]), tensor([1, 0.5, 1, 2]))
    y = tensor(np.random.default_rng(0).normal(size=(2, 4)))
    b = (link.forward(0.5 * y) @ A.T).requires_grad_()

    def solve(y, b):
        return mirror_map(A, y, b, link, tol=1e-14).z

    assert torch.autograd.gradcheck(lambda y, b: mirror_map(A, y, b, link, tol=1e-14).u, (y.requires_grad_(), b))
    assert torch.autograd.gradgradcheck(solve, (y, b), atol=1e-4)


def test_second_derivatives_far_out():
    # Beside a slope of 1e-300 another variable takes all: nothing bends.
    link, y = Link(tensor([0, 0]), tensor([INF, INF]), tensor([1, 1])), tensor([[-800, 1]]).requires_grad_()
    z = mirror_map(tensor([[1, 1]]), y, tensor([[2]]), link).z
    (gradient,) = torch.autograd.grad(z[0, 1], y, create_graph=True)
    assert torch.autograd.grad(gradient.sum(), y)[0].abs().max() < 1e-12


def test_a_matrix_for_each_sample():
    _, y, _, link, rng = random_case(5, batch=9)
    A = tensor(rng.normal(size=(9, 2, y.shape[1])))
    b = (A @ link.forward(tensor(rng.normal(size=y.shape)))[..., None]).squeeze(-1)
    together = mirror_map(A, y, b, link)
    assert together.converged.all()
    for k in range(9):
        alone = mirror_map(A[k], y[k : k + 1], b[k : k + 1], link)
        torch.testing.assert_close(together.z[k : k + 1], alone.z, rtol=1e-9, atol=1e-10)


def test_no_laws_and_no_samples():
    _, y, _, link, _ = random_case(0)
    solution = mirror_map(y.new_zeros(0, y.shape[1]), y, y.new_zeros(len(y), 0), link)
    assert solution.converged.all()
    torch.testing.assert_close(solution.z, link.forward(y), rtol=1e-14, atol=1e-14)
    assert mirror_map(y.new_ones(1, y.shape[1]), y[:0], y.new_zeros(0, 1), link).z.shape == (0, y.shape[1])


@pytest.mark.parametrize(
    ("lower", "upper", "total"),
    [(0.0, INF, -1.0), (0.0, INF, 0.0), (0.0, 1.0, 3.5), (0.0, 1.0, -0.5), (-INF, 2.0, 7.0), (1.0, 2.0, 2.9)],
)
def test_an_empty_interior_is_reported(lower, upper, total):
    link = Link(*(tensor([x] * 3) for x in (lower, upper, 1.0)))
    y = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    solution = mirror_map(tensor([[1, 1, 1]]), y, torch.full((20, 1), total, dtype=torch.float64), link)
    assert not solution.converged.any()


def test_one_hopeless_sample_does_not_disturb_the_others():
    A, y, b, link, _ = random_case(7, bounded=3)
    alone = mirror_map(A, y, b, link).z
    b[2], y[4, 0] = 1e6, torch.nan
    solution = mirror_map(A, y, b, link)
    assert solution.converged.tolist() == [True, True, False, True, False, True]
    kept = solution.converged
    torch.testing.assert_close(solution.z[kept], alone[kept], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("least", [1e-5, 1e-14, 1e-25, 1e-60])
def test_gradients_of_dual_points_in_corners(least):
    """`du = N (N' H^-1 N)^-1 N' H^-1 dy`, which tends to (1, -1, 1) for the first as its slope vanishes."""
    A = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    lower, upper = torch.tensor([[0.0, -torch.inf, -torch.inf], [1.0, torch.inf, torch.inf]], dtype=torch.float64)
    link = Link(lower, upper, torch.ones(3, dtype=torch.float64))
    u = torch.tensor([[math.log(least), 0.5, -0.5]], dtype=torch.float64)
    y = u.clone().requires_grad_()
    found = MirrorMap(A, link).solve(y, link.forward(u) @ A.mT)
    (gradient,) = torch.autograd.grad(found.u[0, 0], y)
    torch.testing.assert_close(gradient, torch.tensor([[1.0, -1.0, 1.0]], dtype=torch.float64), rtol=1e-4, atol=0)
