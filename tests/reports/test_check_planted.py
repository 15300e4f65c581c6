"""Faults planted in lawful ensembles, each found and located; and what the judge says of sums, drift and places."""

import re

import netCDF4
import numpy as np
import pytest
import xarray as xr
from reports_data import as_array, as_ensemble

from lawful.data_recipes import open_ensemble
from lawful.domains import Domain
from lawful.reports.check_page import check_page
from lawful.reports.physics.tolerance import Tolerance
from lawful.reports.text import validity_table
from lawful.reports.validity import validity


@pytest.fixture
def planted(tiny: Domain, tiny_data):
    """The values of the lawful ensemble, and how to judge them."""
    values = as_array(tiny_data[2], tiny)

    def judge(values, dtype=np.float64, **options):
        return validity(as_ensemble(values.astype(dtype), tiny_data[1], tiny), tiny, **options)

    return values, judge


def law(report: dict, name: str = "sum") -> dict:
    return next(row for row in report["laws"] + report["inequalities"] if row["name"] == name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_law_off_by_a_millionth_in_one_cell_of_one_member(planted, dtype):
    values, judge = planted
    values = values.astype(dtype)
    assert judge(values, dtype)["holds"]
    values[3, 41, 2] *= dtype(1 + (1e-5 if dtype == np.float32 else 1e-6))
    found = law(judge(values, dtype))
    assert found["worst"]["index"] == {"realization": 3, "time": 41}
    assert (found["beyond_tolerance"], found["beyond_by_realization"]) == (1, {"3": 1})
    assert found["relative"]["max"] == pytest.approx(5e-6 if dtype == np.float32 else 5e-7, rel=0.1)


def test_one_negative_value(planted):
    values, judge = planted
    values[1, 8, 0] = -0.25
    report = judge(values)
    bound = next(b for b in report["bounds"] if b["variable"] == "a")
    assert bound["worst"]["index"] == {"realization": 1, "time": 8}
    assert (bound["violations"], bound["lost"], bound["worst"]["value"]) == (1, 0.25, -0.25)
    assert "a is below 0 in 1 sample" in " ".join(validity_table(report).split())


def test_a_unit_slip_names_the_variable_and_the_factor(planted):
    values, judge = planted
    values[..., 1] *= 3600
    report = judge(values)
    assert law(report)["suspect"] == {"variable": "b", "factor": pytest.approx(1 / 3600), "shift": None}
    assert "all would be well if b were 0.000277778 times what the file says" in " ".join(
        validity_table(report).split()
    )


def test_a_shift_of_one_variable_is_recognised(planted):
    values, judge = planted
    values[..., 2] += 273.15
    assert law(judge(values))["suspect"]["shift"] == pytest.approx(-273.15)


def test_noise_is_laid_to_no_variable(planted):
    values, judge = planted
    values[..., 2] += np.random.default_rng(0).normal(size=values.shape[:2])
    assert law(judge(values))["suspect"] is None


def test_a_variable_swapped_between_two_members_names_both(planted):
    values, judge = planted
    values[[0, 2], :, 1] = values[[2, 0], :, 1]
    report = judge(values)
    members = law(report)["beyond_by_realization"]
    assert set(members) == {"0", "2"} and members["0"] == members["2"] == law(report)["beyond_tolerance"] / 2
    assert law(report)["worst"]["realization"] in (0, 2)
    assert "sum is broken in these realizations alone: " in validity_table(report)


def test_members_are_named_by_their_place_in_the_file(planted, monkeypatch):
    values, judge = planted
    values[[1, 3], 7, 2] += 1.0
    monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", values.shape[1])
    assert law(judge(values))["beyond_by_realization"] == {"1": 1, "3": 1}


def test_tolerances_in_units_and_relative(planted):
    values, judge = planted
    values[2, 17, 2] += 1e-6
    gross = 2 * values[2, 17, 2]
    for kind, size in (("units", 1e-6), ("relative", 1e-6 / gross)):
        assert judge(values, tolerances={"sum": Tolerance(kind, 1.01 * size)})["holds"]
        broken = judge(values, tolerances={"sum": Tolerance(kind, 0.99 * size)})
        assert law(broken)["beyond_tolerance"] == 1 and not broken["holds"]


def test_printed_digits_are_allowed_for_where_they_are_known(planted):
    values, judge = planted
    printed = np.round(values, 1)
    assert not judge(printed)["holds"]
    report = judge(printed, steps=dict.fromkeys("abc", 0.1), tolerance_ulps=1.0 + 1e-9)
    assert law(report)["holds"] and report["stored"]["a"] == "float64 printed in steps of 0.1"


def test_signs_sums_and_lost_mass_by_hand(tiny: Domain):
    """Residuals a + b - c: 1, -2, 4; terms 2 + 3 + ... = 3, 4, 4."""
    values = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 3.0], [2.0, 2.0, 0.0]])
    time = np.arange(3).astype("datetime64[h]").astype("datetime64[ns]")
    ds = xr.Dataset({name: ("time", values[:, k]) for k, name in enumerate("abc")}, {"time": time})
    report = validity(ds, tiny)
    found = law(report)
    assert found["residual"]["positive"] == {"count": 2, "sum": 5.0, "max": 4.0}
    assert found["residual"]["negative"] == {"count": 1, "sum": 2.0, "max": 2.0}
    assert found["cumulative"]["sum"] == 3.0 and found["gross"] == 11.0
    assert found["relative"] == {"max": 1.0, "cumulative": 3 / 11}
    assert (found["cumulative"]["largest"]["sum"], found["cumulative"]["largest"]["index"]) == (3.0, {"time": 2})
    assert [stretch["mean"] for stretch in found["along"]] == [1.0, -2.0, 4.0]
    assert found["drift"] == pytest.approx(3.0)  # least squares through 1, -2, 4: slope 1.5 over two steps
    assert (law(report, "part")["violations"], law(report, "part")["lost"]) == (1, 2.0)
    assert (law(report, "both")["violations"], law(report, "both")["lost"]) == (2, 5.0)


