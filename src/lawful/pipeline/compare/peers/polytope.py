"""hopsy's uniform draws from polytopes."""

import numpy as np
import torch

from lawful.core.polyhedra import Polyhedron

_THINNING = 100


def polytope_samples(whole: Polyhedron, given: torch.Tensor, z: torch.Tensor, seed: int) -> np.ndarray:
    """Uniform draws (N, n) from the polytopes that the given values of events z (N, n) leave open.

    One rounded coordinate hit-and-run chain for each set of given values, a draw after every 100 steps (Haraldsdottir
    et al. 2017, doi:10.1093/bioinformatics/btx052, as hopsy does it).
    """
    made, free = z.clone().numpy(), (~given).numpy()
    values, which = torch.unique(z[:, given], dim=0, return_inverse=True)
    for number, known in enumerate(values):
        events = np.flatnonzero((which == number).numpy())
        made[np.ix_(events, np.flatnonzero(free))] = _drawn(whole, free, known.numpy(), len(events), seed + number)
    return made


def _drawn(whole: Polyhedron, free: np.ndarray, known: np.ndarray, size: int, seed: int) -> np.ndarray:
    import hopsy

    A, b, C, d, lower, upper = whole.arrays
    limited = np.abs(C[:, free]).sum(1) > 0
    problem = hopsy.Problem(C[limited][:, free], d[limited] - C[limited][:, ~free] @ known)
    problem = hopsy.add_box_constraints(problem, lower[free], upper[free], simplify=False)
    problem = hopsy.add_equality_constraints(problem, A[:, free], b - A[:, ~free] @ known)
    problem = hopsy.round(problem)
    start = hopsy.compute_chebyshev_center(problem)
    chain = hopsy.MarkovChain(problem, proposal=hopsy.UniformCoordinateHitAndRunProposal, starting_point=start)
    numbers = hopsy.RandomNumberGenerator(seed=seed)
    # The first half forgets where the chain started.
    return hopsy.sample(chain, numbers, n_samples=2 * size, thinning=_THINNING)[1][0][size:]
