"""Windows cut from series: steps, states between them, gaps, and the laws that link a day to the next."""

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import read
from lawful.data_recipes.pieces import spread
from lawful.domains import Blocks, Context, Domain, InputError, Law, Variable


def soil(states: bool) -> Domain:
    """Windows of four days; storage at the end of each day, with or without that of the day before."""
    days = ("0", "1", "2", "3")
    dimensions = {"day": days} | ({"midnight": (*days, "4")} if states else {})
    return Domain(
        name="soil", title="Soil", event="window", event_dim="time", window="day", dimensions=dimensions,
        variables=(
            Variable(name="P", units="mm", over="day"),
            Variable(name="S", units="mm", over="midnight" if states else "day"),
            Variable(name="depth", units="m"),
        ),
        laws=(Law(name="water", equation="P = diff(S)", units="mm", tolerance=1e-9),),
        context=(Context(name="day_of_year", kind="day_of_year"),),
        blocks=Blocks(kind="time"),
    )  # fmt: skip


def series(days: int = 41) -> xr.Dataset:
    rain = np.arange(days) % 5 / 4
    time = np.datetime64("2001-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    columns = {"P": rain, "S": 7 + np.cumsum(rain), "depth": np.arange(days) / 8}
    units = {"P": "mm", "S": "mm", "depth": "m"}
    return xr.Dataset({n: ("time", v, {"units": units[n]}) for n, v in columns.items()}, {"time": time})


def save(ds: xr.Dataset, path):
    ds.to_netcdf(path)
    return path


def test_steps_and_the_states_between_them(tmp_path):
    ds = series()
    reading = read(save(ds, tmp_path / "soil.nc"), soil(states=True), minimum_events=5)
    # The first day gives the first state alone.
    starts = np.arange(1, 38, 4)
    np.testing.assert_array_equal(reading.dataset.time, ds.time[starts])
    for step in range(4):
        np.testing.assert_array_equal(reading.dataset[f"P[{step}]"], ds.P[starts + step])
    for state in range(5):
        np.testing.assert_array_equal(reading.dataset[f"S[{state}]"], ds.S[starts + state - 1])
    np.testing.assert_array_equal(reading.dataset["depth"], ds.depth[starts])
    assert [law.name for law in reading.domain.laws] == [f"water[{i}]" for i in range(4)]


def test_without_the_day_before_the_first_day_has_no_law(tmp_path):
    ds = series(40)
    reading = read(save(ds, tmp_path / "soil.nc"), soil(states=False), minimum_events=5)
    assert reading.dataset.sizes["time"] == 10
    np.testing.assert_array_equal(reading.dataset["S[0]"], ds.S[::4])
    assert len(reading.domain.laws) == 3


def test_a_gap_costs_its_window(tmp_path):
    """And no more: windows behind it begin on the days on which they would have begun without it."""
    whole = read(save(series(), tmp_path / "whole.nc"), soil(states=True), minimum_events=5).dataset
    for missing, lost in (([6], [1]), ([5], [1]), ([8, 9, 10], [1, 2])):
        ds = series().isel(time=[i for i in range(41) if i not in missing])
        reading = read(save(ds, tmp_path / "soil.nc"), soil(states=True), minimum_events=5)
        assert f"{len(lost)} of 10 windows left out for gaps in time" in reading.notes
        np.testing.assert_array_equal(reading.dataset.time, np.delete(whole.time.values, lost))


def test_a_gap_before_a_window_costs_it_for_the_state_that_it_starts_from(tmp_path):
    """Day 4 ends the first window and day 5 begins the second; days after the gap are a day later."""
    ds = series()
    later = np.where(np.arange(41) > 4, np.timedelta64(1, "D"), np.timedelta64(0, "D"))
    ds = ds.assign_coords(time=ds.time.to_numpy() + later)
    reading = read(save(ds, tmp_path / "soil.nc"), soil(states=True), minimum_events=5)
    assert "1 of 10 windows left out for gaps in time" in reading.notes
    assert ds.time.to_numpy()[5] not in reading.dataset.time


def test_a_window_that_breaks_its_law_is_named(tmp_path):
    ds = series()
    ds["S"][10:] += 1
    with pytest.raises(InputError, match=r"law 'water\[1\]'.*1 of 10 windows break it"):
        read(save(ds, tmp_path / "soil.nc"), soil(states=True), minimum_events=5)


def test_windows_that_are_there_already_are_taken(tmp_path):
    parts = {n: (("time", "day"), np.ones((8, 4)), {"units": "mm"}) for n in "PS"}
    ds = xr.Dataset({**parts, "depth": ("time", np.ones(8), {"units": "m"})}, {"time": series(8).time})
    ds["P"][:] = 0
    assert read(save(ds, tmp_path / "soil.nc"), soil(states=False), minimum_events=5).dataset.sizes["time"] == 8


def test_too_short(tmp_path):
    with pytest.raises(InputError, match="hold no window of 4 steps"):
        read(save(series(4), tmp_path / "soil.nc"), soil(states=True))


def test_a_window_is_a_dimension():
    with pytest.raises(ValueError, match="window 'week' is no dimension; there are day"):
        Domain(**{**dict(soil(states=False)), "window": "week"})


def staged() -> tuple[Domain, xr.Dataset]:
    """The soil with a stage for each day, and series of it."""
    stage = Context(name="stage", kind="variable", over="day")
    ds = series().assign(stage=("time", np.arange(41) % 7.0))
    return soil(states=True).model_copy(update={"context": (stage,)}), ds


def test_context_of_each_step(tmp_path):
    domain, ds = staged()
    read_back = read(save(ds, tmp_path / "soil.nc"), domain, minimum_events=5).dataset
    assert read_back.stage.dims == ("time", "day")
    np.testing.assert_array_equal(read_back.stage.values.ravel(), ds.stage[1:])


def test_a_step_without_context_costs_its_window(tmp_path):
    domain, ds = staged()
    ds["stage"][6] = np.nan
    reading = read(save(ds, tmp_path / "soil.nc"), domain, minimum_events=5)
    assert reading.dataset.sizes["time"] == 9
    assert "1 of 10 windows left out for missing values (stage 1)" in reading.notes


def test_steps_of_another_length(tmp_path):
    ds = series()
    ds = ds.assign_coords(time=ds.time[0] + (ds.time - ds.time[0]) / 24)
    with pytest.raises(InputError, match=r"steps along 'time' are 0.0416667 days long; step_days is 1"):
        read(save(ds, tmp_path / "soil.nc"), soil(states=True), minimum_events=5)
    hourly = soil(states=True).model_copy(update={"step_days": 1 / 24})
    assert read(save(ds, tmp_path / "hourly.nc"), hourly, minimum_events=5).dataset.sizes["time"] == 10


@pytest.mark.parametrize("states", [True, False])
def test_of_many_windows_stretches_are_read(tmp_path, states):
    path = save(series(3001), tmp_path / "soil.nc")
    whole = read(path, soil(states), minimum_events=5).dataset
    part = read(path, soil(states), minimum_events=5, most=200)
    assert f"200 of {whole.sizes['time']} windows read, in stretches spread over all" in part.notes
    assert part.dataset.equals(whole.isel(time=spread(whole.sizes["time"], 200)))


def test_units_of_an_array_are_noted_once(tmp_path):
    ds = series()
    ds["P"], ds["S"] = (ds.P / 1000).assign_attrs(units="m"), ds.S.assign_attrs(units="kg m-2")
    domain = Domain.model_validate({**dict(soil(states=True)), "density": "1000 kg m-3"})
    reading = read(save(ds, tmp_path / "soil.nc"), domain, minimum_events=5)
    assert reading.notes == ["P converted from 'm' to 'mm'", "S converted from 'kg m-2' to 'mm'"]
    assert reading.dataset["P[2]"].attrs["long_name"] == "P"


def test_arrays_go_by_another_name_in_the_file(tmp_path):
    ds = series()
    called = [v.model_copy(update={"source": {"P": "tp", "S": "sto"}.get(v.name[0])}) for v in soil(True).variables]
    domain = Domain.model_validate({**dict(soil(True)), "variables": called})
    renamed = read(save(ds.rename(P="tp", S="sto"), tmp_path / "other.nc"), domain, minimum_events=5).dataset
    expected = read(save(ds, tmp_path / "soil.nc"), domain, minimum_events=5).dataset
    xr.testing.assert_equal(renamed, expected)
