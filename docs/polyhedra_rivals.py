"""What `benchmark_polyhedra.py` measures uniform draws against, where it is installed."""

import importlib.util
import time

import numpy as np
import torch
from torch import Tensor

from lawful.core.polyhedra import Polyhedron

_CHAINS, _DRAWS, _THINNING = 4, 1000, 100


def has_hopsy() -> bool:
    return importlib.util.find_spec("hopsy") is not None


def hopsy(P: Polyhedron) -> tuple[float, float, Tensor]:
    """Seconds to round, seconds to draw, and draws (T, chains, n) by CHRR, https://pypi.org/project/hopsy/.

    It is given the polyhedron in the coordinates of its affine hull, without the equalities that bounds imply.
    """
    import hopsy

    reduced = P.reduced
    rows, start, low, high = (x.numpy() for x in (reduced.rows, reduced.start, reduced.low, reduced.high))
    above, below = np.isfinite(high), np.isfinite(low)
    G = np.concatenate([rows[above], -rows[below]])
    h = np.concatenate([(high - start)[above], (start - low)[below]])
    begin = time.perf_counter()
    problem = hopsy.round(hopsy.Problem(G, h))
    rounded = time.perf_counter()
    chains = [hopsy.MarkovChain(problem, proposal=hopsy.UniformCoordinateHitAndRunProposal) for _ in range(_CHAINS)]
    seeds = [hopsy.RandomNumberGenerator(seed=i) for i in range(_CHAINS)]
    _, t = hopsy.sample(chains, seeds, n_samples=_DRAWS, thinning=_THINNING, n_procs=1)
    drawn = time.perf_counter()
    return rounded - begin, drawn - rounded, reduced.z(torch.from_numpy(np.ascontiguousarray(t.transpose(1, 0, 2))))
