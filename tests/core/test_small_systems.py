"""Small systems whose answers can be worked out by hand: exact, and lawful points stay where they are."""

import math

import pytest
import torch

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.polyhedra import Bounds, InfeasibleError, Link, MirrorMap, Polyhedron

DTYPES = [torch.float32, torch.float64]
TWO = LinearSystem([[2.0, 1.0, 0.0], [1.0, 0.0, 3.0]], [4.0, 5.0])
FOUR = LinearSystem(
    [[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0, 1.0]],
    [2.0, 2.0, 2.0, 2.0],
)
# total = s0 + s1, s0 = l0 + l1, s1 = l2 + l3; variables total, s0, s1, l0, l1, l2, l3.
TREE = LinearSystem(
    [
        [1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, -1.0, -1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0, -1.0, -1.0],
    ],
    names=["total", "subtotal 0", "subtotal 1"],
)
# Moles of H2O, O2, H2, CO2, CO, CH4, C2H4, C2H6 that hold 12 H, 10 O, 4 C.
SPECIES = LinearSystem(
    [
        [2.0, 0.0, 2.0, 0.0, 0.0, 4.0, 4.0, 6.0],
        [1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0],
    ],
    [12.0, 10.0, 4.0],
    names=["H", "O", "C"],
)
LAWFUL = {
    "two": (TWO, [2.0, 0.0, 1.0]),
    "four": (FOUR, [0.5, 1.5, 0.5, 1.5, 0.5]),
    "tree": (TREE, [10.0, 6.0, 4.0, 5.0, 1.0, 0.25, 3.75]),
    "species": (SPECIES, [3.0, 1.25, 2.0, 1.25, 2.0, 0.125, 0.1875, 0.125]),
}
INSIDE = ["four", "tree", "species"]


def above_zero(n):
    return Bounds(torch.zeros(n), torch.full((n,), torch.inf))


def positive(system):
    return Polyhedron(system, above_zero(system.n))


def positive_link(n):
    one = torch.ones(n, dtype=torch.float64)
    return Link(0 * one, torch.inf * one, one)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAWFUL)
def test_lawful_points_stay(name, dtype):
    system, point = LAWFUL[name]
    z = torch.tensor([point], dtype=dtype)
    assert (system.residual(z) == 0).all()
    assert torch.equal(system.project(z), z)
    assert torch.equal(positive(system).project(z), z)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAWFUL)
def test_draws_and_projections_are_exact(name, dtype):
    system, point = LAWFUL[name]
    generator = torch.Generator().manual_seed(0)
    loc = torch.tensor(point, dtype=dtype)
    scale = 0.5 + torch.rand(40, system.n, generator=generator).to(dtype)
    for width in (torch.ones(system.n, dtype=dtype), scale):
        assert system.ulps(ConstrainedNormal(loc, width, system).sample((40,))).max() <= 8.0
    far = loc + 3 * torch.randn(40, system.n, generator=generator).to(dtype)
    kept = positive(system).project(far)
    assert system.ulps(kept).max() <= 8.0
    assert (kept >= 0).all()


def test_two_equalities_by_hand():
    # K = A A' = [[5, 2], [2, 10]], b - A mu = (4, 5) for mu = 0, K^-1 (4, 5) = (30, 17) / 46.
    mean = ConstrainedNormal(torch.zeros(3).double(), torch.ones(3).double(), TWO).mean
    torch.testing.assert_close(mean, torch.tensor([77.0, 30.0, 51.0], dtype=torch.float64) / 46, rtol=1e-14, atol=0)
    # One dimension is left, along (3, -6, -1) / sqrt(46).
    normal = ConstrainedNormal(torch.zeros(3).double(), torch.ones(3).double(), TWO)
    torch.testing.assert_close(normal.variance, torch.tensor([9.0, 36.0, 1.0]).double() / 46)
    assert float(normal.log_prob(mean)) == pytest.approx(-math.log(2 * math.pi) / 2)


