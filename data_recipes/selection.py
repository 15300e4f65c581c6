"""Picks from an open file what a domain asks for."""

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from lawful.data_recipes.names import no_such_variable
from lawful.data_recipes.words import not_numbers
from lawful.domains import Domain, InputError, Variable
from lawful.domains.components import arrays, briefly


def needs_time(domain: Domain) -> bool:
    """Whether events of a domain need times: for their context, or to be split in blocks of time."""
    return domain.blocks.kind == "time" or any(context.kind != "variable" for context in domain.context)


def only_conditions(domain: Domain, ds: xr.Dataset, needed: tuple[str, ...], notes: list[str]) -> Domain:
    """The domain with the variables `needed` alone, where a file has these but not all; a note says so.

    Where nothing tells one event from another, neither needed variables nor context, all are asked for. Where one that
    is needed is absent, no other is asked for, so that the error names this one.
    """
    absent = [name for name in domain.names if name not in ds.variables]
    if not absent or not (needed or domain.context):
        return domain
    spared = briefly([name for name in absent if name not in needed], domain.names)
    if spared:
        notes.append(f"{spared}: not in the file and not needed to generate; there is nothing to judge them by")
    variables = tuple(v for v in domain.variables if v.name in needed)
    laws = tuple(law for law in domain.laws if set(law.parsed.names) <= set(needed))
    ratios = tuple(r for r in domain.ratios if {r.numerator, r.denominator} <= set(needed))
    return domain.model_copy(update={"variables": variables, "laws": laws, "ratios": ratios})


def select(ds: xr.Dataset, domain: Domain, path: Path) -> xr.Dataset:
    """The variables, label and context of a domain with their coordinates.

    Raises:
        InputError: one is missing, or a variable does not hold numbers.
    """
    wanted = [*domain.names, *companions(domain)] or [domain.event_dim]
    for name in wanted:
        if name not in ds.variables:
            raise no_such_variable(path, name, map(str, ds.variables), _alias(ds, domain, name))
    for name in domain.names:
        if ds[name].dtype.kind not in "fiub":
            raise not_numbers(path, ds[name])
    if domain.event_dim in ds.data_vars:
        ds = ds.set_coords(domain.event_dim)
    return ds[wanted]


def check_mapping(mapping: Mapping[str, str], domain: Domain) -> None:
    """Raise InputError when a mapping speaks of something that the domain does not have."""
    parameters = [p.name for p in domain.waiting]
    known = [*domain.names, *arrays(domain), *companions(domain), *parameters, domain.event_dim, "realization"]
    unknown = [name for name in mapping if name not in known]
    if unknown:
        raise InputError(f"mapping names {unknown[0]!r}, unknown to domain {domain.name!r}; it has {', '.join(known)}")


def companions(domain: Domain) -> list[str]:
    """Names of what goes with the variables: the label of blocks, and variables that are context."""
    context = [context.name for context in domain.context if context.kind == "variable"]
    label = [domain.blocks.label] if domain.blocks.kind == "label" and domain.blocks.label else []
    return [name for name in dict.fromkeys(context + label) if name not in domain.names]


def _alias(ds: xr.Dataset, domain: Domain, name: str) -> str | None:
    standard_name = _standard_name(domain.variables, name)
    same = [str(v) for v in ds.variables if standard_name and ds[v].attrs.get("standard_name") == standard_name]
    return same[0] if len(same) == 1 else None


def _standard_name(variables: tuple[Variable, ...], name: str) -> str | None:
    return next((variable.standard_name for variable in variables if variable.name == name), None)
