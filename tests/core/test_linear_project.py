"""`LinearSystem.project`: least moves, exactly lawful results, gradients."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from polyhedra_cases import core_metabolism

from lawful.core import ConstrainedNormal, InconsistentSystemError, InvalidValueError, LinearSystem
from lawful.core.linear import compensated_residual
from lawful.core.linear.settle import shared_residual
from lawful.core.polyhedra import HitAndRun

BALANCE = torch.tensor(
    [
        [1.0, -1.0, 1.0, -1.0, -1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -1.0, -1.0],
        [1.0, -1.0, 1.0, -1.0, 0.0, -1.0, -1.0, -1.0],
    ],
    dtype=torch.float64,
)


def random_case(seed, spread=3.0):
    """Laws of mixed units, some of which follow exactly from others, with right-hand sides rounded once."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    m = int(rng.integers(1, n + 1))
    A = np.round(rng.normal(size=(m, n)) * 64) / 64 * (rng.random((m, n)) < 0.7)
    A *= 2.0 ** rng.integers(-10, 11, (m, 1))
    A = np.vstack([A, rng.integers(-2, 3, (int(rng.integers(0, 3)), m)) @ A])
    z, feasible = rng.normal(size=(2, 5, n)) * 10.0 ** rng.uniform(-spread, spread, n)
    b = compensated_residual(A, feasible, np.zeros(len(A)))
    return torch.from_numpy(A), b, torch.from_numpy(z), torch.from_numpy(feasible), rng


def least_move(A, b, z, weights):
    """Independent reference: minimum-norm least squares in the weighted variables."""
    root = np.sqrt(weights)
    return z + root * np.linalg.lstsq(A * root, b - A @ z, rcond=None)[0]


def test_by_hand():
    system = LinearSystem([[1.0, 1.0]], [3.0])
    assert system.project([0.0, 1.0]).tolist() == pytest.approx([1.0, 2.0])
    assert system.project([0.0, 1.0], weights=[3.0, 1.0]).tolist() == pytest.approx([1.5, 1.5])
    assert system.project([0.0, 1.0], weights=[0.0, 1.0]).tolist() == pytest.approx([0.0, 3.0])


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_is_the_least_move(seed):
    rng = np.random.default_rng(seed)
    A, b, z, w = rng.normal(size=(3, 7)), rng.normal(size=3), rng.normal(size=7), rng.uniform(0.1, 10, 7)
    system = LinearSystem(A, b)
    np.testing.assert_allclose(system.project(z), least_move(A, b, z, np.ones(7)), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(system.project(z, w), least_move(A, b, z, w), rtol=1e-9, atol=1e-10)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]), st.booleans())
def test_obeys_every_law_to_eight_ulps_and_is_idempotent(seed, dtype, weighted):
    A, b, z, _, rng = random_case(seed)
    system, z = LinearSystem(A, b), z.to(dtype)
    weights = torch.from_numpy(10.0 ** rng.uniform(-3, 3, z.shape[-1])) if weighted else None
    once = system.project(z, weights)
    assert once.dtype == dtype
    assert system.ulps(once).max() <= 8.0
    torch.testing.assert_close(system.project(once, weights), once, rtol=0, atol=0)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6))
def test_given_values_and_free_ones_together_obey_every_law(seed):
    A, b, z, feasible, rng = random_case(seed)
    free = torch.from_numpy(rng.random(z.shape) < 0.7)
    start = torch.where(free, z, feasible)
    projected = LinearSystem(A, b).restrict(free, feasible).project(start)
    assert torch.equal(projected[~free], feasible[~free])
    assert LinearSystem(A, b).ulps(projected).max() <= 8.0


def test_multiples_of_a_redundant_law_are_exact_where_others_nearly_depend():
    # The last law is -2 `first` - 2 `third`; the others come near to a dependency.
    A = torch.tensor(
        [
            [0.0, -2.3125, -1.34375, 1.34375],
            [-0.0732421875, 0.0, 0.0, 0.0],
            [-27.0, 21.0, 52.0, 3.5],
            [0.0, 800.0, 0.0, -576.0],
            [0.146484375, -1600.0, 0.0, 1152.0],
        ],
        dtype=torch.float64,
    )
    names = ["inflow", "first", "second", "third", "last"]
    system = LinearSystem(A, names=names)
    assert system._laws.factor.dependent[0, 4].tolist() == [0.0, 2.0, 0.0, 2.0, 1.0]
    b = torch.tensor([4.7, -23.8, -8830.0, -1480.8, 0.0], dtype=torch.float64)
    b[4] = -2 * b[1] - 2 * b[3]
    LinearSystem(A, b)
    with pytest.raises(InconsistentSystemError, match="'first', 'third' and 'last'"):
        LinearSystem(A, b + torch.tensor([0.0, 0.0, 0.0, 0.0, 1e-9]), names=names)


