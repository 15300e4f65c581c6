"""Polyhedra: bounds, implied equalities, ranges, faces and patterns."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polyhedra_cases import INF, core_metabolism, polyhedron, random_polyhedron, simplex, tensor
from scipy.optimize import linprog

from lawful.core import InvalidValueError, LinearSystem, ShapeError
from lawful.core.polyhedra import Bounds, Inequalities, InfeasibleError, Polyhedron

seeds = st.integers(0, 10**6)


def test_bounds_are_rounded_inward_and_checked():
    bounds = Bounds(tensor([0.1, -0.1, -INF]), tensor([0.3, 0.7, INF]))
    low, high = (end.double() for end in bounds.inward(torch.float32))
    assert (low >= bounds.lower).all()
    assert (high <= bounds.upper).all()
    assert bounds.contains(bounds.clip(torch.tensor([-5.0, 5.0, 1e30]))).all()
    assert not bounds.contains(tensor([0.2, torch.nan, 0.0])).all()
    with pytest.raises(InvalidValueError, match="variable 1"):
        Bounds(tensor([0, 1]), tensor([1, 0]))
    with pytest.raises(ShapeError):
        Bounds(tensor([0]), tensor([1, 0]))
    with pytest.raises(ShapeError, match="C"):
        Inequalities(tensor([1.0]), tensor([1.0]))


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="bounds"):
        Polyhedron(LinearSystem([[1.0, 1.0]]), Bounds.none(3))
    with pytest.raises(ShapeError, match="share"):
        Polyhedron(LinearSystem(torch.ones(2, 1, 3)))


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_implied_equalities_are_those_of_linear_programmes(seed):
    """Each bound is implied when the largest slack over the set is zero: 2n programmes as the reference."""
    rng = np.random.default_rng(seed)
    A = rng.integers(-2, 3, size=(3, 6)).astype(float)
    z = np.where(rng.random(6) < 0.5, 0.0, rng.exponential(size=6))
    P = polyhedron(A, A @ z, np.zeros(6))
    arguments = {"A_eq": A, "b_eq": A @ z, "bounds": [(0, None)] * 6, "method": "highs"}
    ends = [linprog(-np.eye(6)[i], **arguments) for i in range(6)]
    expected = [result.status == 0 and -result.fun < 1e-7 for result in ends]
    assert P.interior.at_lower.tolist() == expected
    assert (P.interior.point[~P.interior.at_lower] > 0).all()
    np.testing.assert_allclose(A @ P.interior.point, A @ z, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6, 1e9])
def test_implied_equalities_in_other_units(scale):
    P = polyhedron([[1, 1, 0, 0], [0, 0, 1, 1]], [2 * scale, scale], [0] * 4, [scale] * 4)
    assert P.interior.at_upper.tolist() == [True, True, False, False]
    assert P.dimension == 1


def test_thin_is_not_implied():
    P = polyhedron([[1, 1]], [1e-6], [0, 0], [1, 1])
    assert not P.interior.at_lower.any()
    assert P.dimension == 1


def test_tight_inequalities_become_laws():
    P = polyhedron([[1, 1, 1]], [1.0], [0, 0, 0], None, [[-1, -1, 0], [1, 0, 0]], [-1, 0.5])
    assert P.interior.tight.tolist() == [True, False]
    assert P.interior.at_lower.tolist() == [False, False, True]
    assert P.dimension == 1


def test_core_metabolism():
    P = core_metabolism()
    assert P.n - P.system.rank == 28
    assert P.dimension == 24
    assert P.contains(P.reduced.base)
    assert int(P.hull.free.sum()) == 87


def test_ranges():
    low, high = polyhedron([[1, 1, 1]], [1.0], [0, 0.2, -INF], [INF, 0.5, INF]).ranges
    assert low.tolist() == pytest.approx([0, 0.2, -INF])
    assert high.tolist() == pytest.approx([INF, 0.5, 0.8])


def test_an_empty_polyhedron_says_why():
    bounds = Bounds(tensor([0, 0]), tensor([1, 1]))
    P = Polyhedron(LinearSystem([[1.0, 1.0]], [3.0], names=["mass"], columns=["ice", "sea"]), bounds)
    with pytest.raises(InfeasibleError) as caught:
        P.project(tensor([0.0, 0.0]))
    assert set(caught.value.clash) == {"law 'mass'", "ice <= 1", "sea <= 1"}


def test_contains_looks_at_everything():
    P = polyhedron([[1, 1, 1]], [1.0], [0, 0, 0], None, [[1, -1, 0]], [0.0])
    inside = tensor([0.2, 0.3, 0.5])
    assert P.contains(inside)
    for z in ([0.3, 0.2, 0.5], [-0.1, 0.6, 0.5], [0.2, 0.3, 0.6], [torch.nan, 0.5, 0.5]):
        assert not P.contains(tensor(z))
    assert P.contains(torch.stack([inside, inside + 1])).tolist() == [True, False]
    face = P.face(torch.tensor([-1, 0, 0]))
    assert face.contains(tensor([0.0, 0.5, 0.5]))
    assert not face.contains(inside)


def test_a_face_and_its_projection():
    P = simplex(4)
    face = P.face(torch.tensor([-1, 0, 0, -1]))
    assert face.dimension == 1
    torch.testing.assert_close(face.project(tensor([5.0, 0.2, 0.4, 1.0])), tensor([0, 0.4, 0.6, 0]))
    with pytest.raises(InvalidValueError, match="no finite bound"):
        P.face(torch.tensor([1, 0, 0, 0]))
    with pytest.raises(ShapeError):
        P.face(torch.tensor([0, 0]))


def test_nearest_pattern_by_hand():
    P = simplex(3)
    assert P.nearest_pattern(torch.tensor([0, -1, -1])).tolist() == [0, -1, -1]
    # All zero leaves nothing to sum to one: one variable is let go.
    assert P.nearest_pattern(torch.tensor([-1, -1, -1])).eq(-1).sum() == 2
    # Both halves of x + y = 2 with x, y <= 1 are on their bounds whatever was asked.
    Q = polyhedron([[1, 1]], [2.0], [0, 0], [1, 1])
    assert Q.nearest_pattern(torch.tensor([0, -1])).tolist() == [1, 1]


def holds(P, pattern):
    lower, upper = P.bounds.lower.numpy(), P.bounds.upper.numpy()
    ends = [
        (lo, lo) if p < 0 else (hi, hi) if p > 0 else (lo, hi) for lo, hi, p in zip(lower, upper, pattern, strict=True)
    ]
    A, b, C, d, *_ = P.arrays
    return linprog(np.zeros(P.n), A_ub=C, b_ub=d, A_eq=A, b_eq=b, bounds=ends, method="highs").status == 0


@settings(deadline=None, max_examples=15)
@given(seeds)
@example(572)  # bounds that miss each other by less than a switch's tolerance times its reach
def test_nearest_pattern_keeps_as_many_as_brute_force(seed):
    P = random_polyhedron(seed, n=5, m=2, k=1)
    rng = np.random.default_rng(seed)
    finite = [
        [0] + [-1] * bool(lo > -INF) + [1] * bool(hi < INF)
        for lo, hi in zip(*map(torch.Tensor.tolist, (P.bounds.lower, P.bounds.upper)), strict=True)
    ]
    pattern = [int(rng.choice(choices)) for choices in finite]
    nearest = P.nearest_pattern(torch.tensor(pattern)).tolist()
    assert holds(P, nearest)
    kept = sum(p != 0 and p == q for p, q in zip(pattern, nearest, strict=True))
    subsets = itertools.product(*[(0, p) if p else (0,) for p in pattern])
    assert kept >= max(sum(map(abs, subset)) for subset in subsets if holds(P, subset))


def test_rows_that_move_in_proportion_become_one():
    """On `a = 2 b` the bounds of a, and of the inequality -b <= -1, are bounds of b."""
    P = Polyhedron(
        LinearSystem(tensor([[1.0, -2.0, 0.0]])),
        Bounds(tensor([0, 0, 0]), tensor([5, 9, 1])),
        Inequalities(tensor([[0, -1, 0]]), tensor([-1.0])),
    )
    merged = P.reduced.merged()
    assert len(P.reduced.rows) == 4
    assert len(merged.rows) == 2
    t = torch.randn(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    z, change = P.reduced.z(t), t @ merged.rows.T
    inside = ((merged.start + change >= merged.low) & (merged.start + change <= merged.high)).all(1)
    truth = (z[:, 1] >= 1) & (z[:, 0] <= 5) & (z[:, 2] >= 0) & (z[:, 2] <= 1)
    assert inside.any() and not inside.all()
    assert torch.equal(inside, truth)


@pytest.mark.parametrize("ends", [(INF, INF), (-INF, -INF)])
def test_bounds_that_leave_no_number_are_refused(ends):
    with pytest.raises(InvalidValueError, match="of variable 1 leave no number"):
        Bounds(tensor([0.0, ends[0]]), tensor([1.0, ends[1]]))
