"""Rank, redundant rows and clashing rows of `LinearSystem`, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import InconsistentSystemError, InvalidValueError, LawfulError, LinearSystem, RankError, ShapeError
from lawful.core.linear import compensated_residual

PARTS = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
NAMES = ["first", "second", "total"]


def random_system(seed, m, n, rank):
    rng = np.random.default_rng(seed)
    mixing = rng.integers(-3, 4, (m - rank, rank))
    independent = rng.normal(size=(rank, n))
    return np.vstack([independent, mixing @ independent])


def test_fields():
    system = LinearSystem(PARTS[:2], [1.0, 2.0], names=NAMES[:2], columns=list("abcd"))
    assert (system.m, system.n, system.rank, system.redundant) == (2, 4, 2, ())
    assert system.names == ("first", "second") and system.columns == ("a", "b", "c", "d")
    assert system.A.dtype == system.b.dtype == torch.float64
    assert system.batch_shape == ()
    assert repr(system) == "LinearSystem(m=2, n=4, rank=2, batch_shape=())"


def test_a_total_of_parts_is_redundant_and_named():
    system = LinearSystem(PARTS, [1.0, 2.0, 3.0], names=NAMES)
    assert system.rank == 2
    assert system.redundant == ("total",)
    assert system.redundant_mask.tolist() == [False, False, True]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.integers(0, 3),
    st.lists(st.floats(-9, 9), min_size=9, max_size=9),
    st.lists(st.floats(-6, 6), min_size=8, max_size=8),
)
def test_rank_does_not_depend_on_units_of_laws_or_variables(seed, rank, extra, row_powers, column_powers):
    A = random_system(seed, rank + extra, 8, rank)
    scaled = A * 10.0 ** np.array(row_powers[: len(A)])[:, None] * 10.0 ** np.array(column_powers)
    assert LinearSystem(A).rank == rank
    assert LinearSystem(scaled).rank == rank
    assert len(LinearSystem(scaled).redundant) == extra


def test_laws_in_kg_and_in_ng_both_count():
    assert LinearSystem([[1.0, 1.0, 0.0], [0.0, 1e-12, 1e-12]]).rank == 2
    assert LinearSystem([[1e15, 1.0, 0.0], [1e15, 0.0, 1.0]]).rank == 2


def test_rank_tolerance_is_an_argument():
    A = [[1.0, 1.0], [1.0, 1.0 + 1e-6]]
    assert LinearSystem(A).rank == 2
    assert LinearSystem(A, rank_tolerance=1e-3).rank == 1


def test_a_right_hand_side_known_to_less_than_its_digits():
    system = LinearSystem([[1, 1], [1, 1]], [0.25, 0.25 + 1e-9], b_rounding=[0.0, 1e-8])
    assert system.b_rounding.tolist() == [0.0, 1e-8] and system.holds([0.125, 0.125])
    with pytest.raises(InconsistentSystemError):
        LinearSystem([[1, 1], [1, 1]], [0.25, 0.25 + 1e-9])
    with pytest.raises(InvalidValueError, match="b_rounding of zero or more"):
        LinearSystem([[1, 1]], [1.0], b_rounding=[-1.0])
    with pytest.raises(ShapeError, match=r"b_rounding of shape \(..., 1\)"):
        LinearSystem([[1, 1]], [1.0], b_rounding=[0.0, 0.0])


def test_float32_coefficients_are_rounded_ones():
    A = torch.tensor([[0.1, 0.7, 0.3], [1 / 3, 0.2, 0.9]])
    A = torch.cat((A, A.sum(0, keepdim=True)))
    assert LinearSystem(A).rank == 2
    assert LinearSystem(A.double() + torch.eye(3) * 1e-7).rank == 3


@pytest.mark.parametrize("A", [np.zeros((0, 3)), np.zeros((2, 3))])
def test_no_law_at_all(A):
    system = LinearSystem(A)
    z = torch.ones(5, 3)
    assert system.rank == 0
    assert system.nullspace().shape == (3, 3)
    torch.testing.assert_close(system.project(z), z, rtol=0, atol=0)


def test_a_clash_names_its_laws_and_its_size():
    with pytest.raises(
        InconsistentSystemError, match=r"'first', 'second' and 'total' cannot hold .* by 0\.5"
    ) as caught:
        LinearSystem(PARTS, [1.0, 2.0, 3.5], names=NAMES)
    assert set(caught.value.rows) == set(NAMES)
    assert caught.value.clash == pytest.approx(0.5)
    assert isinstance(caught.value, LawfulError) and isinstance(caught.value, ValueError)


def test_the_smallest_clash_is_named_whatever_the_pivots():
    A = [*PARTS, [2.0, 2.0, 2.0, 2.0], [1.0, 0.0, 0.0, 0.0]]
    with pytest.raises(InconsistentSystemError) as caught:
        LinearSystem(A, [1.0, 2.0, 3.0, 7.0, 0.2], names=[*NAMES, "twice", "other"])
    assert set(caught.value.rows) == {"total", "twice"}


def test_a_clash_names_the_samples():
    b = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    with pytest.raises(InconsistentSystemError, match=r"in sample 1: .*1 more samples") as caught:
        LinearSystem(PARTS, b, names=NAMES)
    assert caught.value.samples == ((1,), (3,))
    assert caught.value.clash == pytest.approx(1.0)
    assert LinearSystem(PARTS, b, check=False).consistent().tolist() == [True, False, True, False]


@settings(deadline=None, max_examples=50)
@given(st.floats(-1e3, 1e3, width=32), st.floats(-1e3, 1e3, width=32))
def test_rounding_of_b_is_no_clash(x, y):
    b = torch.tensor([x, y], dtype=torch.float32)
    LinearSystem(PARTS, torch.cat((b, b.sum(0, keepdim=True))))
    thirds = b.double() / 3
    LinearSystem(PARTS, torch.cat((thirds, thirds.sum(0, keepdim=True))))


def test_a_small_law_inside_a_large_one_is_no_clash():
    # How the last law follows from the others is known to eps times its own size, which is much for the small one.
    large, small = [118.0, -66.0, 0.0, -226.0], [1.5, 31.5, 24.0, -59.5]
    others = [[-3.5, 8.5, -3.0, 0.0], [3.5, -2.5, -48.5, 0.0]]
    A = np.array([large, *others, small]) * [[1.0], [2.0**-6], [2.0**-6], [2.0**-12]]
    A = np.vstack([A, 2 * (A[0] + A[3])])
    z = np.random.default_rng(0).normal(size=(1000, 4)) * [1.0, 1e3, 1e3, 1.0]
    assert LinearSystem(A, compensated_residual(A, z, np.zeros(5))).rank == 4


def test_a_clash_that_the_rounding_of_coefficients_explains_is_none():
    A = np.array([[0.1, 0.2], [0.3, 0.6]], dtype=np.float32)
    LinearSystem(A, [1.0, 3.000002])
    with pytest.raises(InconsistentSystemError):
        LinearSystem(A, [1.0, 3.0002])
    with pytest.raises(InconsistentSystemError):
        LinearSystem([[1.0, 2.0], [3.0, 6.0]], [1.0, 3.000002])


def test_a_float64_clash_below_float32_rounding_is_one():
    b = torch.tensor([1.0, 2.0, 3.0 + 1e-9], dtype=torch.float64)
    with pytest.raises(InconsistentSystemError):
        LinearSystem(PARTS, b)
    LinearSystem(PARTS, b.float())
    LinearSystem(PARTS, b, tolerance=1e-8)


def test_coefficients_per_sample():
    A = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], [[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]])
    system = LinearSystem(A, torch.tensor([1.0, 2.0]))
    assert system.rank.tolist() == [2, 1]
    assert system.redundant == ()
    assert system.redundant_mask.tolist() == [[False, False], [False, True]]
    z = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).double()
    for i in range(2):
        torch.testing.assert_close(system.project(z)[i], LinearSystem(A[i], system.b).project(z[i]))


def test_nullspace_is_orthonormal_and_keeps_the_laws():
    A = random_system(3, 5, 9, 3)
    N = LinearSystem(A).nullspace()
    assert N.shape == (9, 6)
    torch.testing.assert_close(N.mT @ N, torch.eye(6, dtype=torch.float64))
    assert (torch.from_numpy(A) @ N).abs().max() < 1e-13


def test_nullspace_of_differing_dimensions_is_refused():
    A = torch.tensor([[[1.0, 1.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]])
    with pytest.raises(RankError, match="0 to 1 dimensions"):
        LinearSystem(A).nullspace()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([1.0, 2.0],), ShapeError, "Expected A of shape"),
        ((PARTS, [1.0, 2.0]), ShapeError, r"Expected b of shape \(..., 3\)"),
        ((PARTS, np.zeros((2, 3)), ["a", "b"]), ShapeError, "Expected 3 different names of laws"),
        ((PARTS, None, ["a", "a", "b"]), ShapeError, "different"),
        (([[1.0, float("nan")]],), InvalidValueError, "coefficient of 'variable 1' in law 'law 0' is nan"),
        (([[1.0, 1.0]], [[0.0], [np.inf]]), InvalidValueError, "right-hand side of 'law 0' is inf in sample 1"),
        ((torch.ones(1, 2, dtype=torch.float16),), InvalidValueError, "float32 or float64, got float16"),
        ((np.ones((2, 1, 2)), np.ones((3, 1))), ShapeError, "do not broadcast"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, error, says):
    A, b, names = (*arguments, None, None)[:3]
    with pytest.raises(error, match=says):
        LinearSystem(A, b, names=names)


def test_a_clash_beside_laws_without_coefficients_names_its_own():
    with pytest.raises(InconsistentSystemError) as error:
        LinearSystem([[-1.0], [1.0], [0.0], [0.0]], [0.0, -2.0, 0.0, 0.0], names=list("abcd"))
    assert sorted(error.value.rows) == ["a", "b"] and error.value.clash == pytest.approx(2.0)


def test_a_system_of_no_samples_says_so():
    some = LinearSystem(PARTS).restrict(torch.ones(0, 4, dtype=torch.bool), torch.zeros(0, 4))
    for system in (some, LinearSystem(torch.zeros(0, 2, 3), torch.zeros(0, 2))):
        assert repr(system).endswith("rank=none, batch_shape=(0,))")


@pytest.mark.parametrize(
    "values",
    [
        [1.0, "a", 2.0, 3.0],
        [[1.0, 2.0], [3.0]],
        [torch.ones(4, requires_grad=True)] * 4,
        torch.ones(4, dtype=torch.complex64),
        np.ones(4) * 1j,
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(values):
    for use in (LinearSystem, LinearSystem(PARTS).project, lambda b: LinearSystem(np.eye(4), b)):
        with pytest.raises(InvalidValueError, match="Expected real numbers"):
            use(values)


def test_masked_values_are_missing_ones():
    masked = np.ma.masked_values([1.0, 2.0, 1e20], 1e20)
    system = LinearSystem([[1.0, 1.0, 1.0]], columns=["a", "b", "c"])
    with pytest.raises(InvalidValueError, match="'c' is nan"):
        system.project(masked)
    with pytest.raises(InvalidValueError, match="right-hand side of 'law 2' is nan"):
        LinearSystem(np.eye(3), masked)
    assert system.restrict([False, False, True], masked).project([0.0, 0.0, 0.0]).tolist() == [0.0, 0.0, -3.0]
