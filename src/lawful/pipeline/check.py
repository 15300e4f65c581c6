"""Judges files from any source, one after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lawful.data_recipes import open_ensemble
from lawful.data_recipes.shaped_ensemble import read_shaped_ensemble
from lawful.domains import Domain, InputError, ShapedDomain
from lawful.reports.physics.tolerance import Tolerance, parse_tolerances
from lawful.reports.shaped_validity import shaped_validity
from lawful.reports.validity import validity


@dataclass
class Checked:
    """What was found in each file, by path, and one line for each that could not be judged."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every file was judged and everything holds in it."""
        return not self.faults and all(judged["holds"] for judged in self.files.values())

    @property
    def exit_code(self) -> int:
        """0 where all holds, 1 where something does not, 2 where a file could not be judged."""
        return 2 if self.faults else 0 if self.holds else 1


def check(
    paths: Sequence[Path],
    domain: Domain | ShapedDomain,
    *,
    mapping: Mapping[str, str] | None = None,
    tolerances: Sequence[str] = (),
    steps: Mapping[str, float] | None = None,
) -> Checked:
    """Judge the laws, inequalities and bounds of a domain in files as they are stored.

    Files of vectors are not loaded whole; those of graphs and fields are.

    Args:
        paths: NetCDF, HDF5, Zarr, CSV or Parquet files.
        domain: whose laws.
        mapping: name in the domain -> name in the files, where they differ.
        tolerances: as `lawful.reports.physics.tolerance.parse_tolerances` reads them; none for 8 ulps.
        steps: last printed digit by variable, in the domain's units, where the files do not tell.

    Raises:
        InputError: a tolerance or a step is wrong, or names nothing in the domain.
    """
    allowed = parse_tolerances(tolerances, domain)
    judge, named = (
        (_shaped, domain.require_variable) if isinstance(domain, ShapedDomain) else (_events, domain.variable)
    )
    for name in steps or {}:
        named(name)
    checked = Checked()
    for path in dict.fromkeys(paths):
        try:
            judged, notes = judge(path, domain, mapping or {}, allowed, steps or {})
            checked.files[str(path)] = {"file": str(path), **judged, "notes": [*notes, *judged["notes"]]}
        except InputError as error:
            fault = str(error)
            checked.faults[str(path)] = fault if str(path) in fault else f"{path}: {fault}"
    return checked


def _events(
    path: Path, domain: Any, mapping: Mapping[str, str], allowed: Mapping[str, Tolerance], steps: Mapping[str, float]
) -> tuple[dict[str, Any], list[str]]:
    # Points of a stack are judged where they lie, so that places are those of the file.
    with open_ensemble(path, domain, mapping, in_place=True) as (ds, bound, notes):
        if all(set(ds[name].dims) == set(domain.stack) for name in bound.names) or not domain.stack:
            return validity(ds, bound, tolerances=allowed, steps=steps), notes
    with open_ensemble(path, domain, mapping) as (ds, bound, notes):
        return validity(ds, bound, tolerances=allowed, steps=steps), notes


def _shaped(
    path: Path, domain: Any, mapping: Mapping[str, str], allowed: Mapping[str, Tolerance], steps: Mapping[str, float]
) -> tuple[dict[str, Any], list[str]]:
    ds, notes = read_shaped_ensemble(path, domain, mapping)
    return shaped_validity(ds, domain, tolerances=allowed, steps=steps), notes
