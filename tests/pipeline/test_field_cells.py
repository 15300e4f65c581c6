"""Fields over land alone: cells that are missing in every sample, or weigh nothing, are not of the field."""

import json

import numpy as np
import pytest
import xarray as xr
from shaped_cases import RAIN, RAIN_FILE, SHORT, WIND, WIND_FILE, ensemble, fields
from small import save

from lawful.core.models.fields import FieldSettings
from lawful.data_recipes.shaped import read_shaped
from lawful.domains import InputError
from lawful.pipeline.fields import FieldKind

SEA = np.zeros((4, 6), dtype=bool)
"""A whole block of 2 x 3 cells, and some of two others."""
SEA[:2, 3:] = SEA[0, 0] = SEA[3, 4] = SEA[3, 5] = True
LAND = xr.DataArray(~SEA, dims=("y", "x"))


def over_land(ds):
    """The same without values of the sea."""
    cells = {name: values.where(LAND) for name, values in ds.items() if {"y", "x"} <= set(values.dims)}
    blocks = {
        name: values.where(xr.DataArray([[True, False], [True, True]], dims=("yc", "xc")))
        for name, values in ds.items() if "yc" in values.dims
    }  # fmt: skip
    return ds.assign({name: values.transpose(*ds[name].dims) for name, values in {**cells, **blocks}.items()})


def means(ds, name):
    """By hand: (time, 2, 2) means over the land of a block, by area for rain."""
    weights = np.where(SEA, 0.0, ds.area.values[:, None] if name == "rain" else 1.0)
    x, found = ds[name].values.astype(float), np.full((*ds[name].shape[:-2], 2, 2), np.nan)
    for row, column in ((0, 0), (1, 0), (1, 1)):
        cells = (slice(2 * row, 2 * row + 2), slice(3 * column, 3 * column + 3))
        found[..., row, column] = (np.nan_to_num(x[(..., *cells)]) * weights[cells]).sum((-2, -1)) / weights[
            cells
        ].sum()
    return found


def lawful_ensemble():
    """`ensemble` over land, with the means of that."""
    ds = over_land(ensemble())
    return ds.assign(
        {f"{name}_coarse": ds[f"{name}_coarse"].copy(data=means(ds, name)) for name in ("rain", *WIND.names)}
    )


@pytest.mark.parametrize("domain", [RAIN, WIND], ids=["rain", "wind"])
def test_means_are_those_of_the_land(domain, tmp_path):
    data = over_land(fields())
    found, notes, _ = read_shaped(save(data, tmp_path / "data.nc"), domain)
    assert found.sizes["time"] == 80
    weightless = ", or area is zero" if domain is RAIN else ""
    assert (
        f"9 of 24 cells are not of the field: {', '.join(domain.names)} missing in every day{weightless}; "
        "block means are those of the others; 1 blocks have no cell"
    ) in notes
    for name in domain.names:
        np.testing.assert_allclose(found[f"{name}_coarse"], means(data, name), rtol=1e-6, atol=1e-6)
        assert (np.isnan(found[name]) == SEA).all()


def test_the_sea_is_told_by_weights_too(tmp_path):
    area = xr.DataArray([1.0, 2.0, 2.0, 1.0], dims="y") * LAND
    by_weight, _, _ = read_shaped(save(fields().assign(area=area), tmp_path / "a.nc"), RAIN)
    missing, _, _ = read_shaped(save(over_land(fields()), tmp_path / "b.nc"), RAIN)
    for name in ("rain", "rain_coarse"):
        assert np.array_equal(by_weight[name], missing[name], equal_nan=True)
    holes, _, _ = read_shaped(save(fields().assign(area=area.where(LAND)), tmp_path / "c.nc"), RAIN)
    assert np.array_equal(RAIN.weights_of(holes), RAIN.weights_of(missing))


def test_a_cell_that_one_variable_lacks_is_of_no_field(tmp_path):
    data = fields()
    data["up"] = data.up.where(LAND)
    found, _, _ = read_shaped(save(data, tmp_path / "data.nc"), WIND)
    assert (np.isnan(found.down) == SEA).all()


def test_a_day_that_lacks_land_is_left_out(tmp_path):
    data = over_land(fields())
    data.rain[7, 3, 0] = np.nan
    found, notes, _ = read_shaped(save(data, tmp_path / "data.nc"), RAIN)
    assert found.sizes["time"] == 79 and "1 of 80 days left out for missing values" in notes


