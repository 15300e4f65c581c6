"""How finely a file can hold a number: half the spacing of the stored representation."""

from typing import Any

import numpy as np
import torch
import xarray as xr

from lawful.core.linear import half_spacing
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.reports.arrays import realizations

_TORCH = {"float32": torch.float32, "float64": torch.float64}


def stored_types(ds: xr.Dataset, domain: Domain) -> dict[str, str]:
    """Per variable, the type its numbers have in the file ("float32", "float64", "int16 in steps of 0.01")."""
    return {name: _described(ds[name]) for name in domain.names}


def stored_half_spacing(ds: xr.Dataset, domain: Domain) -> np.ndarray:
    """Half the spacing of the stored representation at every value, shaped as `realizations(ds, domain)`.

    Raises:
        InputError: a variable is stored in a type other than float64, float32 or packed integers.
    """
    values = realizations(ds, domain)
    columns = [_half_spacing(values[..., k], ds[name]) for k, name in enumerate(domain.names)]
    return np.stack(columns, axis=-1)


def float64_half_spacing(values: torch.Tensor) -> torch.Tensor:
    """Half the spacing of float64 at every value."""
    return half_spacing(values, torch.float64)


def _half_spacing(values: np.ndarray, array: xr.DataArray) -> np.ndarray:
    step = _packing_step(array)
    if step is not None:
        return np.full(values.shape, step / 2)
    return half_spacing(torch.from_numpy(np.ascontiguousarray(values)), _TORCH[_stored(array)]).numpy()


def _stored(array: xr.DataArray) -> str:
    kind: Any = array.encoding.get("dtype", array.dtype)
    name = np.dtype(kind).name
    # An integer variable without packing is exact in float64.
    name = "float64" if np.dtype(kind).kind in "iu" else name
    if name not in _TORCH:
        raise InputError(f"{array.name} is stored as {name}: store it as float64, float32 or packed integers")
    return name


def _packing_step(array: xr.DataArray) -> float | None:
    packed = "dtype" in array.encoding and np.dtype(array.encoding["dtype"]).kind in "iu"
    step = array.encoding.get("scale_factor")
    return abs(float(step)) if packed and step is not None else None


def _described(array: xr.DataArray) -> str:
    step = _packing_step(array)
    return _stored(array) if step is None else f"{np.dtype(array.encoding['dtype']).name} in steps of {step:g}"