def test_small_residuals_are_added_up_beside_a_huge_one(tiny: Domain):
    """Residuals a + b - c: 0.5, -1e30, 0.25."""
    values = np.array([[1.0, 0.5, 1.0], [1.0, 1.0, 1e30], [1.0, 0.25, 1.0]])
    ds = xr.Dataset({name: ("time", values[:, k]) for k, name in enumerate("abc")})
    found = law(validity(ds, tiny))["residual"]
    assert found["positive"] == {"count": 2, "sum": 0.75, "max": 0.5}
    assert found["negative"] == {"count": 1, "sum": 1e30, "max": 1e30}


def test_drift_is_seen_in_any_blocks_and_orders(tiny: Domain, monkeypatch):
    events, members = 700, 3
    trend = np.linspace(0.0, 2e-3, events)
    values = np.ones((members, events, 3)) * (1.0, 1.0, 2.0)
    values[..., 2] -= trend
    dims = ("realization", "time")
    ds = xr.Dataset({name: (dims, values[..., k]) for k, name in enumerate("abc")})
    for most in (64, 100_000):
        monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", most)
        for turned in (ds, ds.transpose("time", "realization")):
            found = law(validity(turned, tiny))
            assert found["drift"] == pytest.approx(2e-3, rel=1e-3)
            assert found["cumulative"]["largest"]["sum"] == pytest.approx(trend.sum())
            assert found["cumulative"]["largest"]["index"]["time"] == events - 1
            assert len(found["along"]) == 64