def test_a_small_redundant_law_is_not_drowned_by_the_rounding_of_large_ones():
    # `rest` = `total` - `most`; its own right-hand side is known far better than their difference.
    A = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    most, rest = 1e12 / 3, 1e-3 / 3
    system = LinearSystem(A, [most + rest, most, rest], names=["total", "most", "rest"])
    assert system.redundant == ("rest",)
    z = torch.tensor([1e11, 1e11, 1e-4, 5e-4], dtype=torch.float64)
    assert system.ulps(system.project(z)).max() <= 2.0
    assert system.ulps(ConstrainedNormal(z, z, system).sample((50,))).max() <= 8.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-1000, 1000), min_size=6, max_size=6))
def test_lawful_points_do_not_move(parts):
    Kdown, Kup, Ldown, Lup, QE, QH = (p / 8 for p in parts)
    QN = Kdown - Kup + Ldown - Lup
    z = torch.tensor([Kdown, Kup, Ldown, Lup, QN, QE, QH, QN - QE - QH])
    for dtype in (torch.float32, torch.float64):
        torch.testing.assert_close(LinearSystem(BALANCE).project(z.to(dtype)), z.to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("beyond", [5, 15])
def test_points_that_miss_a_law_by_some_ulps_are_moved_beside_others_that_do_not(beyond):
    system = LinearSystem(BALANCE[:2])
    z = system.project(torch.randn(40, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    off = z.clone()
    off[::2, 4] += beyond * system.allowance(z[::2], torch.float64)[:, 0]
    assert (system.ulps(off[::2])[:, 0] > 2).all()
    moved = system.project(off)
    assert system.ulps(moved).max() <= 2
    assert torch.equal(moved[1::2], z[1::2])


@pytest.mark.parametrize("kappa", [1e4, 1e8])
def test_ill_conditioned_laws(kappa):
    generator = torch.Generator().manual_seed(0)
    U = torch.linalg.qr(torch.randn(20, 20, generator=generator).double())[0]
    V = torch.linalg.qr(torch.randn(40, 20, generator=generator).double())[0]
    A = U * torch.logspace(0, -np.log10(kappa), 20, dtype=torch.float64) @ V.mT
    z = torch.randn(50, 40, generator=generator).double()
    system = LinearSystem(A, A @ torch.randn(40, generator=generator).double())
    projected = system.project(z)
    assert system.rank == 20
    assert system.ulps(projected).max() <= 8.0
    # The move has no part in the null space, up to what rounding of A does to that space.
    assert ((projected - z) @ system.nullspace()).abs().max() < 1e-13 * kappa


def test_tiny_variables_next_to_huge_ones_keep_their_laws():
    A = torch.tensor([[1.0, -1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0, -1.0]], dtype=torch.float64)
    z = torch.tensor([1e12, 0.9e12, 1e-9, 3e-9, 1e-9], dtype=torch.float64)
    system = LinearSystem(A)
    assert system.ulps(system.project(z)).max() <= 8.0
    assert system.ulps(system.project(z, z.square())).max() <= 8.0


def test_redundant_laws_hold_as_well():
    z = torch.randn(100, 8, generator=torch.Generator().manual_seed(0)).double()
    system = LinearSystem(BALANCE, names=["radiation", "energy", "both"])
    assert system.redundant == ("both",)
    assert system.residual(system.project(z)).abs().max() < 1e-14


def test_unequal_weights_move_the_uncertain_most():
    system = LinearSystem([[1.0, 1.0, 1.0]], [0.0])
    assert system.project([1.0, 1.0, 1.0], [1.0, 0.0, 2.0]).tolist() == pytest.approx([0.0, 1.0, -1.0])


def test_zero_weights_per_sample():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(30, 8, generator=generator).double()
    weights = torch.rand(30, 8, generator=generator).double() * (torch.rand(30, 8, generator=generator) < 0.8)
    weights[:, [0, 5]] = 1.0
    system = LinearSystem(BALANCE)
    projected = system.project(z, weights)
    assert torch.equal(projected[weights == 0], z[weights == 0])
    for i in range(30):
        torch.testing.assert_close(projected[i], system.project(z[i], weights[i]))
        reference = least_move(BALANCE[:2].numpy(), np.zeros(2), z[i].numpy(), weights[i].numpy())
        np.testing.assert_allclose(projected[i], reference, atol=1e-12)


def test_weights_that_leave_a_law_nothing_to_move():
    with pytest.raises(InconsistentSystemError, match="'law 0' has no free variable but 1 of"):
        LinearSystem([[1.0, 1.0]], [1.0]).project([0.0, 0.0], [0.0, 0.0])


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_senseless_weights_are_refused(weights):
    with pytest.raises(InvalidValueError, match="weights"):
        LinearSystem([[1.0, 1.0]]).project([0.0, 0.0], weights)


def test_missing_values_are_refused_by_name():
    with pytest.raises(InvalidValueError, match="'b' is nan in sample 1"):
        LinearSystem([[1.0, 1.0]], columns=["a", "b"]).project([[0.0, 0.0], [0.0, float("nan")]])


def test_batched_is_a_loop():
    generator = torch.Generator().manual_seed(0)
    b = torch.randn(4, 2, generator=generator).double()
    z = torch.randn(3, 4, 8, generator=generator).double()
    weights = torch.rand(4, 8, generator=generator).double()
    system = LinearSystem(BALANCE[:2], b)
    together = system.project(z, weights)
    assert together.shape == (3, 4, 8)
    for i in range(4):
        alone = LinearSystem(BALANCE[:2], b[i])
        torch.testing.assert_close(together[:, i], alone.project(z[:, i], weights[i]))
        torch.testing.assert_close(system.project(z)[:, i], alone.project(z[:, i]))


def test_one_point_broadcasts_over_weights():
    system = LinearSystem(BALANCE)
    assert system.project(torch.zeros(8), torch.ones(6, 8)).shape == (6, 8)


def test_gradients():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(3, 8, generator=generator).double().requires_grad_()
    weights = (torch.rand(3, 8, generator=generator).double() + 0.5).requires_grad_()
    b = torch.randn(3, 2, generator=generator).double().requires_grad_()
    system = LinearSystem(BALANCE)
    assert torch.autograd.gradcheck(system.project, (z,))
    assert torch.autograd.gradcheck(system.project, (z, weights))
    assert torch.autograd.gradgradcheck(system.project, (z, weights))
    assert torch.autograd.gradcheck(lambda b: LinearSystem(BALANCE[:2], b).project(z.detach()), (b,))


def test_gradient_of_a_lawful_point_is_the_projector():
    z = torch.zeros(8, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(LinearSystem(BALANCE).project, z)
    N = LinearSystem(BALANCE).nullspace()
    torch.testing.assert_close(jacobian, N @ N.mT)


def test_gradients_with_weights_of_zero():
    z = torch.randn(8, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 2.0, 0.0, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: LinearSystem(BALANCE).project(z, weights), (z,))


def test_float32_points_are_projected_in_float64():
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    system = LinearSystem(BALANCE)
    torch.testing.assert_close(system.project(z), system.project(z.double()).float(), rtol=0, atol=0)
    z.requires_grad_()
    system.project(z).sum().backward()
    assert z.grad is not None and z.grad.dtype == torch.float32


@pytest.mark.parametrize("copies", [1, 12])
def test_flows_that_the_laws_pin_to_zero_are_exactly_zero(copies):
    # A tree hangs on the ring 0 - 1 - 2 of a closed network: nothing can flow along its edges.
    edges = np.array([(0, 1), (1, 2), (2, 0), (0, 2), (2, 3), (3, 4), (3, 5)])
    system = LinearSystem.incidence(np.concatenate([edges + 6 * i for i in range(copies)]))
    assert system.structure == ("dense" if copies == 1 else "repeated")
    generator = torch.Generator().manual_seed(0)
    z = 100 * torch.randn(50, system.n, generator=generator).double()
    weights = torch.rand(50, system.n, generator=generator).double() + 0.1
    for points in (system.project(z), system.project(z, weights)):
        assert system.ulps(points).max() <= 8
        assert (points.unflatten(-1, (copies, 7))[..., 4:] == 0).all()


def with_noise(lawful, size, seed=0):
    return lawful + size * torch.randn(lawful.shape, generator=torch.Generator().manual_seed(seed), dtype=lawful.dtype)


@cache
def fluxes(kind):
    """Fluxes of the core metabolism with many zeros: inside its bounds, or on as many of them as there can be."""
    laws, generator = core_metabolism(), torch.Generator().manual_seed(0)
    if kind == "inside":
        return laws, HitAndRun(laws, generator=generator).sample(64, generator)
    return laws, laws.project(10 * torch.randn(64, laws.n, generator=generator, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["inside", "corners"])
@pytest.mark.parametrize("size, unit", [(1e-18, 1.0), (1e-16, 1e9), (1e-14, 1e-9)])
def test_zeros_that_came_as_rounding(kind, size, unit):
    """As in fluxes of a simulator: laws between zeros have no terms beside which rounding is small."""
    laws, z = fluxes(kind)
    noisy = unit * with_noise(z, size)
    decades = 10.0 ** torch.linspace(-4, 4, laws.n, dtype=torch.float64)
    for weights in (None, torch.linspace(0.1, 1.0, laws.n, dtype=torch.float64), decades.roll(7)):
        lawful = laws.system.project(noisy, weights)
        assert laws.system.ulps(lawful).max() <= 2
        assert (lawful - noisy).abs().max() <= 1e-12 * unit * (1.0 if weights is None else 1e4)
        for points in (lawful, laws.system.project(noisy.float(), weights)):
            assert laws.system.holds(points).all() and torch.equal(laws.system.project(points, weights), points)


@pytest.mark.parametrize("layout", ["repeated", "sample by sample", "banded"])
def test_zeros_that_came_as_rounding_in_laws_with_structure(layout):
    if layout == "banded":
        system = LinearSystem(continuity(200))
        silent = torch.rand(8, system.n, generator=torch.Generator().manual_seed(1)) < 0.5
        silent[:, 201:401] = False
        part = system.restrict(~silent, torch.zeros(8, system.n), check=False)
        z = part.with_fixed(part.project(with_noise(torch.zeros(8, system.n, dtype=torch.float64), 1.0)))
    else:
        laws, z = fluxes("corners")
        A = laws.system.A
        repeated = layout == "repeated"
        system = LinearSystem.repeated(laws.system, 8) if repeated else LinearSystem(A.expand(64, *A.shape).clone())
        z = z.reshape(8, -1) if repeated else z
    for size in (1e-18, 1e-16, 1e-14):
        noisy = with_noise(z, size)
        for weights in (None, (10.0 ** torch.linspace(-4, 4, system.n, dtype=torch.float64)).roll(7)):
            assert system.ulps(system.project(noisy, weights)).max() <= 2


def continuity(steps):
    """`S_t - S_(t-1) - inflow_t + outflow_t = 0` of S (steps + 1), inflow and outflow (steps)."""
    before = torch.cat((torch.eye(steps), torch.zeros(steps, 1)), 1)
    after = torch.cat((torch.zeros(steps, 1), torch.eye(steps)), 1)
    return torch.cat((after - before, -torch.eye(steps), torch.eye(steps)), 1).double()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 6.0, 12.0]))
def test_contradictions_are_shared_out_by_what_laws_allow(seed, decades):
    """What is left obeys the dependencies, and `e = W Y' (Y W Y')^-1 Y r` for `W = allowance^2` in fractions."""
    rng = np.random.default_rng(seed)
    Y = np.hstack([np.eye(2), rng.integers(-3, 4, (2, 4))])[:, rng.permutation(6)]
    allowance = 10.0 ** rng.uniform(-decades, 0, 6)
    residual = allowance * rng.normal(size=6)
    padded = torch.from_numpy(np.vstack([Y[0], np.zeros(6), Y[1]]))
    left = shared_residual(padded, torch.from_numpy(residual), torch.from_numpy(allowance)).numpy()
    assert (np.abs(exactly(Y, left)) <= 1e-14 * (np.abs(Y) @ allowance)).all()
    weighted = [[Fraction(y) * Fraction(a) for y, a in zip(row, allowance, strict=True)] for row in Y]
    (p, q), (_, s) = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in weighted] for a in weighted]
    f, g = exactly(Y, residual)
    least = (f * (s * f - q * g) + g * (p * g - q * f)) / (p * s - q * q)
    np.testing.assert_allclose((((residual - left) / allowance) ** 2).sum(), float(least), rtol=1e-9)


