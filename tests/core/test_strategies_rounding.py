"""Strategies where numbers hold little: large given values, constraints that all but clash, laws that all but agree."""

import numpy as np
import pytest
import torch
from strategy_cases import INF, double, polyhedron

from lawful.core import LinearSystem, RankError
from lawful.core.polyhedra import NotConvergedError, Polyhedron
from lawful.core.strategies import strategy


def large_given(given, coefficient=1.0, **limits):
    """a + b is known twice: by itself, and from a total with a large given value in it."""
    point, c = double([0.11, 0.1315709, given]), coefficient
    A = double([[1, 1, 0], [c, c, c]])
    system = LinearSystem(A, A @ point).restrict(torch.tensor([True, True, False]), point)
    return polyhedron(system, [0, 0, -INF], [0.2, INF, INF], **limits), point


@pytest.mark.parametrize("name", ["sequential", "mirror", "completion"])
@pytest.mark.parametrize("given", [354.1, 354266.1, 1e9 / 3])
@pytest.mark.parametrize("coefficient", [1.0, -2.0])
def test_an_inequality_beside_a_large_given_value(name, given, coefficient):
    bounded, point = large_given(given, coefficient, C=[[1, -1, 0]], d=[5.0])
    z = strategy(name, bounded).finish(torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).double())
    assert bounded.contains(point) and bounded.system.ulps(z).max() <= 8
    assert bounded.contains(z).all() or name == "completion"


def test_an_inequality_with_a_large_given_value_in_it():
    # a - b <= 0.1 by what is left of large numbers: known to 1e-8, as the laws are.
    bounded, point = large_given(1e9 / 3, C=[[1, -1, 1]], d=[1e9 / 3 + 0.1])
    z = strategy("sequential", bounded).finish(double([[0.2, 0, 0], [0, 0.2, 0], [0.11, 0.13, 0]]))
    assert bounded.contains(point) and bounded.contains(z).all()
    torch.testing.assert_close(z[0, :2], double([0.17079, 0.07079]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("given", [354.1, 354266.1, 1e9 / 3, 1e12])
def test_projection_beside_a_large_given_value(given):
    bounded, _ = large_given(given)
    bounded.require_feasible()
    z = bounded.project(double([[1, 2, 0], [0.1, -1, 0]]))
    assert bounded.contains(z).all() and z[1, 0] == 0.2 and z[0, 0] == 0


def test_a_limit_is_known_as_well_as_the_given_values_in_it():
    # a <= 1e12 / 7 - given leaves 1e-5 less than the law asks of a, which is less than the last digit of what is given.
    given = 1e12 / 7
    system = LinearSystem([[1, 0]], [2e-5]).restrict(torch.tensor([True, False]), double([0, given]))
    bounded = polyhedron(system, C=[[1, 1]], d=[given])
    z = strategy("sequential", bounded).finish(double([[1, 0], [-1, 0]]))
    assert bounded.contains(z).all() and (z[:, 0] == 2e-5).all()


def at_most(limit, total=1.0):
    return polyhedron(LinearSystem(np.ones((1, 3)), [total], names=["total"]), lower=0, C=[[1, 1, 1]], d=[limit])


@pytest.mark.parametrize(
    "total, limit",
    [(1.0, 1 - 2**-53), (1.0, 1 - 2**-51), (1.0, 1 - 2**-50), (0.3, 0.3 - 2**-51), (10, sum([0.1] * 100))],
)
def test_a_clash_within_rounding_is_shared(total, limit):
    bounded = at_most(limit, total)
    z = strategy("sequential", bounded).finish(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).double())
    assert bounded.contains(z).all()


@pytest.mark.parametrize("gap", [1e-13, 1e-10, 5e-10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_clash_beyond_rounding_is_an_error(gap, dtype):
    made = strategy("sequential", at_most(1 - gap))
    y = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    if dtype == torch.float32:
        assert made.polyhedron.contains(made.finish(y)).all()
    else:
        with pytest.raises(
            NotConvergedError, match=r"miss law 'total' in sample 0 by more than 8 ulps.*Correct or loo"
        ):
            made.finish(y)


def test_the_sample_between_clashing_bounds_is_named():
    made = strategy("sequential", polyhedron(LinearSystem(np.ones((1, 2)), [[2.0], [2 + 1e-9]]), 0, 1))
    with pytest.raises(NotConvergedError, match="miss law 'law 0' in sample 1 by more"):
        made.apply(double([[3, 3], [3, 3]]))


@pytest.mark.parametrize("name", ["sequential", "completion"])
@pytest.mark.parametrize("apart", [1e-6, 5e-11, 1e-11, 1e-12])
def test_laws_that_are_nearly_one_both_hold(name, apart):
    A, point = double([[1, 1, 0], [1, 1 + apart, 0]]), double([2, 3, 1])
    made = strategy(name, polyhedron(LinearSystem(A, A @ point), -10))
    z = made.finish(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double())
    assert made.system.rank == len(made.solved) == 2 and made.system.ulps(z).max() <= 8
    if name == "completion":
        assert made.log_prob(point, torch.zeros(3).double(), torch.ones(3).double()).isfinite()


@pytest.mark.parametrize("name", ["sequential", "completion"])
def test_laws_that_differ_by_rounding_are_refused(name):
    A = double([[0.1, 0.2, 0.7], [0.3, 3 * 0.2, 3 * 0.7]])
    system = LinearSystem(A, A @ double([1, 1, 1]), rank_tolerance=0.0)
    with pytest.raises(RankError, match=r"only 1 of 2 independent laws apart.*larger `rank_tolerance`"):
        strategy(name, polyhedron(system))


@pytest.mark.parametrize("seed", range(40))
def test_completion_of_laws_that_nearly_follow_from_others_is_lawful_or_refused(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(3, 5))
    A[2] = A[0] + A[1] + 1e-13 * rng.normal(size=5)
    system = LinearSystem(A, A @ rng.normal(size=5), check=False)
    if system.rank == 3:
        found = strategy("completion", Polyhedron(system)).finish(torch.from_numpy(rng.normal(size=(50, 5))))
        assert system.ulps(found).max() <= 8
