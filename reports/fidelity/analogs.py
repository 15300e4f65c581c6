"""Training events that are like a test event in what is known of it beforehand."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lawful.reports.fidelity.protocol import Rows, spreads

ANALOGS = 30


@dataclass(frozen=True)
class Conditions:
    """What is known of each event, given variables and context: (event, known) of training and of test events."""

    train: np.ndarray
    test: np.ndarray


def nearest(conditions: Conditions, count: int = ANALOGS) -> np.ndarray:
    """The training events (event, count) nearest to each test event in what is known, standardised.

    Analog ensemble: Delle Monache et al. (2013), Mon. Weather Rev. 141, 3498-3516, doi:10.1175/MWR-D-12-00281.1.
    """
    spread = spreads(conditions.train)
    scale = np.where(spread > 0, spread, 1.0)
    count = min(count, len(conditions.train))
    found = cKDTree(conditions.train / scale).query(conditions.test / scale, k=count)[1]
    return found.reshape(len(conditions.test), count)


def analog_ensemble(
    train: Rows, test: Rows, conditions: Conditions, size: int, rng: np.random.Generator
) -> tuple[Rows, ...]:
    """`size` sets of training rows, each with a row for every test row and in its block, drawn from its analogs.

    Where nothing is known beforehand every training row is an analog. A row is not drawn twice while there are others:
    a classifier would know it again.
    """
    if conditions.train.shape[1]:
        analogs = nearest(conditions)
        drawn = [_one_each(analogs, len(train), rng) for _ in range(size)]
    else:
        drawn = [np.resize(rng.permutation(len(train)), len(test)) for _ in range(size)]
    return tuple(train.chosen(chosen).with_blocks(test.blocks) for chosen in drawn)


def _one_each(analogs: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """One of the `analogs` (event, count) of each event, the least used ones first, (event,)."""
    used, chosen = np.zeros(rows), np.empty(len(analogs), dtype=np.int64)
    for event in rng.permutation(len(analogs)):
        candidates = rng.permutation(analogs[event])
        chosen[event] = candidates[used[candidates].argmin()]
        used[chosen[event]] += 1
    return chosen
