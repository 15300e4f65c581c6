"""Arrays of a data set as the single variables of a domain, `part(sample, oxide)` as `part[SiO2]`, and back."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import xarray as xr

from lawful.domains.declarations import Parameter, Variable, component
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError

IN_ARRAY = "lawful_in_array"
"""Where the encoding of a component says what it was taken out of: the array's name, an axis, and a place along it."""


def arrays(domain: Domain) -> dict[str, tuple[str, ...]]:
    """The arrays that components of a domain come from, and the labels it takes of each."""
    found: dict[str, tuple[str, ...]] = {}
    for name in domain.names:
        place = component(name)
        if place:
            found[place[0]] = (*found.get(place[0], ()), place[1])
    return found


def briefly(names: Sequence[str], among: Sequence[str]) -> str:
    """Names in one line, with an array in the place of all its components `among` the names of a domain."""
    size = Counter((component(name) or (name,))[0] for name in among)
    found = Counter((component(name) or (name,))[0] for name in names)
    whole = {array for array, count in found.items() if count == size[array]}
    arrays = ((component(name) or (name,))[0] for name in names)
    return ", ".join(dict.fromkeys(a if a in whole else name for a, name in zip(arrays, names, strict=True)))


def stored_names(domain: Domain) -> tuple[str, ...]:
    """What the variables of a domain are called in a file: components by the name of their array."""
    return tuple(dict.fromkeys((component(name) or (name,))[0] for name in domain.names))


def sources(variables: Iterable[Variable], present: Collection[str]) -> dict[str, str]:
    """What variables and arrays are called in a file with the names `present`, where that is their `source` alone.

    Components that were declared as one array have the source of the array.
    """
    known = [((component(v.name) or (v.name,))[0], v) for v in variables if v.source]
    alike = Counter((array, v.source) for array, v in known)
    called = {array if alike[array, v.source] > 1 else v.name: str(v.source) for array, v in known}
    return {name: source for name, source in called.items() if source in present and name not in present}


def split(ds: xr.Dataset, domain: Domain, others: Collection[str] = ()) -> xr.Dataset:
    """The data set with a variable for each component of the domain, in place of the arrays they come from.

    A component that the data set already has stays. `others` are dimensions that arrays may have beside that of
    events.

    Raises:
        InputError: an array has no dimension, or more than one, to take labels from, or lacks one of them.
    """
    for array, labels in arrays(domain).items():
        missing = [label for label in labels if f"{array}[{label}]" not in ds.variables]
        if array not in ds.variables or not missing:
            continue
        dim = _dimension(ds[array], array, domain, {domain.event_dim, *others})
        declared = domain.dimensions.get(_over(domain, array), labels)
        found = {label: _component(ds[array], dim, label, declared) for label in missing}
        ds = ds.drop_vars(array).assign({f"{array}[{label}]": values for label, values in found.items()})
    return ds


def _over(domain: Domain, array: str) -> str:
    return next((v.over or "" for v in domain.variables if (component(v.name) or ("",))[0] == array), "")


def _dimension(values: xr.DataArray, array: str, domain: Domain, events: set[str]) -> str:
    over = _over(domain, array)
    if over in values.dims:
        return over
    extra = [str(dim) for dim in values.dims if dim not in events]
    # In a file of one dimension more than this, the one that is left over is that of the events.
    if len(extra) != 1 or values.ndim < 2:
        raise InputError(f"variable {array!r} lies along {' x '.join(map(str, values.dims))}; it needs {over!r} too")
    return extra[0]


def _component(values: xr.DataArray, dim: str, label: str, declared: tuple[str, ...]) -> xr.DataArray:
    position = _position(values, dim, label, declared)
    part = values.isel({dim: position}).drop_vars(dim, errors="ignore")
    part.encoding = {**values.encoding, IN_ARRAY: (values.name, values.dims.index(dim), position)}
    return part


