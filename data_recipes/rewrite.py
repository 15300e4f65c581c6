"""Changes some numbers of a file, in a copy of it in which all else stays as it was, byte for byte."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np

from lawful.data_recipes.hdf5 import places_of
from lawful.data_recipes.opening import file_format
from lawful.domains import Domain, InputError, ShapedDomain
from lawful.domains.components import sources
from lawful.domains.registry import require_events


class Copy:
    """An open copy of a file: the numbers of a domain's variables, as they lie in it."""

    def __init__(self, variables: Mapping[str, Any], target: Path):
        self._variables, self._target = variables, target

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """A part of a variable or an array of them, neither unpacked nor masked."""
        return np.asarray(self._variables[name][index])

    def write(self, name: str, index: tuple[slice, ...], numbers: np.ndarray) -> None:
        """Put numbers of the variable's own type in place of a part of it."""
        with _writing(self._target):
            self._variables[name][index] = numbers


@contextmanager
def changed_copy(
    source: Path, target: Path, domain: Domain | ShapedDomain, mapping: Mapping[str, str], command: str
) -> Iterator[Copy]:
    """A copy of a NetCDF or HDF5 file to change numbers in; it appears as `target` when all went well, or not at all.

    The copy is made byte by byte, so that groups, dimensions, attributes, compression and other variables come through
    whatever they are. The attribute `history` gets one more line: the time and the command.

    Raises:
        InputError: the file is neither NetCDF nor HDF5, or the copy cannot be written; the message says why.
    """
    kind = file_format(source)
    if kind not in ("netcdf", "hdf5"):
        raise InputError(
            f"{source}: numbers can be exchanged in NetCDF and HDF5 files alone; convert it to one of these"
        )
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    opening = (
        _open_hdf5(temporary, require_events(domain), mapping)
        if kind == "hdf5"
        else _open_netcdf(temporary, domain, mapping)
    )
    try:
        with _writing(target):
            shutil.copyfile(source, temporary)
        with opening as (variables, attributes):
            yield Copy(variables, target)
            with _writing(target):
                _carry_on_history(attributes, command)
        with _writing(target):
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        # The HDF5 library reports a full disk as a RuntimeError.
        raise InputError(f"cannot write {target}: {getattr(error, 'strerror', None) or error}") from error


class _Attributes:
    """The global attributes of a NetCDF file, as a mapping."""

    def __init__(self, file: netCDF4.Dataset):
        self._file = file

    def get(self, name: str, default: str) -> str:
        return str(getattr(self._file, name, default))

    def __setitem__(self, name: str, value: str) -> None:
        self._file.setncattr(name, value)


@contextmanager
def _open_netcdf(
    path: Path, domain: Domain | ShapedDomain, mapping: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, Any], Any]]:
    with netCDF4.Dataset(path, "r+") as file:
        file.set_auto_maskandscale(False)
        mapped = {source: name for name, source in mapping.items()}
        known = domain.variables if isinstance(domain, Domain) else domain.generated
        there = sources(known, {mapped.get(name, name) for name in file.variables})
        names = {**{source: name for name, source in there.items()}, **mapped}
        yield {names.get(source, source): variable for source, variable in file.variables.items()}, _Attributes(file)


@contextmanager
def _open_hdf5(path: Path, domain: Domain, mapping: Mapping[str, str]) -> Iterator[tuple[Mapping[str, Any], Any]]:
    places = places_of(path, domain, mapping)
    with h5py.File(path, "r+") as file:
        yield {name: file[place] for name, place in places.items()}, file.attrs


def _carry_on_history(attributes: Any, command: str) -> None:
    before = attributes.get("history", "")
    before = before.decode(errors="replace") if isinstance(before, bytes) else str(before)
    line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {command}"
    attributes["history"] = f"{before}\n{line}" if before else line
