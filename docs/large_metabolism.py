"""A metabolism of thousands of fluxes as a domain: loads, checks, projects, and finds what bounds pin.

    python docs/large_metabolism.py MODEL.npz
    python docs/large_metabolism.py iJO1366        (with cobra installed, which ships or fetches the model)

`MODEL.npz` holds `S` (metabolites, reactions), `lower` and `upper`.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

from lawful.core.polyhedra import Bounds, NotConvergedError, Polyhedron
from lawful.domains import Domain
from lawful.domains.declarations import Blocks
from lawful.domains.metabolic_flux import Reaction, balances, flux_variables
from lawful.domains.problem import problem_of

POINTS, REACH = 8, 1e-3
"""How many points are projected, and how far from a lawful one they are, as a share of the largest flux."""


def reactions_of(model: str) -> list[Reaction]:
    """Reactions of a file, or of cobra's model of that name."""
    S, lower, upper = model_of(model)
    made = [(f"v{j}", {f"m{i}": float(S[i, j]) for i in S[:, j].nonzero()[0]}) for j in range(S.shape[1])]
    ends = zip(lower.tolist(), upper.tolist(), strict=True)
    return [Reaction(name, low, high, parts) for (name, parts), (low, high) in zip(made, ends, strict=True)]


def model_of(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stoichiometry and bounds, of a file or of cobra's model of that name."""
    return from_file(name) if name.endswith(".npz") else from_cobra(name)


def from_file(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stoichiometry and bounds."""
    with np.load(Path(path)) as model:
        return model["S"], model["lower"], model["upper"]


def from_cobra(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stoichiometry and bounds."""
    from cobra.io import load_model
    from cobra.util import create_stoichiometric_matrix

    model = load_model(name)
    lower, upper = zip(*(reaction.bounds for reaction in model.reactions), strict=True)
    return create_stoichiometric_matrix(model), np.array(lower), np.array(upper)


def domain_of(reactions: list[Reaction]) -> Domain:
    """The domain of steady states of these reactions."""
    return Domain(
        name="large-metabolism",
        title="Steady states of a metabolism",
        description="Fluxes that balance every metabolite.",
        event="steady state",
        event_dim="state",
        variables=flux_variables(reactions),
        laws=balances(reactions),
        blocks=Blocks(kind="label", label="medium"),
    )


def main(model: str) -> None:
    """Report each step with its seconds of processor time."""
    torch.set_num_threads(1)
    began = time.process_time()

    def said(what: str) -> None:
        print(f"{time.process_time() - began:7.1f} s  {what}", flush=True)

    problem = problem_of(domain_of(reactions_of(model)))
    said(f"domain of {problem.n} fluxes and {len(problem.b)} balances")
    P = Polyhedron(problem.system, Bounds(problem.lower, problem.upper))
    said(f"{problem.n - int(problem.system.rank)} dimensions by rank")
    inside = P.interior
    said(f"{int((inside.at_lower | inside.at_upper).sum())} fluxes are pinned by bounds; {P.dimension} dimensions left")
    point = P.reduced.base
    off = point + REACH * point.abs().max() * torch.randn(POINTS, P.n, generator=torch.Generator().manual_seed(0))
    said(
        f"a point inside is lawful: {bool(P.contains(point))}; moved, lawful: {int(P.contains(off).sum())} of {POINTS}"
    )
    z = [projected for x in off for projected in lawful_projections(P, x)]
    residual = max((float((problem.A @ x).abs().max()) for x in z), default=0.0)
    said(f"projected to 8 ulps: {len(z)} of {POINTS}, the others refused; largest abs(S v) {residual:.0e}")


def lawful_projections(P: Polyhedron, x: torch.Tensor) -> list[torch.Tensor]:
    """The projection of a point (n,), or none where it misses a law by more than 8 ulps and is refused."""
    try:
        return [P.project(x)]
    except NotConvergedError:
        return []


if __name__ == "__main__":
    main(sys.argv[1])
