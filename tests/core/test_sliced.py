"""Residuals by matrix products: their error bounds against compensated sums, and what a judge makes of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import LinearSystem
from lawful.core.linear.exact import compensated_residual, half_spacing, length_of, matvec
from lawful.core.linear.judge import Judge
from lawful.core.linear.sliced import SlicedLaws, leading, power_above, powers_below


def near_laws(seed, short=False):
    """Laws, points with `A z = b` to rounding and right-hand sides, of mixed magnitudes and lengths."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 6)), int(rng.integers(1, 300))
    A = rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-9, 9, (m, 1))
    z = rng.normal(size=(20, n)) * 10.0 ** rng.uniform(-3, 3, n) * 10.0 ** rng.uniform(-9, 9, (20, 1))
    A = torch.from_numpy(A.astype(np.float32).astype(np.float64) if short else A)
    z = torch.from_numpy(z)
    return A, z, z @ A.mT


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.booleans())
def test_the_error_bound_holds_and_is_small(seed, short):
    A, z, b = near_laws(seed, short)
    value, error, spacings = SlicedLaws(A).accurate(z, b)
    exact = compensated_residual(A, z, b)
    assert ((value - exact).abs() <= error).all()
    allowance = matvec(A.abs(), half_spacing(z, torch.float64))
    assert (spacings <= allowance).all()
    assert (spacings >= 0.99 * allowance).all()


def test_the_error_is_far_below_an_ulp_where_magnitudes_are_alike():
    generator = torch.Generator().manual_seed(0)
    A, z = (torch.randn(k, 1024, generator=generator, dtype=torch.float64) for k in (4, 50))
    _, error, spacings = SlicedLaws(A).accurate(z, z @ A.mT)
    assert (error <= 0.15 * spacings).all()


def test_slices_lose_nothing():
    x = torch.randn(100, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    head = leading(x, power_above(x), 20)
    assert ((x - head).abs() <= power_above(x) * 2.0**-21).all()
    assert torch.equal(head + (x - head), x)


def test_powers_of_two_by_hand():
    x = torch.tensor([1.0, -3.0, 0.75, 0.0, 4.0], dtype=torch.float64)
    assert powers_below(x).tolist() == [1.0, 2.0, 0.5, 0.0, 4.0]
    assert power_above(x).tolist() == [8.0]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]), st.floats(-2, 3))
def test_a_judge_is_never_wrong(seed, stored, off):
    A, z, b = near_laws(seed)
    allowance = matvec(A.abs(), half_spacing(z, stored))
    b = b + 10.0**off * allowance * torch.randn(b.shape, generator=torch.Generator().manual_seed(seed))
    judge = Judge(SlicedLaws(A), b, half_spacing(b, torch.float64), stored)
    ulps = compensated_residual(A, z, b).abs() / (allowance + half_spacing(b, torch.float64))
    _, lawful = judge.judged(z)
    assert (ulps[lawful] <= 2.0).all()
    assert (ulps[judge.surely_off(judge.residual(z), length_of(z))].amax(-1) > 2.0).all()


@pytest.mark.parametrize("stored", [torch.float32, torch.float64])
def test_a_judge_knows_clear_cases(stored):
    generator = torch.Generator().manual_seed(0)
    A, z = (torch.randn(k, 100, generator=generator, dtype=torch.float64) for k in (5, 30))
    b = compensated_residual(A, z, torch.zeros(5))
    judge = Judge(SlicedLaws(A), b, half_spacing(b, torch.float64), stored)
    assert judge.judged(z)[1].all()
    assert not judge.judged(z * (1 + 1e-3))[1].any()
    assert judge.surely_off(judge.residual(z * 1.01), length_of(z)).all()


@pytest.mark.parametrize("stored", [torch.float32, torch.float64])
def test_points_are_called_lawful_as_ulps_say(stored):
    rng = np.random.default_rng(3)
    A = torch.from_numpy(rng.normal(size=(4, 30)))
    b = torch.from_numpy(rng.normal(size=4))
    lawful = LinearSystem(A, b).project(torch.from_numpy(rng.normal(size=(400, 30))))
    spread = torch.from_numpy(10.0 ** rng.uniform(-18, -5, (400, 1)))
    z = (lawful + spread * torch.from_numpy(rng.normal(size=(400, 30)))).to(stored)
    judge = Judge(SlicedLaws(A), b, half_spacing(b, torch.float64), stored)
    stay, off = judge.decided(z.double(), judge.residual(z.double()))
    worst = LinearSystem(A, b).ulps(z).amax(-1)
    assert (worst[stay] <= 2.0).all() and (worst[off] > 2.0).all() and not (stay & off).any()
    assert (stay | off)[(worst < 1.99) | (worst > 2.02)].all() and stay.any() and off.any()
