"""Polyhedra that several tests share."""

import csv
from pathlib import Path

import numpy as np
import torch

from lawful.core import LinearSystem
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron

INF = float("inf")


def tensor(values):
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def polyhedron(A, b, lower=None, upper=None, C=None, d=None):
    A = tensor(A)
    n = A.shape[1]
    bounds = Bounds(
        *(torch.full((n,), e).double() if x is None else tensor(x) for x, e in ((lower, -INF), (upper, INF)))
    )
    inequalities = None if C is None else Inequalities(tensor(C), tensor(d))
    return Polyhedron(LinearSystem(A, tensor(b)), bounds, inequalities)


def simplex(n):
    return polyhedron(np.ones((1, n)), [1.0], np.zeros(n))


def box(lower, upper):
    """Without a law: the only one is that of a variable that is always 1."""
    n = len(lower)
    return polyhedron(np.eye(1, n + 1, n), [1.0], [*lower, -INF], [*upper, INF])


def random_polyhedron(seed, n=6, m=2, k=2):
    """Laws, bounds of every kind, and inequalities through the neighbourhood of a random point; some bounds active."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    A, C = rng.normal(size=(m, n)), rng.normal(size=(k, n))
    room = rng.exponential(size=(2, n)) * rng.choice([1.0, 1.0, INF], size=(2, n))
    return polyhedron(A, A @ z, z - room[0], z + room[1], C, C @ z + rng.exponential(size=k))


def core_metabolism():
    """The polytope of fluxes of the core of E. coli (see domains/e_coli_core.md)."""
    with (Path(__file__).parents[2] / "domains" / "e_coli_core.csv").open() as file:
        reactions = list(csv.DictReader(file))
    members = [[term.split("*") for term in reaction["equation"].split()] for reaction in reactions]
    metabolites = sorted({name for terms in members for _, name in terms})
    S = torch.zeros(len(metabolites), len(reactions), dtype=torch.float64)
    for j, terms in enumerate(members):
        for coefficient, name in terms:
            S[metabolites.index(name), j] = float(coefficient)
    lower, upper = (tensor([float(r[end]) for r in reactions]) for end in ("lower", "upper"))
    system = LinearSystem(S, names=metabolites, columns=[r["reaction"] for r in reactions])
    return Polyhedron(system, Bounds(lower, upper))
