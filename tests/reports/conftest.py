"""Data for the tests of this room: a tiny domain with one law, and the urban sample with whole weeks held out."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from reports_data import as_array, as_ensemble, tiny_values

import lawful.data_recipes
from lawful.domains import Blocks, Context, Domain, Law, Ratio, Variable, get_domain
from lawful.domains.blocks import block_labels

SAMPLES = Path(lawful.data_recipes.__file__).parent / "samples"


@pytest.fixture(scope="session")
def tiny() -> Domain:
    return Domain(
        name="tiny",
        title="Two parts and their sum",
        event="hour",
        event_dim="time",
        variables=(
            Variable(name="a", units="W m-2", lower=0),
            Variable(name="b", units="W m-2", lower=0),
            Variable(name="c", units="W m-2", upper=1000),
        ),
        laws=(
            Law(name="sum", equation="a + b = c", units="W m-2", tolerance=1e-9, reference="Euclid"),
            Law(name="part", equation="a <= c", units="W m-2"),
            Law(name="both", equation="a + b <= c", units="W m-2"),
        ),
        ratios=(Ratio(name="share", numerator="a", denominator="c", units="1", lower=0, upper=1),),
        context=(Context(name="hour", kind="hour_of_day", description="hour of the day"),),
        blocks=Blocks(kind="time"),
        note="Hours are generated independently: do not accumulate.",
    )


@pytest.fixture(scope="session")
def tiny_data(tiny: Domain) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training data, held-out data and an ensemble of four realizations from the same distribution."""
    rng = np.random.default_rng(7)
    time = np.datetime64("2012-01-02", "ns") + np.arange(20 * 7 * 8) * np.timedelta64(3, "h")
    values = tiny_values(len(time), rng)
    data = xr.Dataset({name: ("time", values[:, k]) for k, name in enumerate(tiny.names)}, coords={"time": time})
    test = (np.arange(len(time)) // 56) % 3 == 0
    made = np.stack([tiny_values(int(test.sum()), rng) for _ in range(4)])
    return data.isel(time=~test), data.isel(time=test), as_ensemble(made, data.isel(time=test), tiny)


@pytest.fixture(scope="session")
def urban() -> Domain:
    return get_domain("surface-balance")


@pytest.fixture(scope="session")
def urban_data(urban: Domain) -> tuple[xr.Dataset, xr.Dataset, np.ndarray]:
    """Every third hour of training weeks and of test weeks, and fresh weeks as two realizations (2, event, variable).

    Weeks are dealt out in turn, so that a fresh week stands beside the test week whose place it takes.
    """
    with xr.open_dataset(SAMPLES / urban.sample) as opened:
        data = opened.load().isel(time=slice(None, None, 3))
    labels = block_labels(data, urban)
    whole = [int(week) for week in np.unique(labels) if (labels == week).sum() == 56]
    rounds = [whole[start : start + 5] for start in range(0, len(whole) - 4, 5)]
    rounds = [[*np.random.default_rng(start).permutation(five)] for start, five in enumerate(rounds)]

    def weeks(turn: int) -> np.ndarray:
        return np.concatenate([np.flatnonzero(labels == five[turn]) for five in rounds])

    train = data.isel(time=np.sort(np.concatenate([weeks(3), weeks(4)])))
    fresh = np.stack([as_array(data.isel(time=weeks(turn)), urban) for turn in (1, 2)])
    return train, data.isel(time=weeks(0)), fresh


@pytest.fixture(scope="session")
def rocks() -> tuple[Domain, xr.Dataset]:
    domain = get_domain("rock-oxides")
    with xr.open_dataset(SAMPLES / domain.sample) as opened:
        return domain, opened.load()
