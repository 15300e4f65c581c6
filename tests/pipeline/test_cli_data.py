"""Data files as users have them: what is wrong is said in one line, what is mended is said in a note."""

import h5py
import numpy as np
import pytest
import xarray as xr
from small import BUDGET, PARTS, budget_data, install, parts_data, save

from lawful.domains import Law
from lawful.pipeline import RunSettings
from lawful.pipeline.data import prepare

LAST = slice(-40, None)


@pytest.fixture
def train_on(lawful, tmp_path):
    """Train on a file or on a data set; gives what was said."""

    def command(data, *options, domain="budget"):
        path = save(data, tmp_path / "mine.nc") if hasattr(data, "to_netcdf") else data
        return lawful("train", domain, "--data", path, "--out", tmp_path / "out", *options)

    return command


def broken(**changes):
    """Budget data with some values replaced: name -> (slice, values)."""
    ds = budget_data()
    for name, (where, values) in changes.items():
        ds[name][where] = values
    return ds


def write_hdf5(path, ds, **places):
    """Plain HDF5, without netCDF metadata."""
    with h5py.File(path, "w") as file:
        for name in ds.data_vars:
            file[places.get(name, name)] = ds[name].to_numpy()
            file[places.get(name, name)].attrs["units"] = "mm h-1"
        hours = (ds["time"].to_numpy() - np.datetime64("2012-01-01")) / np.timedelta64(1, "h")
        file[places.get("time", "time")] = hours
        file[places.get("time", "time")].attrs["units"] = "hours since 2012-01-01"
    return path


def test_no_such_file(train_on, tmp_path):
    assert "there is no file" in train_on(tmp_path / "nowhere.nc").fault


def test_a_folder_for_a_file(train_on, tmp_path):
    assert "is a folder" in train_on(tmp_path).fault


def test_no_kind_of_file_that_is_read(train_on, tmp_path):
    (tmp_path / "table.txt").write_text("Rain,Evap\n1,2\n")
    assert "is not NetCDF, HDF5, Zarr, CSV or Parquet" in train_on(tmp_path / "table.txt").fault


