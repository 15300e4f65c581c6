"""Volcanic rock analyses from the table that pyrolite brings to test its CIPW norm."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lawful.data_recipes.cf import data_attributes, variable_attributes
from lawful.data_recipes.write import write_dataset
from lawful.domains import InputError
from lawful.domains.rock_oxides import DOMAIN

COLUMNS = {v.name: f"{v.name.upper()}ADJ" for v in DOMAIN.variables}
TABLE = Path("data") / "testing" / "CIPW_Verma_Test.csv"
SOURCE = (
    "table CIPW_Verma_Test.csv of the Python package pyrolite: published whole-rock analyses compiled to test the "
    "revised CIPW norm of Verma et al. (2003); columns *ADJ, adjusted to 100 % on an anhydrous basis, complete rows"
)
LICENCE = "MIT (pyrolite, copyright 2018 CSIRO); cite Verma et al. (2003) and the study named in 'reference'"


def make(out_path: str | Path) -> Path:
    """Write the complete rows of pyrolite's table to `out_path`.

    Raises:
        InputError: pyrolite or its table is not installed, or the file cannot be written.
    """
    return write_dataset(to_dataset(read_table()), out_path)


def read_table() -> pd.DataFrame:
    """The complete rows of pyrolite's table.

    Raises:
        InputError: pyrolite or its table is not installed.
    """
    return complete_rows(pd.read_csv(_table_path(), low_memory=False))


def complete_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows in which every adjusted part is there."""
    return table.dropna(subset=list(COLUMNS.values()))


def _table_path() -> Path:
    spec = find_spec("pyrolite")
    if spec is None or spec.origin is None:
        raise InputError("the recipe needs pyrolite: pip install 'lawful[recipes]'")
    path = Path(spec.origin).parent / TABLE
    if not path.is_file():
        raise InputError(f"the installed pyrolite has no {TABLE}; the recipe was written for 0.3.8.post1")
    return path


def to_dataset(table: pd.DataFrame) -> xr.Dataset:
    """Complete analyses as a data set along `sample`, with the study and the name of each sample."""
    rows = complete_rows(table)
    parts = {
        v.name: ("sample", rows[COLUMNS[v.name]].to_numpy(np.float64), variable_attributes(v)) for v in DOMAIN.variables
    }
    number = ("sample", rows["CONSECUT"].to_numpy(np.int64), {"long_name": "running number in the source table"})
    return xr.Dataset(
        {**parts, "reference": text(rows, "REF", "published study that an analysis comes from")},
        {"sample": number, "sample_name": text(rows, "SAMPLE NAME", "name of the sample in its study")},
        data_attributes(DOMAIN, source=SOURCE, licence=LICENCE),
    )


def text(rows: pd.DataFrame, column: str, description: str) -> tuple[str, np.ndarray, dict[str, str]]:
    """A column of words along `sample`, in single spaces."""
    words = rows[column].fillna("").astype(str).str.split().str.join(" ")
    return "sample", words.to_numpy(dtype=np.str_), {"long_name": description}
