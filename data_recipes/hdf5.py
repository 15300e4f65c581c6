"""Plain HDF5 files, which have datasets but neither named dimensions nor CF metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from lawful.data_recipes.names import no_such_variable
from lawful.domains import Domain, InputError
from lawful.domains.components import sources, stored_names


def open_hdf5(path: Path, domain: Domain, mapping: Mapping[str, str]) -> xr.Dataset:
    """Variables, event coordinate, label and context of a domain from a plain HDF5 file, not decoded yet.

    Each comes from the dataset that `mapping` names, else from the only dataset with that name in any group;
    the first axis is that of the events.

    Raises:
        InputError: a dataset is missing, ambiguous, not an array of numbers or text, or of another length.
    """
    found = places_of(path, domain, mapping)
    with h5py.File(path, "r") as file:
        variables = {name: _variable(name, file[place], place, domain, path) for name, place in found.items()}
    along = {name: variable for name, variable in variables.items() if domain.event_dim in variable.dims}
    lengths = {name: variable.shape[0] for name, variable in along.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: datasets differ in length: {', '.join(f'{k} {n}' for k, n in lengths.items())}")
    return xr.Dataset(variables)


def places_of(path: Path, domain: Domain, mapping: Mapping[str, str]) -> dict[str, str]:
    """Where in the file each variable, coordinate, label and context of a domain is.

    Raises:
        InputError: a dataset is missing or ambiguous.
    """
    with h5py.File(path, "r") as file:
        places = _datasets(file)
    sources = {**_sources(domain, places), **mapping}
    return {name: _locate(name, places, sources, path) for name in _wanted(domain, places, mapping)}


def _datasets(file: h5py.File) -> dict[str, str]:
    places: dict[str, str] = {}
    file.visititems(lambda place, item: places.update({place: place.rsplit("/", 1)[-1]}) if _holds(item) else None)
    return places


def _holds(item: Any) -> bool:
    return isinstance(item, h5py.Dataset)


def _wanted(domain: Domain, places: Mapping[str, str], mapping: Mapping[str, str]) -> list[str]:
    present = {*places.values(), *mapping}
    context = [context.name for context in domain.context if context.kind == "variable"]
    parameters = [p.name for p in domain.waiting]
    extras = [domain.event_dim, *context, *parameters, *([domain.blocks.label] if domain.blocks.label else [])]
    worked_out = {v.name for v in domain.variables if v.closes is not None} - present
    stored = [name for name in stored_names(domain) if name not in worked_out]
    return [*stored, *(name for name in extras if name in present and name not in domain.names)]


def _sources(domain: Domain, places: Mapping[str, str]) -> dict[str, str]:
    """Where datasets are that go by the names that the domain knows files to use."""
    by_name = {base: place for place, base in places.items()}
    return {name: by_name[source] for name, source in sources(domain.variables, by_name).items()}


def _locate(name: str, places: Mapping[str, str], mapping: Mapping[str, str], path: Path) -> str:
    if name in mapping:
        place = mapping[name].strip("/")
        if place not in places:
            raise InputError(f"{path} has no dataset {mapping[name]!r} for {name!r}; it has {', '.join(places)}")
        return place
    candidates = [place for place, base in places.items() if base == name]
    if not candidates:
        raise no_such_variable(path, name, dict.fromkeys(places.values()))
    if len(candidates) > 1:
        raise InputError(f"{path} has several datasets {name!r}: {', '.join(candidates)}; map {name} to one of them")
    return candidates[0]


def _variable(name: str, item: h5py.Dataset, place: str, domain: Domain, path: Path) -> xr.Variable:
    values = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
    own = {p.name: [p.over] if p.over else [] for p in domain.waiting}.get(name)
    if item.dtype.kind not in "fiubSO" or item.ndim != (max(item.ndim, 1) if own is None else len(own)):
        raise InputError(f"{path}: dataset {place!r} is {item.dtype} of shape {item.shape}, not an array of numbers")
    values = np.asarray(values)
    dims = [domain.event_dim, *(f"{name}_axis{axis}" for axis in range(1, values.ndim))]
    return xr.Variable(
        dims if own is None else own, values, {key: _plain(item.attrs[key]) for key in item.attrs if not key.isupper()}
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode(errors="replace") if isinstance(value, bytes) else value
