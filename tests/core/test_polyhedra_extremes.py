"""Polyhedra that are next to nothing wide, single points, or measured in units far from one."""

import numpy as np
import pytest
import torch
from polyhedra_cases import INF, normal, polyhedron, seeded, tensor

from lawful.core import LinearSystem, RankError
from lawful.core.polyhedra import (
    Bounds,
    HitAndRun,
    Inequalities,
    InteriorMap,
    Link,
    MirrorMap,
    NotConvergedError,
    Polyhedron,
    implied,
)


def drawn(P, count=2000, **target):
    return HitAndRun(P, generator=seeded(), **target).sample(count, seeded(1))


@pytest.mark.parametrize("end", [1e3, 1e6, 1e9, 1e15])
@pytest.mark.parametrize("equal", [True, False])
def test_bounds_that_stand_for_none_imply_nothing(end, equal):
    """A simplex of size 0.05, whose variables may go up to `end` by their own bounds."""
    row, size = [[1.0, 1.0, 1.0]], [0.05]
    laws = (row, size) if equal else (np.zeros((0, 3)), np.zeros(0))
    P = polyhedron(*laws, [0] * 3, [end] * 3, None if equal else row, None if equal else size)
    assert P.dimension == (2 if equal else 3)
    z = drawn(P)
    assert P.contains(z).all()
    # Of a uniform draw from a simplex each variable has the mean 1 / 3, with a corner at the origin 1 / 4.
    torch.testing.assert_close(z.mean(0), torch.full((3,), 0.05 / (3 if equal else 4)).double(), rtol=0.1, atol=0)
    if equal:
        torch.testing.assert_close(P.project(tensor([1.0, 0.2, -0.1])), tensor([0.05, 0.0, 0.0]))


def test_a_slab_too_thin_to_be_told_from_a_plane_is_one_of_its_sides():
    P = polyhedron(np.zeros((0, 2)), [], [0, 0], [2, 2], [[1, 1], [-1, -1]], [1, -1 + 1e-10])
    assert P.dimension == 1 and P.tight.sum() == 1
    z = P.project(tensor([[1.0, 0.2], [0.1, 0.1]]))
    torch.testing.assert_close(z, tensor([[0.9, 0.1], [0.5, 0.5]]), rtol=0, atol=1e-9)
    assert P.contains(z).all() and P.contains(drawn(P)).all()


def test_the_only_point_of_laws_is_solved_from_large_coefficients():
    A, point = tensor([[1e-3, -1.6], [0.46, -2.7e-4]]), tensor([-1.0, 0.23])
    P = Polyhedron(LinearSystem(A, A @ point), Bounds(tensor([-1, 0.1]), tensor([INF, 0.3])))
    assert P.contains(point) and P.dimension == 0
    assert P.contains(drawn(P)).all()
    torch.testing.assert_close(P.project(tensor([0.3, 0.4])), point)


def test_the_only_point_that_no_numbers_are_near_is_refused(monkeypatch):
    P = polyhedron([[1, 1], [1, -1]], [1, 0], [0, 0], [1, 1])
    monkeypatch.setattr(Polyhedron, "contains", lambda self, z: torch.zeros(z.shape[:-1], dtype=torch.bool))
    with pytest.raises(NotConvergedError, match="only point"):
        HitAndRun(P, generator=seeded())


def test_a_point_that_presolve_misses_is_found_without(monkeypatch):
    solve, seen = implied.linprog, []

    def missing(*arguments, options, **parts):
        seen.append(options)
        result = solve(*arguments, options=options, **parts)
        if options.get("presolve", True):
            result.status = 2
        return result

    monkeypatch.setattr(implied, "linprog", missing)
    P = polyhedron([[1, 1]], [1], [0, 0], [1, 1])
    assert P.interior.point.sum() == pytest.approx(1) and P.dimension == 1
    assert seen[1].pop("presolve") is False and seen[0] == seen[1]


