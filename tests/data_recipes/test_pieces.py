"""Data of more events than are wanted: stretches spread over the whole, and nothing else read."""

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from lawful.data_recipes import read
from lawful.data_recipes.pieces import spread, take


@given(total=st.integers(1, 5000), most=st.integers(1, 5000))
def test_spread_is_distinct_and_reaches_both_ends(total, most):
    positions = spread(total, most)
    assert (np.diff(positions) > 0).all()
    assert positions[0] == 0 and 0 <= positions[-1] < total
    assert len(positions) == total if total <= most else most - 100 < len(positions) <= most
    if total > most >= 2:
        assert positions[-1] == total - 1


def test_only_stretches_are_read(tmp_path):
    xr.Dataset({"x": ("time", np.arange(1000.0))}).to_netcdf(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as ds:
        ds["x"].encoding["scale_factor"] = 0.5
        part = take(ds, "time", np.array([3, 4, 5, 900, 901]))
        assert part["x"].values.tolist() == [3, 4, 5, 900, 901]
        assert part["x"].encoding["scale_factor"] == 0.5
        assert not ds["x"].variable._in_memory


def hours(n: int) -> xr.Dataset:
    rain = np.arange(n) % 7 / 4
    columns = {"Rain": rain, "Evap": rain / 4, "RO": rain - rain / 4}
    return xr.Dataset({name: ("time", values, {"units": "mm h-1"}) for name, values in columns.items()}, {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    })  # fmt: skip


def test_of_many_events_stretches_are_read(budget, tmp_path):
    hours(5000).to_netcdf(tmp_path / "budget.nc")
    whole, part = read(tmp_path / "budget.nc", budget), read(tmp_path / "budget.nc", budget, most=1000)
    assert "1000 of 5000 places along 'time' read, in stretches spread over all" in part.notes
    assert part.dataset.equals(whole.dataset.isel(time=spread(5000, 1000)))
    assert part.sha256 == whole.sha256


def test_several_files_share_the_number(budget, tmp_path):
    ds = hours(4000)
    for k in range(4):
        ds.isel(time=slice(1000 * k, 1000 * (k + 1))).to_netcdf(tmp_path / f"budget{k}.nc")
    part = read(tmp_path / "budget*.nc", budget, most=400).dataset
    assert part["time"].equals(ds["time"].isel(time=np.r_[tuple(1000 * k + spread(1000, 100) for k in range(4))]))


def test_points_of_a_grid_are_thinned_along_time(timeless, tmp_path):
    flat = {name: (("time", "face"), values.values.reshape(400, 10)) for name, values in hours(4000).items()}
    grid = xr.Dataset(flat, {"time": np.arange(400)}).assign(site=("time", np.arange(400)))
    grid.to_netcdf(tmp_path / "grid.nc")
    part = read(tmp_path / "grid.nc", timeless.model_copy(update={"stack": ("time", "face")}), most=1005).dataset
    assert part.sizes["sample"] == 1000
    assert np.unique(part["site"]).size == 100
