"""Numbers that stand for a bound are on it, whatever the file holds them in, and nothing else is."""

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import read
from lawful.domains import Blocks, Domain, InputError, Variable

N = 60
SINGLE = np.float32(0.3)


def soil(upper: float, units: str) -> Domain:
    """Water in a soil, up to its capacity."""
    return Domain(
        name="soil",
        title="A soil",
        event="sample",
        event_dim="sample",
        variables=(Variable(name="water", units=units, lower=0, upper=upper), Variable(name="heat", units="W m-2")),
        laws=(),
        blocks=Blocks(kind="order", length=10),
    )


def file_of(folder, water, units, **encoding):
    water = np.resize(water, N)
    columns = {"water": ("sample", water, {"units": units}), "heat": ("sample", np.arange(float(N)))}
    xr.Dataset(columns).to_netcdf(folder / "soil.nc", encoding={"water": encoding})
    return folder / "soil.nc"


@pytest.mark.parametrize(("units", "upper"), [("m", 0.3), ("mm", 300.0), ("cm", 30.0)])
def test_both_single_precision_neighbours_of_a_bound_are_on_it(tmp_path, units, upper):
    """0.3 is 0.30000001 in single precision, and 0.29999998 where it has been kept within."""
    water = np.array([SINGLE, np.nextafter(SINGLE, np.float32(0)), 0.0, 0.29, 0.2999999], np.float32)
    found = read(file_of(tmp_path, water, "m"), soil(upper, units)).dataset.water.to_numpy()
    assert (found[:3] == [upper, upper, 0]).all()
    assert (found[3:5] < upper).all() and found[4] == pytest.approx(upper, rel=1e-6)


def test_single_precision_that_has_become_double(tmp_path):
    water = np.array([SINGLE, 0.1], np.float32).astype(float)
    assert read(file_of(tmp_path, water, "m"), soil(0.3, "m")).dataset.water[0] == 0.3


@pytest.mark.parametrize("percent", [7.0, 14.0, 57.0, 58.0, 113.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_a_conversion_rounds_beside_a_bound_is_on_it(tmp_path, percent, kind):
    """57 times 0.01 is 0.5700000000000001."""
    water = np.array([percent, percent - 0.001], kind)
    found = read(file_of(tmp_path, water, "percent"), soil(percent / 100, "1")).dataset.water
    assert found[0] == percent / 100 and found[1] < percent / 100 - 1e-6


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_packed_percent_of_a_share(tmp_path, kind):
    """30000 steps of 0.001 percent above 13.7 percent, in single precision."""
    packing = {"dtype": "int16", "scale_factor": kind(1e-3), "add_offset": kind(13.7), "_FillValue": -32768}
    found = read(file_of(tmp_path, [0.0, 43.7, 43.699], "percent", **packing), soil(0.437, "1")).dataset.water
    assert found[0] == 0 and found[1] == 0.437 and found[2] < 0.437 - 5e-6


@pytest.mark.parametrize(
    ("value", "upper"), [(np.float32(1) + np.float32(2**-23), 1.0), (1 + 2**-50, 1.0), (np.float32(0.3000001), 0.3)]
)
def test_what_the_file_tells_from_the_bound_is_beyond_it(tmp_path, value, upper):
    with pytest.raises(InputError, match=rf"above {upper:g} 1, worst {upper:g}, by .*e-\d+ at most, at sample 0"):
        read(file_of(tmp_path, np.array([value, 0.0], np.asarray(value).dtype), "1"), soil(upper, "1"))
