"""Steady states of the core metabolism of E. coli in many media, drawn uniformly by hit-and-run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from lawful.core.polyhedra import Bounds, HitAndRun, Inequalities, Polyhedron
from lawful.data_recipes.cf import data_attributes, variable_attributes
from lawful.data_recipes.write import write_dataset
from lawful.domains.metabolic_flux import DOMAIN, KNOCKOUTS
from lawful.domains.problem import problem_of

# Without air, glycolysis alone pays for maintenance; a strain without PFK or PGI has no state then.
KINDS = [(strain, air) for strain in (None, *KNOCKOUTS) for air in (True, False) if air or strain not in ("PFK", "PGI")]
"""The reaction that a strain lacks, and whether there is air."""

MEDIA_OF_A_KIND, STATES_OF_A_MEDIUM = 8, 19
_CHAINS = 128
SOURCE = (
    "uniform draws by lawful.core.polyhedra.HitAndRun from the core metabolic model of Escherichia coli (Orth et al. "
    "2010; model e_coli_core of BiGG Models as it comes with the Python package cobra 0.32.1), {media} media: {kinds} "
    "strains and airs, {each} media each with limits drawn at random, {states} states in each"
)
LICENCE = (
    "Draws: Apache-2.0. The model is Copyright The Regents of the University of California (BiGG Models, "
    "http://bigg.ucsd.edu), who permit use and redistribution of any part of it with this notice; it is distributed in "
    "the hope that it will be useful, but WITHOUT ANY WARRANTY; for commercial use see the terms of BiGG Models"
)

Medium = dict[str, float]
"""Values of the given variables of the domain."""


def make(out_path: str | Path) -> Path:
    """Draw the states (some minutes) and write them to `out_path`.

    Raises:
        InputError: the file cannot be written.
    """
    rng = np.random.default_rng(5)
    media = list(designed(rng, MEDIA_OF_A_KIND))
    seeds = rng.integers(2**31, size=len(media))
    states = [draw(medium, STATES_OF_A_MEDIUM, int(seed)) for medium, seed in zip(media, seeds, strict=True)]
    return write_dataset(to_dataset(states, media), out_path)


def designed(rng: np.random.Generator, each: int) -> Iterator[Medium]:
    """`each` media of every kind."""
    for strain, air in KINDS:
        for _ in range(each):
            yield random_medium(rng, strain, air)


def random_medium(rng: np.random.Generator, strain: str | None, air: bool) -> Medium:
    """Limits of uptake in mmol g-1 h-1: oxygen and ammonium over orders of magnitude, glucose between 8 and 20."""
    limits = {
        "glucose": rng.uniform(8, 20),
        "oxygen": np.exp(rng.uniform(np.log(4), np.log(40))) if air else 0.0,
        "ammonium": np.exp(rng.uniform(np.log(0.2), np.log(10))),
    }
    # Media are mixed to three digits.
    rounded = {what: float(f"{limit:.3g}") for what, limit in limits.items()}
    return rounded | {f"{name}_on": float(name != strain) for name in KNOCKOUTS}


def polyhedron(medium: Medium) -> Polyhedron:
    """All states that are possible in a medium."""
    problem = problem_of(DOMAIN)
    given = torch.tensor([medium.get(name, 0.0) for name in DOMAIN.names], dtype=torch.float64)
    system = problem.system.restrict(~problem.given, given)
    inequalities = Inequalities(problem.C, problem.d, problem.inequality_names)
    return Polyhedron(system, Bounds(problem.lower, problem.upper), inequalities)


def draw(medium: Medium, count: int, seed: int) -> np.ndarray:
    """Uniform states (count, variables) of a medium, float64, lawful to rounding."""
    generator = torch.Generator().manual_seed(seed)
    return HitAndRun(polyhedron(medium), chains=_CHAINS, generator=generator).sample(count, generator).numpy()


def to_dataset(states: list[np.ndarray], media: list[Medium]) -> xr.Dataset:
    """States along `state`, each with the values of its medium and its number."""
    values = np.concatenate(states)
    number = np.repeat(np.arange(len(media)), [len(part) for part in states])
    columns: dict[str, Any] = {
        v.name: ("state", values[:, i], variable_attributes(v)) for i, v in enumerate(DOMAIN.variables)
    }
    columns["medium"] = ("state", number, {"long_name": "number of the medium"})
    each, many = len(media) // len(KINDS), len(values) // len(media)
    source = SOURCE.format(media=len(media), kinds=len(KINDS), each=each, states=many)
    along = ("state", np.arange(len(values)), {"long_name": "number of the state"})
    return xr.Dataset(columns, {"state": along}, data_attributes(DOMAIN, source=source, licence=LICENCE))
