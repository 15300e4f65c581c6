"""Hourly surface balances from a run of the urban land-surface model SUEWS with its own sample data."""

import contextlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lawful.data_recipes.cf import data_attributes, variable_attributes
from lawful.data_recipes.write import write_dataset
from lawful.domains import InputError
from lawful.domains.surface_balance import DOMAIN

YEAR = "2012"
STEPS_AN_HOUR = 12
SOURCE = (
    "SUEWS {version} (Python package supy), run for 2012 with the sample site and forcing that come with it "
    "(central London, file Kc_2012_data_60.txt); 5-minute output, of which every full hour is kept"
)
LICENCE = (
    "Output of a model, made by the maintainers of lawful. supy states two licences: MPL-2.0 in its README, "
    "GPL-V3.0 in its package metadata; the sample forcing comes with supy"
)


def make(out_path: str | Path) -> Path:
    """Run SUEWS (about a minute) and write the hours of 2012 to `out_path`.

    Raises:
        InputError: supy is not installed, or the file cannot be written.
    """
    steps, version = _run_suews()
    return write_dataset(to_dataset(hourly(steps), SOURCE.format(version=version)), out_path)


def _run_suews() -> tuple[pd.DataFrame, str]:
    # supy writes a log file into the working directory as soon as it is imported.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch), warnings.catch_warnings():
        # The pinned release warns of its own later interface and of its own configuration, hundreds of lines.
        warnings.simplefilter("ignore")
        supy = _import_supy()
        state, forcing = supy.load_sample_data()
        output, _ = supy.run_supy(forcing.loc[YEAR], state)
    return output.SUEWS.droplevel(0), str(supy.__version__)


def _import_supy() -> Any:
    try:
        import supy
    except ImportError as error:
        raise InputError(f"the recipe needs supy: pip install 'lawful[recipes]' ({error})") from error
    return supy


def hourly(steps: pd.DataFrame) -> pd.DataFrame:
    """Means of fluxes and sums of water over full hours, labelled by the end of the hour.

    Args:
        steps: 5-minute values, each labelled by the end of its interval; fluxes in W m-2, water in mm.
    """
    means = [v.name for v in DOMAIN.variables if v.units == "W m-2"]
    sums = [v.name for v in DOMAIN.variables if v.units == "mm h-1"]
    steps = steps[means + sums].astype(float).dropna().sort_index()
    ends = pd.DatetimeIndex(steps.index).ceil("1h")
    full = pd.Series(1, ends).groupby(level=0).transform("size").to_numpy() == STEPS_AN_HOUR
    # Summed here because the last digit of pandas' own means depends on its version.
    totals = steps[full].to_numpy().reshape(-1, STEPS_AN_HOUR, steps.shape[1]).sum(axis=1)
    hours = pd.DataFrame(totals, ends[full][::STEPS_AN_HOUR], steps.columns)
    return hours.assign(**{name: hours[name] / STEPS_AN_HOUR for name in means})


def to_dataset(hours: pd.DataFrame, source: str) -> xr.Dataset:
    """The hours as a CF data set along `time`."""
    columns = {v.name: ("time", hours[v.name].to_numpy(np.float64), variable_attributes(v)) for v in DOMAIN.variables}
    time = ("time", hours.index.to_numpy("datetime64[ns]"), {"standard_name": "time", "long_name": "end of the hour"})
    return xr.Dataset(columns, {"time": time}, data_attributes(DOMAIN, source=source, licence=LICENCE))
