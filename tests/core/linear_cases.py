"""Sparse systems of every structure, with a dense float64 reference that shares no code with them."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

KINDS = ("disjoint", "repeated", "components", "banded", "dense", "sparse")


@dataclass(frozen=True)
class Case:
    """Coefficients (m, n) of known structure, and how many rows follow from others."""

    A: sparse.csc_matrix
    redundant: int


def make(kind: str, rng: np.random.Generator, units: float = 3.0) -> Case:
    """Random laws of one kind, in mixed units, with redundant ones (exact multiples and sums) last."""
    A = {
        "disjoint": disjoint,
        "repeated": repeated,
        "components": components,
        "banded": storage,
        "dense": lambda rng: sparse.csr_matrix(rng.normal(size=(49, 70))),
        "sparse": network,
    }[kind](rng).tocsr()
    count = int(rng.integers(0, 3))
    follows = [sparse.csr_matrix(A[: A.shape[0] - i].sum(0)) for i in range(count)]
    powers = 2.0 ** np.round(rng.uniform(-units, units, A.shape[0] + count))
    if kind == "repeated":
        powers[: A.shape[0]] = np.resize(powers[:2], A.shape[0])
    return Case((sparse.diags(powers) @ sparse.vstack([A, *follows])).tocsc(), count)


def disjoint(rng: np.random.Generator) -> sparse.csr_matrix:
    """Weighted totals of groups of different sizes, some variables in none."""
    owner = rng.integers(-1, 6, 30)
    owner[:6] = np.arange(6)
    inside = owner >= 0
    values = np.round(rng.uniform(0.5, 2, 30) * 64) / 64
    return sparse.csr_matrix((values[inside], (owner[inside], np.flatnonzero(inside))), shape=(6, 30))


def repeated(rng: np.random.Generator) -> sparse.csr_matrix:
    """Two coupled laws of five variables for each of seven cells."""
    law = np.array([[1.0, -1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0, -2.0]])
    return sparse.csr_matrix(sparse.kron(sparse.eye(7), law))


def components(rng: np.random.Generator) -> sparse.csr_matrix:
    """Small dense blocks of different shapes."""
    shapes = [(2, 4), (3, 5), (2, 4), (1, 3)]
    return sparse.csr_matrix(sparse.block_diag([np.round(rng.normal(size=s) * 64) / 64 for s in shapes]))


def storage(rng: np.random.Generator, steps: int = 60) -> sparse.csr_matrix:
    """Continuity of a storage: `S_t - S_(t-1) - inflow_t + outflow_t = b_t`; variables S_0..S_T, inflows, outflows."""
    t = np.arange(steps)
    row = np.concatenate((t, t, t, t))
    column = np.concatenate((t + 1, t, steps + 1 + t, 2 * steps + 1 + t))
    values = np.repeat([1.0, -1.0, -1.0, 1.0], steps)
    return sparse.csr_matrix((values, (row, column)), shape=(steps, 3 * steps + 1))


def network(rng: np.random.Generator) -> sparse.csr_matrix:
    """Balances at 60 nodes of a random connected network that is open to the outside."""
    tree = [(int(rng.integers(0, i)), i) for i in range(1, 60)]
    more = [tuple(int(x) for x in rng.choice(60, 2, replace=False)) for _ in range(80)]
    edges = np.array(tree + more)
    flows = sparse.csr_matrix(
        (
            np.concatenate((-np.ones(len(edges)), np.ones(len(edges)))),
            (edges.T.ravel(), np.tile(np.arange(len(edges)), 2)),
        ),
        shape=(60, len(edges)),
    )
    return sparse.hstack([flows, sparse.eye(60)]).tocsr()


@dataclass(frozen=True)
class Reference:
    """`min sum((x - z)^2 / w)` subject to `A x = b`, by singular values: projected point and what the laws explain."""

    point: np.ndarray
    explained: np.ndarray
    rank: int


def reference(A: np.ndarray, b: np.ndarray, z: np.ndarray, weights: np.ndarray) -> Reference:
    """For one sample; rows of `A` (m, n) are brought to length one first."""
    length = np.linalg.norm(A, axis=1)
    length[length == 0] = 1.0
    root = np.sqrt(weights)
    U, s, Vt = linalg.svd(A * root / length[:, None], full_matrices=False, lapack_driver="gesvd")
    rank = int((s > 1e-10 * max(s.max(initial=0.0), 1e-300)).sum())
    U, s, Vt = U[:, :rank], s[:rank], Vt[:rank]
    step = Vt.T @ ((U.T @ ((A @ z - b) / length)) / s)
    return Reference(z - root * step, weights * (Vt**2).sum(0), rank)


def log_volume(A: np.ndarray, weights: np.ndarray, rank: int) -> float:
    """`log det(A W A^T) - log det(A A^T)` over independent rows, which no choice of rows or units changes."""
    logs = [
        np.log(linalg.svdvals(linalg.orth(A.T, rcond=1e-10).T * np.sqrt(w))[:rank]).sum()
        for w in (weights, np.ones_like(weights))
    ]
    return 2 * float(logs[0] - logs[1])
