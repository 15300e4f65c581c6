"""Laws hold to 8 ulps as stored, on every dense path: conditions, scales, sizes, precisions, shared and per sample."""

import numpy as np
import pytest
import torch

from lawful.core import ConstrainedNormal, LinearSystem

CONDITIONS = {torch.float32: [1.0, 1e2, 1e4], torch.float64: [1.0, 1e4, 1e8]}
CASES = [(dtype, kappa) for dtype, kappas in CONDITIONS.items() for kappa in kappas]


def laws(seed, m, n, kappa, dtype):
    """Laws of condition `kappa` and right-hand sides per sample that they admit."""
    rng = np.random.default_rng(seed)
    U, V = np.linalg.qr(rng.normal(size=(m, m)))[0], np.linalg.qr(rng.normal(size=(n, m)))[0]
    A = torch.from_numpy(U * np.logspace(0, -np.log10(kappa), m) @ V.T).to(dtype)
    return A, torch.from_numpy(rng.normal(size=(30, n))).to(dtype), rng


def scales(shared, rng, n, dtype):
    spread = np.exp(rng.normal(size=n if shared else (30, n)) / 2)
    return torch.from_numpy(spread).to(dtype)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize(("dtype", "kappa"), CASES)
def test_draws(dtype, kappa, unit, shared):
    A, z, rng = laws(0, 8, 64, kappa, dtype)
    system = LinearSystem(A, (unit * z).double() @ A.double().T)
    draw = ConstrainedNormal(unit * z.flip(0), unit * scales(shared, rng, 64, dtype), system).sample((3,))
    assert draw.dtype == dtype
    assert system.ulps(draw).max() <= 8.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shared", [True, False])
def test_four_thousand_variables(dtype, shared):
    A, z, rng = laws(1, 3, 4096, 1e2, dtype)
    system = LinearSystem(A, z.double() @ A.double().T)
    assert system.ulps(ConstrainedNormal(z, scales(shared, rng, 4096, dtype), system).sample()).max() <= 8.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_positive_terms_all_alike(dtype):
    # Rounding errors of sums of positive terms do not cancel.
    system = LinearSystem(torch.ones(1, 4096, dtype=dtype), torch.full((1,), 4096.0))
    z = 1 + 0.01 * torch.rand(20, 4096, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert system.ulps(system.project(z)).max() <= 8.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scales_of_one_system_from_nano_to_giga(dtype):
    A, z, rng = laws(2, 4, 40, 1.0, dtype)
    units = torch.from_numpy(10.0 ** rng.uniform(-9, 9, 40)).to(dtype)
    A = A / units
    system = LinearSystem(A, z.double() @ (A * units).double().T)
    for scale in (units, units * scales(False, rng, 40, dtype)):
        assert system.ulps(ConstrainedNormal(z * units, scale, system).sample((3,))).max() <= 8.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_variances_over_ten_decades(dtype):
    A, z, rng = laws(3, 8, 64, 1.0, dtype)
    scale = torch.from_numpy(10.0 ** rng.uniform(-2.5, 2.5, (30, 64))).to(dtype)
    system = LinearSystem(A, z.double() @ A.double().T)
    start = (z + scale * torch.from_numpy(rng.normal(size=(30, 64))).to(dtype)).contiguous()
    found = system.project_with(system.metric(scale), start)
    assert system.ulps(found).max() <= 8.0
    v = scale.double().square()
    A, start = A.double(), start.double()
    gap = torch.linalg.solve((A * v.unsqueeze(1)) @ A.T, start @ A.T - system.b)
    exact = start - v * (gap @ A)
    error = (found - exact).abs() / exact.abs().amax(-1, keepdim=True)
    assert error.max() <= (1e-6 if dtype == torch.float32 else 1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_batches_in_parts_are_those_of_each(dtype):
    A, z, rng = laws(4, 4, 4096, 1.0, dtype)
    system = LinearSystem(A, (2 * z).double() @ A.double().T)
    scale = scales(False, rng, 4096, dtype)
    whole = system.project_with(system.metric(scale), z)
    for i in (0, 17, 29):
        alone = LinearSystem(A, system.b[i])
        torch.testing.assert_close(whole[i], alone.project_with(alone.metric(scale[i]), z[i]), rtol=1e-5, atol=1e-5)


def test_lawful_points_stay_in_a_batch_of_others():
    A, z, _ = laws(5, 4, 20, 1.0, torch.float64)
    system = LinearSystem(A, torch.ones(4))
    lawful = system.project(z)
    mixed = torch.where(torch.arange(30).unsqueeze(-1) % 2 == 0, lawful, z)
    again = system.project(mixed)
    assert torch.equal(again[::2], lawful[::2])
    assert system.ulps(again).max() <= 8.0
