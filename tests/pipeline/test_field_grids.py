"""Fields are made fine on the grid that their model was trained on, whatever else a file brings."""

import numpy as np
import pytest
import xarray as xr
from shaped_cases import RAIN, RAIN_FILE, block_means, fields
from small import save

from lawful.data_recipes.shaped import read_shaped
from lawful.domains import InputError

LATITUDE = ("y", [52.0, 51.0, 50.0, 49.0], {"units": "degrees_north"})


@pytest.fixture
def trained(tmp_path):
    """What a model was trained on: from north to south, with weights that differ by row."""
    data = fields(60).assign_coords(y=LATITUDE, x=("x", np.arange(6.0)))
    return read_shaped(save(data, tmp_path / "data.nc"), RAIN)[0]


def asked(trained, dims=("time", "yc", "xc"), **more):
    """Coarse fields for 5 days, and nothing else that the training data have."""
    means = trained.rain_coarse[:5].values.transpose(*(("time", "yc", "xc").index(dim) for dim in dims))
    return xr.Dataset({"rain_coarse": (dims, means, {"units": "mm d-1"}), **more}, {"time": trained.time[:5]})


def read(ds, trained, tmp_path):
    return read_shaped(save(ds, tmp_path / "asked.nc"), RAIN, like=trained)


def test_blocks_have_coordinates(trained):
    assert np.array_equal(trained.y_coarse, [51.5, 49.5]) and trained.y_coarse.units == "degrees_north"
    assert np.array_equal(trained.x_coarse, [1, 4])


def test_what_never_changes_comes_from_the_training_data(trained, tmp_path):
    found, notes, _ = read(asked(trained), trained, tmp_path)
    assert notes == ["height, area taken from the training data"]
    for name in ("height", "area", "y", "x", "y_coarse", "x_coarse"):
        assert np.array_equal(found[name], trained[name]), name
    assert np.array_equal(found.rain_coarse, trained.rain_coarse[:5])


@pytest.mark.parametrize("dims", [("time", "yc", "xc"), ("xc", "yc", "time"), ("time", "xc", "yc")])
def test_rows_of_blocks_are_known_by_their_names(trained, tmp_path, dims):
    found, _, _ = read(asked(trained, dims), trained, tmp_path)
    assert found.rain_coarse.dims == ("time", "y_coarse", "x_coarse")
    assert np.array_equal(found.rain_coarse, trained.rain_coarse[:5])


def test_rows_of_blocks_come_first_where_names_do_not_tell(trained, tmp_path):
    found, _, _ = read(asked(trained).rename(yc="a", xc="b"), trained, tmp_path)
    assert np.array_equal(found.rain_coarse, trained.rain_coarse[:5])


def test_weights_of_another_unit_are_those_of_the_training_data(trained, tmp_path):
    found, _, _ = read(asked(trained, area=trained.area.astype("float32") * 1000), trained, tmp_path)
    assert np.array_equal(found.area, trained.area) and found.area.dtype == trained.area.dtype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds, data: ds.assign(area=data.area**2), "'area' weighs cells otherwise than the training data"),
        (lambda ds, data: ds.assign(height=data.height[::-1]), "'y' runs the other way than in the training data"),
        (
            lambda ds, data: ds.assign_coords(yc=[49.5, 51.5]),
            r"y_coarse runs from 49\.5 .* turn the coarse fields round",
        ),
        (
            lambda ds, data: ds.assign_coords(yc=("yc", [12.0, 10.0], {"units": "degrees_north"})),
            "the blocks are not those of these cells",
        ),
        (lambda ds, data: ds.isel(yc=[0]), "1 places along 'y_coarse'; the model was trained on 2, 4 x 6 cells"),
        (lambda ds, data: ds.assign(height=data.height[:2]), "2 places along 'y'; the model was trained on 4"),
    ],
)
def test_another_grid_is_refused(trained, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read(change(asked(trained), trained), trained, tmp_path)


@pytest.mark.parametrize("labels", [[0, 1], [51.5, 49.5], ["north", "south"]])
def test_blocks_may_be_numbered_or_named(trained, tmp_path, labels):
    found, _, _ = read(asked(trained).assign_coords(yc=labels), trained, tmp_path)
    assert np.array_equal(found.rain_coarse, trained.rain_coarse[:5])


def test_another_region_is_said(trained, tmp_path):
    elsewhere = trained.height.assign_coords(y=LATITUDE[1] + np.array(-40.0))
    _, notes, _ = read(asked(trained, height=elsewhere), trained, tmp_path)
    assert "y runs from 12 to 9, in the training data from 52 to 49" in notes


def test_weights_and_covariates_along_columns_or_rows_alone(tmp_path):
    data = fields(60)
    data["area"], data["height"] = ("x", np.arange(1.0, 7.0)), data.height[:, 0].drop_vars("x", errors="ignore")
    found, _, _ = read_shaped(save(data, tmp_path / "data.nc"), RAIN)
    by_hand = block_means(data.rain.values[None].astype(float), np.ones((4, 1)) * np.arange(1.0, 7.0))[0]
    np.testing.assert_allclose(found.rain_coarse, by_hand, rtol=1e-13)
    told = RAIN.fields(found).context[0, 0]
    assert told.shape == (4, 6) and (told == told[:, :1]).all() and np.allclose(told[:, 0], data.height, rtol=1e-6)


@pytest.mark.parametrize(
    ("area", "message"),
    [
        (("time", np.ones(60)), "'area' needs numbers along y x x, the same for all samples, not along time"),
        (("y", [1.0, -2.0, 1.0, 1.0]), "'area' weighs cells by -2; no weight is below zero"),
        (("y", [1.0, np.inf, 1.0, 1.0]), "'area' weighs cells by inf"),
        (("y", [0.0, np.nan, 0.0, 0.0]), "'area' weighs no cell"),
    ],
)
def test_weights_that_cannot_be_are_named(tmp_path, area, message):
    with pytest.raises(InputError, match=message):
        read_shaped(save(fields(60).assign(area=area), tmp_path / "data.nc"), RAIN)


def test_a_run_makes_no_ensemble_for_other_weights(lawful, tmp_path):
    (tmp_path / "rain.yaml").write_text(RAIN_FILE)
    out, data = tmp_path / "run", fields(60)
    file = save(data, tmp_path / "data.nc")
    assert lawful("train", tmp_path / "rain.yaml", "--data", file, "--out", out, "--fast").code == 0
    other = save(data.assign(area=data.area**2), tmp_path / "other.nc")
    assert "'area' weighs cells otherwise" in lawful("generate", out, "--data", other).fault
    alone = save(data[["rain"]].isel(time=slice(3)), tmp_path / "alone.nc")
    assert lawful("generate", out, "--data", alone, "--members", 2).code == 0
    assert lawful("check", out / "ensemble.nc", "--domain", out / "domain.yaml").code == 0


def test_fields_go_by_another_name_in_the_file(tmp_path):
    called = RAIN.model_copy(update={"variables": (RAIN.variables[0].model_copy(update={"source": "pr"}),)})
    file = save(fields(60).rename(rain="pr"), tmp_path / "data.nc")
    assert np.array_equal(read_shaped(file, called)[0].rain, fields(60).rain)
