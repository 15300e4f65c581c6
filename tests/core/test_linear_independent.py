"""Rows that follow from others, found by peeling, orthogonalisation and elimination."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lawful.core.linear.structure import independent
from lawful.core.linear.structure.independent import dependencies, equilibrated, peeled


@pytest.fixture(params=["orthogonalisation", "elimination"])
def way(request, monkeypatch):
    monkeypatch.setattr(independent, "MOST_ENTRIES", 2**22 if request.param == "orthogonalisation" else 0)


def closed_network(rng, nodes=40):
    """Balances of a random connected network closed to the outside: one of them follows from the others."""
    tree = [(int(rng.integers(0, i)), i) for i in range(1, nodes)]
    edges = np.array(tree + [tuple(rng.choice(nodes, 2, replace=False)) for _ in range(2 * nodes)])
    sign = np.concatenate((-np.ones(len(edges)), np.ones(len(edges))))
    return sparse.csr_matrix((sign, (edges.T.ravel(), np.tile(np.arange(len(edges)), 2))), shape=(nodes, len(edges)))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", range(10))
def test_rank_and_multiples(seed):
    rng = np.random.default_rng(seed)
    A = sparse.random(30, 50, 0.08, random_state=seed, format="csr")
    A.data = np.round(A.data * 16) / 16
    more = sparse.csr_matrix(rng.integers(-1, 2, (5, 30))) @ A
    A = sparse.vstack([A, more]).tocsr()
    A.eliminate_zeros()
    scaled, unit = equilibrated(A)
    found = dependencies(scaled, 1e-10)
    dense = scaled.toarray()
    rank = np.linalg.matrix_rank(dense, tol=1e-9)
    rows = [row for row, _ in found]
    assert len(rows) == len(A.toarray()) - rank
    assert np.linalg.matrix_rank(np.delete(dense, rows, 0), tol=1e-9) == rank
    for row, factors in found:
        assert not set(factors) & set(rows)
        np.testing.assert_allclose(sum((y * dense[i] for i, y in factors.items()), 0 * dense[0]), dense[row], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), (A.toarray() != 0).any(1), atol=1e-12)
    assert len(unit) == len(dense)


@pytest.mark.usefixtures("way")
def test_a_closed_network_has_one_redundant_balance():
    A = closed_network(np.random.default_rng(0))
    ((row, factors),) = dependencies(equilibrated(A)[0], 1e-10)
    assert len(factors) == A.shape[0] - 1 and row not in factors


@pytest.mark.usefixtures("way")
def test_a_total_is_called_redundant_and_not_its_parts_wherever_it_stands():
    A = sparse.csr_matrix([[1.0] * 6, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    ((row, factors),) = dependencies(equilibrated(A)[0], 1e-12)
    assert row == 0 and set(factors) == {1, 2}


def test_an_open_chain_is_peeled_to_the_end():
    chain = sparse.diags([np.ones(100), -np.ones(100)], [0, 1], shape=(100, 101)).tocsr()
    assert peeled(chain).all()
    ring = sparse.csr_matrix(np.eye(5) - np.roll(np.eye(5), 1, 1))
    assert not peeled(ring).any()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-9, 9), min_size=9, max_size=9), st.lists(st.floats(-6, 6), min_size=12, max_size=12))
def test_units_do_not_count(row_powers, column_powers):
    rng = np.random.default_rng(0)
    A = rng.integers(-3, 4, (7, 12)).astype(float)
    A = np.vstack([A, A[:2].sum(0), A[2:5].sum(0)])
    A = A * 10.0 ** np.array(row_powers)[:, None] * 10.0 ** np.array(column_powers)
    assert len(dependencies(equilibrated(sparse.csr_matrix(A))[0], 1e-11)) == 2
