"""`lawful check` of graphs and fields: faults planted in lawful files, each found and located in terms of the file."""

import json

import h5py
import numpy as np
import pytest
import xarray as xr
from shaped_cases import CHARGES, block_means, declare, ensemble, graphs
from small import save


@pytest.fixture
def judged(lawful, tmp_path, monkeypatch):
    """Judge a data set; the exit code and what was found."""
    word = declare(monkeypatch, tmp_path)

    def judge(domain, ds, *more):
        path = save(ds, tmp_path / "in.nc")
        said = lawful("check", path, "--domain", word(domain), "--json", *more)
        assert said.code in (0, 1), said
        return said.code, json.loads(said.out)["files"][0]

    return judge


def law(found: dict, name: str) -> dict:
    return next(row for row in found["laws"] if row["name"] == name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_lawful_holds(judged, dtype):
    for domain, name in (("rain", "rain"), ("wind", "net")):
        code, found = judged(domain, ensemble(dtype=dtype))
        assert (code, found["holds"], found["nan"]) == (0, True, 0)
        assert (found["parts"], found["stored"][name], found["stored"][f"{name}_coarse"]) == (
            3 * 5 * 24,
            dtype,
            "float64",
        )
    code, found = judged("partial-charge", graphs())
    assert (code, found["samples"], found["stored"]["charge"]) == (0, 4 * 6, "float32")


def test_one_atom_of_one_molecule_off_by_a_millionth(judged):
    ds = graphs()
    (sets,) = (dim for dim in ds.charge.dims if dim != "atom")
    ds = ds.isel({sets: [0, 0, 0]}).rename({sets: "realization"}).assign(charge=lambda ds: ds.charge.astype("f8"))
    ds["total_charge"] = ("molecule", CHARGES.sums(ds)[0])
    assert judged("partial-charge", ds)[0] == 0
    atom = int(ds.atom_count[:4].sum()) + 2
    before = float(ds.charge.transpose("realization", "atom")[1, atom])
    ds["charge"][{"realization": 1, "atom": atom}] = before * (1 + 1e-6)
    code, found = judged("partial-charge", ds)
    broken = law(found, "total")
    assert code == 1 and broken["worst"]["index"] == {"realization": 1, "molecule": 4}
    assert broken["worst"]["residual"] == pytest.approx(before * 1e-6, rel=1e-6)
    assert (broken["beyond_tolerance"], broken["beyond_by_realization"]) == (1, {"1": 1})


def test_a_molecule_is_found_by_its_total(judged):
    ds = graphs()
    ds["total_charge"][3] += 1.0
    code, found = judged("partial-charge", ds)
    total = law(found, "total")
    assert code == 1 and total["beyond_tolerance"] == 4 and total["worst"]["index"]["molecule"] == 3
    assert total["residual"]["max"] == pytest.approx(1.0, abs=1e-6)
    assert judged("partial-charge", ds, "--tol", "1.1")[0] == 0
    assert judged("partial-charge", ds, "--tol", "data")[0] == 1


def test_an_atom_out_of_bounds_is_named_by_its_molecule(judged):
    ds = graphs()
    atom = int(ds.atom_count[:2].sum()) + 5
    ds["charge"][{"atom": atom}] = 0.0
    sets = next(dim for dim in ds.charge.dims if dim != "atom")
    ds["charge"][{"atom": atom, sets: 2}] = -7.0
    code, found = judged("bounded", ds)
    below, above = found["bounds"]
    assert (code, below["violations"], below["lost"], above["violations"]) == (1, 1, 5.5, 0)
    assert (below["worst"]["event"], below["worst"]["place"]) == ("2", {sets: "2", "atom": "5"})
    assert float(ds.charge.isel(below["worst"]["index"])) == -7.0


@pytest.mark.parametrize("count", [3, 100])
def test_small_graphs_in_a_packed_file_are_allowed_no_more_than_their_own_steps(judged, count):
    """Of two atoms, 8 ulps are 8 steps of a thousandth; a large graph beside it changes nothing."""
    values = np.concatenate([[0.5, -0.49], np.zeros(count)])
    ds = xr.Dataset(
        {"charge": ("atom", values, {"units": "e"}), "total_charge": ("molecule", [0.0, 0.0]),
         "atom_count": ("molecule", [2, count])},
    )  # fmt: skip
    ds.charge.encoding = {"dtype": "i2", "scale_factor": 1e-3, "_FillValue": -32768}
    code, found = judged("partial-charge", ds)
    assert (code, law(found, "total")["beyond_tolerance"]) == (1, 1)
    assert law(found, "total")["ulps"]["max"] == pytest.approx(10, rel=1e-6)


def test_a_cell_off_by_a_millionth_is_found_by_its_block(judged):
    ds = ensemble()
    ds["rain"][2, 3, 1, 4] = 4.0 * (1 + 1e-6)
    ds["rain_coarse"][2, 3, 0, 1] += (4.0 - float(ensemble().rain[2, 3, 1, 4])) * 2 / 9
    code, found = judged("rain", ds)
    (broken,) = [row for row in found["laws"] if not row["holds"]]
    assert code == 1 and broken["name"].startswith("rain means")
    assert broken["worst"]["index"] == {"realization": 2, "time": 3, "yc": 0, "xc": 1}
    assert (broken["worst"]["event"], broken["worst"]["place"]) == ("2001-01-04T00:00:00", {"yc": "0", "xc": "1"})
    # By hand: 4e-6 mm in a cell of weight 2 of 9.
    assert broken["worst"]["residual"] == pytest.approx(4e-6 * 2 / 9, rel=1e-6)
    assert (broken["beyond_tolerance"], broken["beyond_by_realization"]) == (1, {"2": 1})


def test_one_negative_value_among_means_that_hold(judged):
    ds = ensemble().assign_coords(y=[50.0, 51.0, 52.0, 53.0], x=np.arange(6) * 2.0)
    both = ds.rain[1, 2, 3, 0:2].values.sum()
    ds["rain"][1, 2, 3, 0:2] = [-0.25, both + 0.25]
    code, found = judged("rain", ds)
    (bound,) = found["bounds"]
    assert code == 1 and all(row["holds"] for row in found["laws"])
    assert (bound["violations"], bound["lost"], bound["worst"]["value"]) == (1, 0.25, -0.25)
    assert bound["worst"]["index"] == {"realization": 1, "time": 2, "y": 3, "x": 0}
    assert bound["worst"]["place"] == {"y": "53.0", "x": "0.0"}


def test_a_law_of_a_cell(judged):
    ds = ensemble()
    ds["up"][0, 4, 2, 5] += 1e-6
    code, found = judged("wind", ds)
    names = {row["name"] for row in found["laws"] if not row["holds"]}
    assert code == 1 and names == {"net", "up means"}
    assert law(found, "net")["worst"]["index"] == {"realization": 0, "time": 4, "y": 2, "x": 5}
    assert judged("wind", ds, "--tol", "net=1e-5", "--tol", "up means=1e-5")[0] == 0
    assert judged("wind", ds, "--tol", "net=1e-5")[0] == 1


def test_what_is_not_finite_is_counted_and_the_rest_is_judged(judged):
    ds = ensemble()
    ds["rain"][0, 0, 0, 0], ds["rain"][1, 1, 3, 5] = np.nan, np.inf
    ds["rain_coarse"][2, 2, 1, 1] = np.nan
    code, found = judged("rain", ds)
    assert (code, found["holds"], found["nan"], found["infinite"]) == (1, False, 2, 1)
    assert found["not_finite_by_variable"] == {"rain": 2, "rain_coarse": 1}
    assert found["not_finite_first"]["rain_coarse"]["index"] == dict(
        zip(map(str, ds["rain_coarse"].dims), (2, 2, 1, 1), strict=True)
    )
    assert sum(row["judged"] for row in found["laws"]) == 3 * 5 * 4 - 3
    molecule = graphs()
    molecule["charge"][{"atom": 0}] = np.inf
    code, found = judged("partial-charge", molecule)
    assert (code, found["infinite"], law(found, "total")["judged"]) == (1, 4, 4 * 5)


def test_files_of_other_makers(judged):
    """Dimensions in another order and of another name, units that convert, means for all members alike."""
    ds = ensemble(members=1).isel(realization=[0, 0])
    ds["rain_coarse"] = ds.rain_coarse.isel(realization=0)
    ds["rain"] = (ds.rain / 24).assign_attrs(units="mm h-1").transpose("x", "time", "realization", "y")
    ds = ds[["rain", "rain_coarse", "area"]].rename(realization="member", rain="pr")
    code, found = judged("rain", ds, "--map", "rain=pr")
    assert code == 0 and found["realizations"] == 2
    assert found["notes"] == [
        "dimension 'member' is taken for 'realization'", "rain converted from 'mm h-1' to 'mm d-1'"
    ]  # fmt: skip
    ds["pr"][5, 2, 1, 3] += 1
    code, found = judged("rain", ds, "--map", "rain=pr")
    (broken,) = [row for row in found["laws"] if not row["holds"]]
    assert broken["worst"]["index"] == {"realization": 1, "time": 2, "yc": 1, "xc": 1}


def test_printed_digits_and_the_page(judged, tmp_path):
    ds = ensemble()
    ds["rain"] = ds.rain.round(2)
    assert judged("rain", ds)[0] == 1
    assert judged("rain", ds, "--step", "rain=0.01")[0] == 0
    ds["rain"][2, 3, 1, 4] += 1
    assert judged("rain", ds, "--html", tmp_path / "page.html")[0] == 1
    assert "2, 2001-01-04T00:00:00, yc 0, xc 1" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("most", [2**16, 20])
def test_blocks_of_all_weights_are_one_law(judged, monkeypatch, most):
    """Beside residuals by hand: rows of blocks have their weights the other way round."""
    monkeypatch.setattr("lawful.reports.physics.sketch._EXACT", most)
    ds = ensemble()
    more = np.random.default_rng(1).uniform(0, 1e-3, ds.rain.shape) * [[1], [1], [3], [3]]
    ds["rain"] = ds.rain + more
    off = block_means(ds.rain.values, ds.area.values[:, None] * np.ones((4, 6))) - ds.rain_coarse.values
    code, found = judged("rain", ds)
    (row,) = found["laws"]
    assert (code, row["name"], row["judged"], row["beyond_tolerance"]) == (1, "rain means", 60, 60)
    assert row["beyond_by_realization"] == {"0": 20, "1": 20, "2": 20}
    how, rel = ("linear", 1e-9) if most > 60 else ("lower", 0.008)
    for percent, quantile in row["residual"]["quantiles"].items():
        assert quantile == pytest.approx(np.percentile(np.abs(off), float(percent), method=how), rel=rel)
    assert row["residual"]["max"] == pytest.approx(np.abs(off).max())
    assert row["residual"]["mean"] == pytest.approx(np.abs(off).mean())
    assert row["residual"]["positive"]["sum"] == pytest.approx(off[off > 0].sum())
    assert row["cumulative"]["largest"]["sum"] == pytest.approx(np.cumsum(off, axis=1).max())
    where = row["worst"]["index"]
    assert off[tuple(where.values())] == pytest.approx(row["worst"]["residual"])
    assert [stretch["mean"] for stretch in row["along"]] == pytest.approx(off.mean((0, 2, 3)).tolist())


def test_a_unit_slip_of_the_means_is_named(judged):
    ds = ensemble()
    ds["rain_coarse"] = ds.rain_coarse * 24
    _, found = judged("rain", ds)
    assert found["laws"][0]["suspect"] == {"variable": "rain_coarse", "factor": pytest.approx(1 / 24), "shift": None}


@pytest.mark.parametrize(
    ("domain", "change", "more", "words"),
    [
        ("rain", lambda ds: ds.drop_vars("rain_coarse"), (), "has no variable 'rain_coarse'"),
        ("rain", lambda ds: ds.isel(y=slice(3)), (), "3 cells along 'y' are no multiple of blocks of 2"),
        ("rain", lambda ds: ds.isel(yc=slice(1)), (), "'rain_coarse' needs numbers along time and 2 x 2 blocks"),
        ("rain", lambda ds: ds.assign(rain=ds.rain[:, :, :, 0]), (), "has no dimension 'x'"),
        (
            "rain",
            lambda ds: ds.assign(rain=ds.rain.expand_dims(k=2)),
            (),
            "'rain' needs numbers along realization x time",
        ),
        ("rain", lambda ds: ds.assign(area=ds.area * np.nan), (), "'area' weighs no cell"),
        ("rain", lambda ds: ds, ("--tol", "total=1"), "has no law 'total'; it has rain means"),
        ("rain", lambda ds: ds, ("--step", "snow=1"), "has no variable 'snow'; it has rain, rain_coarse"),
        ("rain", lambda ds: ds, ("--map", "snow=x"), "mapping names 'snow'"),
        ("charge", lambda ds: ds.assign(atom_count=ds.atom_count + 1), (), "atom_count adds up to"),
        ("rain", lambda ds: ds.isel(realization=slice(0)), (), "holds no sample: its dimension 'realization' is empty"),
        ("charge", lambda ds: ds.isel(molecule=[], atom=[]), (), "holds no sample: its dimension 'molecule' is empty"),
        ("charge", lambda ds: ds.rename(molecule="m"), (), "no dimension 'molecule'"),
        ("charge", lambda ds: ds.assign(charge=ds.atom_count.astype(str)), (), "'charge' needs numbers along atom"),
    ],
)
def test_what_cannot_be_judged_is_one_line(judged, lawful, tmp_path, domain, change, more, words):
    ds = change(ensemble() if domain == "rain" else graphs())
    word = tmp_path / "rain.yaml" if domain == "rain" else "partial-charge"
    assert words in lawful("check", save(ds, tmp_path / "x.nc"), "--domain", word, *more).fault


@pytest.mark.parametrize("command", [("check",), ("repair", "-o", "out.nc")])
def test_plain_hdf5_has_no_dimensions(judged, lawful, tmp_path, command):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["rain"] = np.zeros((3, 4, 6))
    word, *more = command
    fault = lawful(word, tmp_path / "x.h5", "--domain", tmp_path / "rain.yaml", *more).fault
    assert "plain HDF5, which names no dimensions; graphs and fields need NetCDF or Zarr" in fault
