"""Tables, Zarr, several files, packed numbers, odd calendars and unstructured grids: all read as a user means them."""

import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lawful.data_recipes import read, read_ensemble
from lawful.data_recipes.cf import discovery_attributes
from lawful.data_recipes.opening import open_plainly
from lawful.domains import Blocks, Context, Domain, InputError, Law, Parameter, Variable
from lawful.domains.blocks import block_labels
from lawful.domains.context import context_features


@pytest.fixture
def domain() -> Domain:
    return Domain(
        name="lake",
        title="Lake",
        event="day",
        event_dim="time",
        missing=(-9999.0,),
        density="1000 kg m-3",
        variables=(
            Variable(name="inflow", units="mm d-1", lower=0, source="Q in"),
            Variable(name="outflow", units="mm d-1", lower=0),
            Variable(name="rise", units="mm d-1"),
        ),
        laws=(law(),),
        blocks=Blocks(kind="time"),
    )


def law(tolerance: float = 1e-9) -> Law:
    return Law(name="water", equation="inflow = outflow + rise", units="mm d-1", tolerance=tolerance)


def lake(days: int = 80, start: str = "2020-01-01") -> xr.Dataset:
    a, b = np.arange(days) % 7 / 4, np.arange(days) % 5 / 4
    time = np.datetime64(start, "ns") + np.arange(days) * np.timedelta64(1, "D")
    columns = {"inflow": a, "outflow": b, "rise": a - b}
    return xr.Dataset({k: ("time", v, {"units": "mm d-1"}) for k, v in columns.items()}, {"time": time})


def table(ds: xr.Dataset) -> pd.DataFrame:
    return ds.to_dataframe().reset_index().rename(columns={"inflow": "Q in [mm d-1]"})


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv(domain, tmp_path, separator):
    path = tmp_path / "lake.csv"
    path.write_text("# made up\n" + table(lake()).to_csv(index=False, sep=separator))
    reading = read(path, domain)
    xr.testing.assert_equal(reading.dataset.drop_attrs(), lake().drop_attrs())
    assert reading.notes == ["outflow has no units; 'mm d-1' assumed", "rise has no units; 'mm d-1' assumed"]


def test_missing_in_csv(domain, tmp_path):
    rows = table(lake(90)).astype({"rise": object})
    rows.loc[3, "rise"], rows.loc[4, "rise"], rows.loc[5, "rise"] = "", "NA", -9999
    rows.to_csv(tmp_path / "lake.csv", index=False)
    notes = read(tmp_path / "lake.csv", domain).notes
    assert "3 of 90 days left out for missing values (rise 3)" in notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("time,inflow\n", "has no rows"),
        ("time,inflow,outflow\n1,2,3,4\n1,2,3,4\n", "cannot be read as a table"),
        ("time,inflow\n1,2\n1,2,3\n", "cannot be read as a table"),
        ("time,a (m),a (s)\n1,2,3\n", "two columns are called 'a'"),
        ("\n", "cannot be read as a table"),
        ("a,b\n\x00,\x01\n", "has no variable"),
        ("time,inflow,outflow,rise\nx,many,2,3\n", "holds words, not numbers: 'many' in row 1 of 1; write a number"),
    ],
)
def test_tables_that_cannot_be_used(domain, tmp_path, content, words):
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "bad.csv", domain)


def test_parquet(domain, tmp_path):
    pytest.importorskip("pyarrow")
    table(lake()).to_parquet(tmp_path / "lake.parquet")
    xr.testing.assert_equal(read(tmp_path / "lake.parquet", domain).dataset.drop_attrs(), lake().drop_attrs())


def test_zarr(domain, tmp_path):
    pytest.importorskip("zarr")
    lake().to_zarr(tmp_path / "lake.zarr")
    reading = read(tmp_path / "lake.zarr", domain)
    xr.testing.assert_equal(reading.dataset.drop_attrs(), lake().drop_attrs())
    assert len(reading.sha256) == 64


