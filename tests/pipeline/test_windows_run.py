"""Windows in time through the command line: trained step by step, stored as arrays, judged as steps and as windows."""

import json

import numpy as np
import pytest
import xarray as xr
import yaml
from small import install, save

from lawful.domains import Blocks, Context, Domain, Law, Variable
from lawful.testing import check_domain

DAYS = tuple("12345")
SOIL = Domain(
    name="soil",
    title="Water of a soil over five days",
    event="window",
    event_dim="time",
    window="day",
    dimensions={"day": DAYS, "midnight": ("0", *DAYS)},
    variables=(
        Variable(name="rain", units="mm", lower=0, over="day"),
        Variable(name="loss", units="mm", lower=0, over="day"),
        Variable(name="storage", units="mm", lower=0, upper=300, over="midnight"),
    ),
    laws=(Law(name="water", equation="rain - loss = diff(storage)", units="mm", tolerance=1e-9),),
    context=(
        Context(name="season", kind="day_of_year"),
        Context(name="stage", kind="variable", over="day", categories=(0, 1)),
    ),
    blocks=Blocks(kind="time", length_days=25, gap_days=5),
)


def series(count: int = 601, seed: int = 0) -> xr.Dataset:
    """Rain on a third of days; a loss in proportion to storage, larger with a crop."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(2.0, 4.0, count) * (rng.random(count) < 1 / 3)
    stage = (np.arange(count) // 40 % 2).astype(float)
    storage, loss = np.empty(count), np.empty(count)
    water = 80.0
    for day in range(count):
        loss[day] = water * (0.01 + 0.03 * stage[day]) * rng.uniform(0.5, 1.5)
        water += rain[day] - loss[day]
        storage[day] = water
    time = np.datetime64("2001-01-01", "ns") + np.arange(count) * np.timedelta64(1, "D")
    columns = {"rain": rain, "loss": loss, "storage": storage}
    ds = xr.Dataset({name: ("time", values, {"units": "mm"}) for name, values in columns.items()}, {"time": time})
    return ds.assign(stage=("time", stage))


@pytest.fixture
def soil(monkeypatch, tmp_path):
    install(monkeypatch.setattr, soil=SOIL)
    return save(series(), tmp_path / "soil.nc")


def test_a_run_of_windows(soil, lawful, tmp_path):
    out = tmp_path / "run"
    said = lawful("run", "soil", "--data", soil, "--out", out, "--members", 3, "--fast", "--dtype", "float32")
    assert said.code == 0, said
    ds = xr.load_dataset(out / "ensemble.nc")
    assert ds.rain.dims == ("realization", "time", "day")
    assert ds.storage.sizes["midnight"] == 6
    assert ds.rain.dtype == np.float32
    assert (ds.rain >= 0).all() and (ds.storage <= 300).all()
    residual = ds.rain.values - ds.loss.values.astype(float) - np.diff(ds.storage.values.astype(float), axis=-1)
    assert np.abs(residual).max() <= 8 * 3 * np.spacing(np.float32(ds.storage.max()))
    assert lawful("check", out / "ensemble.nc", "--domain", "soil").code == 0

    report = json.loads((out / "report.json").read_text())
    assert [law["name"] for law in report["validity"]["ensemble"]["laws"]] == ["water"]
    assert report["validity"]["ensemble"]["samples"] == 3 * 5 * ds.sizes["time"]
    measures = {row["measure"] for row in report["fidelity"]["summary"]}
    assert {"auc", "spells", "persistence", "seasons"} <= measures
    # A classifier can learn from states of so few held-out windows, and not from these windows.
    assert not {"auc_windows", "auc_statistics"} & measures
    assert "In time" in (out / "report.html").read_text()
    assert (out / "figures" / "autocorrelation.png").exists()


def test_drawn_again_from_the_trained_model(soil, lawful, tmp_path):
    out = tmp_path / "run"
    assert lawful("train", "soil", "--data", soil, "--out", out, "--given", "rain").code == 0
    assert yaml.safe_load((out / "run.yaml").read_text())["settings"]["given"] == ["rain"]
    other = save(series(41, seed=1), tmp_path / "other.nc")
    assert lawful("generate", out, "--data", other, "--members", 2).code == 0
    ds, observed = xr.load_dataset(out / "ensemble.nc"), xr.load_dataset(other)
    np.testing.assert_array_equal(ds.rain[1].values.ravel(), observed.rain[1:])
    assert float(abs(ds.rain - ds.loss - ds.storage.diff("midnight").values).max()) < 1e-12
    again = lawful("train", "soil", "--data", soil, "--out", out, "--given", "rain")
    assert "reusing the finished training" in again.out + again.err
    # Only rain of the file is used: without the rest of it the same windows come out.
    observed["loss"][:] = observed.loss[::-1].values
    observed["storage"][1:] = 150 + np.cumsum(observed.rain - observed.loss)[1:] - (observed.rain - observed.loss)[0]
    observed["storage"][0] = 150.0
    assert lawful("generate", out, "--data", save(observed, tmp_path / "third.nc"), "--members", 2).code == 0
    xr.testing.assert_equal(ds.drop_attrs(), xr.load_dataset(out / "ensemble.nc").drop_attrs())


def test_an_array_that_is_not_there(soil, lawful):
    said = lawful("run", "soil", "--data", soil, "--given", "snow")
    assert "has no variable 'snow'; it has rain, loss, storage" in said.fault


def test_the_contract_of_a_windowed_domain(soil):
    check_domain(SOIL, soil)


@pytest.mark.slow
def test_the_contract_of_soil_water():
    from lawful.domains.soil_water import DOMAIN

    check_domain(DOMAIN)


def test_given_series_whose_windows_begin_at_other_hours_are_said(lawful, tmp_path):
    steps = len(DAYS)
    variables = [{**v.model_dump(), "name": v.name.partition("[")[0]} for v in SOIL.variables]
    content = {
        "name": "quarters", "title": "Water", "event": "window", "event_dim": "time", "window": "day",
        "step_days": 0.2, "dimensions": {"day": list(DAYS), "midnight": ["0", *DAYS]},
        "variables": {
            v["name"]: {key: v[key] for key in ("units", "lower", "upper", "over") if v[key] is not None}
            for v in variables
        },
        "laws": {"water": {"equation": "rain - loss = diff(storage)", "units": "mm", "tolerance": 1e-9}},
        "context": {"hour": {"kind": "hour_of_day"}}, "blocks": {"kind": "time", "length_days": 10},
    }  # fmt: skip
    yml = tmp_path / "quarters.yaml"
    yml.write_text(yaml.safe_dump(content, sort_keys=False))
    time = np.datetime64("2001-01-01", "ns") + np.arange(601) * np.timedelta64(288, "m")
    ds, out = series().drop_vars("stage").assign_coords(time=time), tmp_path / "run"
    data = save(ds, tmp_path / "data.nc")
    assert lawful("train", yml, "--data", data, "--out", out, "--fast", "--given", "rain").code == 0
    rain = ds[["rain"]].isel(time=slice(0, 4 * steps))
    said = lawful("generate", out, "--data", save(rain, tmp_path / "rain.nc"), "--members", 2)
    assert "note: loss, storage: not in the file and not needed" in said.err
    assert "note: windows begin at 00:00, and in the training data at 04:48: steps of the same name" in said.err
    fault = lawful("report", out).fault
    assert "has no loss, storage, so there is nothing" in fault and f"--domain {out / 'domain.yaml'}` judges" in fault
    rain = ds[["rain"]].isel(time=slice(1, 1 + 4 * steps))
    said = lawful("generate", out, "--data", save(rain, tmp_path / "later.nc"), "--members", 2)
    assert said.code == 0 and "windows begin" not in said.err
