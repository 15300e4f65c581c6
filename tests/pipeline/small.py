"""Two small domains, data of them, and a training of a second: what the tests of the pipeline run on."""

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import xarray as xr

from lawful.core.models import Settings
from lawful.core.training import Schedule
from lawful.domains import Blocks, Context, Domain, Law, Ratio, Variable, registry
from lawful.pipeline import data as pipeline_data
from lawful.pipeline.settings import RunSettings

BUDGET = Domain(
    name="budget",
    title="A water budget",
    event="hour",
    event_dim="time",
    variables=(
        Variable(name="Rain", units="mm h-1", lower=0, standard_name="rainfall_rate", description="rainfall"),
        Variable(name="Evap", units="mm h-1", lower=0, description="evaporation"),
        Variable(name="RO", units="mm h-1", lower=0, upper=50, description="runoff"),
        Variable(name="Store", units="mm h-1", description="change of storage"),
    ),
    laws=(
        Law(name="water", equation="Rain = Evap + RO + Store", units="mm h-1", tolerance=1e-9),
        Law(name="runoff", equation="RO <= Rain", units="mm h-1"),
    ),
    ratios=(Ratio(name="coefficient", numerator="RO", denominator="Rain", units="1", lower=0, upper=1),),
    context=(Context(name="hour", kind="hour_of_day"),),
    blocks=Blocks(kind="time"),
    note="Hours are generated independently.",
)

PARTS = Domain(
    name="parts",
    title="Parts of a whole",
    event="sample",
    event_dim="sample",
    variables=tuple(Variable(name=name, units="percent", lower=0, upper=100) for name in ("a", "b", "c")),
    laws=(Law(name="total", equation="a + b + c = 100", units="percent", tolerance=1e-9),),
    blocks=Blocks(kind="label", label="site"),
)

DOMAINS = {domain.name: domain for domain in (BUDGET, PARTS)}


def budget_data(events: int = 360, seed: int = 0) -> xr.Dataset:
    """Every third hour of some weeks: rain falls in a third of them."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(2.0, 1.0, events) * (rng.random(events) < 1 / 3)
    evap, runoff = rng.uniform(0.01, 0.5, events), rain * rng.uniform(0.1, 0.4, events)
    columns = {"Rain": rain, "Evap": evap, "RO": runoff, "Store": rain - evap - runoff}
    time = np.datetime64("2012-03-05", "ns") + np.arange(events) * np.timedelta64(3, "h")
    return xr.Dataset({name: ("time", values, {"units": "mm h-1"}) for name, values in columns.items()}, {"time": time})


def parts_data(events: int = 120, seed: int = 0) -> xr.Dataset:
    """Three parts of a hundred percent from thirty sites; the third is missing from a quarter of samples."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet((5.0, 3.0, 2.0), events)
    shares[: events // 4, 2] = 0.0
    b, c = 100 * shares[:, 1:].T
    columns = {"a": 100 - b - c, "b": b, "c": c}
    sites = np.array([f"site {i % 30}" for i in range(events)])
    ds = xr.Dataset({name: ("sample", values, {"units": "percent"}) for name, values in columns.items()})
    return ds.assign(site=("sample", sites))


def install(patch, steps: int = 4, **domains: Domain) -> None:
    """Make the small domains known and a training short; `patch(target, name, value)` replaces an attribute."""
    known = {**DOMAINS, **domains}

    class Point(EntryPoint):
        def load(self):
            return known[self.name]

    def entry_points(group, name=None):
        return [Point(n, f"small:{n}", group) for n in known if name in (None, n)]

    patch(registry, "entry_points", entry_points)
    patch(RunSettings, "schedule", property(lambda self: Schedule(steps=steps, batch_size=64, check_every=2)))
    patch(RunSettings, "network", property(lambda self: Settings(networks=2, width=8, experts=2)))
    patch(pipeline_data, "VIEWS", 1)


def save(ds: xr.Dataset, path: Path) -> Path:
    """Write a data set."""
    ds.to_netcdf(path, engine="netcdf4")
    return path