def test_an_empty_file(train_on, tmp_path):
    (tmp_path / "empty.nc").touch()
    assert "empty.nc is empty" in train_on(tmp_path / "empty.nc").fault


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_file(train_on, files, tmp_path, kept):
    content = (files / "budget.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(content[: int(kept * len(content))])
    assert "cut.nc" in train_on(tmp_path / "cut.nc").fault


def test_a_missing_variable_and_the_name_that_may_be_meant(train_on):
    assert (
        "no variable 'Rain'; is Rain called 'rain' there? Then map Rain=rain"
        in train_on(budget_data().rename(Rain="rain")).fault
    )


def test_a_mapped_variable(train_on):
    assert train_on(budget_data().rename(Rain="P"), "--map", "Rain=P").code == 0


def test_units_that_convert(train_on):
    ds = budget_data()
    ds["Evap"] = (ds["Evap"] / 3600).assign_attrs(units="kg m-2 s-1")
    ds["RO"] = (ds["RO"] * 24).assign_attrs(units="mm day-1")
    assert "units 'kg m-2 s-1' do not convert into 'mm h-1'" in train_on(ds).fault
    ds["Evap"] = (ds["Evap"] * 3600).assign_attrs(units="mm h-1")
    said = train_on(ds)
    assert said.code == 0
    assert "note: RO converted from 'mm day-1' to 'mm h-1'" in said.err


def test_missing_values_are_left_out_and_counted(train_on):
    said = train_on(broken(Rain=(LAST, np.nan), Evap=(slice(0, 5), np.nan)))
    assert said.code == 0
    assert "note: 45 of 360 hours left out for missing values (Rain 40, Evap 5)" in said.err


def test_too_little_left(train_on):
    assert "20 complete hours, 50 at least" in train_on(broken(Rain=(slice(20, None), np.nan))).fault


def test_too_few_blocks(train_on):
    assert "blocks do not make 5 folds" in train_on(budget_data(events=100)).fault


def test_values_out_of_bounds(train_on):
    assert "Rain: 1 of 360 hours below 0 mm h-1, worst -3" in train_on(broken(Rain=(3, -3.0), Store=(3, -3.5))).fault


def test_broken_laws_are_refused_in_units(train_on):
    fault = train_on(broken(Store=(slice(0, 7), 9.0))).fault
    assert "law 'water' (Rain = Evap + RO + Store): 7 of 360 hours break it by more than 1e-09 mm h-1, worst" in fault


def test_broken_laws_are_reconciled_where_the_domain_says_so(train_on, monkeypatch, tmp_path):
    closing = BUDGET.model_copy(update={"name": "closing", "closure": "reconcile"})
    install(monkeypatch.setattr, closing=closing)
    ds = broken(Store=(slice(0, 200), budget_data()["Store"][:200] + 0.02))
    said = train_on(ds, domain="closing")
    assert said.code == 0
    assert "note: law 'water' (Rain = Evap + RO + Store): 200 of 360 hours break it" in said.err
    assert "note: training data were reconciled with the laws; mean change: " in said.err
    prepared = prepare(RunSettings.checked(domain="closing", data=tmp_path / "mine.nc", out=tmp_path), 0, closing)
    misfit = prepared.train.Rain - prepared.train.Evap - prepared.train.RO - prepared.train.Store
    assert abs(misfit).max() < 1e-12
    assert (prepared.train.Rain >= prepared.train.RO).all()
    dry = ds.Rain.sel(time=prepared.train.time) == 0
    assert (prepared.train.Rain[dry.to_numpy()] == 0).all()


def test_closed_data_are_left_as_they_are(monkeypatch, files, tmp_path):
    closing = BUDGET.model_copy(update={"name": "closing", "closure": "reconcile"})
    install(monkeypatch.setattr, closing=closing)
    prepared = prepare(RunSettings.checked(domain="closing", data=files / "budget.nc", out=tmp_path), 0, closing)
    assert prepared.train.equals(prepared.data.sel(time=prepared.train.time))


def test_times_that_cannot_be_decoded_are_refused_where_they_are_needed(train_on):
    ds = budget_data().assign_coords(time=("time", np.arange(360.0), {"units": "moons since the flood"}))
    assert "'time' (moons since the flood) does not hold times; write units as 'hours since" in train_on(ds).fault


def test_times_that_cannot_be_decoded_are_noted_where_they_are_not(train_on):
    ds = parts_data().assign_coords(sample=("sample", np.arange(120.0), {"units": "moons since the flood"}))
    said = train_on(ds, domain="parts")
    assert said.code == 0
    assert "note: times of mine.nc were left as numbers" in said.err


def test_plain_hdf5_by_name(train_on, tmp_path):
    assert train_on(write_hdf5(tmp_path / "plain.h5", budget_data())).code == 0


def test_plain_hdf5_with_a_map(train_on, tmp_path):
    path = write_hdf5(tmp_path / "plain.h5", budget_data(), Rain="gauges/p", time="clock/t")
    assert "has no variable 'Rain'" in train_on(path).fault
    assert train_on(path, "--map", "Rain=/gauges/p", "--map", "time=clock/t").code == 0
    assert "has no dataset '/gauges/q'" in train_on(path, "--map", "Rain=/gauges/q").fault


def test_laws_that_contradict_each_other_are_named(train_on, monkeypatch):
    second = Law(name="whole", equation="a + b + c = 90", units="percent")
    clash = PARTS.model_copy(update={"name": "clash", "laws": (*PARTS.laws, second)})
    install(monkeypatch.setattr, clash=clash)
    fault = train_on(parts_data(), domain="clash").fault
    assert all(word in fault for word in ("domain 'clash'", "'total'", "'whole'"))


def test_laws_that_contradict_bounds_are_named(train_on, monkeypatch):
    tight = tuple(v.model_copy(update={"upper": 30.0 if v.name != "c" else 100.0}) for v in PARTS.variables)
    law = Law(name="most", equation="a + b = 70", units="percent")
    clash = PARTS.model_copy(update={"name": "clash", "variables": tight, "laws": (*PARTS.laws, law)})
    install(monkeypatch.setattr, clash=clash)
    fault = train_on(parts_data(), domain="clash").fault
    assert all(word in fault for word in ("law 'most'", "a <= 30", "b <= 30"))
    assert "c <= 100" not in fault


def test_given_values_that_miss_a_law_by_themselves_are_named(train_on, monkeypatch):
    law = Law(name="half", equation="b + c = 60", units="percent", tolerance=1e-3)
    install(monkeypatch.setattr, halves=PARTS.model_copy(update={"name": "halves", "laws": (*PARTS.laws, law)}))
    rng = np.random.default_rng(0)
    b = rng.uniform(10, 50, 120)
    ds = parts_data().assign(a=("sample", np.full(120, 40.0)), b=("sample", b), c=("sample", 60 - b))
    for v in "abc":
        ds[v].attrs["units"] = "percent"
    ds["b"][7] += 5e-10
    fault = train_on(ds, "--given", "b,c", domain="halves").fault
    assert "--given: its values alone decide law 'half'" in fault
    assert "1 samples, by 5e-10 at 7" in fault


SAND = """
name: sand
title: Sand, silt and clay
event: sample
event_dim: sample
dimensions: {size: [clay, silt, sand]}
variables:
  part: {units: percent, lower: 0, upper: 100, over: size}
laws:
  total: {equation: "sum(part, over=size) = 100", units: percent, tolerance: 1e-9}
blocks: {kind: label, label: site}
"""


@pytest.fixture
def sand(tmp_path):
    """A domain in a file, and data for it with parts along a dimension."""
    ds = parts_data()
    parts = np.stack([ds[name].to_numpy() for name in "abc"], axis=1)
    whole = xr.Dataset({"part": (("sample", "size"), parts, {"units": "percent"}), "site": ds.site})
    save(whole.assign_coords(size=["sand", "silt", "clay"]), tmp_path / "sand.nc")
    (tmp_path / "sand.yaml").write_text(SAND)
    return tmp_path


def test_a_domain_in_a_file_goes_the_whole_way(lawful, sand, monkeypatch):
    monkeypatch.chdir(sand)
    said = lawful("run", "sand.yaml", "--data", "sand.nc", "--members", 2)
    assert said.code == 0, said
    with xr.open_dataset("lawful-sand/ensemble.nc") as ds:
        assert ds["part"].dims == ("realization", "sample", "size")
        assert abs(ds["part"].sum("size") - 100).max() < 1e-12
        assert ds.attrs["history"] == "lawful run sand.yaml --data sand.nc --members 2"
    # The folder has all that later stages need.
    (sand / "sand.yaml").unlink()
    assert lawful("generate", "lawful-sand", "--seed", 3).code == 0
    assert lawful("report", "lawful-sand").code == 0
    assert lawful("check", "lawful-sand/ensemble.nc", "--domain", "lawful-sand/domain.yaml").code == 0


def test_a_changed_or_lost_copy_of_a_domain_is_refused(lawful, sand, monkeypatch):
    monkeypatch.chdir(sand)
    assert lawful("train", "sand.yaml", "--data", "sand.nc").code == 0
    copy = sand / "lawful-sand/domain.yaml"
    copy.write_text(SAND.replace("upper: 100", "upper: 101"))
    assert "domain 'sand' has other laws than when lawful-sand was run" in lawful("generate", "lawful-sand").fault
    copy.write_text(SAND.replace("= 100", "= hundred"))
    assert "domain.yaml, line 10: law 'total': equation" in lawful("generate", "lawful-sand").fault
    copy.unlink()
    assert "there is no file lawful-sand/domain.yaml" in lawful("generate", "lawful-sand").fault


def test_coefficients_of_the_file_are_refused_by_name(lawful, sand, monkeypatch):
    monkeypatch.chdir(sand)
    law = "half: {equation: 'part[clay] >= share * part[silt]', units: percent}"
    more = f"  share: {{units: '1', given: true}}\nlaws:\n  {law}"
    (sand / "sand.yaml").write_text(SAND.replace("laws:", more))
    fault = lawful("run", "sand.yaml", "--data", "sand.nc").fault
    assert "law 'half' has coefficients that differ from event to event (share)" in fault


def test_a_closing_variable_carries_what_is_missing(lawful, tmp_path):
    (tmp_path / "tower.yaml").write_text(
        "name: tower\ntitle: A tower\nevent: hour\nevent_dim: time\nvariables:\n"
        "  Rain: {units: mm h-1, lower: 0}\n  Evap: {units: mm h-1}\n  RO: {units: mm h-1, lower: 0}\n"
        "  Store: {units: mm h-1}\n  gap: {units: mm h-1, closes: water}\n"
        "laws:\n  water: {equation: Rain = Evap + RO + Store + gap, units: mm h-1}\n"
        "blocks: {kind: time}\nclosure: residual\n"
    )
    ds = budget_data()
    ds["Store"] = (ds.Store * 0.9).assign_attrs(units="mm h-1")
    data = save(ds, tmp_path / "tower.nc")
    said = lawful("run", tmp_path / "tower.yaml", "--data", data, "--out", tmp_path / "out", "--members", 2)
    assert said.code == 0, said
    assert "note: gap carries what is missing of law 'water', " in said.err
    with xr.open_dataset(tmp_path / "out/ensemble.nc") as made:
        assert abs(made.Rain - made.Evap - made.RO - made.Store - made.gap).max() < 1e-12
        assert abs(made.gap).max() > 0.01


def test_windows_of_a_series_go_the_whole_way(lawful, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "soil.yaml").write_text(
        "name: soil\ntitle: Soil\nevent: window\nevent_dim: time\nwindow: day\n"
        "dimensions: {day: [a, b], midnight: [x, y, z]}\nvariables:\n"
        "  rain: {units: mm, lower: 0, over: day}\n  loss: {units: mm, over: day}\n"
        "  storage: {units: mm, lower: 0, over: midnight}\n"
        "laws:\n  water: {equation: rain - loss = diff(storage), units: mm}\n"
        "blocks: {kind: time, length_days: 14}\n"
    )
    rng = np.random.default_rng(0)
    storage, rain = rng.uniform(50, 100, 241), rng.gamma(1, 5, 241) * (rng.random(241) < 0.3)
    columns = {"rain": rain, "loss": rain - np.diff(storage, prepend=70.0), "storage": storage}
    time = np.datetime64("2000-01-01", "ns") + np.arange(241) * np.timedelta64(1, "D")
    ds = xr.Dataset({name: ("time", values, {"units": "mm"}) for name, values in columns.items()}, {"time": time})
    save(ds, tmp_path / "soil.nc")
    said = lawful("run", "soil.yaml", "--data", "soil.nc", "--members", 2)
    assert said.code == 0, said
    with xr.open_dataset("lawful-soil/ensemble.nc") as made:
        assert made.storage.dims == ("realization", "time", "midnight")
        misfit = made.rain.values - made.loss.values - made.storage.diff("midnight").values
        assert np.abs(misfit).max() < 1e-12
    assert lawful("check", "lawful-soil/ensemble.nc", "--domain", "soil.yaml").code == 0


def test_block_means_with_areas_of_the_file_go_the_whole_way(lawful, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rain.yaml").write_text(
        "name: rain\ntitle: Rain\nevent: day\nevent_dim: time\n"
        "dimensions: {cell: [a, b, c, d], block: [west, east]}\nvariables:\n"
        "  fine: {units: mm, lower: 0, over: cell}\n  coarse: {units: mm, lower: 0, over: block}\n"
        "parameters:\n  area: {units: km2, over: cell}\n  region: {over: cell, into: block}\n"
        "laws:\n  means: {equation: 'mean(fine, over=cell, weights=area, by=region) = coarse', units: mm}\n"
        "blocks: {kind: order, length: 5}\n"
    )
    fine, area = np.random.default_rng(0).gamma(1, 5, (90, 4)), np.array([1.0, 3.0, 2.0, 2.0])
    coarse = np.stack([fine[:, :2] @ area[:2] / 4, fine[:, 2:] @ area[2:] / 4], 1)
    ds = xr.Dataset({"fine": (("time", "cell"), fine), "coarse": (("time", "block"), coarse), "area": ("cell", area)})
    ds = ds.assign(region=("cell", ["west", "west", "east", "east"]))
    save(ds, tmp_path / "rain.nc")
    assert "takes parameters of a data file" not in lawful("run", "rain.yaml", "--data", "rain.nc", "--members", 2).err
    with xr.open_dataset("lawful-rain/ensemble.nc") as made:
        means = made.fine.values @ np.array([[1, 3, 0, 0], [0, 0, 2, 2]]).T / 4
        assert np.abs(means - made.coarse.values).max() < 1e-12
    assert lawful("generate", "lawful-rain", "--seed", 1).code == 0
    assert lawful("report", "lawful-rain").code == 0
    assert lawful("check", "lawful-rain/ensemble.nc", "--domain", "rain.yaml").code == 0


def test_relations_that_no_law_tells_are_noted(train_on):
    ds = budget_data()
    ds["RO"] = ds["Rain"] / 4
    ds["Store"] = ds["Rain"] - ds["Evap"] - ds["RO"]
    said = train_on(ds, "--fast")
    assert "in these data 'Rain = 4 * RO' holds to rounding, and no law says so" in said.err
    assert "holds to rounding" not in train_on(budget_data(), "--fast").err