def test_formats_that_are_not_installed_say_so(domain, tmp_path, monkeypatch):
    (tmp_path / "lake.zarr").mkdir()
    (tmp_path / "lake.zarr/.zgroup").write_text("{}")
    (tmp_path / "lake.parquet").write_bytes(b"PAR1 and more")
    for name in ("zarr", "pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("zarr", "parquet"):
        with pytest.raises(InputError, match=r"pip install 'lawful\[formats\]'"):
            read(tmp_path / f"lake.{name}", domain)


def test_several_files_are_one(domain, tmp_path):
    first, second = lake(), lake(60, "2021-01-01")
    second = second.assign(rise=(second.rise / 1000).assign_attrs(units="m d-1"))
    second.to_netcdf(tmp_path / "b.nc")
    first.to_netcdf(tmp_path / "a.nc")
    reading = read(tmp_path / "*.nc", domain)
    assert reading.dataset.sizes["time"] == 140
    assert "2 files were put together" in reading.notes
    np.testing.assert_allclose(reading.dataset["rise"][80:], second.rise * 1000, rtol=1e-12)
    assert reading.sha256 != read(tmp_path / "a.nc", domain).sha256
    first.to_netcdf(tmp_path / "c.nc")
    with pytest.raises(InputError, match="stands in two of 3 files"):
        read(tmp_path / "*.nc", domain)
    with pytest.raises(InputError, match="no file fits"):
        read(tmp_path / "*.h5", domain)


def test_depth_and_mass_meet_through_the_density(domain, tmp_path):
    ds = lake()
    ds["inflow"] = (ds.inflow / 86400).assign_attrs(units="kg m-2 s-1")
    ds.to_netcdf(tmp_path / "lake.nc")
    np.testing.assert_allclose(read(tmp_path / "lake.nc", domain).dataset["inflow"], lake().inflow, rtol=1e-12)
    plain = domain.model_copy(update={"density": None})
    with pytest.raises(InputError, match="'kg m-2 s-1' do not convert into 'mm d-1'"):
        read(tmp_path / "lake.nc", plain)


def test_packed_and_filled(domain, tmp_path):
    ds = lake(90)
    ds["rise"][7] = np.nan
    packing = {"dtype": "int16", "scale_factor": 0.25, "add_offset": 1.0, "_FillValue": -32768}
    ds.to_netcdf(tmp_path / "lake.nc", encoding=dict.fromkeys(("inflow", "outflow", "rise"), packing))
    reading = read(tmp_path / "lake.nc", domain)
    assert reading.dataset.sizes["time"] == 89
    np.testing.assert_array_equal(reading.dataset["rise"][:7], ds["rise"][:7])


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_what_unpacking_rounds_beside_zero_or_a_bound_is_on_it(domain, tmp_path, kind):
    """-13700 steps of 0.001 from 13.7 unpack to -1.8e-15, or to 9.5e-7 in single precision."""
    variables = [v.model_copy(update={"upper": 1.2} if v.name == "inflow" else {}) for v in domain.variables]
    loose = Domain.model_validate({**dict(domain), "variables": variables, "laws": [law(tolerance=1e-5)]})
    ds = (lake() / 1.25).round(3).assign_coords(time=lake().time)
    packing = {"dtype": "int16", "scale_factor": kind(1e-3), "add_offset": kind(13.7), "_FillValue": -32768}
    ds.to_netcdf(tmp_path / "lake.nc", encoding=dict.fromkeys(("inflow", "outflow", "rise"), packing))
    found = read(tmp_path / "lake.nc", loose).dataset
    for name in ds.data_vars:
        assert np.array_equal(found[name] == 0, ds[name] == 0), name
        np.testing.assert_allclose(found[name], ds[name], atol=2e-6)
    assert found.inflow.max() == 1.2


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "julian"])
def test_calendars(domain, tmp_path, calendar):
    time = xr.date_range("2000-02-01", periods=80, calendar=calendar, use_cftime=True)
    lake().assign_coords(time=time).to_netcdf(tmp_path / "lake.nc")
    assert read(tmp_path / "lake.nc", domain).dataset.time.dt.calendar == calendar


