"""Small domains to test with."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import Blocks, Context, Domain, Law, Variable


@pytest.fixture
def budget() -> Domain:
    """Three variables, one equation, one inequality, weekly blocks."""
    return Domain(
        name="budget",
        title="A water budget",
        event="hour",
        event_dim="time",
        variables=(
            Variable(name="P", units="mm h-1", lower=0),
            Variable(name="E", units="mm h-1"),
            Variable(name="R", units="mm h-1", lower=0, upper=50),
        ),
        laws=(
            Law(name="water", equation="P = E + R", units="mm h-1", tolerance=1e-9),
            Law(name="runoff", equation="R <= P", units="mm h-1"),
        ),
        context=(
            Context(name="hour", kind="hour_of_day"),
            Context(name="day", kind="day_of_year"),
            Context(name="weekday", kind="day_of_week"),
        ),
        blocks=Blocks(kind="time", length_days=7, gap_days=1),
    )


@pytest.fixture
def year() -> xr.Dataset:
    """Every hour of 2012."""
    hours = np.arange("2012-01-01T01", "2013-01-01T01", dtype="datetime64[h]").astype("datetime64[ns]")
    return xr.Dataset(coords={"time": hours})
