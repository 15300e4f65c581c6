"""Every structure gives the answer of a dense reference: rank, projections, densities, gradients, restrictions, clashes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_cases import KINDS, log_volume, make, reference
from scipy import sparse

from lawful.core import ConstrainedNormal, InconsistentSystemError, InvalidValueError, LinearSystem, ShapeError
from lawful.core.linear import compensated_residual
from lawful.core.linear.structure import SparseLaws, solver

SEEDS = st.integers(0, 10**6)


@pytest.fixture
def no_dense_blocks(monkeypatch):
    """Large components without a band go to the sparse factor, however small they are."""
    monkeypatch.setattr(solver, "MOST_DENSE", 0)


def lawful_b(A, z):
    return compensated_residual(A.toarray(), z, np.zeros(A.shape[0]))


def build(kind, seed, dtype=torch.float64, device="cpu"):
    """A system, points off its laws (3, n), right-hand sides (3, m) and weights (3, n)."""
    rng = np.random.default_rng(seed)
    case = make(kind, rng)
    A = case.A
    z, feasible = rng.normal(size=(2, 3, A.shape[1]))
    weights = 10.0 ** rng.uniform(-2, 2, (3, A.shape[1]))
    b = lawful_b(A, feasible)
    coo = A.tocoo()
    index = torch.tensor(np.stack((coo.row, coo.col)).astype(np.int64), device=device)
    tensor = torch.sparse_coo_tensor(index, torch.tensor(coo.data, device=device), A.shape, check_invariants=True)
    limit = solver.MOST_DENSE
    solver.MOST_DENSE = 0 if kind == "sparse" else limit
    try:
        system = LinearSystem(tensor, b.to(device))
    finally:
        solver.MOST_DENSE = limit
    return system, case, torch.tensor(z, dtype=dtype, device=device), b, torch.tensor(weights, device=device), feasible


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=8)
@given(seed=SEEDS)
def test_agrees_with_a_dense_reference(kind, seed):
    check_against_reference(kind, seed, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=8)
@given(seed=SEEDS)
def test_agrees_with_a_dense_reference_on_a_gpu(kind, seed):
    check_against_reference(kind, seed, "cuda")


def check_against_reference(kind, seed, device):
    system, case, z, b, weights, _ = build(kind, seed, device=device)
    A = case.A.toarray()
    assert system.structure == kind
    assert len(system.redundant) == case.redundant and system.rank == len(A) - case.redundant
    each, equal = system.project(z, weights), system.project(z)
    metric = system.metric(weights.sqrt())
    volume = metric.log_det - system.unweighted.log_det
    assert system.ulps(each).max() <= 8 and system.ulps(equal).max() <= 8
    for i in range(3):
        w = weights[i].cpu().numpy()
        truth = reference(A, b[i].numpy(), z[i].cpu().numpy(), w)
        assert truth.rank == system.rank
        np.testing.assert_allclose(each[i].cpu(), truth.point, rtol=0, atol=1e-10)
        np.testing.assert_allclose(metric.explained[i].cpu(), truth.explained, rtol=0, atol=1e-11 * w.max())
        assert float(volume[i]) == pytest.approx(log_volume(A, w, truth.rank), abs=1e-9)
        truth = reference(A, b[i].numpy(), z[i].cpu().numpy(), np.ones_like(w))
        np.testing.assert_allclose(equal[i].cpu(), truth.point, rtol=0, atol=1e-11)
    N = system.nullspace()
    assert N.shape == (A.shape[1], A.shape[1] - system.rank)