def grid(path, dtype="f8", fault=None):
    """A file with places: time x lat x lon, whole of chunks."""
    rng = np.random.default_rng(0)
    a, b = rng.gamma(2.0, 10.0, (2, 30, 4, 5))
    values = {"a": a, "b": b, "c": a + b}
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in (("time", 30), ("lat", 4), ("lon", 5)):
            file.createDimension(dim, size)
        file.createVariable("lat", "f8", ("lat",))[:] = [10.0, 20.0, 30.0, 40.0]
        for name, numbers in values.items():
            v = file.createVariable(name, dtype, ("time", "lat", "lon"), zlib=True, chunksizes=(7, 2, 5))
            if dtype == "i2":
                v.scale_factor, v.add_offset = np.float32(0.01), np.float32(20.0)
            v[:] = numbers
            if fault and name == "c":
                v[fault] = v[fault] + 1.0
    return path


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_places_are_named_in_files_of_any_type(tiny: Domain, tmp_path, dtype):
    for fault in (None, (11, 2, 3)):
        with open_ensemble(grid(tmp_path / f"{fault}.nc", dtype, fault), tiny) as (ds, _, notes):
            report = validity(ds, tiny)
        found = law(report)
        assert (notes, found["holds"], report["samples"]) == ([], fault is None, 600)
        assert found["ulps"]["quantiles"]["99"] <= 2
    assert found["worst"]["index"] == {"time": 11, "lat": 2, "lon": 3}
    assert found["worst"]["place"] == {"lat": "30.0", "lon": "3"}
    assert "lat 30.0, lon 3" in " ".join(validity_table(report, width=200).split())


def test_packed_values_on_a_bound_are_not_beyond_it(tiny: Domain):
    """1000 / 0.1 steps of 0.1 unpack to 1000.0000000000001 or so."""
    c = np.array([9999, 10000, 10001]) * 0.1 * (1 + 2.0**-52)
    ds = xr.Dataset({"a": ("time", c), "b": ("time", c * 0), "c": ("time", c)})
    for name in "abc":
        ds[name].encoding = {"dtype": np.int16, "scale_factor": 0.1}
    upper = next(bound for bound in validity(ds, tiny)["bounds"] if bound["side"] == "upper")
    assert (upper["on_bound"], upper["violations"]) == (1, 1)


def test_packed_with_a_scale_in_single_precision(tiny: Domain):
    """The scale is 0.1 but for 1.5e-9, so that 10000 steps of it are 1000.0000149, and the next step is beyond."""
    scale, offset = np.float32(0.1), np.float32(500)
    c = np.array([4999, 5000, 5001]) * float(scale) + float(offset)
    ds = xr.Dataset({"a": ("time", c), "b": ("time", c * 0), "c": ("time", c)})
    for name in "abc":
        ds[name].encoding = {"dtype": np.int16, "scale_factor": scale, "add_offset": offset}
    upper = next(bound for bound in validity(ds, tiny)["bounds"] if bound["side"] == "upper")
    assert (upper["on_bound"], upper["violations"]) == (1, 1)


def test_units_of_the_file_are_converted_and_so_is_its_precision(tiny: Domain, tiny_data):
    ds = tiny_data[2].astype(np.float32)
    mixed = ds.assign(c=(ds["c"].dims, (ds["c"].values.astype(np.float64) / 1000).astype(np.float32)))
    mixed["c"].attrs["units"] = "kW m-2"
    report = validity(mixed, tiny)
    assert report["notes"] == ["c converted from 'kW m-2' to 'W m-2'"]
    assert law(report)["ulps"]["max"] <= 1.5


def test_finite_values_whose_sum_overflows_do_not_pass(tiny: Domain):
    ds = xr.Dataset({name: ("time", np.array([1.7e308, 1.0])) for name in "ab"} | {"c": ("time", [1.7e308, 2.0])})
    report = validity(ds, tiny)
    assert law(report)["judged"] == 1 and not law(report)["holds"] and not report["holds"]


def test_the_page_has_the_numbers_and_the_faults(planted, tiny: Domain):
    values, judge = planted
    values[3, 41, 2] += 1.0
    page = check_page([{"file": "<a&b>.nc", **judge(values)}], {"gone.nc": "there is no file gone.nc"}, tiny)
    assert "&lt;a&amp;b&gt;.nc" in page and "✗ broken" in page and "there is no file gone.nc" in page
    assert "<svg" in page and not re.search(r'(src|href)="(?!data:)', page)
