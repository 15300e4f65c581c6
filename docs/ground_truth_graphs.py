"""Simulated molecules whose partial charges are normal given the graph, with known mean and covariance.

Electronegativity equalisation (Mortier et al. 1986, doi:10.1021/ja00275a013) at a temperature: charges q of a molecule
have the density exp(-(chi^T q + q^T H q / 2) / T) on `sum q = Q`, with electronegativities `chi` that depend on an
atom's element and its neighbours', and hardnesses and couplings along bonds in `H`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lawful.core.models.graphs import GraphModel, Graphs

ELECTRONEGATIVITY = np.array([0.0, 0.35, 0.7, 1.2])
HARDNESS = np.array([1.6, 1.2, 1.4, 1.9])
INDUCTION, COUPLING, TEMPERATURE = 0.25, 0.4, 0.01


@dataclass(frozen=True)
class Molecule:
    """Elements (n,), bonds (E, 2), orders (E,) and charge of one molecule, and its exact conditional distribution."""

    elements: np.ndarray
    bonds: np.ndarray
    orders: np.ndarray
    charge: float

    @property
    def stiffness(self) -> np.ndarray:
        """`H / T` (n, n), the precision of charges before the law."""
        H = np.diag(HARDNESS[self.elements])
        for (i, j), order in zip(self.bonds, self.orders, strict=True):
            H[i, j] = H[j, i] = COUPLING * (0.6 + 0.4 * order) / 2
        return H / TEMPERATURE

    @property
    def pull(self) -> np.ndarray:
        """`-chi / T` (n,)."""
        own = ELECTRONEGATIVITY[self.elements]
        chi = own.copy()
        for i, j in self.bonds:
            chi[i] += INDUCTION * (own[j] - own[i])
            chi[j] += INDUCTION * (own[i] - own[j])
        return chi / TEMPERATURE * -1.0

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n,) and covariance (n, n) of the charges given their total."""
        S = np.linalg.inv(self.stiffness)
        free, gain = S @ self.pull, S.sum(1) / S.sum()
        return free + gain * (self.charge - free.sum()), S - np.outer(gain, S.sum(0))

    def log_density(self, q: np.ndarray) -> float:
        """At charges (n,), with respect to Lebesgue measure on the law, from the precision in an orthonormal basis."""
        n = len(q)
        if n == 1:
            return 0.0
        basis = np.linalg.svd(np.ones((1, n)))[2][1:].T
        P = basis.T @ self.stiffness @ basis
        t = basis.T @ (q - self.moments()[0])
        return 0.5 * (np.linalg.slogdet(P)[1] - (n - 1) * np.log(2 * np.pi) - t @ P @ t)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Charges (n,); the total is met by conditioning the draw."""
        S = np.linalg.inv(self.stiffness)
        q = rng.multivariate_normal(S @ self.pull, S)
        return q + S.sum(1) / S.sum() * (self.charge - q.sum())


def molecule(rng: np.random.Generator, most: int = 16) -> Molecule:
    """A random tree of 1 to `most` atoms with a few rings closed, neutral or an ion."""
    n = int(rng.integers(1, most + 1))
    bonds = {(int(rng.integers(max(0, i - 4), i)), i) for i in range(1, n)}
    for _ in range(n // 5):
        i, j = sorted(rng.choice(n, 2, replace=False).tolist())
        bonds.add((i, j))
    pairs = np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2)
    charge = float(rng.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15]))
    return Molecule(rng.integers(0, 4, n), pairs, rng.integers(1, 3, len(pairs)), charge)


def molecules(count: int, seed: int) -> list[Molecule]:
    """Random ones."""
    rng = np.random.default_rng(seed)
    return [molecule(rng) for _ in range(count)]


def as_graphs(made: list[Molecule], rng: np.random.Generator) -> Graphs:
    """The molecules with charges drawn; features are elements and bond orders, as indicators."""
    sizes = np.array([len(m.elements) for m in made])
    starts = np.cumsum(sizes) - sizes
    bonds = np.concatenate([m.bonds + start for m, start in zip(made, starts, strict=True)])
    orders = np.concatenate([m.orders for m in made])
    return Graphs.of(
        sizes, np.eye(4)[np.concatenate([m.elements for m in made])], torch.from_numpy(bonds.T.copy()),
        [m.charge for m in made], z=np.concatenate([m.draw(rng) for m in made]), links=np.eye(3)[orders],
    )  # fmt: skip


@dataclass(frozen=True)
class GraphDistance:
    """Errors over the molecules: of conditional means (in conditional standard deviations, root mean square), of
    conditional standard deviations (relative) and correlations between atoms (root mean square), of log densities (mean
    absolute, nats), and the divergence of the model from the truth (nats a molecule)."""

    mean: float
    spread: float
    correlation: float
    log_density: float
    divergence: float


def graph_distance(made: list[Molecule], graphs: Graphs, model: GraphModel) -> GraphDistance:
    """How far a model's conditional distributions are from the exact ones, over molecules of two atoms and more."""
    with torch.no_grad():
        law = model.distribution(graphs)
        means, covariances = law.mean.numpy(), law.covariance_matrix.numpy()
        told = model.log_prob(graphs).numpy()
    gaps, spreads, correlations, densities, nats = [], [], [], [], []
    charges = graphs.z.split(graphs.sizes.tolist())
    for m, q, mean, S, log_prob in zip(made, charges, means, covariances, told, strict=True):
        n = len(m.elements)
        if n == 1:
            continue
        exact, T = m.moments()
        mean, S, sd = mean[:n], S[:n, :n], np.sqrt(np.diag(T))
        found = np.sqrt(np.diag(S))
        gaps.append((mean - exact) / sd)
        spreads.append(found / sd - 1)
        correlations.append((S / np.outer(found, found) - T / np.outer(sd, sd))[np.triu_indices(n, 1)])
        densities.append(abs(log_prob - m.log_density(q.numpy())))
        nats.append(normal_divergence(exact, T, mean, S))
    rms = [float(np.sqrt(np.mean(np.concatenate(x) ** 2))) for x in (gaps, spreads, correlations)]
    return GraphDistance(*rms, float(np.mean(densities)), float(np.mean(nats)))


def normal_divergence(mean: np.ndarray, S: np.ndarray, other: np.ndarray, T: np.ndarray) -> float:
    """`KL(N(mean, S) || N(other, T))` on the plane of a fixed sum."""
    basis = np.linalg.svd(np.ones((1, len(mean))))[2][1:].T
    S, T, t = basis.T @ S @ basis, basis.T @ T @ basis, basis.T @ (mean - other)
    inverse = np.linalg.inv(T)
    logs = np.linalg.slogdet(T)[1] - np.linalg.slogdet(S)[1]
    return 0.5 * float(np.trace(inverse @ S) - len(t) + t @ inverse @ t + logs)