def test_laws_that_pin_a_variable_leave_the_map_of_the_others():
    """`u + v + ... = 1` and the same with one variable twice pin that to 0.2."""
    whole = polyhedron([[1] * 6, [1] * 5 + [2]], [1, 1.2], [0] * 6)
    part = polyhedron([[1] * 5], [0.8], [0] * 5)
    maps, y = [InteriorMap(P) for P in (whole, part)], normal(50, 5)
    z, of_part = (m(y) for m in maps)
    torch.testing.assert_close(z, torch.cat([of_part, torch.full((50, 1), 0.2).double()], 1))
    torch.testing.assert_close(maps[0].log_det(z), maps[1].log_det(of_part))
    small = InteriorMap(polyhedron([[1, 1, 1], [1, 1, 2]], [1, 1.2], [0] * 3))
    assert torch.allclose(small(normal(9, 2)).sum(1), torch.ones(9).double())


def test_dependent_laws_have_no_mirror_map():
    with pytest.raises(RankError):
        MirrorMap(torch.ones(2, 6).double(), Link(torch.zeros(6).double(), tensor([INF] * 6), torch.ones(6).double()))


@pytest.mark.parametrize("laws", [([[1, 1]], [0]), ([[1, 1], [1, -1]], [1, 0])])
def test_a_single_point_has_a_map_without_coordinates(laws):
    P = polyhedron(*laws, [0, 0])
    inside = InteriorMap(P)
    z = inside(torch.zeros(4, 0))
    assert P.contains(z).all() and torch.equal(inside.finish(z), z)
    assert inside.inverse(z).shape == (4, 0) and torch.equal(inside.log_det(z), torch.zeros(4).double())


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_units_of_an_inequality_do_not_change_the_map(unit):
    y = normal(1000, 3)
    inside, other = (InteriorMap(polyhedron(np.zeros((0, 2)), [], [0, 0], [1, 1], [[u, u]], [u])) for u in (unit, 1.0))
    z = inside(y)
    torch.testing.assert_close(z, other(y), rtol=1e-9, atol=1e-12)
    assert (z.sum(1) < 1).all() and (z > 0).all()
    back = inside(inside.inverse(z))
    torch.testing.assert_close(back, z, rtol=1e-9, atol=1e-12)


def test_an_inequality_that_says_nothing_does_not_press_draws_into_a_corner():
    P = polyhedron([[2, 1, 2]], [0], [-2, -3, -2], [2, 0, 0], [[0, 6, 6]], [6])
    z = InteriorMap(P)(normal(1000, 4))
    assert P.contains(z).all() and (z.abs().median(0).values > 0.1).all()


def test_what_misses_its_laws_after_the_finish_is_refused(monkeypatch):
    inside = InteriorMap(polyhedron([[1, 1, 1]], [1], [0] * 3))
    monkeypatch.setattr(inside.mirror, "finish", lambda lifted, b: lifted + 1e-9)
    with pytest.raises(NotConvergedError, match="8 ulps"):
        inside.finish(inside(normal(3, 3)))


def test_single_precision_coordinates_and_points():
    inside = InteriorMap(polyhedron([[1, 1, 1]], [1], [0] * 3, None, [[1, -1, 0]], [0.5]))
    y = normal(5, 4).float()
    z = inside(y)
    assert z.dtype == torch.float64
    torch.testing.assert_close(inside.log_det(z.float()), inside.log_det(z), rtol=1e-3, atol=1e-3)
    assert inside.inverse(z.float()).dtype == torch.float64


@pytest.mark.parametrize("batch", [False, True])
def test_right_hand_sides_with_gradients_count_as_constants(batch):
    b = torch.ones((1, 1) if batch else (1,), dtype=torch.float64, requires_grad=True)
    P = Polyhedron(LinearSystem([[1.0, 1.0, 1.0]], b), Bounds(tensor([0] * 3), tensor([INF] * 3)))
    z = tensor([1.0, 2.0, 3.0]).requires_grad_()
    (gradient,) = torch.autograd.grad(P.project(z).square().sum(), z)
    assert P.contains(P.project(z)).all() and gradient.isfinite().all()


@pytest.mark.parametrize("away", [1e3, 1e7, 1e9, 1e12])
def test_normals_however_far_off_are_exponential_at_the_bound(away):
    """To first order: with a mean `away` standard deviations below zero, `away z` has the density exp(-x)."""
    P = polyhedron(np.zeros((0, 1)), [], [0])
    x = np.sort(drawn(P, 20000, loc=[-away], scale=[1.0])[:, 0].numpy() * away)
    assert np.abs(-np.expm1(-x) - np.arange(1, 20001) / 20000).max() < 0.012


