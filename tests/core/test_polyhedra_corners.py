"""Projection near vertices and edges, where more bounds meet than there are dimensions and noise breaks them."""

import numpy as np
import pytest
import torch
from polyhedra_cases import INF, core_metabolism, normal, random_polyhedron
from scipy.optimize import linprog, minimize

from lawful.core import LinearSystem
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron, lagrangian
from lawful.core.polyhedra.least_distance import least_move


def media():
    """The core metabolism of E. coli with an uptake and a reaction that two more variables limit, by inequalities."""
    core = core_metabolism()
    names = (*core.system.columns, "oxygen", "PTAr_on")
    oxygen, switched = names.index("EX_o2_e"), names.index("PTAr")
    C = torch.zeros(3, len(names), dtype=torch.float64)
    C[0, oxygen], C[0, -2] = -1, -1
    C[1, switched], C[1, -1] = 1, -1000
    C[2, switched], C[2, -1] = -1, -1000
    lower, upper = (torch.cat([end, torch.tensor(own).double()]) for end, own in (
        (core.bounds.lower, (0.0, 0.0)), (core.bounds.upper, (1000.0, 1.0))
    ))  # fmt: skip
    lower[oxygen] = -1000
    system = LinearSystem(torch.nn.functional.pad(core.system.A, (0, 2)), names=core.system.names, columns=names)
    return Polyhedron(system, Bounds(lower, upper), Inequalities(C, torch.zeros(3)))


def vertices(P, count, seed=0):
    """Ends of linear programmes, as flux balance analysis gives them."""
    A, b, C, d, lower, upper = P.arrays
    upper = np.minimum(upper, 30.0)
    rng = np.random.default_rng(seed)
    ends = [linprog(rng.normal(size=len(lower)), C, d, A, b, np.stack([lower, upper], 1)).x for _ in range(count)]
    return torch.from_numpy(np.array(ends))


@pytest.mark.parametrize("noise", [0.0, 1e-15, 1e-13, 1e-11, 1e-9])
def test_points_near_vertices_and_edges_become_lawful(noise):
    P = media()
    ends = vertices(P, 8)
    near = torch.cat([ends, (ends + ends.roll(1, 0)) / 2])
    x = near + noise * normal(*near.shape, seed=1) * (1 + near.abs())
    z = P.project(x)
    assert P.contains(z).all()
    # The vertex is in the set, so that the nearest point is no further away; it is known to the solver's precision.
    assert ((z - x).norm(dim=-1) <= (P.project(near) - x).norm(dim=-1) + 1e-8).all()
    assert ((z - near).norm(dim=-1) <= 1e-6 + 2 * (x - near).norm(dim=-1)).all()


@pytest.mark.parametrize("noise", [1e-13, 1e-11, 1e-9])
def test_points_near_vertices_move_no_further_than_to_these_in_a_metric_of_unlike_scales(noise):
    """Fluxes that never vary count a millionth of the most varied; moves are to be as small as the noise is."""
    P = media()
    ends = P.project(vertices(P, 8))
    spread = ends.std(0)
    weights = spread.maximum(1e-6 * spread.max()).square()
    x = ends + noise * normal(*ends.shape, seed=1)
    z = P.project(x, weights)
    assert P.contains(z).all()
    moved, least = (((y - x).square() / weights).sum(-1).sqrt() for y in (z, ends))
    assert (moved <= 1.01 * least + 1e-7).all()


@pytest.mark.parametrize("steps", [1, 3])
def test_samples_that_do_not_come_to_rest_are_solved_one_by_one(monkeypatch, steps):
    P, x = media(), 20 * normal(6, 97, seed=2)
    expected = P.project(x)
    monkeypatch.setattr(lagrangian, "_MAX_STEPS", steps)
    torch.testing.assert_close(P.project(x), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_one_by_one_in_a_metric(monkeypatch, seed):
    P = random_polyhedron(seed)
    x, weights = 3 * normal(9, 6, seed=seed), normal(9, 6, seed=seed + 1).exp()
    expected = P.project(x, weights)
    monkeypatch.setattr(lagrangian, "_MAX_STEPS", 1)
    torch.testing.assert_close(P.project(x, weights), expected, rtol=1e-8, atol=1e-8)


def test_the_least_move_is_that_of_the_quadratic_programme():
    rng = np.random.default_rng(5)
    for _ in range(20):
        G, room = rng.normal(size=(6, 3)), rng.normal(size=6)
        best = minimize(
            lambda v: v @ v, np.zeros(3), method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
            constraints=[{"type": "ineq", "fun": lambda v, G=G, room=room: room - G @ v}],
        )  # fmt: skip
        found = least_move(G, room)
        if best.success:
            move, active = found
            assert (G @ move <= room + 1e-9).all()
            np.testing.assert_allclose(move, best.x, atol=1e-5)
            np.testing.assert_allclose((G @ move - room)[active], 0, atol=1e-9)
    assert least_move(np.array([[1.0], [-1.0]]), np.array([-1.0, -1.0])) is None
    move, active = least_move(np.eye(2), np.ones(2))
    assert not move.any() and not active.any()


def test_the_least_move_minds_rows_that_were_far():
    """Two rows meet at a sharp angle, a thousandth of a degree: the corner is 1e5 times as far as the first row."""
    G = np.array([[-1.0, 0.0], [1.0, -1e-5], [0.0, 1.0]])
    move, active = least_move(G, np.array([-1.0, 0.0, INF]))
    np.testing.assert_allclose(move, [1.0, 1e5], rtol=1e-9)
    assert active.tolist() == [True, True, False]
    assert least_move(G, np.array([-1.0, 0.0, 9e4])) is None


def test_inequalities_alone_with_unlike_coefficients():
    C = torch.tensor([[0, 0, 9.4, 0], [0, -4000, -4.6e-5, 1.8e-3], [0, 3100, -1300, 0]], dtype=torch.float64)
    limits = Inequalities(C, C @ torch.full((4,), 0.5, dtype=torch.float64))
    P = Polyhedron(LinearSystem(torch.zeros(0, 4)), Bounds(torch.zeros(4), torch.ones(4)), limits)
    x = torch.tensor([[2.0, 2, 2, 2], [-1, 2, -1, 2]], dtype=torch.float64)
    assert P.contains(P.project(x)).all()
