"""A small domain and files of it to read."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import Blocks, Context, Domain, Law, Ratio, Variable

EVENTS = 100


@pytest.fixture
def budget() -> Domain:
    """Rain, evaporation and runoff of hours, with a closure tolerance."""
    return Domain(
        name="budget",
        title="A water budget",
        event="hour",
        event_dim="time",
        variables=(
            Variable(name="Rain", units="mm h-1", lower=0, standard_name="rainfall_rate", description="rainfall"),
            Variable(name="Evap", units="mm h-1"),
            Variable(name="RO", units="mm h-1", lower=0, upper=50),
        ),
        laws=(
            Law(name="water", equation="Rain = Evap + RO", units="mm h-1", tolerance=1e-6),
            Law(name="runoff", equation="RO <= Rain + 10", units="mm h-1"),
        ),
        ratios=(Ratio(name="coefficient", numerator="RO", denominator="Rain", units="1", lower=0, upper=1),),
        context=(Context(name="hour", kind="hour_of_day"),),
        blocks=Blocks(kind="time"),
    )


@pytest.fixture
def timeless(budget) -> Domain:
    """The same, of events that need no time."""
    blocks = Blocks(kind="label", label="site")
    return budget.model_copy(update={"event_dim": "sample", "context": (), "blocks": blocks})


@pytest.fixture
def data() -> xr.Dataset:
    """One hundred hours that obey the laws."""
    generator = np.random.default_rng(0)
    evap, runoff = generator.uniform(0.1, 0.5, EVENTS), generator.uniform(1, 2, EVENTS)
    columns = {"Rain": evap + runoff, "Evap": evap, "RO": runoff}
    time = np.arange("2012-03-01", "2012-03-30", dtype="datetime64[h]")[:EVENTS].astype("datetime64[ns]")
    return xr.Dataset({name: ("time", values, {"units": "mm h-1"}) for name, values in columns.items()}, {"time": time})


@pytest.fixture
def samples(data) -> xr.Dataset:
    """The same values along `sample`, with the site each comes from."""
    sites = np.array(["north", "south"] * (EVENTS // 2))
    return data.drop_vars("time").rename(time="sample").assign(site=("sample", sites))


@pytest.fixture
def save(tmp_path):
    """Write a data set to a file and give its path."""

    def write(ds: xr.Dataset, name: str = "data.nc", **options):
        path = tmp_path / name
        ds.to_netcdf(path, **{"engine": "netcdf4", **options})
        return path

    return write