def exactly(Y, x):
    return [sum(Fraction(y) * Fraction(z) for y, z in zip(row, x, strict=True)) for row in Y.tolist()]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_zero_that_a_law_alone_pins_is_exactly_zero_where_it_came_as_rounding(dtype):
    """Moves of other variables, far larger, leave in it what is more than nothing beside the rounding that it was."""
    system = LinearSystem([[0.0, 3.35, 0.0, 0.0], [2.04e-4, 4.94e-4, 0.0, -5.04e-4]], [0.0, -8.66e-5])
    lawful = torch.tensor([0.0, 0.0, -0.1366, 8.66e-5 / 5.04e-4], dtype=torch.float64)
    z = with_noise(lawful.float().double().expand(64, 4), 1e-17).to(dtype)
    found = system.project(z)
    assert system.holds(found).all() and (found[:, 1] == 0).all()
    assert (found - lawful).abs().max() <= 1e-8


@pytest.mark.parametrize("offset", [1e-3, 1e-8, 1e-12, 10.0])
def test_laws_beside_one_that_is_left_broken_by_its_tolerance_hold(offset):
    system = LinearSystem([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [2.0, 2.0])
    given = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    part = system.restrict([True, True, False], given, tolerance=5.0)
    z = torch.tensor([1.0 + offset, 1.0, 1.0], dtype=torch.float64)
    expected = torch.tensor([1.0 + offset / 2, 1.0 - offset / 2, 1.0], dtype=torch.float64)
    for points, wanted in ((z, expected), (z.expand(3, 3), expected.expand(3, 3))):
        torch.testing.assert_close(part.project(points), wanted, rtol=1e-15, atol=0)


def test_small_values_that_no_law_ties_to_large_ones_are_no_rounding():
    system = LinearSystem([[1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, -3.0, 7.0]])
    z = torch.tensor([3e-20, 1e-20, 2.0, 1.0, 5.0], dtype=torch.float64)
    lawful = system.project(z)
    torch.testing.assert_close(lawful[:2], torch.full_like(z[:2], 2e-20), rtol=1e-12, atol=0)
    assert system.ulps(lawful).max() <= 8


def test_the_only_point_is_zero_where_laws_are_nearly_parallel():
    """One move leaves 1e-8 of the point: not rounding of the values, but of the moves."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        A = rng.normal(size=(4, 4))
        A[3] = A[0] + 1e-8 * rng.normal(size=4)
        assert (LinearSystem(A).project(rng.normal(size=4)) == 0).all()


PINNED = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("layout", ["dense", "sparse", "per sample"])
def test_small_values_beside_variables_that_laws_make_zero_are_no_rounding(layout, dtype):
    """What is next to nothing beside what it was may be real: only the laws tell what is zero."""
    chain = torch.tensor([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]], dtype=torch.float64)
    A = torch.block_diag(chain, PINNED)
    A = {"dense": A, "sparse": A.to_sparse(), "per sample": A.expand(2, 4, 5).clone()}[layout]
    z = torch.tensor([1e6, 1e-6, 1e-6, 0.7, 0.3], dtype=dtype).expand(2, 5)
    weights = torch.tensor([1e12, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    found = LinearSystem(A).project(z, weights)
    torch.testing.assert_close(found[:, :3], torch.full_like(found[:, :3], 1.5e-6), rtol=1e-6, atol=0)
    assert (found[:, 3:] == 0).all() and LinearSystem(A).holds(found).all()


def test_values_that_cancel_to_small_ones_beside_zeros():
    A = torch.block_diag(torch.tensor([[1.0, -1.0]], dtype=torch.float64), PINNED)
    found = LinearSystem(A).project(torch.tensor([1e9 + 0.9, -1e9 + 0.9, 0.3, 0.7], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([0.9, 0.9, 0.0, 0.0], dtype=torch.float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize("seed", range(20))
def test_small_values_beside_zeros_are_those_of_their_own_laws_alone(seed):
    rng = np.random.default_rng(seed)
    A, pinned = rng.normal(size=(2, 4)).round(1), rng.normal(size=(2, 2)).round(1)
    start = 1e-8 * LinearSystem(A).project(rng.normal(size=4)).numpy() + A.T @ rng.normal(size=2)
    system = LinearSystem(torch.block_diag(*(torch.from_numpy(x) for x in (A, pinned))))
    found = system.project(np.concatenate([start, rng.normal(size=2)]))
    alone = LinearSystem(A).project(start)
    assert system.holds(found) and (found[4:] == 0).all()
    torch.testing.assert_close(found[:4], alone, rtol=0, atol=1e-14 * np.linalg.cond(A) * np.abs(start).max())


def test_a_zero_that_rounding_of_given_values_contradicts():
    system = LinearSystem([[0.6441135152435021, -1.6173069540976728, 1.0], [-0.48185200585830523, 0.0, 0.0]])
    given = torch.tensor([0.0, 0.1, 0.16173069540976728], dtype=torch.float64)
    part = system.restrict([True, False, False], given)
    z = torch.linspace(-1e-3, 1e-3, 41, dtype=torch.float64).unsqueeze(-1) * torch.tensor([1.0, 0.0, 0.0])
    found = part.project(z)
    assert (found[:, 0] == 0).all() and part.ulps(found).max() <= 8
