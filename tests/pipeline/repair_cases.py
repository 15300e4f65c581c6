"""Budgets that miss their laws, and files as they are stored."""

import netCDF4
import numpy as np
import xarray as xr
from small import BUDGET, budget_data


def noisy(events=360, seed=1, dtype=np.float64) -> xr.Dataset:
    """Budget data of which every third hour is off, some of them out of bounds."""
    ds = budget_data(events)
    rng = np.random.default_rng(seed)
    for name in BUDGET.names:
        values = ds[name].to_numpy()
        noise = rng.normal(0, 0.3, events) * (np.arange(events) % 3 == 0) * (values != 0)
        ds[name] = (ds[name].dims, (values + noise).astype(dtype), ds[name].attrs)
    return ds


def raw(path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return {name: file[name][...] for name in file.variables}