def test_four_coupled_equalities_with_positivity_by_hand():
    # Lawful points are (t, 2 - t, t, 2 - t, t), 0 <= t <= 2; the nearest has t = (z0 + z2 + z4 - z1 - z3 + 4) / 5.
    z = torch.tensor([[1.0, 0.0, 1.0, 0.0, 4.0], [9.0, 0.0, 9.0, 0.0, 9.0], [0.0, 9.0, 0.0, 9.0, 0.0]])
    expected = torch.tensor([[2.0, 0.0, 2.0, 0.0, 2.0], [2.0, 0.0, 2.0, 0.0, 2.0], [0.0, 2.0, 0.0, 2.0, 0.0]])
    found = positive(FOUR).project(z)
    torch.testing.assert_close(found[1:], expected[1:], rtol=0, atol=0)
    # The first has t = 2 without bounds too: whether rounding ends on the face is a matter of the machine.
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-15)
    assert positive(FOUR).contains(found).all()
    # Without bounds the second point has t = 31 / 5.
    free = FOUR.project(z[1].double())
    torch.testing.assert_close(free, torch.tensor([6.2, -4.2, 6.2, -4.2, 6.2]).double())


def test_a_tree_with_positive_leaves_by_hand():
    # A total of 1 against parts that sum to 3: equal variances, all of it by hand from K = A A'.
    z = torch.tensor([1.0, 1.0, 2.0, 0.5, 0.5, 1.0, 1.0], dtype=torch.float64)
    # residual (-2, 0, 0); K = [[3, -1, -1], [-1, 3, 0], [-1, 0, 3]], K^-1 (-2, 0, 0) = (-6, -2, -2) / 7.
    moved = z - torch.tensor([-6.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0], dtype=torch.float64) / 7
    torch.testing.assert_close(TREE.project(z), moved, rtol=1e-15, atol=1e-15)
    # A total of zero leaves nothing to positive leaves.
    given = TREE.restrict(torch.arange(7) > 0, torch.zeros(7))
    empty = Polyhedron(given, above_zero(7)).project(torch.rand(5, 7).double())
    assert (empty[..., 1:] == 0).all()


def test_element_balances_by_hand():
    # Without fuels, all hydrogen is in 6 H2O and all carbon in 4 CO2, which hold 14 O: four more than there are.
    only = torch.tensor([True, True, False, True, False, False, False, False])
    solved = SPECIES.restrict(only, torch.zeros(8)).project(torch.zeros(8))
    assert solved.tolist() == pytest.approx([6.0, -2.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0])
    with pytest.raises(InfeasibleError, match="'O'"):
        Polyhedron(SPECIES.restrict(only, torch.zeros(8)), above_zero(8)).require_feasible()


@pytest.mark.parametrize("name", INSIDE)
def test_the_mirror_map_returns_lawful_points_and_is_exact(name):
    system, point = LAWFUL[name]
    mirror = MirrorMap(system.A, positive_link(system.n))
    z = torch.tensor([point], dtype=torch.float64)
    torch.testing.assert_close(mirror.solve(mirror.inverse(z), system.b).z, z, rtol=1e-13, atol=0)
    y = torch.randn(40, system.n, generator=torch.Generator().manual_seed(0)).double()
    solution = mirror.solve(y, system.b)
    finished = mirror.finish(solution.z, system.b.expand(40, -1))
    assert solution.converged.all()
    assert (finished > 0).all()
    assert system.ulps(finished).max() <= 8.0


def test_the_mirror_map_of_four_equalities_by_hand():
    # Along the one direction that is left, d = (1, -1, 1, -1, 1), y counts: d u = d y, and softplus(u) = z.
    mirror = MirrorMap(FOUR.A, positive_link(5))
    solution = mirror.solve(torch.zeros(1, 5).double(), FOUR.b)
    t = float(solution.z[0, 0])
    alternating = torch.tensor([[t, 2 - t, t, 2 - t, t]], dtype=torch.float64)
    torch.testing.assert_close(solution.z, alternating, rtol=1e-13, atol=0)
    first, second = (math.log(math.expm1(value)) for value in (t, 2 - t))
    assert 3 * first == pytest.approx(2 * second, abs=1e-12)