def test_points_of_a_grid_are_events(tmp_path, domain):
    grid = xr.Dataset({n: (("time", "face"), np.arange(60.0).reshape(6, 10)) for n in ("inflow", "outflow")})
    grid = grid.assign(rise=0 * grid.inflow, time=("time", np.arange(6)), depth=3.0)
    grid.to_netcdf(tmp_path / "grid.nc")
    faces = Domain(**{
        **dict(domain), "event_dim": "point", "stack": ("time", "face"), "blocks": Blocks(kind="label", label="time")
    })  # fmt: skip
    reading = read(tmp_path / "grid.nc", faces)
    np.testing.assert_array_equal(reading.dataset["inflow"], np.arange(60.0))
    np.testing.assert_array_equal(reading.dataset["time"], np.repeat(np.arange(6), 10))
    assert "events are the points of time x face, 60 of them" in reading.notes
    np.testing.assert_array_equal(read_ensemble(tmp_path / "grid.nc", faces).dataset["inflow"], np.arange(60.0))
    with pytest.raises(InputError, match="no dimension 'cell' to stack"):
        read(tmp_path / "grid.nc", Domain(**{**dict(faces), "stack": ("time", "cell")}))
    with pytest.raises(InputError, match="lies along face too"):
        read(tmp_path / "grid.nc", Domain(**{**dict(faces), "stack": ("time",)}))


def stations(domain: Domain, calendar: str, **changes) -> tuple[xr.Dataset, Domain]:
    """Sixty days at two stations, and a domain of station days."""
    ds = lake(60).expand_dims(station=["alp", "sea"]).transpose("time", "station")
    time = xr.date_range("2001-02-20", periods=60, calendar=calendar, use_cftime=calendar != "standard")
    ds = ds.assign_coords(time=time, lat=("station", [46.0, 52.0], {"units": "degrees_north"}))
    kinds = {"context": (Context(name="day", kind="day_of_year"),), "blocks": Blocks(kind="time", length_days=14)}
    return ds, Domain(**{**dict(domain), "event_dim": "event", "stack": ("time", "station"), **kinds, **changes})


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_stacked_events_keep_their_times_and_places(tmp_path, domain, calendar):
    ds, points = stations(domain, calendar)
    ds.to_netcdf(tmp_path / "stations.nc")
    events = read(tmp_path / "stations.nc", points).dataset
    np.testing.assert_array_equal(events["station"], ["alp", "sea"] * 60)
    np.testing.assert_array_equal(events["lat"], [46.0, 52.0] * 60)
    np.testing.assert_array_equal(events["time"], np.repeat(ds.time.values, 2))
    assert {"time", "station", "lat"} <= set(events.coords)
    np.testing.assert_array_equal(np.bincount(block_labels(events, points)) % 2, 0)
    assert 5 <= block_labels(events, points).max() + 1 <= 6
    features, _ = context_features(events, points)
    np.testing.assert_array_equal(features[::2], features[1::2])
    assert len(np.unique(features[:, 0])) == 60
    covered = discovery_attributes(points, events, events)
    assert (covered.get("time_coverage_start") == "2001-02-20T00:00:00Z") == (calendar == "standard")


def test_a_fault_of_a_stacked_event_says_where_it_lies(tmp_path, domain):
    ds, points = stations(domain, "standard")
    ds = ds.copy(deep=True)
    ds["inflow"][3, 1] = -1.0
    ds.to_netcdf(tmp_path / "stations.nc")
    with pytest.raises(InputError, match="worst -1 at time 2001-02-23T00:00:00, station sea"):
        read(tmp_path / "stations.nc", points)


