"""The sampler of the training data against hopsy's CHRR; writes its table of docs/metabolic-flux.md.

    pip install hopsy
    python docs/benchmark_chrr.py

Coordinate hit-and-run with rounding (Haraldsdottir et al. 2017, doi:10.1093/bioinformatics/btx052) as hopsy implements
it (Paul et al. 2024, doi:10.1093/bioinformatics/btae430), on the same polyhedra in coordinates of their affine hull.
The floor is the distance between two runs of hopsy.
"""

import hopsy
import numpy as np
import torch
from benchmark_flux import DRAWS, PAGE, distances, media, not_pinned
from timing import table, write_section

from lawful.core.polyhedra import HitAndRun, Polyhedron
from lawful.data_recipes.metabolic_flux import polyhedron

SEED = 7
KINDS = (0, 1, 6, 11)
SWEEPS_BETWEEN = 40
HEAD = ["medium", "fluxes not pinned", "KS to CHRR, median", "KS to CHRR, largest", "floor, median", "floor, largest"]


def chrr(P: Polyhedron, seed: int) -> torch.Tensor:
    """`DRAWS` states (DRAWS, n) by hopsy."""
    reduced = P.reduced
    rows, start = reduced.rows.numpy(), reduced.start.numpy()
    ends = [(rows, reduced.high.numpy() - start), (-rows, start - reduced.low.numpy())]
    G, h = (np.concatenate(parts) for parts in zip(*ends, strict=True))
    finite = np.isfinite(h)
    problem = hopsy.round(hopsy.Problem(G[finite], h[finite]))
    chain = hopsy.MarkovChain(problem, proposal=hopsy.UniformCoordinateHitAndRunProposal)
    thinning = SWEEPS_BETWEEN * reduced.dimension
    states = hopsy.sample(chain, hopsy.RandomNumberGenerator(seed), n_samples=DRAWS + DRAWS // 10, thinning=thinning)[1]
    return reduced.z(torch.from_numpy(states[0][-DRAWS:]))


def row(kind: int) -> list[str]:
    """One medium of a kind."""
    name, medium = media(SEED)[kind]
    P, generator = polyhedron(medium), torch.Generator().manual_seed(SEED)
    ours = HitAndRun(P, generator=generator).sample(DRAWS, generator)
    theirs, more = chrr(P, 1), chrr(P, 2)
    figures = (*distances(ours, theirs), *distances(more, theirs))
    return [name, str(len(not_pinned(theirs))), *(f"{x:.3f}" for x in figures)]


def main() -> None:
    """Measure and exchange the table."""
    torch.set_num_threads(1)
    rows = []
    for kind in KINDS:
        rows.append(row(kind))
        print(*rows[-1], sep=" | ", flush=True)
    write_section("chrr", table(HEAD, rows), PAGE)


if __name__ == "__main__":
    main()
