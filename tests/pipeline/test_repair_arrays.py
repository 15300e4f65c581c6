"""`lawful repair` where variables are parts of larger arrays: numbers go back to their own places."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml
from small import save

from lawful.data_recipes import sample_path
from lawful.domains import Domain, load_domain
from lawful.domains.soil_water import DOMAIN as SOIL_WATER
from lawful.pipeline.repair import repair

ROCKS = {
    "name": "rocks", "title": "Oxides of a rock", "event": "rock", "event_dim": "sample",
    "dimensions": {"oxide": ["SiO2", "FeO", "MgO"]},
    "variables": {"part": {"units": "percent", "lower": 0, "upper": 100, "over": "oxide"}},
    "laws": {
        "total": {"equation": "sum(part, over=oxide) = 100", "units": "percent"},
        "acid": {"equation": "part[MgO] <= part[SiO2]", "units": "percent"},
    },
    "blocks": {"kind": "order"},
}  # fmt: skip
SOIL = {
    "name": "soil", "title": "Water of a soil over three days", "event": "window", "event_dim": "time", "window": "day",
    "dimensions": {"day": ["1", "2", "3"], "midnight": ["0", "1", "2", "3"]},
    "variables": {
        "rain": {"units": "mm", "lower": 0, "over": "day"},
        "loss": {"units": "mm", "lower": 0, "over": "day"},
        "storage": {"units": "mm", "lower": 0, "upper": 300, "over": "midnight"},
    },
    "laws": {"water": {"equation": "rain - loss = diff(storage)", "units": "mm"}},
    "blocks": {"kind": "order"},
}  # fmt: skip
CUBE = {
    "name": "cube", "title": "Points of a cube", "event": "point", "event_dim": "point", "stack": ["time", "face"],
    "variables": {name: {"units": "W m-2"} for name in ("net", "down", "up")},
    "laws": {"net": {"equation": "net = down - up", "units": "W m-2"}},
    "blocks": {"kind": "order"},
}  # fmt: skip


@pytest.fixture
def declared(tmp_path):
    """A domain and its file."""

    def made(content) -> tuple[Domain, object]:
        path = tmp_path / f"{content['name']}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return load_domain(path), path

    return made


def raw(path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return {name: file[name][...] for name in file.variables}


def rocks(count=40) -> np.ndarray:
    """Shares (oxide, sample) in the order of the file, MgO, H2O, SiO2, FeO; H2O is in no law."""
    rng = np.random.default_rng(2)
    silica, iron = rng.uniform(55, 65, count).round(2), rng.uniform(5, 20, count).round(2)
    iron[:5] = 0
    return np.stack([100 - silica - iron, rng.uniform(0, 3, count).round(2), silica, iron])


@pytest.mark.parametrize(
    "encoding", [{"dtype": "f8"}, {"dtype": "f4"}, {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768}]
)
def test_each_component_goes_back_to_its_label(declared, lawful, tmp_path, encoding):
    """Labels of the file are in another order, along its first axis, and one more than the domain has."""
    _, yml = declared(ROCKS)
    shares = rocks()
    lawful_before = shares.copy()
    shares[2, 7] += 3.0
    shares[3, 11] = -1.0
    ds = xr.Dataset(
        {"part": (("oxide", "sample"), shares, {"units": "percent"}), "other": ("sample", np.arange(40.0))},
        {"oxide": ["MgO", "H2O", "SiO2", "FeO"]},
    )
    ds.to_netcdf(tmp_path / "in.nc", encoding={"part": {**encoding, "chunksizes": (2, 16), "zlib": True}})
    assert lawful("check", tmp_path / "in.nc", "--domain", yml).code == 1
    said = lawful("repair", tmp_path / "in.nc", "--domain", yml, "-o", tmp_path / "out.nc")
    assert said.code == 0 and "38 were lawful and stay as they are; 2 were repaired." in said.out
    assert lawful("check", tmp_path / "out.nc", "--domain", yml).code == 0
    before, after = raw(tmp_path / "in.nc"), raw(tmp_path / "out.nc")
    kept = np.setdiff1d(np.arange(40), [7, 11])
    assert before["part"].dtype == after["part"].dtype
    assert before["part"][:, kept].tobytes() == after["part"][:, kept].tobytes()
    assert before["part"][1].tobytes() == after["part"][1].tobytes()
    assert before["other"].tobytes() == after["other"].tobytes()
    found = xr.load_dataset(tmp_path / "out.nc").part
    np.testing.assert_allclose(found.isel(oxide=[0, 2, 3]).sum("oxide"), 100, atol=0.011)
    # By hand: three percent too many, taken from all in proportion to their variances.
    moved = lawful_before[:, 7] + [0, 0, 3, 0] - found.values[:, 7]
    variances = np.var(shares, axis=1)
    np.testing.assert_allclose(moved[[0, 2, 3]], (3 * variances / variances[[0, 2, 3]].sum())[[0, 2, 3]], atol=0.011)


def test_a_sigma_of_an_array_is_that_of_all_its_components(declared, lawful, tmp_path):
    domain, yml = declared(SOIL)
    path = save(windows(beyond=0.0), tmp_path / "in.nc")
    found = repair(path, domain, tmp_path / "out.nc", sigmas={"storage": 0.0, "rain[2]": 0.0})
    assert found["validity"]["holds"]
    assert {name for name, sigma in found["sigma"].items() if not sigma} == {
        "rain[2]", "storage[0]", "storage[1]", "storage[2]", "storage[3]"
    }  # fmt: skip
    before, after = raw(path), raw(tmp_path / "out.nc")
    assert before["storage"].tobytes() == after["storage"].tobytes()
    assert before["rain"][..., 1].tobytes() == after["rain"][..., 1].tobytes()
    wrong = ("repair", path, "--domain", yml, "-o", tmp_path / "o.nc", "--sigma", "snow=1")
    assert "has no variable 'snow'; it has rain, loss, storage" in lawful(*wrong).fault


def windows(members=2, count=30, beyond=250.0) -> xr.Dataset:
    """An ensemble of windows, of which a day of two of them is off, and a storage may be beyond its capacity."""
    rng = np.random.default_rng(4)
    rain = rng.gamma(2.0, 2.0, (members, count, 3)) * (rng.random((members, count, 3)) < 0.5)
    loss = rng.uniform(0, 3, (members, count, 3))
    start = np.full((members, count, 1), 100.0)
    storage = np.concatenate([start, start + np.cumsum(rain - loss, -1)], -1)
    loss[0, 3, 1] *= 1 + 1e-6
    rain[1, 4, 2] = -1.0
    storage[1, 9] += beyond
    columns = {"rain": ("day", rain), "loss": ("day", loss), "storage": ("midnight", storage)}
    return xr.Dataset({n: (("realization", "time", dim), x, {"units": "mm"}) for n, (dim, x) in columns.items()})


def test_an_ensemble_of_windows_with_storage_over_midnight(declared, lawful, tmp_path, monkeypatch):
    _, yml = declared(SOIL)
    path = save(windows(), tmp_path / "in.nc")
    monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", 17)
    assert lawful("repair", path, "--domain", yml, "-o", tmp_path / "out.nc").code == 0
    assert lawful("check", tmp_path / "out.nc", "--domain", yml).code == 0
    before, after = raw(path), raw(tmp_path / "out.nc")
    kept = np.ones((2, 30), dtype=bool)
    kept[[0, 1, 1], [3, 4, 9]] = False
    for name in before:
        assert before[name][kept].tobytes() == after[name][kept].tobytes()
        assert ((before[name] == 0) <= (after[name] == 0)).all()
    np.testing.assert_allclose(after["rain"] - after["loss"], np.diff(after["storage"], axis=-1), atol=1e-12)
    assert after["storage"][1, 9].max() <= 300 < before["storage"][1, 9].max()


def test_the_windows_of_the_sample(tmp_path):
    """Thirty days of `soil-water`, cut by hand out of its series; one storage is off by a thousandth."""
    domain = SOIL_WATER
    with xr.open_dataset(sample_path(domain)) as series:
        days = series.isel(time=slice(0, 181)).load()
    fluxes = [name for name in days if name in {n.partition("[")[0] for n in domain.names} - {"storage"}]
    cut = {n: (("time", "day"), days[n].values[1:].reshape(6, 30), days[n].attrs) for n in fluxes}
    state = np.stack([days.storage.values[30 * k : 30 * k + 31] for k in range(6)])
    state[4, 12] *= 1.001
    ds = xr.Dataset({**cut, "storage": (("time", "midnight"), state, days.storage.attrs)})
    found = repair(save(ds, tmp_path / "in.nc"), domain, tmp_path / "out.nc")
    assert (found["lawful"], found["repaired"], found["validity"]["holds"]) == (5, 1, True)
    before, after = raw(tmp_path / "in.nc"), raw(tmp_path / "out.nc")
    for name in before:
        kept = [0, 1, 2, 3, 5]
        assert before[name][kept].tobytes() == after[name][kept].tobytes()
    assert np.flatnonzero(before["storage"][4] != after["storage"][4]).size > 0


@pytest.mark.parametrize("encoding", [{"dtype": "f4"}, {"dtype": "i2", "scale_factor": 2.0**-12, "_FillValue": -32768}])
def test_points_of_a_stack_stay_where_they_lie(declared, lawful, tmp_path, encoding):
    _, yml = declared(CUBE)
    down, up = np.round(np.random.default_rng(6).uniform(1, 2, (2, 7, 4)) * 2**12) / 2**12
    net = down - up
    net[2, 3] += 0.1
    ds = xr.Dataset({"net": (("face", "time"), net.T), "down": (("time", "face"), down), "up": (("time", "face"), up)})
    for values in ds.values():
        values.encoding = encoding
    path = save(ds.assign_coords(face=list("nesw")), tmp_path / "in.nc")
    assert lawful("check", path, "--domain", yml).code == 1
    assert lawful("repair", path, "--domain", yml, "-o", tmp_path / "out.nc").code == 0
    assert lawful("check", tmp_path / "out.nc", "--domain", yml).code == 0
    before, after = raw(path), raw(tmp_path / "out.nc")
    changed = {name: np.argwhere(before[name] != after[name]).tolist() for name in ("net", "down", "up")}
    assert changed == {"net": [[3, 2]], "down": [[2, 3]], "up": [[2, 3]]}


def series(steps=121, dtype="f8") -> xr.Dataset:
    """Days of a soil: forty windows of three days with the day before; some are off."""
    rng = np.random.default_rng(5)
    rain = rng.gamma(2.0, 2.0, steps) * (rng.random(steps) < 0.5)
    loss = rng.uniform(0, 3, steps)
    storage = 100 + np.cumsum(rain - loss)
    time = np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(1, "D")
    columns = {"rain": rain, "loss": loss, "storage": storage}
    return xr.Dataset({name: ("time", x.astype(dtype), {"units": "mm"}) for name, x in columns.items()}, {"time": time})


def balance(after) -> np.ndarray:
    """What the water of each day misses, in the largest rounding unit of its storage."""
    storage = after["storage"].astype(float)
    off = after["rain"][1:].astype(float) - after["loss"][1:].astype(float) - np.diff(storage)
    return np.abs(off) / np.spacing(after["storage"][1:])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_windows_of_a_series_keep_the_states_of_lawful_neighbours(declared, lawful, tmp_path, dtype):
    _, yml = declared(SOIL)
    ds = series(dtype=dtype)
    # Window k has the days from 3 k + 1 on. One state within a window; a flux at the end of one; three in a row.
    ds["storage"][3 * 5 + 2] += 1.0
    ds["rain"][3 * 10 + 3] += 0.5
    ds["loss"][3 * 20 + 1 : 3 * 23 + 1] += 0.25
    path = save(ds, tmp_path / "in.nc")
    assert lawful("check", path, "--domain", yml).code == 1
    said = lawful("repair", path, "--domain", yml, "-o", tmp_path / "out.nc")
    assert said.code == 0 and "Of 40 samples 35 were lawful and stay as they are; 5 were repaired." in said.out
    assert lawful("check", tmp_path / "out.nc", "--domain", yml).code == 0
    before, after = raw(path), raw(tmp_path / "out.nc")
    assert balance(after).max() <= 8 < balance(before).max()
    days = np.arange(121)
    moving = np.isin((days - 1) // 3, [5, 10, 20, 21, 22])
    for name in ("rain", "loss"):
        assert before[name][~moving].tobytes() == after[name][~moving].tobytes()
    # States at the ends of runs belong to lawful windows too.
    inner = moving & ~np.isin(days, [3 * 5 + 3, 3 * 10 + 3, 3 * 22 + 3])
    assert before["storage"][~inner].tobytes() == after["storage"][~inner].tobytes()
    assert (before["storage"] != after["storage"])[[3 * 20 + 3, 3 * 21 + 3]].all()
    assert ((before["rain"] == 0) <= (after["rain"] == 0)).all()


def test_a_window_that_its_neighbours_leave_no_room_is_named(declared, tmp_path):
    """Rain and loss are held, so that the state at the end would have to move, which the next window has too."""
    domain, _ = declared(SOIL)
    ds = series()
    ds["rain"][3 * 8 + 3] += 0.5
    path = save(ds, tmp_path / "in.nc")
    found = repair(path, domain, tmp_path / "out.nc", sigmas={"rain": 0.0, "loss": 0.0})
    assert (found["lawful"], found["repaired"], found["left"]) == (39, 0, 1)
    assert found["unrepaired"][0]["event"] == "2001-01-26T00:00:00"
    before, after = raw(path), raw(tmp_path / "out.nc")
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_a_gap_in_a_series_and_what_is_not_finite(declared, tmp_path, monkeypatch):
    domain, _ = declared(SOIL)
    monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", 7)
    ds = series().isel(time=np.delete(np.arange(121), [40, 41]))
    # Behind the gap windows begin on the days on which they would have begun without it: the 61st, in row 59.
    ds["loss"][3 * 3 + 2], ds["rain"][59] = np.nan, 50.0
    path = save(ds, tmp_path / "in.nc")
    found = repair(path, domain, tmp_path / "out.nc")
    assert any("left out for gaps in time" in note for note in found["notes"])
    assert (found["missing"], found["repaired"], found["left"]) == (1, 1, 0)
    before, after = raw(path), raw(tmp_path / "out.nc")
    kept = np.delete(np.arange(119), [59, 60, 61])
    assert all(before[name][kept].tobytes() == after[name][kept].tobytes() for name in before)


def test_the_sample_of_a_soil_as_a_series(tmp_path):
    with xr.open_dataset(sample_path(SOIL_WATER)) as sample:
        ds = sample.isel(time=slice(0, 601)).load().drop_encoding()
    ds["storage"][100:160] += 0.5
    found = repair(save(ds, tmp_path / "in.nc"), SOIL_WATER, tmp_path / "out.nc", correlated=True)
    assert (found["samples"], found["repaired"], found["left"]) == (20, 2, 0)
    assert found["validity"]["holds"]


def test_one_value_for_a_whole_window_cannot_be_put_back(declared, lawful, tmp_path):
    content = {**SOIL, "variables": {**SOIL["variables"], "depth": {"units": "mm", "lower": 0}}}
    _, yml = declared(content)
    path = save(series().assign(depth=("time", np.ones(121), {"units": "mm"})), tmp_path / "in.nc")
    fault = lawful("repair", path, "--domain", yml, "-o", tmp_path / "o.nc").fault
    assert "depth has one value for a window of days and cannot be repaired with them" in fault


@pytest.mark.parametrize("called", ["by the names of the domain", "as in other files"])
def test_variables_with_a_source_are_repaired_where_they_are(declared, tmp_path, called):
    names = {"rain": "tp", "loss": "evap", "storage": "sto"}
    variables = {name: {**fields, "source": names[name]} for name, fields in SOIL["variables"].items()}
    domain, _ = declared({**SOIL, "variables": variables})
    time = np.datetime64("2001-01-01", "ns") + np.arange(10) * np.timedelta64(1, "D")
    columns = {"rain": np.ones(10), "loss": np.zeros(10), "storage": 100 + np.arange(10.0)}
    columns["storage"][5] += 0.25
    ds = xr.Dataset({name: ("time", x, {"units": "mm"}) for name, x in columns.items()}, {"time": time})
    ds = ds if called.startswith("by") else ds.rename(names)
    found = repair(save(ds, tmp_path / "broken.nc"), domain, tmp_path / "mended.nc")
    assert found["repaired"] and found["validity"]["holds"]
    assert set(raw(tmp_path / "mended.nc")) == set(raw(tmp_path / "broken.nc"))
