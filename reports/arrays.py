"""Plain arrays out of labelled data: what every measure and figure in this room works on."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.domain import Domain
from lawful.domains.errors import InputError

REALIZATION = "realization"


def realizations(ds: xr.Dataset, domain: Domain) -> np.ndarray:
    """Values of the domain's variables, (realization, event, variable) float64; one realization where `ds` has none.

    Raises:
        InputError: a variable or the event dimension is missing, or a variable has some other dimension.
    """
    _check_names(ds, domain)
    dims = (REALIZATION, domain.event_dim) if REALIZATION in ds.dims else (domain.event_dim,)
    arrays = [_in_order(ds[name], dims) for name in domain.names]
    values = np.stack(arrays, axis=-1)
    return values if values.ndim == 3 else values[np.newaxis]


def events(ds: xr.Dataset, domain: Domain) -> np.ndarray:
    """Values of the domain's variables, (event, variable) float64, of a dataset without realizations."""
    if REALIZATION in ds.dims:
        raise InputError(
            f"expected dimension {domain.event_dim!r} alone, got also {REALIZATION!r}: select one realization"
        )
    return realizations(ds, domain)[0]


def label_of(value: Any) -> str:
    """What a coordinate says, as text; a time in ISO form, to the second."""
    return str(value)[:19] if isinstance(value, np.datetime64) else str(value)


def check_variables(ds: xr.Dataset, domain: Domain) -> None:
    """See that a dataset has the domain's variables, all with the same dimensions, that of events among them.

    Raises:
        InputError: it has not; what is missing or differs is named.
    """
    _check_names(ds, domain)
    # Not `ds[name]`, which takes the longer the more variables there are.
    found = {name: ds.variables[name].dims for name in domain.names}
    dims = found[domain.names[0]]
    for name, own in found.items():
        if set(own) != set(dims) or domain.event_dim not in own:
            expected = dims if domain.event_dim in dims else (domain.event_dim,)
            raise InputError(f"{name}: expected dimensions {_listed(expected)}, got {_listed(own)}")


def ratios(values: np.ndarray, domain: Domain) -> np.ndarray:
    """The domain's ratios, (..., ratio), of values (..., variable); 0/0 is NaN and x/0 is infinite."""
    position = {name: column for column, name in enumerate(domain.names)}
    pairs = [(position[ratio.numerator], position[ratio.denominator]) for ratio in domain.ratios]
    columns = [quotient(values[..., above], values[..., below]) for above, below in pairs]
    return np.stack(columns, axis=-1) if columns else np.empty((*values.shape[:-1], 0))


def plain(value: Any) -> Any:
    """The same value in types that JSON knows: numpy scalars unpacked, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Element by element; 0/0 is NaN and x/0 is infinite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return above / below


def _check_names(ds: xr.Dataset, domain: Domain) -> None:
    missing = [name for name in domain.names if name not in ds.data_vars]
    if missing:
        raise InputError(f"the dataset has no {', '.join(missing)}, which domain {domain.name!r} needs")
    if domain.event_dim not in ds.dims:
        raise InputError(f"the dataset has dimensions {_listed(ds.dims)}, but events lie along {domain.event_dim!r}")


def _in_order(array: xr.DataArray, dims: tuple[str, ...]) -> np.ndarray:
    if set(array.dims) != set(dims):
        raise InputError(f"{array.name}: expected dimensions {_listed(dims)}, got {_listed(array.dims)}")
    return array.transpose(*dims).values.astype(np.float64)


def _listed(dims: Mapping[Hashable, int] | tuple[Hashable, ...]) -> str:
    return "(" + ", ".join(str(dim) for dim in dims) + ")"
