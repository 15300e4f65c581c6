"""Laws declared by a constructor have the coefficients that their docstrings say, and their structure is seen."""

import numpy as np
import pytest
import torch
from scipy import sparse

from lawful.core import ConstrainedNormal, InconsistentSystemError, InvalidValueError, LinearSystem, ShapeError

BALANCE = [[1.0, -1.0, 1.0, -1.0, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, -1.0]]


def test_coefficients_with_gradients_are_numbers():
    coefficients = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert LinearSystem.totals([0, 0], coefficients=coefficients).A.to_dense().tolist() == [[1.0, 2.0]]
    assert LinearSystem.block_means((2,), (2,), weights=3 * coefficients).A.to_dense().tolist() == [[1 / 3, 2 / 3]]


def test_totals():
    system = LinearSystem.totals([0, 0, 1, -1, 1], [3.0, 4.0, 7.0], grand_total=True, names=["a", "b", "all"])
    expected = [[1, 1, 0, 0, 0], [0, 0, 1, 0, 1], [1, 1, 1, 0, 1]]
    assert system.A.to_dense().tolist() == expected
    assert (system.structure, system.rank, system.redundant) == ("disjoint", 2, ("all",))
    assert system.project(torch.zeros(5)).tolist() == [1.5, 1.5, 2.0, 0.0, 2.0]
    weighted = LinearSystem.totals([0, 0, 1], coefficients=[1.0, 2.0, 3.0])
    assert weighted.A.to_dense().tolist() == [[1, 2, 0], [0, 0, 3]]


def test_the_last_of_three_totals_is_checked_though_it_is_dropped():
    with pytest.raises(InconsistentSystemError, match="cannot hold together") as caught:
        LinearSystem.totals([0, 0, 1, 1], [3.0, 4.0, 7.5], grand_total=True, names=["a", "b", "all"])
    assert set(caught.value.rows) == {"a", "b", "all"} and caught.value.clash == pytest.approx(0.5)


def test_block_means():
    field = np.arange(24.0).reshape(4, 6)
    means = field.reshape(2, 2, 2, 3).mean((1, 3)).ravel()
    system = LinearSystem.block_means((4, 6), (2, 3), np.append(means, means.mean()), grand_mean=True)
    assert system.structure == "disjoint" and system.rank == 4 and system.redundant == ("law 4",)
    torch.testing.assert_close(system.project(field.ravel()), torch.from_numpy(field.ravel()), rtol=0, atol=0)
    raised = system.project(field.ravel() + 1.0)
    torch.testing.assert_close(raised, torch.from_numpy(field.ravel()))


def test_block_means_with_areas():
    area = np.cos(np.deg2rad(np.linspace(-60, 60, 4)))[:, None]
    system = LinearSystem.block_means((4, 6), (2, 3), weights=area, grand_mean=True)
    field = np.random.default_rng(0).normal(size=(4, 6))
    first = (field[:2, :3] * area[:2]).sum() / (3 * area[:2].sum())
    values = system.residual(field.ravel())
    assert float(values[0]) == pytest.approx(first)
    assert float(values[-1]) == pytest.approx((field * area).sum() / (6 * area.sum()))
    assert system.rank == 4 and system.structure == "disjoint"


def test_incidence():
    system = LinearSystem.incidence([(0, 1), (1, 2), (2, 0), (-1, 0), (2, -1)])
    expected = [[-1, 0, 1, 1, 0], [1, -1, 0, 0, 0], [0, 1, -1, 0, -1]]
    assert system.A.to_dense().tolist() == expected and system.rank == 3
    assert LinearSystem.incidence([(0, 1), (1, 2), (2, 0)]).redundant == ("law 2",)


@pytest.mark.parametrize("copies_last", [False, True])
def test_repeated(copies_last):
    small = LinearSystem(BALANCE, [1.0, 2.0], names=["radiation", "energy"])
    system = LinearSystem.repeated(small, 50, copies_last=copies_last)
    assert system.structure == "repeated" and system.rank == 100 and system.names[3] == "energy of copy 1"
    z = torch.randn(4, 50, 6, generator=torch.Generator().manual_seed(0)).double()
    flat = (z.mT if copies_last else z).flatten(1)
    projected = system.project(flat)
    back = projected.unflatten(1, (6, 50)).mT if copies_last else projected.unflatten(1, (50, 6))
    torch.testing.assert_close(back, small.project(z))


def test_stacked():
    cells = LinearSystem.totals([0, 0, 1, 1], torch.tensor([0.1, 0.2]), names=["a", "b"])
    whole = LinearSystem.totals([0, 0, 0, 0], torch.tensor([0.3]), names=["all"])
    system = LinearSystem.stacked([cells, whole])
    assert system.names == ("a", "b", "all") and system.redundant == ("all",)
    # 0.1 + 0.2 is not 0.3 in float32, which is no clash.
    assert system.consistent() and system.ulps(system.project(torch.zeros(4).double())).max() <= 8
    with pytest.raises(InconsistentSystemError):
        LinearSystem.stacked([cells, LinearSystem.totals([0, 0, 0, 0], [0.301], names=["all"])])


