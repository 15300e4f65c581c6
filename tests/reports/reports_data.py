"""Arrays into datasets and back, and draws from the tiny domain of `conftest`."""

import numpy as np
import xarray as xr

from lawful.domains import Domain


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
