"""What `benchmark_polyhedra.py` measures uniform draws against, where it is installed."""

import importlib.util
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lawful.core.polyhedra import Polyhedron

_CHAINS, _DRAWS, _THINNING = 4, 1000, 100
_SLOW_DRAWS = 100
_LONG_DRAWS, _LONG_THINNING = 5000, 4000


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

    begin = time.perf_counter()
    problem = hopsy.round(hopsy.Problem(*_inequalities(P)))
    rounded = time.perf_counter()
    draws = _chains(problem, P, _CHAINS, _DRAWS, _THINNING)
    return rounded - begin, time.perf_counter() - rounded, draws


def long_chains(P: Polyhedron) -> Tensor:
    """Draws (N, n) by hopsy, chain after chain, so many steps apart that they are as good as independent."""
    import hopsy

    problem = hopsy.round(hopsy.Problem(*_inequalities(P)))
    draws = _chains(problem, P, _CHAINS, _LONG_DRAWS + 1, _LONG_THINNING, first_seed=_CHAINS)[1:]
    return draws.transpose(0, 1).flatten(0, 1)


def _chains(problem: Any, P: Polyhedron, count: int, draws: int, thinning: int, first_seed: int = 0) -> Tensor:
    """Draws (T, chains, n) by coordinate hit-and-run."""
    import hopsy

    chains = [hopsy.MarkovChain(problem, proposal=hopsy.UniformCoordinateHitAndRunProposal) for _ in range(count)]
    seeds = [hopsy.RandomNumberGenerator(seed=first_seed + i) for i in range(count)]
    _, t = hopsy.sample(chains, seeds, n_samples=draws, thinning=thinning, n_procs=1)
    return P.reduced.z(torch.from_numpy(np.ascontiguousarray(t.transpose(1, 0, 2))))


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
