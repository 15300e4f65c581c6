"""CSV and Parquet tables: one row an event, one column a variable."""

import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from lawful.domains import InputError

_UNITS = re.compile(r"(.+?)\s*[(\[]([^()\[\]]+(?:\([^()]*\)[^()]*)?)[)\]]")
_TIMES = ("time", "date", "datetime", "timestamp", "valid_time")
CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = b"PAR1"


def is_csv(path: Path) -> bool:
    """Whether a file is called as comma- or tab-separated tables are; their bytes do not tell."""
    return path.name.lower().endswith(CSV)


def open_table(path: Path, dim: str) -> xr.Dataset:
    """Columns of a CSV or Parquet file along `dim`.

    Units may stand behind a name, `Rain (mm h-1)`. Lines that start with `#` are comments. Columns called `dim`, or
    time or date, are read as times where they hold dates; empty cells and `NA` are missing.

    Raises:
        InputError: the table cannot be read, has no rows, or two columns of one name.
    """
    table = _read(path)
    if table.empty:
        raise InputError(f"{path}: the table has no rows")
    columns = [_name_and_units(str(column)) for column in table.columns]
    names = [name for name, _ in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: two columns are called {twice[0]!r}")
    values = [_values(table.iloc[:, i], name, dim) for i, name in enumerate(names)]
    variables = {
        name: xr.Variable(dim, value, {"units": units} if units else {})
        for (name, units), value in zip(columns, values, strict=True)
    }
    return xr.Dataset(variables)


def _read(path: Path) -> pd.DataFrame:
    try:
        return _read_csv(path) if is_csv(path) else pd.read_parquet(path)
    except ImportError as error:
        raise InputError(f"{path}: reading Parquet needs pyarrow: pip install 'lawful[formats]'") from error
    except (ValueError, OSError, EOFError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path} cannot be read as a table: {' '.join(str(error).split())[:160]}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Rows longer than the header would lose their last cells.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path, sep=_separator(path), comment="#", skipinitialspace=True, index_col=False, low_memory=False
        )


def _separator(path: Path) -> str:
    """The sign that parts the columns of the first line that is no comment."""
    head = pd.read_csv(path, sep="\x1f", header=None, nrows=1, comment="#", dtype=str, engine="c")
    counts = {sign: str(head.iloc[0, 0]).count(sign) for sign in "\t;,"}
    return max(counts, key=lambda sign: counts[sign])


def _name_and_units(column: str) -> tuple[str, str | None]:
    found = _UNITS.fullmatch(column.strip())
    return (found[1], found[2]) if found else (column.strip(), None)


def _values(column: pd.Series, name: str, dim: str) -> Any:
    if column.dtype.kind in "fiubM":
        return column.to_numpy()
    if name == dim or name.lower() in _TIMES:
        try:
            return pd.to_datetime(column).to_numpy().astype("datetime64[ns]")
        except (ValueError, TypeError, OverflowError):
            pass
    return column.fillna("").astype(str).to_numpy(dtype=str)