def _position(values: xr.DataArray, dim: str, label: str, declared: tuple[str, ...]) -> int:
    """Where a label is: by the coordinate of the file where it has one, else in the order of the declaration."""
    if dim in values.coords:
        there = [_word(item) for item in values[dim].to_numpy()]
        if label not in there:
            raise InputError(f"variable {values.name!r} has no {dim} {label!r}; it has {', '.join(there[:20])}")
        return there.index(label)
    if values.sizes[dim] != len(declared):
        raise InputError(
            f"variable {values.name!r} has {values.sizes[dim]} places along {dim!r}, which has no labels in the file; "
            f"the domain declares {len(declared)}"
        )
    return declared.index(label)


def _word(item: object) -> str:
    if isinstance(item, bytes):
        return item.decode(errors="replace").strip()
    return f"{item:g}" if isinstance(item, float | np.floating) else str(item).strip()


def join(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    """The data set with components put together along the dimensions that the domain declares for them."""
    taken = set(ds.variables)
    for array, labels in arrays(domain).items():
        over = _over(domain, array)
        if not over or over in taken:
            continue
        parts = [ds[f"{array}[{label}]"] for label in labels]
        whole = xr.concat(parts, dim=xr.Variable(over, np.array(labels, dtype=str)), combine_attrs="drop_conflicts")
        whole = whole.transpose(*parts[0].dims, over).rename(array)
        ds = ds.drop_vars([part.name for part in parts]).assign({array: whole})
    return ds


def with_parameters(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    """The data set with the parameters of a domain, so that whoever reads it again has all that the laws take."""
    known = [p for p in domain.parameters if p.values is not None and p.name not in ds.variables]
    dims = {p.name: ((p.over,) if p.over else ()) for p in known}
    values = {p.name: np.asarray(p.values if p.over else (p.values or ("",))[0]) for p in known}
    attrs = {p.name: {"units": p.units, "long_name": p.description or p.name} for p in known}
    return ds.assign({p.name: xr.Variable(dims[p.name], values[p.name], attrs[p.name]) for p in known})


def bind(domain: Domain, ds: xr.Dataset) -> Domain:
    """The domain with the values of its parameters that a data set holds; laws with them become laws in numbers.

    Raises:
        InputError: a parameter is not there, or differs from event to event.
    """
    if not domain.waiting:
        return domain
    parameters = tuple(p if p.values is not None else _with_values(p, domain, ds) for p in domain.parameters)
    return Domain.model_validate({**dict(domain), "parameters": parameters})


def _with_values(parameter: Parameter, domain: Domain, ds: xr.Dataset) -> Parameter:
    name, over = parameter.name, parameter.over
    if name not in ds.variables:
        raise InputError(f"no variable {name!r} for the parameter of that name; give it `values`, or map it")
    values = ds[name]
    if domain.event_dim in values.dims:
        raise InputError(f"parameter {name!r} differs from event to event; declare it as a variable with `given: true`")
    wanted = (over,) if over else ()
    if values.dims != wanted:
        there = " x ".join(map(str, values.dims)) or "no dimension"
        raise InputError(f"parameter {name!r} lies along {there}; the domain says {over or 'no dimension'}")
    labels = domain.dimensions[over] if over else ()
    picked = [values.isel({over: _position(values, str(over), label, labels)}) for label in labels] or [values]
    return parameter.model_copy(update={"values": tuple(_value(p, parameter) for p in picked)})


def _value(value: xr.DataArray, parameter: Parameter) -> float | str:
    item = value.to_numpy().item()
    if parameter.into is not None:
        return _word(item)
    if not isinstance(item, int | float):
        raise InputError(f"parameter {parameter.name!r} holds {item!r}, which is no number")
    units = value.attrs.get("units")
    if units is None:
        return float(item)
    # Here, because pint is slow to import and seldom needed.
    from lawful.domains.units import convert

    return float(convert(float(item), str(units), parameter.units))
