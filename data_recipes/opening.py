"""Opens NetCDF-3, NetCDF-4 and plain HDF5 files; what a file is, its first bytes decide, not its name."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import h5py
import xarray as xr

from lawful.data_recipes.hdf5 import open_hdf5
from lawful.data_recipes.names import listed
from lawful.domains import Domain, InputError
from lawful.domains.components import split

Format = Literal["netcdf", "hdf5"]

_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NETCDF4_ATTRIBUTES = {"_NCProperties", "_nc3_strict"}


@contextmanager
def open_file(path: Path, domain: Domain, mapping: Mapping[str, str]) -> Iterator[tuple[xr.Dataset, list[str]]]:
    """The contents of a file, with mapped variables under the names of the domain, and notes, while the file is open.

    Times that cannot be decoded are left as numbers, with a note.

    Raises:
        InputError: there is no such file, or it is neither NetCDF nor HDF5, or damaged, be it found out later.
    """
    kind = file_format(path)
    try:
        stored = open_hdf5(path, domain, mapping) if kind == "hdf5" else _open_netcdf(path)
        with stored:
            ds, notes = _decode(stored if kind == "hdf5" else _renamed(stored, path, mapping), path)
            yield split(ds, domain, ("realization",)), notes
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path} cannot be read; it may be damaged: {_one_line(error)}") from error


def file_format(path: Path) -> Format:
    """Whether the bytes of a file are NetCDF or plain HDF5.

    Raises:
        InputError: there is no such file, it is a folder, cannot be opened, or is neither.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a NetCDF or HDF5 file")
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error
    if start[:4] in _CLASSIC:
        return "netcdf"
    if start != _HDF5 and not h5py.is_hdf5(path):
        raise InputError(f"{path} is neither NetCDF nor HDF5")
    return "netcdf" if _has_netcdf_metadata(path) else "hdf5"


def sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _has_netcdf_metadata(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return bool(_NETCDF4_ATTRIBUTES & set(file.attrs)) or any(
                h5py.h5ds.is_scale(item.id) for item in file.values() if isinstance(item, h5py.Dataset)
            )
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path} cannot be read; it may be damaged: {_one_line(error)}") from error


def _open_netcdf(path: Path) -> xr.Dataset:
    return xr.open_dataset(path, engine="netcdf4", decode_times=False)


def _renamed(ds: xr.Dataset, path: Path, mapping: Mapping[str, str]) -> xr.Dataset:
    missing = [source for source in mapping.values() if source not in ds.variables]
    if missing:
        raise InputError(f"{path} has no variable {missing[0]!r}; it has {listed(map(str, ds.variables))}")
    # A mapped variable takes the place of one that already has its name.
    taken = [name for name in mapping if name in ds.variables and name not in mapping.values()]
    ds = ds.drop_vars(taken)
    return ds.rename_vars({source: name for name, source in mapping.items() if name != source})


def _decode(raw: xr.Dataset, path: Path) -> tuple[xr.Dataset, list[str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return xr.decode_cf(raw, decode_times=True, decode_timedelta=False), []
    except (ValueError, OverflowError, TypeError) as error:
        ds = xr.decode_cf(raw, decode_times=False, decode_timedelta=False)
        return ds, [f"times of {path.name} were left as numbers: {_one_line(error)}"]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
