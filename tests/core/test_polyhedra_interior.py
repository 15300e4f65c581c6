"""The mirror map where it must hold up: gradients, density, any coefficients, and polyhedra with thin directions."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from polyhedra_cases import INF, core_metabolism, normal, polyhedron, random_polyhedron, simplex, tensor

from lawful.core import LinearSystem, RankError
from lawful.core.polyhedra import InteriorMap, Link, MirrorMap
from lawful.core.polyhedra.spaces import LawSpace, NullSpace

KINDS = Link(tensor([0, -INF, -1, -INF, 2, 0]), tensor([INF, 2, 1, INF, 5, 9]), tensor([0.5, 2, 1, 3, 1, 1]))


def laws(m, seed=0):
    A = normal(m, 6, seed=seed)
    return A, A @ KINDS.forward(normal(6, seed=seed + 1))


@pytest.mark.parametrize("m", [1, 2, 4, 5])
def test_gradients(m):
    """Few laws take the law space, many the null space."""
    A, b = laws(m)
    mirror = MirrorMap(A, KINDS)
    assert isinstance(mirror.space, LawSpace if m <= 3 else NullSpace)
    y, b = normal(4, 6, seed=3).requires_grad_(), b.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y, b: mirror.solve(y, b, tol=1e-13).z, (y, b), atol=1e-6)


def test_gradients_with_a_matrix_for_each_sample():
    A = normal(4, 2, 6)
    b = (A @ KINDS.forward(normal(4, 6, seed=1)).unsqueeze(-1)).squeeze(-1).requires_grad_()
    y = normal(4, 6, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda y, b: MirrorMap(A, KINDS).solve(y, b, tol=1e-13).z, (y, b), atol=1e-6)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_both_spaces_agree(m):
    A, _ = laws(m)
    slope, x, r = torch.rand(3, 6).double() + 0.1, normal(3, 6), normal(3, m)
    law, null = LawSpace(A), NullSpace(A)
    for ours, theirs in zip(law.step(slope, r), null.step(slope, r), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(law.tangent(slope, x), null.tangent(slope, x), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(law.on_laws(slope, x), null.on_laws(slope, x), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(law.log_det(slope.log()), null.log_det(slope.log()), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(law.nearest(x, 2 * x.flip(0)), null.nearest(x, 2 * x.flip(0)), rtol=1e-9, atol=1e-11)


def solved(K, right):
    """Gauss's elimination in fractions: the solution and the determinant."""
    rows, det = [[*row, r] for row, r in zip(K, right, strict=True)], Fraction(1)
    for k in range(len(rows)):
        det *= rows[k][k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows], det


@pytest.mark.parametrize("decades", [6, 12, 18])
def test_slopes_of_many_decades_against_fractions(decades):
    """In a corner a Gram matrix keeps no digit of what a derivative, or a density, is."""
    m, n = 6, 9
    A, x = normal(m, n, seed=1), normal(n, seed=2)
    slope = torch.linspace(0.1, 1, n).double()
    slope[[0, 4]] *= 10.0**-decades  # which leaves one direction of three
    a, h, g = ([[Fraction(v) for v in row] for row in t.tolist()] for t in (A, slope[None], x[None]))
    K, even = ([[sum(r[j] * c[j] * w[j] for j in range(n)) for c in a] for r in a] for w in (h[0], [Fraction(1)] * n))
    multipliers, det = solved(K, [sum(r[j] * h[0][j] * g[0][j] for j in range(n)) for r in a])
    across = [g[0][j] - sum(r[j] * t for r, t in zip(a, multipliers, strict=True)) for j in range(n)]
    tangent = tensor([float(h[0][j] * across[j]) for j in range(n)])
    volume = math.prod(h[0]) / det * solved(even, [Fraction(0)] * m)[1]
    null = NullSpace(A)
    torch.testing.assert_close(null.tangent(slope[None], x[None])[0], tangent, rtol=0, atol=1e-12)
    for space in (null, LawSpace(A)):
        assert space.log_det(slope[None].log()).item() == pytest.approx(math.log(volume), abs=1e-11)
    if decades < 13:
        expected = tensor([float(t) for t in multipliers])
        torch.testing.assert_close(null.on_laws(slope[None], x[None])[0], expected, rtol=1e-7, atol=1e-9)