def test_covariates_may_be_missing_at_sea(tmp_path):
    data = over_land(fields())
    assert np.isnan(data.height).sum() == 9
    trained, _, _ = read_shaped(save(data, tmp_path / "data.nc"), RAIN)
    asked = xr.Dataset({"rain_coarse": trained.rain_coarse[:3]}, {"time": trained.time[:3]})
    for ds in (trained, read_shaped(save(asked, tmp_path / "asked.nc"), RAIN, like=trained)[0]):
        told = RAIN.fields(ds).context[0, 0].numpy()
        assert np.allclose(told[~SEA], data.height.values[~SEA]) and np.isnan(told[SEA]).all()
    data["height"] = data.height.where(data.x != 2)
    with pytest.raises(InputError, match="'height' is not finite everywhere"):
        read_shaped(save(data, tmp_path / "holes.nc"), RAIN)


@pytest.mark.parametrize("row", [0, 1])
def test_a_covariate_by_row_may_be_missing_where_all_of_a_row_is_sea(row, tmp_path):
    data = fields().assign(height=("y", [1.0, 2.0, 3.0, 4.0]))
    data["rain"], data["height"] = data.rain.where(np.arange(4)[:, None] > 0), data.height.where(np.arange(4) != row)
    file = save(data, tmp_path / "data.nc")
    if row:
        with pytest.raises(InputError, match="'height' is not finite everywhere"):
            read_shaped(file, RAIN)
    else:
        assert np.isnan(RAIN.fields(read_shaped(file, RAIN)[0]).context[0, 0, 0]).all()


def test_cells_beside_the_sea_and_whole_fields_are_judged_by_their_land(tmp_path):
    found, _, _ = read_shaped(save(over_land(fields()), tmp_path / "data.nc"), RAIN)
    views = RAIN.views(found)
    near = views.likeness.of(found)
    # Of the cells with a next row and column, seven have no sea there.
    assert near.sizes["cell"] == 80 * 7 and all(near[name].notnull().all() for name in near.data_vars)
    assert (near.rain_row.values[:4] == found.rain.values[0][[1, 2, 2, 3], [1, 0, 1, 0]]).all()
    assert (near.rain_column.values[:4] == found.rain.values[0][[0, 1, 1, 2], [2, 1, 2, 1]]).all()
    whole = views.grid.of(found)
    day = np.array([whole[f"rain[{k + 1}]"][3] for k in range(24)])
    land = found.rain.values[3][~SEA]
    assert np.array_equal(day[~SEA.ravel()], land) and np.allclose(day[SEA.ravel()], land.mean())


def test_other_files_have_the_land_of_the_training_data(tmp_path):
    trained, _, _ = read_shaped(save(over_land(fields()), tmp_path / "data.nc"), RAIN)
    everywhere = save(fields(9, seed=1), tmp_path / "all.nc")
    found, _, _ = read_shaped(everywhere, RAIN, like=trained)
    assert (np.isnan(found.rain) == SEA).all()
    np.testing.assert_allclose(found.rain_coarse, means(fields(9, seed=1), "rain"), rtol=1e-6)
    less = fields(9, seed=1)
    less["rain"] = less.rain.where(less.y != 3)
    with pytest.raises(InputError, match="rain is missing in 4 of 15 cells in every day"):
        read_shaped(save(less, tmp_path / "less.nc"), RAIN, like=trained)
    coarse = xr.Dataset({"rain_coarse": (("time", "yc", "xc"), np.ones((3, 2, 2)))}, {"time": trained.time[:3]})
    found, _, _ = read_shaped(save(coarse, tmp_path / "coarse.nc"), RAIN, like=trained)
    assert np.isnan(found.rain_coarse[:, 0, 1]).all() and (found.rain_coarse == 1).sum() == 9
    coarse["rain_coarse"] = coarse.rain_coarse.where(coarse.yc != 1)
    with pytest.raises(InputError, match="rain_coarse is missing in 2 of 3 cells"):
        read_shaped(save(coarse, tmp_path / "none.nc"), RAIN, like=trained)


