"""Where the observation stands among the members of its ensemble."""

from typing import Any

import numpy as np

_SAME = 1e-9
"""Relative distance within which two values count as one, as for the states of events."""


def ranks(ensemble: np.ndarray, observed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rank of each observation among its members, 0 (below all) to M (above all), ties broken at random.

    Rank histogram: Hamill (2001), Mon. Weather Rev. 129, 550-560, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2.
    Exact zeros tie, so without the random break a dry hour would always rank lowest. So do values that differ by
    rounding: a product of a recurring ratio is the same number but for its last digits, which say nothing.

    Args:
        ensemble: (event, member).
        observed: (event,).
        rng: breaks ties.
    """
    above = ensemble - observed[:, np.newaxis]
    tied = np.abs(above) <= _SAME * np.abs(observed)[:, np.newaxis]
    below = ((above < 0) & ~tied).sum(axis=1)
    return below + rng.integers(0, tied.sum(axis=1) + 1)


def rank_histogram(rank: np.ndarray, members: int) -> dict[str, Any]:
    """How often each rank occurs, and its "reliability_index" `sum_k |f_k - 1/(M + 1)|`.

    Delle Monache et al. (2006), J. Geophys. Res. 111, D05308, doi:10.1029/2005JD006917.
    """
    counts = np.bincount(rank, minlength=members + 1)
    return {
        "counts": counts.tolist(),
        "reliability_index": float(np.abs(counts / counts.sum() - 1 / (members + 1)).sum()),
    }
