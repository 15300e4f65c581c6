"""Feasibility: what can hold together passes, what cannot is named minimally, in any units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core.polyhedra import InfeasibleError, require_feasible

INF = float("inf")
SCALES = [1e-9, 1e-6, 1.0, 1e6, 1e9]


def check(A=(), b=(), C=(), d=(), lower=(0, 0, 0), upper=(INF, INF, INF), **options):
    n = len(lower)
    A, C = (np.array(x, dtype=float).reshape(-1, n) for x in (A, C))
    require_feasible(
        A,
        np.array(b, dtype=float),
        C,
        np.array(d, dtype=float),
        np.array(lower, dtype=float),
        np.array(upper, dtype=float),
        law_names=[f"law{i}" for i in range(len(A))],
        inequality_names=[f"limit{i}" for i in range(len(C))],
        names=["x", "y", "z"][:n],
        **options,
    )


def clash_of(**arguments):
    with pytest.raises(InfeasibleError) as caught:
        check(**arguments)
    assert all(name in str(caught.value) for name in caught.value.clash)
    return set(caught.value.clash)


def test_what_can_hold_passes():
    check()
    check(A=[[1, 1, 1]], b=[100], upper=[100] * 3)
    check(A=[[1, -1, 0], [0, 1, -1]], b=[0, 0], C=[[1, 1, 1]], d=[0])
    check(lower=[-INF] * 3)


@pytest.mark.parametrize("scale", SCALES)
def test_an_implied_equality_is_no_error(scale):
    # x + y = 2 with x, y <= 1 leaves the point (1, 1); x + y = 0 with x, y >= 0 leaves (0, 0).
    check(A=[[1, 1, 0]], b=[2 * scale], upper=[scale, scale, INF])
    check(A=[[1, 1, 0]], b=[0], upper=[scale, scale, INF])
    check(A=[[0.1, 0.1, 0.1]], b=[0.3 * scale], upper=[scale] * 3)


@pytest.mark.parametrize("scale", SCALES)
def test_law_and_bounds(scale):
    clash = clash_of(A=[[1, 1, 0]], b=[3 * scale], upper=[scale] * 3)
    assert clash == {"law 'law0'", f"x <= {scale:g}", f"y <= {scale:g}"}
    assert clash_of(A=[[1, 1, 0]], b=[-scale]) == {"law 'law0'", "x >= 0", "y >= 0"}


@pytest.mark.parametrize("other", [1e-9, 1.0, 1e9])
def test_large_numbers_elsewhere_hide_nothing(other):
    arguments = {"A": [[1, 0, 0], [0, 1, 1]], "b": [2, other], "upper": [1, other, other]}
    assert clash_of(**arguments) == {"law 'law0'", "x <= 1"}


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("scale", SCALES)
def test_units_of_laws_and_variables_do_not_count(scale, factor):
    # x in units 'scale' times smaller than y; law1 in units of its own.
    A = [[1 / scale, 1, 0], [factor / scale, factor, 0]]
    assert clash_of(A=A, b=[5, 4 * factor]) == {"law 'law0'", "law 'law1'"}
    check(A=A, b=[5, 5 * factor])


def test_two_laws():
    assert clash_of(A=[[1, 1, 0], [2, 2, 0], [0, 0, 1]], b=[1, 3, 5]) == {"law 'law0'", "law 'law1'"}


def test_inequalities():
    clash = clash_of(A=[[1, 1, 0]], b=[10], C=[[1, 0, 0], [0, 1, 0], [0, 0, 1]], d=[4, 5, 6])
    assert clash == {"law 'law0'", "inequality 'limit0'", "inequality 'limit1'"}
    assert clash_of(C=[[1, 1, 1]], d=[-1], lower=[0, 0, 0]) == {"inequality 'limit0'", "x >= 0", "y >= 0", "z >= 0"}


def test_given_values_are_named_and_kept_to():
    laws = {"A": [[1, 1, 1]], "b": [100], "upper": [100] * 3}
    check(**laws, given=np.array([40.0, 60.0, np.nan]))
    assert clash_of(**laws, given=np.array([70.0, 60.0, np.nan])) == {
        "law 'law0'",
        "given x = 70",
        "given y = 60",
        "z >= 0",
    }
    assert clash_of(**laws, given=np.array([np.nan, -5.0, np.nan])) == {"given y = -5", "y >= 0"}
    assert clash_of(given=np.array([np.nan, -1e-7, np.nan])) == {"given y = -1e-07", "y >= 0"}


def test_message_says_where():
    with pytest.raises(InfeasibleError, match="together at hour 3"):
        check(lower=[2.0], upper=[1.0], where=" at hour 3")


def test_a_clash_among_hundreds_of_bounds():
    """Too many for a filter over all: those with a multiplier are filtered."""
    n = 300
    C = np.zeros((0, n))
    with pytest.raises(InfeasibleError) as caught:
        require_feasible(
            np.kron(np.eye(2, n // 2), [1, 1]),
            np.array([3.0, 1.0]),
            C,
            np.zeros(0),
            np.zeros(n),
            np.ones(n),
            law_names=["first", "second"],
            inequality_names=[],
            names=[f"x{i}" for i in range(n)],
        )
    assert set(caught.value.clash) == {"law 'first'", "x0 <= 1", "x1 <= 1"}


def random_system(rng):
    """Laws, inequalities and bounds through a point on the edge of half of them, in any units."""
    n, m, k = 3, int(rng.integers(1, 3)), int(rng.integers(0, 4))
    z = rng.normal(size=n)
    A, C = rng.normal(size=(m, n)), rng.normal(size=(k, n))
    slack = lambda size: rng.exponential(size=size) * rng.integers(0, 2, size)  # noqa: E731
    lower, upper = z - slack(n), z + slack(n)
    b, d = A @ z, C @ z + slack(k)
    columns, rows, more = (10.0 ** rng.uniform(-4, 4, size) for size in (n, m, k))
    return {
        "A": A / columns * rows[:, None],
        "b": b * rows,
        "C": C / columns * more[:, None],
        "d": d * more,
        "lower": lower * columns,
        "upper": upper * columns,
    }


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_a_set_with_a_known_point_passes(seed):
    check(**random_system(np.random.default_rng(seed)))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_a_clash_is_minimal_and_a_clash(seed):
    """A law moved beyond what the bounds allow: the named ones clash, and no longer without any one of them."""
    rng = np.random.default_rng(seed)
    system = random_system(rng)
    corner = np.where(system["A"][0] > 0, system["upper"], system["lower"])
    reach = np.abs(system["A"][0] * corner).sum() + abs(system["b"][0])
    system["b"][0] = system["A"][0] @ corner + 0.1 * reach
    clash = clash_of(**system)
    only(system, clash, infeasible=True)
    for name in clash:
        only(system, clash - {name}, infeasible=False)


def only(system, names, infeasible):
    """Check the named parts of a system alone."""
    low = [f"{name} >= {bound:g}" in names for name, bound in zip("xyz", system["lower"], strict=True)]
    high = [f"{name} <= {bound:g}" in names for name, bound in zip("xyz", system["upper"], strict=True)]
    laws = [f"law 'law{i}'" in names for i in range(len(system["b"]))]
    limits = [f"inequality 'limit{i}'" in names for i in range(len(system["d"]))]
    part = {
        "A": system["A"][laws],
        "b": system["b"][laws],
        "C": system["C"][limits],
        "d": system["d"][limits],
        "lower": np.where(low, system["lower"], -INF),
        "upper": np.where(high, system["upper"], INF),
    }
    if infeasible:
        clash_of(**part)
    else:
        check(**part)
