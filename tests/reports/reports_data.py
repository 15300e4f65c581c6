"""Arrays into datasets and back, and draws from the tiny domain of `conftest`."""

import numpy as np
import xarray as xr

from lawful.domains import Domain
from lawful.reports.fidelity.protocol import Effort, Rows, Trial, block_counts


def as_ensemble(values: np.ndarray, test: xr.Dataset, domain: Domain) -> xr.Dataset:
    """(realization, event, variable) as a dataset whose events are those of `test`."""
    dims = ("realization", domain.event_dim)
    return xr.Dataset({name: (dims, values[..., k]) for k, name in enumerate(domain.names)}, coords=test.coords)


def as_array(ds: xr.Dataset, domain: Domain) -> np.ndarray:
    return np.stack([ds[name].values for name in domain.names], axis=-1)


def tiny_values(size: int, rng: np.random.Generator) -> np.ndarray:
    a = np.where(rng.random(size) < 0.4, 0.0, rng.gamma(2.0, 10.0, size))
    b = a * 0.5 + rng.gamma(3.0, 5.0, size)
    return np.stack([a, b, a + b], axis=-1)


def trial_of(made, test, train=(-1.0, 1.0), blocks=None) -> Trial:
    """A trial in one variable; the training data -1, 1 have mean 0 and standard deviation 1."""
    made, test, train = (np.asarray(x, dtype=float).reshape(len(x), -1) for x in (made, test, train))
    blocks = np.zeros(len(test), int) if blocks is None else np.asarray(blocks)
    counts = block_counts(int(blocks.max()) + 1, 5, np.random.default_rng(0))
    held_out, learned = Rows(test, blocks), Rows(train, np.full(len(train), counts.shape[1]))
    rows = Rows(made, np.zeros(len(made), int))
    return Trial(held_out, learned, (rows,), (learned,), rows, rows, counts, Effort(2, 2, 2, 20), 0)
