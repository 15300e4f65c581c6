"""Opens NetCDF-3, NetCDF-4, plain HDF5, Zarr, CSV and Parquet; the first bytes tell them apart, where they can."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import h5py
import xarray as xr

from lawful.data_recipes.categories import with_codes
from lawful.data_recipes.hdf5 import open_hdf5
from lawful.data_recipes.names import listed
from lawful.data_recipes.tables import PARQUET, is_csv, open_table
from lawful.data_recipes.windows import windowed
from lawful.domains import Domain, InputError, Variable
from lawful.domains.components import sources, split

Format = Literal["netcdf", "hdf5", "zarr", "table"]

KINDS = "NetCDF, HDF5, Zarr, CSV or Parquet"
_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NETCDF4_ATTRIBUTES = {"_NCProperties", "_nc3_strict"}
_ZARR = (".zgroup", ".zmetadata", "zarr.json")


@contextmanager
def open_file(
    path: Path, domain: Domain, mapping: Mapping[str, str], most: int | None = None
) -> Iterator[tuple[xr.Dataset, list[str]]]:
    """The contents of a file, with mapped variables under the names of the domain, and notes, while the file is open.

    Times that cannot be decoded are left as numbers, with a note. Windows are cut, `most` of them.

    Raises:
        InputError: there is no such file, it is of none of these kinds, or damaged, be it found out later.
    """
    kind = file_format(path)
    with _readable(path):
        stored = open_hdf5(path, domain, mapping) if kind == "hdf5" else _open(path, kind, domain.event_dim)
        with stored:
            ds, notes = decoded(stored if kind == "hdf5" else renamed(stored, path, mapping), path)
            yield _as_events(ds, domain, notes, most), notes


@contextmanager
def open_plainly(path: Path) -> Iterator[tuple[xr.Dataset, list[str]]]:
    """All that a file holds, under the names it has there, and notes, for looking at a file without a domain.

    Raises:
        InputError: as `open_file`; and for plain HDF5, which has no named dimensions.
    """
    kind = file_format(path)
    if kind == "hdf5":
        raise InputError(f"{path} is plain HDF5, which names no dimensions or units; write the domain by hand")
    with _readable(path), _open(path, kind, "row") as stored:
        yield decoded(stored, path)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # What xarray has to say on odd reference dates and the like would stand between the user's own lines.
            warnings.simplefilter("ignore")
            yield
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read; it may be damaged: {_one_line(error)}") from error


def _open(path: Path, kind: Format, dim: str) -> xr.Dataset:
    if kind == "table":
        return open_table(path, dim)
    return _open_zarr(path) if kind == "zarr" else _open_netcdf(path)


def file_format(path: Path) -> Format:
    """What the bytes of a file are, or the name where bytes do not tell.

    Raises:
        InputError: there is no such file, it is a folder, cannot be opened, or is of no kind that is read.
    """
    if path.is_dir():
        if any((path / name).is_file() for name in _ZARR):
            return "zarr"
        raise InputError(f"{path} is a folder; name a file, {KINDS}")
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error
    if start[:4] in _CLASSIC:
        return "netcdf"
    if start == _HDF5 or h5py.is_hdf5(path):
        return "netcdf" if _has_netcdf_metadata(path) else "hdf5"
    if start[:4] == PARQUET or (is_csv(path) and start):
        return "table"
    raise InputError(f"{path} is {'empty' if not start else f'not {KINDS}'}")


def sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file; of a folder, of the names and bytes of all files in it."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        whole.update(f"{file.relative_to(path)} {sha256(file)}\n".encode())
    return whole.hexdigest()


def _has_netcdf_metadata(path: Path) -> bool:
    with _readable(path), h5py.File(path, "r") as file:
        return bool(_NETCDF4_ATTRIBUTES & set(file.attrs)) or any(
            h5py.h5ds.is_scale(item.id) for item in file.values() if isinstance(item, h5py.Dataset)
        )


def _open_netcdf(path: Path) -> xr.Dataset:
    return xr.open_dataset(path, engine="netcdf4", decode_times=False)


def _open_zarr(path: Path) -> xr.Dataset:
    try:
        return xr.open_dataset(path, engine="zarr", decode_times=False)
    except (ImportError, ValueError) as error:
        # xarray says that it knows no such engine when zarr is not installed.
        if isinstance(error, ImportError) or ("zarr" in str(error) and "engine" in str(error)):
            raise InputError(f"{path}: reading Zarr needs zarr: pip install 'lawful[formats]'") from error
        raise InputError(f"{path} cannot be read; it may be damaged: {_one_line(error)}") from error


def renamed(ds: xr.Dataset, path: Path, mapping: Mapping[str, str]) -> xr.Dataset:
    """The data set with mapped variables under the names of the domain; InputError where one is not there."""
    missing = [source for source in mapping.values() if source not in ds.variables]
    if missing:
        raise InputError(f"{path} has no variable {missing[0]!r}; it has {listed(map(str, ds.variables))}")
    # A mapped variable takes the place of one that already has its name.
    taken = [name for name in mapping if name in ds.variables and name not in mapping.values()]
    ds = ds.drop_vars(taken)
    return ds.rename_vars({source: name for name, source in mapping.items() if name != source})


def _as_events(ds: xr.Dataset, domain: Domain, notes: list[str], most: int | None) -> xr.Dataset:
    """The data set under the names of the domain, cut into windows, with its arrays as single variables."""
    cut = windowed(from_sources(ds, domain.variables), domain, notes, most)
    return with_codes(split(cut, domain, ("realization",)), domain)


def from_sources(ds: xr.Dataset, variables: Iterable[Variable]) -> xr.Dataset:
    """Variables that a domain knows to be called otherwise in files, under its own names."""
    there = sources(variables, {str(name) for name in ds.variables})
    return ds.rename_vars({source: name for name, source in there.items()})


def decoded(raw: xr.Dataset, path: Path) -> tuple[xr.Dataset, list[str]]:
    """The data set unpacked, with times as times; a note where they had to stay numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return xr.decode_cf(raw, decode_times=True, decode_timedelta=False), []
    except (ValueError, OverflowError, TypeError) as error:
        ds = xr.decode_cf(raw, decode_times=False, decode_timedelta=False)
        return ds, [f"times of {path.name} were left as numbers: {_one_line(error)}"]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