def test_a_normal_whose_likeliest_point_is_not_found_says_so():
    with pytest.raises(NotConvergedError, match="likeliest point"):
        drawn(polyhedron(np.zeros((0, 1)), [], [0], [1]), loc=[1.5], scale=[1e-9])


@pytest.mark.parametrize("b", [0.0, 1e-30, -1e-17, 2.2e-16, -1e-12, 1e-12, -1e-10, 1e-10, 1e-6])
def test_a_right_hand_side_next_to_nothing_does_not_measure_variables(b):
    part = Polyhedron(LinearSystem([[1.0, -1.0]], [b]), Bounds(tensor([0.0, 0.0]), tensor([3.0, INF])))
    assert part.dimension == 1
    torch.testing.assert_close(part.project(tensor([1.0, 0.5])), tensor([0.75, 0.75]), rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.stack(part.ranges), tensor([[0.0, 0.0], [3.0, 3.0]]), rtol=0, atol=2e-6)


@pytest.mark.parametrize("b", [0.0, 1e-17, 2.2e-16, -2.2e-16])
def test_the_same_beside_an_inequality(b):
    bounds = Bounds(tensor([-INF, -2.6, -INF]), tensor([-0.2, -1.6, 1.8]))
    inequalities = Inequalities(tensor([[0.0, 2.0, -1.0]]), tensor([-3.0]))
    part = Polyhedron(LinearSystem([[-2.0, 1.0, -1.0]], [b]), bounds, inequalities)
    point = tensor([-1.0, -2.0, 0.0])
    torch.testing.assert_close(part.project(point), point, rtol=0, atol=1e-15)
    torch.testing.assert_close(part.ranges[0], tensor([-2.2, -2.6, -2.2]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("signs", [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
def test_what_given_values_leave_of_zero_is_zero(signs):
    """0.3 - 0.1 - 0.2 is -2.8e-17, which positive values could not add up to."""
    given = tensor([0.0, 0.0, 0.1, 0.2])
    free = torch.tensor([True, True, False, False])
    system = LinearSystem(tensor([[*signs, 1.0, 1.0]]), [0.3]).restrict(free, given)
    upper = [INF if signs == [1.0, 1.0] else 3.0, INF, INF, INF]
    part = Polyhedron(system, Bounds(torch.zeros(4).double(), tensor(upper)))
    found = part.project(tensor([1.0, 0.5, 0.1, 0.2]))
    expected = [0.0, 0.0, 0.1, 0.2] if signs == [1.0, 1.0] else [0.75, 0.75, 0.1, 0.2]
    assert part.contains(given) and part.contains(found)
    torch.testing.assert_close(found, tensor(expected), rtol=0, atol=1e-15)


@pytest.mark.parametrize("unit", [1e-9, 1e-11, 1e-13, 1e-16])
@pytest.mark.parametrize("seed", range(6))
def test_metrics_that_are_singular_but_for_rounding_say_so(unit, seed):
    rng = np.random.default_rng(seed)
    A, x = rng.normal(size=(1, 4)).round(1), rng.normal(size=4).round(1)
    A[0, :2] *= unit
    ends = np.where(rng.random(4) < 0.5, x, -INF)
    part = Polyhedron(LinearSystem(A, A @ x), Bounds(tensor(ends), tensor([INF] * 4)))
    z = tensor(x - 1 + rng.normal(size=4))
    try:
        assert part.contains(part.project(z))
    except NotConvergedError as error:
        assert "need weights" in str(error)
    weights = tensor([unit**-2, unit**-2, 1.0, 1.0])
    assert part.contains(part.project(z, weights))


def test_a_point_that_redundant_laws_pin_is_not_solved_into_rounding():
    A = [[-1, -1, 2, 2, 0], [2, 1, 1, -2, -1], [1, 1, -2, 2, 2], [-1, 0, 0, -2, 2], [-2, 0, 1, -1, -2]]
    bounds = Bounds(tensor([-1.1, -INF, -INF, -1.5, -0.4]), tensor([INF, 0.6, 1.2, INF, INF]))
    part = Polyhedron(LinearSystem(np.array(A, float), [-2.1, 3.0, -4.7, 2.3, 2.7]), bounds)
    point = tensor([-0.1, -0.4, 0.2, -1.5, -0.4])
    assert part.contains(point) and part.dimension == 0
    torch.testing.assert_close(part.project(point + 1), point, rtol=1e-14, atol=0)
