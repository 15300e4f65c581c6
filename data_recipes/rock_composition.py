"""Volcanic rocks as oxides and as normative minerals: pyrolite's CIPW norm of the table that comes with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lawful.data_recipes.cf import data_attributes, variable_attributes
from lawful.data_recipes.rock_oxides import LICENCE, read_table, text
from lawful.data_recipes.write import write_dataset
from lawful.domains import InputError
from lawful.domains.rock_composition import ATOMIC_MASS, DOMAIN, MINERALS, OXIDES, molar_mass
from lawful.domains.rock_oxides import PARTS

SOURCE = (
    "analyses of table CIPW_Verma_Test.csv of the Python package pyrolite that are complete in its columns *ADJ; minor "
    "oxides folded into the major oxide whose place they take in minerals, mole for mole, halogens left out, adjusted "
    "to 100 %; minerals by pyrolite.mineral.normative.CIPW_norm; rocks whose norm leaves oxides over are left out"
)

FOLDED = {"MnO": "FeO", "NiO": "FeO", "CoO": "FeO", "SrO": "CaO", "BaO": "CaO", "Rb2O": "K2O", "Cs2O": "K2O"} | {
    "Li2O": "Na2O",
    "V2O3": "Cr2O3",
}
"""Minor oxide -> the oxide that the norm counts it as (Verma et al. 2003)."""

MINOR_MASS = {
    "MnO": 54.938043 + 15.999,
    "NiO": 58.6934 + 15.999,
    "CoO": 58.933194 + 15.999,
    "SrO": 87.62 + 15.999,
    "BaO": 137.327 + 15.999,
    "Rb2O": 2 * 85.4678 + 15.999,
    "Cs2O": 2 * 132.90545196 + 15.999,
    "Li2O": 2 * 6.94 + 15.999,
    "V2O3": 2 * 50.9415 + 3 * 15.999,
}
"""g mol-1."""

# What pyrolite calls the minerals that have another name here; its "clinoenstatite" is CaMgSi2O6.
PYROLITE = {"diopside_Mg": "clinoenstatite", "diopside_Fe": "clinoferrosilite"}
_DECIMALS = 12
_CLOSES = 1e-9


def make(out_path: str | Path) -> Path:
    """Write oxides and normative minerals of the complete rows of pyrolite's table to `out_path`.

    Raises:
        InputError: pyrolite or its table is not installed, or the file cannot be written.
    """
    table = read_table()
    oxides = fold({part: table[f"{part.upper()}ADJ"].to_numpy(np.float64) for part in PARTS})
    return write_dataset(to_dataset(table, _norm(oxides)), out_path)


def fold(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mass percent (rocks,) of the oxides that the norm knows, of mass percent of all parts; they sum to 100."""
    oxides = {name: np.array(parts[name], dtype=np.float64) for name in OXIDES}
    for minor, major in FOLDED.items():
        oxides[major] += parts[minor] * molar_mass(major) / MINOR_MASS[minor]
    whole = np.sum(list(oxides.values()), axis=0)
    return {name: 100 * values / whole for name, values in oxides.items()}


def _norm(oxides: Mapping[str, np.ndarray]) -> pd.DataFrame:
    try:
        from pyrolite.mineral.normative import CIPW_norm
    except ImportError as error:
        raise InputError(f"the recipe needs pyrolite: pip install 'lawful[recipes]' ({error})") from error
    frame = pd.DataFrame({name: oxides[name] for name in OXIDES if name not in ("Cr2O3", "ZrO2")})
    # pyrolite takes trace elements in ppm and brings the others to 100 % before it adds them.
    traces = {"Cr": oxides["Cr2O3"] * 2 * ATOMIC_MASS["Cr"] / molar_mass("Cr2O3")}
    traces |= {"Zr": oxides["ZrO2"] * ATOMIC_MASS["Zr"] / molar_mass("ZrO2")}
    rest = frame.sum(axis=1) / 100
    frame = frame.assign(MnO=0.0, **{element: 1e4 * mass / rest for element, mass in traces.items()})
    return CIPW_norm(frame, rounding=_DECIMALS, return_adjusted_input=True, return_free_components=True)


def to_dataset(table: pd.DataFrame, norm: pd.DataFrame) -> xr.Dataset:
    """Rocks along `sample`, of rows of pyrolite's table and of what its norm makes of them; the norm uses all oxides.

    Raises:
        InputError: a rock has minerals that the domain does not know.
    """
    whole = ((norm["FREE_OXIDES"] <= _CLOSES) & (norm["FREE_DEFSIO2"] <= _CLOSES)).to_numpy()
    table, norm = table[whole], norm[whole]
    columns = {name: norm[_column(name)].to_numpy(np.float64) for name in DOMAIN.names}
    _require_whole(norm, columns)
    parts: dict[str, Any] = {v.name: ("sample", columns[v.name], variable_attributes(v)) for v in DOMAIN.variables}
    number = ("sample", table["CONSECUT"].to_numpy(np.int64), {"long_name": "running number in the source table"})
    return xr.Dataset(
        {**parts, "reference": text(table, "REF", "published study that an analysis comes from")},
        {"sample": number, "sample_name": text(table, "SAMPLE NAME", "name of the sample in its study")},
        data_attributes(DOMAIN, source=SOURCE, licence=LICENCE),
    )


def _column(name: str) -> str:
    return PYROLITE.get(name, name.replace("_", " "))


def _require_whole(norm: pd.DataFrame, columns: Mapping[str, np.ndarray]) -> None:
    lacking = 100 - np.sum([columns[name] for name in MINERALS], axis=0)
    if (np.abs(lacking) > _CLOSES).any():
        rock = int(np.abs(lacking).argmax())
        raise InputError(
            f"minerals of rock {norm.index[rock]} sum to {100 - lacking[rock]:g} %: the installed pyrolite has others "
            "than 0.3.8.post1, for which the recipe was written"
        )
