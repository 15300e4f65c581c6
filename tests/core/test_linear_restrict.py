"""`LinearSystem.restrict`: given values, fixed variables and masks, sample by sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import InconsistentSystemError, InvalidValueError, LinearSystem, ShapeError

A = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0, 2.0]], dtype=torch.float64)
LAWS = LinearSystem(A, [6.0, 0.0], names=["sum", "budget"], columns=list("abcde"))


def test_by_hand():
    system = LAWS.restrict([True, True, False, True, True], [0.0, 0.0, 2.0, 0.0, 0.0])
    assert system.A.tolist() == [[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0, 2.0]]
    assert system.b.tolist() == [4.0, -2.0]
    assert system.free.tolist() == [True, True, False, True, True]
    assert system.fixed.tolist() == [0.0, 0.0, 2.0, 0.0, 0.0]
    assert system.with_fixed(torch.ones(5)).tolist() == [1.0, 1.0, 2.0, 1.0, 1.0]
    assert (system.m, system.n, system.rank) == (2, 5, 2)
    assert system.project([0.0, 0.0, 2.0, 2.0, 0.0]).tolist() == pytest.approx([2.0, 2.0, 2.0, 2.0, 0.0])


def test_the_original_is_untouched():
    before = LAWS.nullspace()
    LAWS.unweighted  # noqa: B018
    restricted = LAWS.restrict([True, True, False, True, True], torch.ones(5))
    assert restricted.nullspace().shape == (5, 2)
    assert torch.equal(restricted.nullspace()[2], torch.zeros(2, dtype=torch.float64))
    assert torch.equal(LAWS.nullspace(), before)
    assert LAWS.free.all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_restricting_many_is_restricting_each(seed):
    rng = np.random.default_rng(seed)
    A = rng.integers(-2, 3, (3, 6)).astype(float)
    z = rng.normal(size=(40, 6))
    system = LinearSystem(A, z @ A.T)
    free = rng.random((5, 6))[rng.integers(0, 5, 40)] < 0.6
    batched = system.restrict(free, z)
    start = z + rng.normal(size=z.shape) * free
    projected = batched.project(start)
    for i in range(0, 40, 3):
        alone = LinearSystem(A * free[i], (z[i] * free[i]) @ A.T, check=False)
        assert alone.rank == batched.rank[i] == np.linalg.matrix_rank(A * free[i])
        torch.testing.assert_close(batched.b[i], alone.b, atol=1e-12, rtol=0)
        torch.testing.assert_close(batched.A[i], alone.A)
        torch.testing.assert_close(projected[i], alone.project(start[i]), atol=1e-11, rtol=1e-11)
    assert np.array_equal(projected[~free], start[~free])
    assert system.holds(projected).all()


@pytest.mark.parametrize("n", [70, 130])
def test_patterns_of_many_variables_are_kept_apart(n):
    A = torch.ones(1, n, dtype=torch.float64)
    free = torch.ones(n, n, dtype=torch.bool).fill_diagonal_(False)
    restricted = LinearSystem(A, [float(n)]).restrict(free.repeat(2, 1), torch.zeros(n))
    assert torch.equal(restricted.free, free.repeat(2, 1))
    projected = restricted.project(torch.zeros(n, dtype=torch.float64))
    expected = free.double().repeat(2, 1) * (n / (n - 1.0))
    torch.testing.assert_close(projected, expected)


def test_ten_thousand_samples_of_six_patterns_are_six_factors():
    generator = torch.Generator().manual_seed(0)
    free = (torch.rand(6, 5, generator=generator) < 0.7)[torch.randint(0, 6, (10_000,), generator=generator)]
    restricted = LAWS.restrict(free, torch.ones(5), check=False)
    assert restricted.batch_shape == (10_000,)
    assert len(restricted._laws.factor.rows) <= 6


def test_restricting_twice_adds_up():
    z = torch.tensor([1.0, 2.0, 3.0, 5.0, 1.0], dtype=torch.float64)
    free = torch.tensor([[True, False, True, True, True], [True, True, True, False, True]])
    more = torch.tensor([True, True, False, True, True])
    twice = LAWS.restrict(free, z).restrict(more, z)
    once = LAWS.restrict(free & more, z)
    assert torch.equal(twice.free, once.free)
    assert torch.equal(twice.fixed, once.fixed)
    assert torch.equal(twice.b, once.b)
    assert torch.equal(twice.rank, once.rank)


def test_coefficients_per_sample():
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(8, 2, 5, generator=generator).double()
    z = torch.randn(8, 5, generator=generator).double()
    free = torch.tensor([True, False, True, True, True])
    batched = LinearSystem(A, names=["p", "q"]).restrict(free, z)
    for i in range(8):
        alone = LinearSystem(A[i]).restrict(free, z[i])
        torch.testing.assert_close(batched.project(z)[i], alone.project(z[i]))


def test_a_law_without_free_variables_must_close():
    free = [False, False, False, True, True]
    closed = LAWS.restrict(free, [1.0, 2.0, 3.0, 0.0, 0.0])
    assert closed.rank == 1 and closed.redundant == ("sum",)
    with pytest.raises(
        InconsistentSystemError, match=r"Law 'sum' has no free variable in sample 1 but 0\.5 of"
    ) as caught:
        LAWS.restrict(free, [[1.0, 2.0, 3.0, 0.0, 0.0], [1.0, 2.0, 2.5, 0.0, 0.0]])
    assert caught.value.rows == ("sum",) and caught.value.samples == ((1,),)
    assert caught.value.clash == pytest.approx(0.5)


def test_rounding_of_given_values_is_no_clash():
    free = torch.tensor([False, False, False, True, True])
    given = torch.tensor([0.1, 0.2, 5.7, 0.0, 0.0])
    LAWS.restrict(free, given)
    with pytest.raises(InconsistentSystemError):
        LAWS.restrict(free, given.double())


def test_data_may_close_to_a_tolerance():
    free, given = [False, False, False, True, True], [1.0, 2.0, 3.001, 0.0, 0.0]
    with pytest.raises(InconsistentSystemError):
        LAWS.restrict(free, given, tolerance=1e-4)
    assert LAWS.restrict(free, given, tolerance=[1e-2, 0.0]).consistent()
    assert not LAWS.restrict(free, given, check=False).consistent()


def test_values_that_are_free_are_not_read():
    z = torch.tensor([float("nan"), 1.0, 2.0, float("nan"), 0.0], requires_grad=True)
    system = LAWS.restrict(torch.isnan(z), z)
    system.b.sum().backward()
    assert system.b.tolist() == [3.0, -2.0]
    assert torch.isfinite(z.grad).all()
    assert LAWS.restrict([True] * 5, z).rank == 2


def test_gradients_reach_given_values():
    z = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    free = torch.tensor([[True, False, True, True, True], [False, True, True, True, False]] * 2)
    start = torch.zeros(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: LAWS.restrict(free, z).project(start), (z,))


@pytest.mark.parametrize(
    ("free", "z", "error", "says"),
    [
        ([1, 1, 1, 0, 0], [0.0] * 5, InvalidValueError, "boolean mask"),
        ([True] * 4, [0.0] * 5, ShapeError, "Expected free of shape"),
        ([True] * 5, [0.0] * 4, ShapeError, "Expected z of shape"),
        ([False] * 5, [float("nan")] * 5, InvalidValueError, "given value of 'a' is nan"),
        ([[True] * 5] * 2, [[0.0] * 5] * 3, ShapeError, "do not broadcast"),
    ],
)
def test_what_does_not_fit_is_refused(free, z, error, says):
    with pytest.raises(error, match=says):
        LAWS.restrict(free, z)


def test_no_samples():
    restricted = LAWS.restrict(torch.ones(0, 5, dtype=torch.bool), torch.zeros(0, 5))
    assert restricted.project(torch.zeros(0, 5)).shape == (0, 5)


def test_laws_of_which_nothing_is_given_are_known_as_well_as_before():
    system = LinearSystem(np.eye(2, 3), [0.1, 100.0])
    same = system.restrict(torch.ones(3, dtype=torch.bool), torch.zeros(3))
    assert torch.equal(same.b_rounding, system.b_rounding)
    moved = system.restrict(torch.tensor([True, False, True]), torch.tensor([0.0, 7.0, 0.0]), check=False)
    assert moved.b_rounding[0] == system.b_rounding[0] and moved.b_rounding[1] > system.b_rounding[1]


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_zeros_that_given_values_force_are_exact_whatever_stands_in_their_place(layout):
    """Values that are not free are not read: nor are their terms a measure of what is rounding."""
    dense = torch.tensor([[1.0, 0.3, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    system = LinearSystem(dense if layout == "dense" else dense.to_sparse(), [0.0, 1.0])
    part = system.restrict([False, False, True, True, True], torch.zeros(5, dtype=torch.float64))
    z, weights = torch.rand(2, 300, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = part.project(z - 0.5, weights + 0.1)
    assert (found[:, 2] == 0).all() and part.ulps(found).max() <= 8


def test_samples_of_which_nothing_is_free():
    steps = 60
    band = torch.diag_embed(torch.ones(steps)) - torch.diag_embed(torch.ones(steps - 1), 1)
    A = torch.cat((band, torch.zeros(steps, 1)), 1).double()
    A[-1, -1] = -1.0
    system = LinearSystem(A.to_sparse())
    free = torch.ones(3, steps + 1, dtype=torch.bool)
    free[1] = False
    z = torch.ones(3, steps + 1, dtype=torch.float64)
    part = system.restrict(free, z)
    assert part.rank.tolist() == [steps, 0, steps]
    found = part.project(torch.linspace(0, 1, steps + 1, dtype=torch.float64))
    torch.testing.assert_close(found[::2], torch.full_like(found[::2], 0.5))
    torch.testing.assert_close(part.with_fixed(found)[1], z[1])