def test_stacked_events_without_times_where_they_are_needed(tmp_path, domain):
    ds, points = stations(domain, "standard")
    ds.drop_vars("time").to_netcdf(tmp_path / "timeless.nc")
    with pytest.raises(InputError, match="does not hold times"):
        read(tmp_path / "timeless.nc", points)
    ds.to_netcdf(tmp_path / "stations.nc")
    with pytest.raises(InputError, match="give events a name of their own"):
        read(tmp_path / "stations.nc", Domain(**{**dict(points), "event_dim": "time"}))


def test_an_unstructured_grid_of_one_time(tmp_path, domain):
    ds = lake().drop_vars("time").rename(time="face").expand_dims(time=1)
    ds.to_netcdf(tmp_path / "mesh.nc")
    faces = Domain(**{**dict(domain), "event_dim": "face", "blocks": Blocks(kind="order", length=4)})
    assert read(tmp_path / "mesh.nc", faces).dataset.sizes == {"face": 80}


def test_more_than_memory_is_refused(domain, tmp_path, monkeypatch):
    lake().to_netcdf(tmp_path / "lake.nc")
    monkeypatch.setattr(sys.modules["lawful.data_recipes.read"], "memory", lambda: 1000.0)
    with pytest.raises(InputError, match="give a part of them, or fewer --max-events"):
        read(tmp_path / "lake.nc", domain)


def test_plain_hdf5_is_not_looked_into(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = np.ones(3)
    with pytest.raises(InputError, match="plain HDF5"), open_plainly(tmp_path / "x.h5"):
        pass


def test_laws_with_coefficients_of_the_file_screen_its_data(tmp_path):
    heat = Domain(
        name="heat",
        title="Heat",
        event="day",
        event_dim="time",
        variables=(
            Variable(name="QE", units="W m-2"),
            Variable(name="E", units="mm d-1"),
            Variable(name="L", units="W m-2 / (mm d-1)", given=True),
        ),
        laws=(Law(name="latent", equation="QE = L * E", units="W m-2", tolerance=1e-9),),
        blocks=Blocks(kind="order"),
    )
    E, L = np.arange(60) / 8, 28 + np.arange(60) / 64
    ds = xr.Dataset({"QE": ("time", L * E), "E": ("time", E), "L": ("time", L)})
    ds.to_netcdf(tmp_path / "heat.nc")
    assert read(tmp_path / "heat.nc", heat).dataset.sizes["time"] == 60
    ds["QE"][7] += 1
    ds.to_netcdf(tmp_path / "broken.nc")
    with pytest.raises(InputError, match=r"law 'latent' \(QE = L \* E\): 1 of 60 days break it .* worst 1 W m-2"):
        read(tmp_path / "broken.nc", heat)


def test_plain_hdf5_has_arrays_other_names_and_misfits(tmp_path):
    domain = Domain(
        name="soil",
        title="Soil",
        event="sample",
        event_dim="sample",
        dimensions={"size": ("clay", "sand")},
        variables=(
            Variable(name="part", units="percent", over="size"),
            Variable(name="water", units="percent", source="H2O"),
            Variable(name="rest", units="percent", closes="total"),
        ),
        parameters=(Parameter(name="share", over="size"),),
        laws=(Law(name="total", equation="sum(share * part, over=size) + water + rest = 100", units="percent"),),
        blocks=Blocks(kind="order"),
        closure="residual",
    )
    parts = np.arange(120.0).reshape(60, 2) / 4
    with h5py.File(tmp_path / "soil.h5", "w") as file:
        file["lab/part"], file["lab/H2O"] = parts, np.full(60, 5.0)
        file["share"] = [1.0, 0.5]
    ds = read(tmp_path / "soil.h5", domain).dataset
    np.testing.assert_array_equal(ds["part[sand]"], parts[:, 1])
    np.testing.assert_array_equal(ds["rest"], 95 - parts @ [1, 0.5])


def test_marks_of_missing_values_are_not_judged(domain, tmp_path):
    ds = lake()
    ds["rise"][3] = -9999.0
    ds.to_netcdf(tmp_path / "lake.nc")
    assert "rise has 1 missing or infinite values of 80" in read_ensemble(tmp_path / "lake.nc", domain).notes
