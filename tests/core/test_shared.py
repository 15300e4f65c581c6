"""Moves of whole batches by one metric: taken only where they are sure, and then the same as those of single points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import LinearSystem
from lawful.core.linear.gram_factors import LapackFactors
from lawful.core.linear.gram_metric import GramMetric
from lawful.core.linear.movers import GramMover
from lawful.core.linear.shared import SharedMoves

DTYPES = [torch.float32, torch.float64]


def laws(seed, m, n, *batch):
    rng = np.random.default_rng(seed)
    A, z = torch.from_numpy(rng.normal(size=(m, n))), torch.from_numpy(rng.normal(size=(50, n)))
    return A, torch.from_numpy(rng.normal(size=(*batch, m))), z


def moves(system, dtype):
    """By the unweighted metric."""
    judge = system._laws.judge(system._rhs, dtype)

    def found(z):
        result = judge.moves(z, system.unweighted)
        return None if result is None else result[0]

    return found


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(DTYPES), st.sampled_from([1e-9, 1.0, 1e9]), st.booleans())
def test_points_are_lawful_and_nearest(seed, dtype, unit, zero):
    A, b, z = laws(seed, 3, 9, 50)
    A = A * torch.tensor([[1e-9], [1.0], [1e9]], dtype=torch.float64)
    b = 0 * b if zero else b * A.abs().amax(-1) * unit
    z = (z * unit).to(dtype)
    found = moves(LinearSystem(A, b), dtype)(z)
    assert found is not None and found.dtype == dtype
    assert LinearSystem(A, b).ulps(found).max() <= 4.0
    for i in (0, 17):
        alone = LinearSystem(A, b[i]).project(z[i])
        torch.testing.assert_close(found[i], alone, rtol=0, atol=4 * unit * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_of_a_large_batch(dtype, monkeypatch):
    A, b, z = laws(0, 2, 6, 50)
    whole = moves(LinearSystem(A, b), dtype)(z.to(dtype))
    monkeypatch.setattr("lawful.core.linear.shared._PART", 7 * 6)
    torch.testing.assert_close(moves(LinearSystem(A, b), dtype)(z.to(dtype)), whole, rtol=1e-6, atol=1e-6)
    three = moves(LinearSystem(A, b[:10]), dtype)(z.to(dtype).view(5, 10, 6))
    assert LinearSystem(A, b[:10]).ulps(three).max() <= 4.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e35, 0.0])
def test_nothing_is_returned_where_it_is_not_sure(dtype, value):
    A, b, z = laws(1, 2, 6)
    z = z.to(dtype)
    z[3] = value
    if value == 0.0:
        z[3] = LinearSystem(A, b).project(z[4])
    assert moves(LinearSystem(A, b), dtype)(z) is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_laws_that_follow_from_others_hold_too(dtype):
    A, b, z = laws(2, 2, 6, 50)
    both = LinearSystem(torch.cat([A, A.sum(0, keepdim=True)]), torch.cat([b, b.sum(-1, keepdim=True)], -1))
    found = moves(both, dtype)(z.to(dtype))
    assert found is not None and both.ulps(found).max() <= 4.0
    torch.testing.assert_close(found, LinearSystem(A, b).project(z.to(dtype)), rtol=0, atol=8 * torch.finfo(dtype).eps)


def test_right_hand_sides_that_contradict_each_other_are_left_to_others():
    A, b, z = laws(2, 2, 6, 50)
    system = LinearSystem(torch.cat([A, A.sum(0, keepdim=True)]), torch.cat([b, b.sum(-1, keepdim=True)], -1))
    off = torch.zeros(50, 3, dtype=torch.float64)
    off[7, 2] = 1e-13
    clash = LinearSystem(system.A, system.b + off, tolerance=1e-12)
    assert moves(clash, torch.float64)(z) is None
    assert moves(clash, torch.float32)(z.float()) is not None


def test_a_gain_that_is_off_is_noticed():
    A, b, z = laws(3, 2, 6)
    system = LinearSystem(A, b)
    exact = SharedMoves(A, system.b, system.b_rounding, torch.float32)
    for off in (1e-3, 7e-7, 1e-9):
        spoilt = system.unweighted.take(...)
        spoilt.gain = spoilt.gain * (1 + off)
        found = exact(z.float(), spoilt)
        assert found is None or system.ulps(found[0]).max() <= 4.0
    assert exact(z.float(), system.unweighted) is not None


def by_own_weights(system, root, stored):
    judge, metric = system._laws.judge(system._rhs, stored), system.metric(root)
    assert isinstance(metric, GramMetric)
    return lambda z: judge.moves(z, metric, True)


@pytest.mark.parametrize("m", [2, 6])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", [2**18, 7 * 12])
def test_points_with_weights_of_their_own(dtype, m, part, monkeypatch):
    monkeypatch.setattr("lawful.core.linear.shared._PART", part)
    A, b, z = laws(5, m, 12, 50)
    A = A * 10.0 ** torch.arange(m, dtype=torch.float64).unsqueeze(-1)
    z, root = z.to(dtype), (0.1 + laws(6, m, 12)[2].abs()).to(dtype)
    system = LinearSystem(A, b)
    found, move = by_own_weights(system, root, dtype)(z)
    assert found.dtype == move.dtype == dtype and system.ulps(found).max() <= 4.0
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(z - move, found, rtol=0, atol=8 * eps * float(z.abs().max()))
    for i in (0, 49):
        alone = LinearSystem(A, b[i]).project(z[i].double(), root[i].double().square())
        torch.testing.assert_close(found[i].double(), alone, rtol=0, atol=100 * eps)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0, 3.0]), st.booleans())
def test_bounds_of_moves_hold(seed, spread, redundant):
    A, _, z = laws(seed, 3, 8)
    A = torch.cat([A, A[:1] + A[1:2]]) if redundant else A
    system = LinearSystem(A)
    moves, metric = system._laws.judge(system._rhs, torch.float64).moves, system.metric(torch.exp(spread * z / 4))
    mover = moves._mover(metric)
    residual = torch.from_numpy(np.random.default_rng(seed).normal(size=(len(A), 50)))
    scaled, size = moves._laws.A, float(residual.norm(dim=0).max())
    move = mover.move(residual)
    left = scaled @ move.mT - residual
    left = left if mover.remainder is None else left + mover.remainder @ residual
    assert (mover.remainder is not None) == redundant
    assert float(left.abs().max()) <= mover.left(size) < 1e-5 * size
    assert float(move.abs().max()) <= mover.reach(size)


def test_weights_that_are_too_far_apart_are_left_to_others():
    A, b, z = laws(7, 2, 6, 50)
    root = 10.0 ** torch.from_numpy(np.random.default_rng(7).uniform(-5, 5, z.shape))
    system = LinearSystem(A, b)
    judge, metric = system._laws.judge(system._rhs, torch.float64), system.metric(root)
    assert not isinstance(metric, GramMetric) or judge.moves(z, metric) is None
    laws_of = judge.moves._mover(system.metric(1 + root / root.max()))._laws
    factors = LapackFactors.of(torch.eye(2, dtype=torch.float64).expand(50, 2, 2).clone())
    assert GramMover(laws_of, root, factors, 1e-10, 1.0).left(1.0) == float("inf")
    assert system.ulps(system.project_with(metric, z)).max() <= 8.0


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_gpu(dtype):
    A, b, z = laws(4, 3, 40, 50)
    system, here = LinearSystem(A.cuda(), b.cuda()), LinearSystem(A, b)
    z = z.to(dtype)
    point = z.cuda().requires_grad_()
    found = system.project(point)
    assert found.device == point.device and system.ulps(found).max() <= 8.0
    torch.testing.assert_close(found.cpu(), here.project(z), rtol=0, atol=8 * torch.finfo(dtype).eps)
    (gradient,) = torch.autograd.grad(found.square().sum(), point)
    along = here.project(z)
    expected = LinearSystem(A, torch.zeros(3)).project(2 * along)
    torch.testing.assert_close(gradient.cpu(), expected, rtol=0, atol=64 * torch.finfo(dtype).eps)
    assert torch.equal(system.project(found.detach()), found.detach())
