"""Polyhedra that every strategy is tried on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lawful.core import LinearSystem
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron

INF = float("inf")


def double(x):
    return torch.as_tensor(np.asarray(x, dtype=np.float64))


def polyhedron(system, lower=-INF, upper=INF, C=None, d=None, names=None):
    """A polyhedron of a system; a single number bounds all variables."""
    low, high = (double(np.broadcast_to(x, (system.n,)).copy()) for x in (lower, upper))
    return Polyhedron(system, Bounds(low, high), None if C is None else Inequalities(double(C), double(d), names))


@dataclass(frozen=True)
class Case:
    """A polyhedron, and points (N, n) strictly inside their bounds; b is that of the points where it is per sample."""

    polyhedron: Polyhedron
    points: Tensor


def two_equalities() -> Case:
    system = LinearSystem([[2, 1, 0], [1, 0, 3]], [4, 5])
    y0 = np.linspace(-3, 3, 6)
    return Case(polyhedron(system), double(np.stack([y0, 4 - 2 * y0, (5 - y0) / 3], 1)))


def shares() -> Case:
    system = LinearSystem(np.ones((1, 6)), [1.0])
    return Case(polyhedron(system, lower=0), double(np.random.default_rng(0).dirichlet(np.ones(6), 6)))


def elements() -> Case:
    """Species CO2, CO, H2O, H2, CH4, O2, C, OH; balances of C, H and O, a right-hand side a sample."""
    A = np.array([[1, 1, 0, 0, 1, 0, 1, 0], [0, 0, 2, 2, 4, 0, 0, 1], [2, 1, 1, 0, 0, 2, 0, 1]])
    points = np.random.default_rng(1).gamma(1.0, size=(6, 8))
    system = LinearSystem(A, points @ A.T, names=["C", "H", "O"])
    return Case(polyhedron(system, lower=0), system.project(points, weights=points**2))


def tree() -> Case:
    """A total of three subtotals of two leaves each, in the order total, subtotals, leaves; leaves are positive."""
    A = np.zeros((4, 10))
    A[0, 0], A[0, 1:4] = -1, 1
    for i in range(3):
        A[1 + i, 1 + i], A[1 + i, 4 + 2 * i : 6 + 2 * i] = -1, 1
    leaves = np.random.default_rng(2).gamma(1.0, size=(6, 6))
    points = np.concatenate([leaves.sum(1, keepdims=True), leaves.reshape(-1, 3, 2).sum(-1), leaves], 1)
    lower = [-INF] * 4 + [0.0] * 6
    return Case(polyhedron(LinearSystem(A), lower=lower), double(points))


def radiation() -> Case:
    """Kdown - Kup + Ldown - Lup = QN with Kup <= Kdown, and Kdown given, one value a sample."""
    system = LinearSystem([[1, -1, 1, -1, -1]], columns=["Kdown", "Kup", "Ldown", "Lup", "QN"])
    rng = np.random.default_rng(3)
    z = np.abs(rng.normal(size=(6, 5))) * 100
    z[:, 1] = z[:, 0] * rng.uniform(0.1, 0.9, 6)
    z[:, 4] = z[:, :4] @ [1, -1, 1, -1]
    free = torch.tensor([False, True, True, True, True])
    given = system.restrict(free, z)
    lower = [0, 0, 0, 0, -INF]
    return Case(polyhedron(given, lower, C=[[-1, 1, 0, 0, 0]], d=[0.0], names=["shortwave"]), double(z))


def redundant() -> Case:
    """Two-sided bounds, and a third law that is the sum of the others."""
    A = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 1, 2, 1, 1]])
    points = np.random.default_rng(4).uniform(0.5, 1.5, (6, 5))
    system = LinearSystem(A, points @ A.T)
    return Case(polyhedron(system, lower=0, upper=2), double(points))


CASES = {f.__name__: f for f in (two_equalities, shares, elements, tree, radiation, redundant)}