def test_tolerances_are_carried_over():
    nearly = LinearSystem([[1.0, 2.0], [2.0, 4.0 + 1e-6]], [1.0, 2.0], rank_tolerance=1e-5)
    assert nearly.rank == LinearSystem.stacked([nearly]).rank == 1 and LinearSystem.repeated(nearly, 2).rank == 2
    granted = LinearSystem([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.5], tolerance=1.0)
    for b in (None, [1.0, 2.5, 1.0, 2.5]):
        assert LinearSystem.repeated(granted, 2, b).consistent()
    with pytest.raises(InconsistentSystemError):
        LinearSystem.repeated(granted, 2, [1.0, 2.5, 1.0, 5.5])


def test_laws_over_a_restricted_system_are_refused():
    system = LinearSystem.totals([0, 0, 1, 1]).restrict([True, True, True, False], torch.zeros(4))
    with pytest.raises(ShapeError, match="restrict the system later"):
        LinearSystem.stacked([system, system])


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("layout", ["csr", "coo", "scipy"])
def test_sparse_coefficients_of_every_layout(layout):
    dense = np.kron(np.eye(30), BALANCE)
    A = torch.from_numpy(dense)
    A = {"csr": A.to_sparse_csr, "coo": A.to_sparse, "scipy": lambda: sparse.coo_array(dense)}[layout]()
    system = LinearSystem(A)
    assert system.structure == "repeated" and torch.equal(system.A.to_dense(), torch.from_numpy(dense))


def test_structure_is_found_in_dense_coefficients():
    assert LinearSystem(np.kron(np.eye(60), BALANCE)).structure == "dense"
    assert LinearSystem(np.kron(np.eye(80), BALANCE)).structure == "repeated"


def test_a_law_in_kg_and_one_in_ng():
    A = sparse.csr_matrix(np.kron(np.eye(40), [[1e-9, 1e-9, 0.0], [0.0, 1e3, 1e3]]))
    system = LinearSystem(A)
    assert system.rank == 80
    z = torch.randn(10, 120, generator=torch.Generator().manual_seed(0)).double()
    assert system.ulps(system.project(z)).max() <= 8


def test_a_million_variables():
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(1000, 1000, generator=generator).double()
    means = truth.reshape(100, 10, 100, 10).mean((1, 3)).flatten()
    system = LinearSystem.block_means((1000, 1000), (10, 10), torch.cat((means, means.mean()[None])), grand_mean=True)
    assert system.rank == 10_000 and system.redundant == ("law 10000",)
    for dtype in (torch.float32, torch.float64):
        p = ConstrainedNormal(truth.flatten().to(dtype), torch.ones(10**6, dtype=dtype), system, validate_args=False)
        draw = p.sample()
        assert draw.dtype == dtype and system.ulps(draw).max() <= 8


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: LinearSystem.totals([0.0, 1.0]), ShapeError, "integers"),
        (lambda: LinearSystem.totals([0, 1], coefficients=[1.0]), ShapeError, "one per variable"),
        (lambda: LinearSystem.block_means((4, 6), (3, 3)), ShapeError, "divides the grid"),
        (lambda: LinearSystem.block_means((4,), (2,), weights=[1, 1, -1, 1]), InvalidValueError, "zero or more"),
        (lambda: LinearSystem.incidence([(0, 3)], nodes=2), InvalidValueError, "Edge 0 joins"),
        (lambda: LinearSystem.incidence([0, 1]), ShapeError, r"\(E, 2\)"),
        (lambda: LinearSystem(torch.eye(2).expand(3, 2, 2).to_sparse()), ShapeError, "per sample are dense"),
        (
            lambda: LinearSystem(sparse.csr_matrix([[1.0, np.nan]]), names=["heat"], columns=["a", "b"]),
            InvalidValueError,
            "'b' in law 'heat' is nan",
        ),
        (lambda: LinearSystem.block_means((2, 2), (2, 2), weights=[1, 1, 1]), ShapeError, r"broadcast to \(2, 2\)"),
        (
            lambda: LinearSystem(sparse.csr_matrix([[1.0, 1e155]]), names=["heat"], columns=["a", "b"]),
            InvalidValueError,
            r"'b' in law 'heat' is 1e\+155: .* 1e-100 to 1e100",
        ),
        (lambda: LinearSystem(sparse.csr_matrix([[1.0, 1e-165]])), InvalidValueError, "is 1e-165: .* other units"),
        (lambda: LinearSystem.repeated(LinearSystem([[1.0, 1.0]]), -1), ShapeError, "one copy or more, got -1"),
        (lambda: LinearSystem.stacked([]), ShapeError, "got none of them"),
        (
            lambda: LinearSystem.stacked([LinearSystem([[1.0]]), LinearSystem([[1.0, 1.0]])]),
            ShapeError,
            r"same variables, got \[1, 2\]",
        ),
        (lambda: LinearSystem([[1.0, 1.0]], rank_tolerance=np.nan), InvalidValueError, "rank_tolerance"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
