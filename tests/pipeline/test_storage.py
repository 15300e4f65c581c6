"""What single precision and rounding have moved off an exact value comes back to it, and nothing else moves."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import Blocks, Domain, Law, Variable
from lawful.pipeline.storage import restored

N = 400


def soil(upper=True, resolution=None):
    """Water and air in pores, a share of 0.3."""
    top = 0.3 if upper else None
    return Domain(
        name="soil",
        title="Pores",
        event="sample",
        event_dim="sample",
        variables=(
            Variable(name="water", units="1", lower=0, upper=top, resolution=resolution),
            Variable(name="air", units="1", lower=0, upper=top),
            Variable(name="heat", units="W m-2"),
        ),
        laws=(Law(name="pores", equation="water + air = 0.3", units="1"),),
        blocks=Blocks(kind="order", length=24),
    )


def events(dtype=np.float32):
    rng = np.random.default_rng(0)
    water = np.where(rng.random(N) < 0.2, 0.3, 0.3 * rng.random(N))
    water[rng.random(N) < 0.2] = 0.0
    columns = {"water": water, "air": 0.3 - water, "heat": np.where(rng.random(N) < 0.2, np.float32(0.3), 1.0)}
    return xr.Dataset({name: ("sample", value.astype(dtype).astype(float)) for name, value in columns.items()}), water


@pytest.mark.parametrize("upper", [True, False], ids=["a bound", "a law alone"])
def test_single_precision_of_a_total_that_it_does_not_hold(upper):
    ds, water = events()
    found, notes = restored(ds, soil(upper))
    assert notes == []
    full, dry = water == 0.3, water == 0
    assert full.sum() > 40 and dry.sum() > 40
    assert (ds["water"].to_numpy()[full] != 0.3).all()
    for name, whole in (("water", full), ("air", dry)):
        assert (found[name].to_numpy()[whole] == 0.3).all()
        np.testing.assert_array_equal(found[name].to_numpy()[~whole], ds[name].to_numpy()[~whole])
    xr.testing.assert_identical(found["heat"], ds["heat"])


def tied_events(dtype=np.float32):
    """Water that is often 0.15, and often 0.1, of pores of 0.45 or 0.3, and what it leaves, in a file of that type."""
    rng = np.random.default_rng(1)
    water, pores = np.where(rng.random(N) < 0.2, 0.15, 0.1), np.where(rng.random(N) < 0.3, 0.45, 0.7)
    water = np.where(rng.random(N) < 0.5, 0.3 * rng.random(N), water)
    columns = {"water": water, "air": pores - water, "pores": pores}
    return xr.Dataset({name: ("sample", value.astype(dtype).astype(float)) for name, value in columns.items()}), water


def tied_soil():
    variables = tuple(Variable(name=name, units="1", lower=0) for name in ("water", "air", "pores"))
    law = Law(name="pores", equation="water + air = pores", units="1")
    return soil().model_copy(update={"variables": variables, "laws": (law,)})


def test_values_that_recur_are_put_where_the_law_between_them_holds():
    ds, water = tied_events()
    found, _ = restored(ds, tied_soil())
    fixed = np.isin(water, (0.15, 0.1))
    misfit = (found.water + found.air - found.pores).to_numpy()
    assert np.abs(misfit[fixed]).max() < 1e-15 < np.abs((ds.water + ds.air - ds.pores).to_numpy()[fixed]).max()
    for name in ds:
        np.testing.assert_allclose(found[name], ds[name], rtol=1e-7)
        assert len(np.unique(found[name])) == len(np.unique(ds[name]))
    np.testing.assert_array_equal(found.water[~fixed], ds.water[~fixed])


def test_given_values_that_recur_stay():
    ds, _ = tied_events()
    found, _ = restored(ds, tied_soil(), ("pores", "air"))
    xr.testing.assert_identical(found[["pores", "air"]], ds[["pores", "air"]])


def test_doubles_that_recur_stay():
    ds, _ = tied_events(np.float64)
    xr.testing.assert_identical(restored(ds, tied_soil())[0], ds)


def test_values_that_recur_and_obey_no_law_stay():
    ds, _ = tied_events()
    ds["air"] = ds["air"] * 1.001
    xr.testing.assert_identical(restored(ds, tied_soil())[0], ds)


def test_what_is_not_the_single_precision_of_a_bound_stays():
    ds, _ = events()
    ds = ds * (1 + 1e-6)
    xr.testing.assert_identical(restored(ds, soil())[0], ds)


def test_doubles_stay():
    ds, _ = events(np.float64)
    xr.testing.assert_identical(restored(ds, soil())[0], ds)


def test_a_law_moves_no_multiple_and_nothing_out_of_bounds():
    ds, water = events()
    found, _ = restored(ds, soil(upper=False, resolution=0.1))
    full = water == 0.3
    # 0.30000001 is within rounding noise of three steps.
    assert (found["water"].to_numpy()[full] == np.round(0.3 / 0.1) * 0.1).all()
    domain = soil(upper=False)
    low = domain.model_copy(
        update={"variables": (domain.variables[0].model_copy(update={"upper": 0.2}), *domain.variables[1:])}
    )
    kept, _ = restored(ds, low)
    np.testing.assert_array_equal(kept["water"], ds["water"])


def test_multiples_come_with_a_note():
    ds, _ = events()
    ds["water"] = ds["water"].copy(data=np.round(ds["water"] / 0.01) * 0.01 + 1e-10)
    found, (note,) = restored(ds, soil(upper=False, resolution=0.01))
    np.testing.assert_array_equal(found["water"], np.round(ds["water"] / 0.01) * 0.01)
    assert note.startswith(f"water: {N} values moved to multiples of 0.01 1")


@pytest.mark.parametrize(("upper", "dtype"), [("", "float64"), (", upper: 0.3", "float32")])
def test_a_whole_run_shows_such_a_total_as_often_as_the_data(lawful, tmp_path, upper, dtype):
    ds, _ = events()
    ds = ds.assign(air=ds["air"].copy(data=np.where(ds["water"] == 0, np.float32(0.3), ds["air"])))
    for name, variable in zip(("water", "air", "heat"), soil().variables, strict=True):
        ds[name] = ds[name].astype(np.float32).assign_attrs(units=variable.units)
    ds.to_netcdf(tmp_path / "soil.nc")
    (tmp_path / "soil.yaml").write_text(
        "name: soil\ntitle: Pores\nevent: sample\nevent_dim: sample\n"
        f"variables:\n  water: {{units: '1', lower: 0{upper}}}\n  air: {{units: '1', lower: 0{upper}}}\n"
        "  heat: {units: W m-2}\n"
        "laws:\n  pores: {equation: water + air = 0.3, units: '1'}\nblocks: {kind: order, length: 24}\n"
    )
    command = ("run", tmp_path / "soil.yaml", "--data", tmp_path / "soil.nc", "--out", tmp_path / "run")
    said = lawful(*command, "--fast", "--dtype", dtype)
    assert said.code == 0 and "drawn again" not in said.err
    assert "no bound or inequality is violated" in said.out
    with xr.open_dataset(tmp_path / "run" / "ensemble.nc") as made:
        for name in ("water", "air"):
            assert float((made[name] == 0).mean()) == pytest.approx(float((ds[name] == 0).mean()), abs=0.06)
    if upper:
        path = tmp_path / "run" / "ensemble.nc"
        with xr.open_dataset(path) as opened:
            made = opened.load()
        made["water"][0, 0] = np.float32(0.3)
        made.to_netcdf(path)
        assert "water is above 0.3 in 1 sample" in lawful("report", tmp_path / "run").out
