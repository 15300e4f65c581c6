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


def test_a_whole_run_shows_such_a_total_as_often_as_the_data(lawful, tmp_path):
    ds, _ = events()
    ds = ds.assign(air=ds["air"].copy(data=np.where(ds["water"] == 0, np.float32(0.3), ds["air"])))
    for name, variable in zip(("water", "air", "heat"), soil().variables, strict=True):
        ds[name] = ds[name].astype(np.float32).assign_attrs(units=variable.units)
    ds.to_netcdf(tmp_path / "soil.nc")
    (tmp_path / "soil.yaml").write_text(
        "name: soil\ntitle: Pores\nevent: sample\nevent_dim: sample\n"
        "variables:\n  water: {units: '1', lower: 0}\n  air: {units: '1', lower: 0}\n  heat: {units: W m-2}\n"
        "laws:\n  pores: {equation: water + air = 0.3, units: '1'}\nblocks: {kind: order, length: 24}\n"
    )
    said = lawful("run", tmp_path / "soil.yaml", "--data", tmp_path / "soil.nc", "--out", tmp_path / "run", "--fast")
    assert said.code == 0 and "drawn again" not in said.err
    with xr.open_dataset(tmp_path / "run" / "ensemble.nc") as made:
        for name in ("water", "air"):
            assert float((made[name] == 0).mean()) == pytest.approx(float((ds[name] == 0).mean()), abs=0.06)
