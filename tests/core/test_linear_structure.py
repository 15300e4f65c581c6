"""Every structure gives the answer of a dense reference: rank, projections, densities, restrictions, clashes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_cases import KINDS, log_volume, make, reference
from scipy import sparse

from lawful.core import ConstrainedNormal, InconsistentSystemError, LinearSystem
from lawful.core.linear import compensated_residual
from lawful.core.linear.structure import components, solver

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


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=4)
@given(seed=SEEDS, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_given_values_of_one_pattern_and_of_a_pattern_per_sample(kind, seed, dtype):
    system, case, z, b, weights, feasible = build(kind, seed)
    rng = np.random.default_rng(seed)
    free = torch.from_numpy(rng.random(z.shape) < (0.9 if kind == "dense" else 0.6))
    for mask in (free, free[0]):
        restricted = system.restrict(mask, feasible)
        start = restricted.with_fixed(z)
        points = restricted.project(start.to(dtype), weights)
        assert points.dtype == dtype and system.restrict(mask, feasible).ulps(points).max() <= 8
        for i in range(3):
            own = mask.expand(z.shape)[i].numpy()
            A = case.A.toarray()
            held = b[i].numpy() - A[:, ~own] @ feasible[i][~own]
            truth = reference(A[:, own], held, z[i].numpy()[own], weights[i].numpy()[own])
            rank = restricted.rank if mask.dim() == 1 else restricted.rank[i]
            assert rank == truth.rank == (~restricted.redundant_mask.expand(3, -1)[i]).sum()
            accuracy = 1e-9 if dtype == torch.float64 else 2e-4
            np.testing.assert_allclose(points[i].double().numpy()[own], truth.point, rtol=0, atol=accuracy)
            np.testing.assert_array_equal(points[i].double()[~own], torch.tensor(feasible)[i].to(dtype).double()[~own])


@pytest.mark.parametrize("kind", KINDS)
def test_a_clash_names_laws_that_cannot_hold_together(kind):
    for seed in range(20):
        system, case, _, b, _, _ = build(kind, seed)
        if not case.redundant:
            continue
        wrong = b.clone()
        wrong[1, -1] += 1e-6 * (1 + b[1, -1].abs())
        with pytest.raises(InconsistentSystemError, match="in sample 1") as caught:
            LinearSystem(case.A, wrong)
        assert caught.value.samples == ((1,),)
        involved = np.array([system.names.index(row) for row in caught.value.rows])
        A = case.A.toarray()[involved]
        A = A / np.linalg.norm(A, axis=1, keepdims=True)
        assert np.linalg.matrix_rank(A, tol=1e-9) == len(A) - 1
        assert all(np.linalg.matrix_rank(np.delete(A, i, 0), tol=1e-9) == len(A) - 1 for i in range(min(len(A), 5)))
        LinearSystem(case.A, b.float())
        return
    raise RuntimeError("No case has a redundant law.")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    system, _, z, _, weights, _ = build(kind, 3)
    rng = np.random.default_rng(0)
    direction = torch.from_numpy(rng.normal(size=z.shape))
    moved = torch.from_numpy(rng.normal(size=z.shape))

    def loss(z, scale):
        p = ConstrainedNormal(z, scale, system, validate_args=False)
        torch.manual_seed(0)
        draws = (p.rsample() * direction).sum()
        return draws + p.log_prob(p.mean.detach() + 0.0).sum() + (p.variance * moved).sum() / 10 + p.entropy().sum()

    z, scale = z.requires_grad_(), weights.sqrt().requires_grad_()
    by_z, by_scale = torch.autograd.grad(loss(z, scale), (z, scale))
    step = 1e-5
    for point, gradient, other in ((z, by_z, lambda x: loss(x, scale)), (scale, by_scale, lambda x: loss(z, x))):
        along = moved * point.detach().abs()
        with torch.no_grad():
            numeric = (other(point + step * along) - other(point - step * along)) / (2 * step)
        assert float((gradient * along).sum()) == pytest.approx(float(numeric), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_densities_are_those_of_dense_laws(kind):
    system, case, z, b, weights, feasible = build(kind, 4)
    dense = LinearSystem(case.A.toarray(), b)
    mine, theirs = (ConstrainedNormal(z, weights.sqrt(), s) for s in (system, dense))
    points = system.project(torch.tensor(feasible))
    for name in ("mean", "variance"):
        torch.testing.assert_close(getattr(mine, name), getattr(theirs, name), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(mine.log_prob(points), theirs.log_prob(points), rtol=1e-9, atol=1e-7)
    torch.testing.assert_close(mine.entropy(), theirs.entropy(), rtol=1e-9, atol=1e-8)
    assert system.ulps(mine.sample((20,))).max() <= 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "kappa"), [(torch.float32, 1e4), (torch.float64, 1e8)])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_ill_conditioned_laws_hold_as_stored(kind, dtype, kappa, scale):
    """Neighbouring laws differ by one part in `kappa`; samples of any size, weights over six decades."""
    rng = np.random.default_rng(5)
    A = make(kind, rng, units=0.0).A.tolil()
    for i in range(0, A.shape[0] - 1, 2) if kind != "disjoint" else ():
        A[i + 1] = A[i] + A[i + 1] * (1 / kappa)
    A = A.tocsc()
    feasible, z = scale * rng.normal(size=(2, 4, A.shape[1]))
    b = lawful_b(A, feasible)
    system = LinearSystem(A, b, check=False)
    weights = torch.from_numpy(10.0 ** rng.uniform(-3, 3, z.shape))
    for points in (system.project(torch.tensor(z, dtype=dtype)), system.project(torch.tensor(z, dtype=dtype), weights)):
        assert points.dtype == dtype and system.ulps(points).max() <= 8


@pytest.mark.parametrize("large", [False, True])
def test_a_small_redundant_law_is_not_drowned_by_the_rounding_of_large_ones(large, monkeypatch):
    """`link` follows from the others, whose difference is known far worse; small and large components."""
    if large:
        monkeypatch.setattr(components, "MOST_LAWS", 0)
        monkeypatch.setattr(components, "DENSE_SHARE", 2.0)
    laws = [[1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 1.0], [0, 1.0, 1.0, 1.0, 0], [0, -1.0, -1.0, -1.0, 1.0]]
    most, rest = 1e12 / 3, 1e-3 / 3
    A = sparse.csr_matrix(sparse.kron(sparse.eye(20), laws))
    system = LinearSystem(A, np.tile([most, most + rest, rest, 0.0], 20), tolerance=1e-3)
    assert system.redundant == tuple(f"law {4 * i + 3}" for i in range(20))
    z = torch.tensor([1e11, 1e-4, 2e-4, 3e-4, 5e-4], dtype=torch.float64).repeat(20)
    assert system.ulps(system.project(z)).max() <= 8
