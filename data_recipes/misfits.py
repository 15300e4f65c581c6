"""Variables that carry what is missing of a law, worked out from the others where the file does not have them."""

import numpy as np
import xarray as xr

from lawful.data_recipes.cf import variable_attributes
from lawful.domains import Domain, InputError, Variable


def without_misfits(domain: Domain, ds: xr.Dataset) -> Domain:
    """The domain without the variables that are to be worked out, for those who look for variables in the file."""
    stored = tuple(v for v in domain.variables if v.closes is None or v.name in ds.variables)
    return domain.model_copy(update={"variables": stored}) if len(stored) < len(domain.variables) else domain


def with_misfits(ds: xr.Dataset, domain: Domain, notes: list[str]) -> xr.Dataset:
    """The data set, in the units of the domain, with a variable for the misfit of each law that has one."""
    for v in domain.variables:
        if v.closes is not None and v.name not in ds.variables:
            values = _misfit(ds, v, domain)
            size = np.nanmean(np.abs(values))
            notes.append(f"{v.name} carries what is missing of law {v.closes!r}, {size:.3g} {v.units} in the mean")
            ds = ds.assign({v.name: (domain.event_dim, values, variable_attributes(v))})
    return ds


def _misfit(ds: xr.Dataset, variable: Variable, domain: Domain) -> np.ndarray:
    closed = domain.closed_by(variable)
    if closed is None:
        raise InputError(f"no law for {variable.name} to close")
    law = closed.parsed
    others = [factor * ds[name].to_numpy() for name, factor in law.coefficients.items() if name != variable.name]
    return (law.constant - np.sum(others, axis=0)) / law.coefficients[variable.name]