def numerical_log_det(of_y, y_moves, z_moves):
    """`log |det|` of the central differences along `y_moves` (F, D), seen in orthonormal `z_moves` (n, D)."""
    step = 1e-5
    ends = [of_y(sign * step * y_moves.T) for sign in (1, -1)]
    return torch.linalg.slogdet(((ends[0] - ends[1]) / (2 * step)) @ z_moves)[1]


@pytest.mark.parametrize("m", [1, 2, 4])
def test_density_against_a_numerical_jacobian(m):
    A, b = laws(m)
    mirror, y = MirrorMap(A, KINDS), normal(6, seed=5)
    z = mirror.solve(y[None], b, tol=1e-13).z
    y_moves, z_moves = LinearSystem(A * KINDS.unit).nullspace(), LinearSystem(A).nullspace()
    expected = numerical_log_det(lambda moves: mirror.solve(y + moves, b, tol=1e-13).z, y_moves, z_moves)
    assert mirror.log_det(z).item() == pytest.approx(expected.item(), abs=1e-6)
    assert torch.autograd.gradcheck(mirror.log_det, (z.requires_grad_(),), eps=1e-7, atol=1e-4)


def test_density_of_a_polyhedron_with_inequalities():
    P = polyhedron([[1, 1, 1, 1]], [1.0], np.zeros(4), None, [[1, -1, 0, 0]], [0.2])
    mirror = InteriorMap(P)
    F = mirror.mirror.A.shape[1]
    y = normal(F, seed=2)
    y_moves = LinearSystem(mirror.mirror.A * mirror.mirror.link.unit).nullspace()
    expected = numerical_log_det(lambda moves: mirror(y + moves), y_moves, LinearSystem(P.hull.A).nullspace())
    assert mirror.log_det(mirror(y[None])).item() == pytest.approx(expected.item(), abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 3.0]))
def test_points_are_strictly_inside_and_go_round(seed, spread):
    P = random_polyhedron(seed)
    mirror = InteriorMap(P)
    z = mirror(spread * normal(20, mirror.mirror.A.shape[1], seed=seed))
    assert ((z > P.bounds.lower) & (z < P.bounds.upper)).all()
    assert (z @ P.inequalities.C.T < P.inequalities.d + 1e-12).all()
    assert P.system.ulps(P.settle(z)).max() <= 8
    kept = (mirror.inverse(z).abs() < 12).all(-1)
    torch.testing.assert_close(mirror(mirror.inverse(z[kept])), z[kept], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e6, 1e12])
def test_coefficients_of_any_size(size):
    """A bounded variable in other units: the same point, and as easily found."""
    A, _ = laws(2)
    link, unit = Link(KINDS.lower, KINDS.upper, KINDS.scale), torch.ones(6).double()
    unit[2] = size
    b, y = A @ link.forward(normal(6, seed=1)), 3 * normal(50, 6, seed=4)
    other = MirrorMap(A / unit, Link(link.lower * unit, link.upper * unit, link.scale * unit)).solve(y, b)
    assert other.converged.all()
    torch.testing.assert_close(other.z / unit, MirrorMap(A, link).solve(y, b).z, rtol=1e-7, atol=1e-9)


def test_dependent_laws_are_refused():
    A, _ = laws(4)
    with pytest.raises(RankError):
        MirrorMap(torch.cat([A, A[:1] + A[1:2]]), KINDS)


def test_core_metabolism_converges_for_wide_coordinates():
    P = core_metabolism()
    mirror = InteriorMap(P)
    z = mirror(3 * normal(500, mirror.mirror.A.shape[1]))
    free = P.hull.free
    assert ((z > P.bounds.lower) & (z < P.bounds.upper))[:, free].all()
    finished = mirror.finish(z)
    assert P.system.ulps(finished).max() <= 8
    assert P.contains(finished).all()


def test_rounds_thin_directions():
    P = polyhedron([[1, 1, 1]], [1.0], [0, 0, 0], [INF, 1e-6, INF])
    z = InteriorMap(P)(normal(500, 3))
    assert 0.2e-6 < z[:, 1].std() < 0.5e-6
    assert simplex(3).contains(P.settle(z)).all()