@pytest.fixture(params=["rain", "wind"])
def declared(request, tmp_path, monkeypatch):
    """The domain's name, and its file."""
    monkeypatch.setattr("lawful.domains.field_views.COMPARED", 300)
    monkeypatch.setattr(FieldKind, "schedule", lambda self, fast: SHORT)
    monkeypatch.setattr(FieldKind, "settings", lambda self, domain, fast: FieldSettings(8, 1, 2))
    file = tmp_path / f"{request.param}.yaml"
    file.write_text((RAIN_FILE if request.param == "rain" else WIND_FILE) + "covariates: [height]\n")
    return request.param, file


def test_the_whole_way(declared, lawful, tmp_path):
    name, domain = declared
    name = "rain" if name == "rain" else "net"
    out, data = tmp_path / "run", save(over_land(fields()), tmp_path / "data.nc")
    said = lawful("run", domain, "--data", data, "--out", out, "--members", 3, "--fast")
    assert said.code == 0, said
    report = json.loads((out / "report.json").read_text())
    validity = report["validity"]["ensemble"]
    assert validity["holds"] and validity["nan"] == 0
    assert all(law["ulps"]["max"] <= 8 for law in validity["laws"])
    assert {f"spectrum:{name}", f"blocks:{name}", "auc"} <= {row["measure"] for row in report["fidelity"]["summary"]}
    assert (out / "figures" / "maps.png").exists()
    made = xr.load_dataset(out / "ensemble.nc")
    assert (np.isnan(made[name]) == SEA).all()
    np.testing.assert_allclose(
        means(made.assign(area=fields().area), name),
        np.broadcast_to(made[f"{name}_coarse"], (3, *made[f"{name}_coarse"].shape)),
        atol=1e-12,
    )
    judged = lawful("check", out / "ensemble.nc", "--domain", domain)
    assert judged.code == 0 and "9 of 24 cells are not of the field" in judged.out + judged.err
    coarse = made[[f"{v}_coarse" for v in ([name] if name == "rain" else WIND.names)]].isel(time=slice(4))
    asked = save(coarse.drop_vars("realization", errors="ignore"), tmp_path / "coarse.nc")
    assert lawful("generate", out, "--data", asked, "--members", 2).code == 0
    again = xr.load_dataset(out / "ensemble.nc")
    assert again[name].shape == (2, 4, 4, 6) and (np.isnan(again[name]) == SEA).all()


def test_faults_over_land_are_found_where_they_are(declared, lawful, tmp_path):
    name, domain = declared
    name = "rain" if name == "rain" else "net"
    file = save(lawful_ensemble(), tmp_path / "ensemble.nc")
    assert lawful("check", file, "--domain", domain).code == 0
    wrong = lawful_ensemble()
    wrong[name][1, 2, 2, 0] += 1 / 8
    file = save(wrong, tmp_path / "wrong.nc")
    said = lawful("check", file, "--domain", domain, "--json")
    assert said.code == 1
    found = json.loads(said.out)["files"][0]
    broken = [law for law in found["laws"] if not law["holds"]]
    assert [law["name"] for law in broken] == ([f"{name} means"] if name == "rain" else ["net means", "net"])
    wrong = lawful_ensemble()
    wrong[name][1, 2, 2, 0] = np.nan
    wrong[f"{name}_coarse"][1, 3, 1, 1] = np.nan
    said = lawful("check", save(wrong, tmp_path / "holes.nc"), "--domain", domain, "--json")
    found = json.loads(said.out)["files"][0]
    assert said.code == 1 and found["not_finite_by_variable"] == {name: 1, f"{name}_coarse": 1}


def test_fields_over_land_are_repaired(declared, lawful, tmp_path):
    name, domain = declared
    name = "rain" if name == "rain" else "net"
    wrong = lawful_ensemble()
    wrong[name][1, 2, 2, 0] += 1 / 8
    file, out = save(wrong, tmp_path / "wrong.nc"), tmp_path / "mended.nc"
    assert lawful("repair", file, "--domain", domain, "--output", out).code == 0
    assert lawful("check", out, "--domain", domain).code == 0
    mended = xr.load_dataset(out)
    changed = (mended[name] != wrong[name]) & ~np.isnan(wrong[name])
    assert changed.any() and not changed[:, :, :2].any() and (np.isnan(mended[name]) == SEA).all()
