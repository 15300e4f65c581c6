"""What `benchmark_polyhedra.py` measures uniform draws against, where it is installed."""

import importlib.util
import time

import numpy as np
import torch
from torch import Tensor

from lawful.core.polyhedra import Polyhedron

_CHAINS, _DRAWS, _THINNING = 4, 1000, 100
_SLOW_DRAWS = 100


Drawn = tuple[float, float, Tensor]
"""Seconds to prepare, seconds to draw, and draws (T, chains, n)."""


def _inequalities(P: Polyhedron) -> tuple[np.ndarray, np.ndarray]:
    """`G t <= h` in coordinates of the affine hull: rivals are spared all equalities, those that bounds imply too."""
    reduced = P.reduced
    rows, start, low, high = (x.numpy() for x in (reduced.rows, reduced.start, reduced.low, reduced.high))
    above, below = np.isfinite(high), np.isfinite(low)
    G = np.concatenate([rows[above], -rows[below]])
    return G, np.concatenate([(high - start)[above], (start - low)[below]])


def hopsy(P: Polyhedron) -> Drawn:
    """CHRR, https://pypi.org/project/hopsy/; what it prepares is the rounding."""
    import hopsy

    G, h = _inequalities(P)
    begin = time.perf_counter()
    problem = hopsy.round(hopsy.Problem(G, h))
    rounded = time.perf_counter()
    chains = [hopsy.MarkovChain(problem, proposal=hopsy.UniformCoordinateHitAndRunProposal) for _ in range(_CHAINS)]
    seeds = [hopsy.RandomNumberGenerator(seed=i) for i in range(_CHAINS)]
    _, t = hopsy.sample(chains, seeds, n_samples=_DRAWS, thinning=_THINNING, n_procs=1)
    drawn = time.perf_counter()
    return rounded - begin, drawn - rounded, P.reduced.z(torch.from_numpy(np.ascontiguousarray(t.transpose(1, 0, 2))))


def botorch(P: Polyhedron) -> Drawn:
    """`HitAndRunPolytopeSampler`, https://pypi.org/project/botorch/: it does not round, and is slow; so fewer draws."""
    from botorch.utils.sampling import HitAndRunPolytopeSampler

    G, h = (torch.from_numpy(x) for x in _inequalities(P))
    begin = time.perf_counter()
    chains = [
        HitAndRunPolytopeSampler((G, h.unsqueeze(-1)), n_burnin=_THINNING, n_thinning=_THINNING, seed=i)
        for i in range(_CHAINS)
    ]
    ready = time.perf_counter()
    t = torch.stack([chain.draw(_SLOW_DRAWS) for chain in chains], 1)
    return ready - begin, time.perf_counter() - ready, P.reduced.z(t)


SAMPLERS = {"hopsy": hopsy, "botorch": botorch}
"""Samplers from PyPI, by the name of the module that they need."""


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
