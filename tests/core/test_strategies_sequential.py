"""`Sequential`: its clamps against linear programmes, and the cases in which other constraint layers fail."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from strategy_cases import CASES, double, polyhedron

from lawful.core import InvalidValueError, LinearSystem
from lawful.core.polyhedra import InfeasibleError
from lawful.core.strategies import Sequential, elimination


def by_linear_programmes(A, b, C, d, lower, upper, y, order):
    """Each variable in turn, clamped to the least and greatest value that some completion has."""
    bounds = [
        (lo if np.isfinite(lo) else None, hi if np.isfinite(hi) else None) for lo, hi in zip(lower, upper, strict=True)
    ]
    for i in order:
        ends = []
        for sign in (1, -1):
            cost = np.zeros(len(y))
            cost[i] = sign
            found = linprog(cost, A_ub=C, b_ub=d, A_eq=A, b_eq=b, bounds=bounds, method="highs")
            ends.append(sign * found.fun if found.status == 0 else -sign * np.inf)
        value = min(max(y[i], ends[0]), ends[1])
        bounds[i] = (value, value)
    return np.array([low for low, _ in bounds])


def random_constraints(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 7))
    A = rng.integers(-2, 3, (int(rng.integers(1, n - 1)), n)).astype(float)
    C = rng.integers(-1, 2, (int(rng.integers(0, 3)), n)).astype(float)
    inner = rng.uniform(0.2, 2, n)
    lower = np.where(rng.random(n) < 0.7, 0.0, -np.inf)
    upper = np.where(rng.random(n) < 0.3, inner + 1, np.inf)
    system = LinearSystem(A, A @ inner)
    bounded = polyhedron(system, lower, upper, C, C @ inner + rng.uniform(0, 1, len(C)))
    return bounded, inner + 2 * rng.normal(size=(3, n)), rng.permutation(n).tolist()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_each_variable_keeps_what_can_be_completed(seed):
    bounded, y, order = random_constraints(seed)
    z = Sequential(bounded, order).apply(double(y))
    assert bounded.contains(z).all()
    system = bounded.system
    for got, raw in zip(z.numpy(), y, strict=True):
        want = by_linear_programmes(
            system.A.numpy(),
            system.b.numpy(),
            bounded.inequalities.C.numpy(),
            bounded.inequalities.d.numpy(),
            bounded.bounds.lower.numpy(),
            bounded.bounds.upper.numpy(),
            raw,
            order,
        )
        np.testing.assert_allclose(got, want, atol=2e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]), st.sampled_from([1e-9, 1.0, 1e6]))
def test_lawful_in_both_precisions_at_any_scale(seed, dtype, size):
    plain, y, order = random_constraints(seed)
    system = LinearSystem(plain.system.A, (plain.system.b * size).to(dtype))
    bounded = polyhedron(
        system, plain.bounds.lower * size, plain.bounds.upper * size, plain.inequalities.C, plain.inequalities.d * size
    )
    z = Sequential(bounded, order).finish((double(y) * size).to(dtype))
    assert z.dtype == dtype and bounded.contains(z).all()
    assert torch.equal(Sequential(bounded, order).finish(z), z)


def test_two_equalities_with_right_hand_sides():
    # y0 stays, y1 = 4 - 2 y0 and y2 = (5 - y0) / 3 follow.
    made = Sequential(CASES["two_equalities"]().polyhedron)
    z = made.apply(double([1.0, 7.0, 7.0]))
    torch.testing.assert_close(z, double([1.0, 2.0, 4 / 3]), rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("laws", [1, 2, 3, 4])
def test_coupled_equalities_with_positivity(laws, dtype):
    A = np.array(
        [[1, 1, 1, 1, 1, 1, 1, 1], [2, 1, 0, 3, 0, 1, 1, 0], [0, 1, 2, 0, 1, 1, 0, 3], [1, 0, 1, 1, 0, 0, 4, 1]]
    )
    rng = np.random.default_rng(laws)
    b = A[:laws] @ rng.uniform(0, 1, 8)
    bounded = polyhedron(LinearSystem(A[:laws], torch.tensor(b, dtype=dtype)), lower=0)
    z = Sequential(bounded).finish(torch.tensor(rng.normal(size=(200, 8)), dtype=dtype))
    assert bounded.system.ulps(z).max() <= 8 and bounded.bounds.contains(z).all()
    assert (z == 0).any(-1).double().mean() > 0.5


def test_zeros_are_exact():
    # One more than the total is left for y0, nothing for the others.
    bounded = polyhedron(LinearSystem(np.ones((1, 4)), [0.7]), lower=0)
    made = Sequential(bounded)
    assert made.apply(double([0.9, 0.3, 0.3, 0.0])).tolist() == [0.7, 0.0, 0.0, 0.0]
    y = double(np.random.default_rng(0).normal(0.1, 0.3, (2000, 4)))
    z = made.apply(y)
    assert ((z == 0) | (z > 1e-6)).all()
    assert bounded.system.ulps(z).max() <= 8


def test_upper_bounds_are_met_exactly():
    # z0 cannot be less than what the others cannot take, and then they take all that they can.
    third = 0.1 + 0.2
    bounded = polyhedron(LinearSystem(np.ones((1, 4)), [1.0]), upper=third)
    z = Sequential(bounded).apply(double([-1.0, 0.2, 0.0, 0.0]))
    assert z[1:].tolist() == [third] * 3
    bounded = polyhedron(LinearSystem([[1, 2, 3, 0.7]], [1.9]), upper=third)
    y = double(np.random.default_rng(0).normal(0.25, 0.1, (2000, 4)))
    z = Sequential(bounded).apply(y)
    assert ((z == third) | (z < third - 1e-9)).all()
    assert bounded.contains(z).all()


def test_a_given_value_limits_others():
    case = CASES["radiation"]()
    given = case.points[:, 0]
    z = Sequential(case.polyhedron).apply(case.points * double([1, 9, 1, 1, 1]))
    assert torch.equal(z[:, 1], torch.minimum(9 * case.points[:, 1], given))
    assert (z[:, 1] == given).any()


def test_what_is_left_gets_the_gradient():
    bounded = polyhedron(LinearSystem(np.ones((1, 3)), [1.0]), lower=0)
    y = double([0.2, 0.3, 9.0]).requires_grad_()
    z = Sequential(bounded).apply(y)
    torch.testing.assert_close(z, double([0.2, 0.3, 0.5]))
    # The solved variable is 1 - y0 - y1: its own raw value has no say, and the others hear of it.
    (gradient,) = torch.autograd.grad(z[2], y, retain_graph=True)
    assert gradient.tolist() == [-1.0, -1.0, 0.0]
    (gradient,) = torch.autograd.grad(z[0] + 2 * z[2], y)
    assert gradient.tolist() == [-1.0, -2.0, 0.0]


def test_a_clamped_variable_gets_no_gradient_and_its_limit_does():
    # z1 is clamped to 1 - z0, then nothing is left for z2.
    bounded = polyhedron(LinearSystem(np.ones((1, 3)), [1.0]), lower=0)
    y = double([0.2, 3.0, 0.0]).requires_grad_()
    z = Sequential(bounded).apply(y)
    assert z.tolist() == [0.2, 0.8, 0.0]
    (gradient,) = torch.autograd.grad(z[1], y)
    assert gradient.tolist() == [-1.0, 0.0, 0.0]


def test_order_by_name_decides_what_is_solved_for():
    system = LinearSystem(np.ones((1, 3)), [1.0], columns=["a", "b", "c"])
    y = double([0.5, 0.9, 0.2])
    torch.testing.assert_close(Sequential(polyhedron(system)).apply(y), double([0.5, 0.9, -0.4]))
    torch.testing.assert_close(Sequential(polyhedron(system), ["c", "b", "a"]).apply(y), double([-0.1, 0.9, 0.2]))
    with pytest.raises(InvalidValueError, match="order of all variables a, b, c"):
        Sequential(polyhedron(system), ["a", "b", "b"])


def test_inequalities_between_variables():
    # Kup <= Kdown, both positive, no law: Kup is clamped to the value that Kdown has got.
    system = LinearSystem(np.zeros((0, 2)), columns=["Kdown", "Kup"])
    bounded = polyhedron(system, lower=0, C=[[-1, 1]], d=[0])
    z = Sequential(bounded).apply(double([[1.0, 3.0], [-1.0, 3.0], [2.0, 1.0]]))
    assert z.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 1.0]]
    z = Sequential(bounded, ["Kup", "Kdown"]).apply(double([[1.0, 3.0], [1.0, -3.0]]))
    assert z.tolist() == [[3.0, 3.0], [1.0, 0.0]]


def test_infeasible_constraints_are_named():
    system = LinearSystem(np.ones((1, 3)), [[1.0], [-1.0], [-2.0]], names=["total"], columns=["a", "b", "c"])
    with pytest.raises(InfeasibleError, match=r"law 'total', a >= 0, b >= 0, c >= 0 together in sample 1"):
        Sequential(polyhedron(system, lower=0))
    system = LinearSystem(np.ones((1, 2)), [1.0], names=["total"], columns=["a", "b"])
    with pytest.raises(InfeasibleError, match="inequality 'most'"):
        Sequential(polyhedron(system, C=[[1, 1]], d=[0.5], names=["most"]))


def test_rounding_of_a_right_hand_side_is_no_clash():
    # float32(0.3) is 1e-8 more than three times 0.1.
    bounded = polyhedron(LinearSystem(np.ones((1, 3)), torch.tensor([0.3])), upper=0.1)
    z = Sequential(bounded).apply(torch.tensor([0.0, 0.5, 0.1]))
    torch.testing.assert_close(z, torch.full((3,), 0.1))
    assert bounded.contains(z)


def test_a_given_value_may_leave_one_point():
    system = LinearSystem(np.ones((1, 3)), [1.0])
    bounded = polyhedron(system.restrict(torch.tensor([False, True, True]), [1.0, 0, 0]), lower=0)
    assert Sequential(bounded).apply(double([5.0, 3.0, 2.0])).tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(InfeasibleError, match="law 'law 0'"):
        Sequential(polyhedron(system.restrict(torch.tensor([False, True, True]), [1.5, 0, 0]), lower=0))


def test_growth_is_refused(monkeypatch):
    monkeypatch.setattr(elimination, "LIMIT", 3)
    rng = np.random.default_rng(0)
    bounded = polyhedron(LinearSystem(rng.normal(size=(3, 9)), rng.normal(size=3)), lower=-9, upper=9)
    with pytest.raises(
        InvalidValueError, match=r"Eliminating 'variable \d' would leave up to \d+ inequalities \(3 all"
    ):
        Sequential(bounded)


def test_many_parts_do_not_grow():
    bounded = polyhedron(LinearSystem(np.ones((1, 60)), [100.0]), lower=0, upper=100)
    made = Sequential(bounded)
    assert made.size <= 4
    assert bounded.contains(made.finish(torch.randn(50, 60).abs() * 5)).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_elimination_keeps_the_shadow(seed):
    # A point has a completion exactly when the inequalities left after elimination hold.
    rng = np.random.default_rng(seed)
    n, k = 4, int(rng.integers(2, 9))
    G, h = rng.integers(-2, 3, (k, n)).astype(float), rng.uniform(0, 2, k)
    rows = elimination.Rows(G, np.eye(k), np.eye(k, dtype=bool))
    stages, _ = elimination.eliminate(rows, list(range(n)), tuple("abcd"))
    # The stage of variable 1 speaks of 0 and 1, with 2 and 3 eliminated.
    left = [stages[1].lower, stages[1].upper]
    for x in rng.normal(size=(8, 2)) * 2:
        completed = linprog(np.zeros(2), A_ub=G[:, 2:], b_ub=h - G[:, :2] @ x, bounds=[(None, None)] * 2).status == 0
        others = elimination.eliminate(rows, [0, 1, 2, 3], tuple("abcd"))[0][0]
        held = all((part.G[:, :2] @ x <= part.M @ h + 1e-9).all() for part in left)
        held &= all((part.G[:, :1] @ x[:1] <= part.M @ h + 1e-9).all() for part in (others.lower, others.upper))
        assert held == completed


def test_equations_are_solved_for_their_last_variables():
    solution = elimination.solve_last(np.array([[2.0, 1, 0], [1, 0, 3]]), [0, 1, 2])
    assert solution.solved == [2, 1]
    np.testing.assert_allclose(solution.R, [[1 / 3, 0, 0], [2, 0, 0]])
    np.testing.assert_allclose(solution.T, [[0, 1 / 3], [1, 0]])
    assert elimination.solve_last(np.array([[2.0, 1, 0], [1, 0, 3]]), [2, 1, 0]).solved == [0, 1]


def test_equations_with_decimals_cancel():
    # The second row is 1.1 times the end of the first, but 0.7 * (0.33 / 0.3) is not 0.77 in floating point.
    found = elimination.solve_last(np.array([[1.0, 0.7, 0.3], [0.0, 0.77, 0.33]]), [0, 1, 2])
    assert found.solved == [2, 0]


def test_small_pivots_lose_nothing():
    A = np.array([[1.0, 1.0, 1e-12], [1.0, 2.0, 1.0]])
    found = elimination.solve_last(A, [0, 1, 2])
    np.testing.assert_allclose(found.T, np.linalg.inv(A[:, found.solved]), rtol=1e-14)
    np.testing.assert_allclose(found.R[:, :1], np.linalg.solve(A[:, found.solved], A[:, :1]), rtol=1e-14)
