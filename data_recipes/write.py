"""Writes NetCDF files whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains import InputError

_LEVEL = 4
_STORED = (np.float32, np.float64)


def write_ensemble(ds: xr.Dataset, path: str | Path) -> Path:
    """Write an ensemble with its `realization` dimension, compressed, in the dtype its variables have.

    The file appears under its name only when it is complete; an older one stays until then.

    Raises:
        InputError: there is no `realization` dimension, a variable along it is neither float32 nor float64 nor a
            category, or the file cannot be written.
    """
    members = {name: variable for name, variable in ds.data_vars.items() if "realization" in variable.dims}
    if not members:
        raise InputError("not an ensemble: no variable has a dimension 'realization'")
    for name, variable in members.items():
        if variable.dtype not in _STORED and "flag_values" not in variable.attrs:
            raise InputError(f"variable {str(name)!r} is {variable.dtype}; an ensemble is stored as float32 or float64")
    return write_dataset(ds, path)


def write_dataset(ds: xr.Dataset, path: str | Path) -> Path:
    """Write a data set to NetCDF-4, compressed and unpacked, under a temporary name that becomes `path` at the end.

    Raises:
        InputError: the file cannot be written; the message says why.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    plain = ds.copy().drop_encoding()
    try:
        plain.to_netcdf(temporary, engine="netcdf4", format="NETCDF4", encoding=_encoding(plain))
        temporary.replace(target)
    except (OSError, RuntimeError) as error:
        # The HDF5 library reports a full disk as a RuntimeError.
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {target}: {reason}; is the disk full?") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def write_text(text: str, path: str | Path) -> Path:
    """Write a text file under a temporary name that becomes `path` at the end; InputError when it cannot be."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _encoding(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    return {str(name): _stored_as(variable) for name, variable in ds.variables.items()}


def _stored_as(variable: xr.Variable) -> dict[str, Any]:
    if variable.dtype.kind in "OSU":
        return {"dtype": "S1", "zlib": True, "complevel": _LEVEL}
    if variable.dtype.kind == "M":
        return {"dtype": "float64", "units": "hours since 1970-01-01", "_FillValue": None}
    return {"zlib": True, "shuffle": True, "complevel": _LEVEL, "_FillValue": None}


def ensure_writable(folder: str | Path) -> Path:
    """Make `folder` if need be and prove that a file can be written in it, before hours are spent on its contents.

    Raises:
        InputError: it is not a folder, cannot be made, or takes no file.
    """
    directory = Path(folder)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".writable-") as probe:
            probe.write(b"0")
    except OSError as error:
        raise InputError(f"cannot write in folder {directory}: {error.strerror or error}") from error
    return directory
