"""`lawful repair`: lawful as stored, the smallest change, all else bit for bit."""

import json

import h5py
import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from copula import gaussian_copula
from repair_cases import noisy, raw
from scipy.optimize import linprog, minimize
from small import BUDGET, budget_data, parts_data, save

from lawful.data_recipes import sample_path
from lawful.domains import Domain, get_domain
from lawful.domains.metabolic_flux import DOMAIN as FLUX
from lawful.pipeline.repair import repair
from lawful.pipeline.repair.metric import Correlated, Independent
from lawful.pipeline.repair.nearest import Nearest

NAMES = BUDGET.names


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_was_unlawful_is_lawful_and_what_was_lawful_is_as_it_was(lawful, tmp_path, dtype):
    path = save(noisy(dtype=dtype), tmp_path / "in.nc")
    assert lawful("check", path, "--domain", "budget").code == 1
    said = lawful("repair", path, "--domain", "budget", "-o", tmp_path / "out.nc")
    assert (said.code, said.err) == (0, "")
    assert "Of 360 samples 240 were lawful and stay as they are; 120 were repaired." in said.out
    assert lawful("check", tmp_path / "out.nc", "--domain", "budget").code == 0
    before, after = raw(path), raw(tmp_path / "out.nc")
    kept = np.arange(360) % 3 != 0
    for name in before:
        assert before[name].dtype == after[name].dtype
        keep = kept if name in NAMES else slice(None)
        assert before[name][keep].tobytes() == after[name][keep].tobytes()
    assert ((before["Rain"] == 0) <= (after["Rain"] == 0)).all()


def test_a_lawful_file_comes_out_as_it_went_in(lawful, files, tmp_path):
    said = lawful("repair", files / "budget.nc", "--domain", "budget", "-o", tmp_path / "out.nc")
    assert said.code == 0 and "0 were repaired" in said.out
    before, after = raw(files / "budget.nc"), raw(tmp_path / "out.nc")
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_it_is_the_smallest_change(tmp_path):
    """Beside a general optimiser, with sigma from the user."""
    path = save(noisy(60), tmp_path / "in.nc")
    sigmas = {"Rain": 0.5, "Evap": 0.1, "RO": 2.0, "Store": 1.0}
    found = repair(path, BUDGET, tmp_path / "out.nc", sigmas=sigmas)
    before, after = (np.stack([raw(p)[name] for name in NAMES], -1) for p in (path, tmp_path / "out.nc"))
    sigma = np.array([sigmas[name] for name in NAMES])
    assert found["sigma"] == sigmas
    for z, moved in zip(before[::3], after[::3], strict=True):
        kept = z == 0
        best = minimize(
            lambda x, z=z: (((x - z) / sigma) ** 2).sum(),
            np.where(kept, 0.0, np.maximum(z, 0)),
            jac=lambda x, z=z: 2 * (x - z) / sigma**2,
            bounds=[(0, 0 if k else None) for k in kept[:2]]
            + [(0, 0 if kept[2] else 50), (0, 0) if kept[3] else (None, None)],
            constraints=[
                {"type": "eq", "fun": lambda x: x[0] - x[1] - x[2] - x[3]},
                {"type": "ineq", "fun": lambda x: x[0] - x[2]},
            ],
            options={"ftol": 1e-14, "maxiter": 300},
        )
        cost = (((moved - z) / sigma) ** 2).sum()
        assert cost <= best.fun * (1 + 1e-6) + 1e-10


def test_a_variable_of_sigma_zero_stays(tmp_path):
    path = save(noisy(90).clip(min=0), tmp_path / "in.nc")
    for name in NAMES:
        assert xr.load_dataset(path)[name].attrs["units"] == "mm h-1"
    found = repair(path, BUDGET, tmp_path / "out.nc", sigmas={"Rain": 0.0})
    assert raw(path)["Rain"].tobytes() == raw(tmp_path / "out.nc")["Rain"].tobytes()
    assert found["left"] == 0 and found["validity"]["holds"]


def test_what_cannot_be_repaired_is_named_and_left(lawful, tmp_path):
    """Parts of a hundred percent of which one is held above it."""
    ds = parts_data()
    ds["a"][5], ds["a"][9], ds["b"][11] = 130.0, np.nan, 7.0
    path = save(ds, tmp_path / "in.nc")
    said = lawful("repair", path, "--domain", "parts", "-o", tmp_path / "out.nc", "--sigma", "a=0", "--json")
    found = json.loads(said.out)
    assert said.code == 1
    assert (found["left"], found["missing"], found["repaired"]) == (1, 1, 1)
    beyond, gap = found["unrepaired"]
    assert beyond["index"] == {"sample": 5}
    assert (gap["index"], gap["reason"]) == ({"sample": 9}, "a is missing or infinite")
    said = lawful("repair", path, "--domain", "parts", "-o", tmp_path / "text.nc", "--sigma", "a=0")
    assert "missing or infinite values: 1 (9: a is missing or infinite)." in " ".join(said.out.split())
    before, after = raw(path), raw(tmp_path / "out.nc")
    for name in "abc":
        assert before[name][[5, 9]].tobytes() == after[name][[5, 9]].tobytes()


def test_zeros_give_way_where_the_laws_ask_for_it():
    """Nothing but zeros cannot add up to a hundred."""
    domain = get_domain("parts")
    moved, found = Nearest(domain, Independent(torch.ones(3).double()), np.zeros(3))(
        np.array([[0.0, 0, 0], [0, 40, 50], [0, 0, 90]])
    )
    assert found.all()
    np.testing.assert_allclose(moved, [[100 / 3] * 3, [0, 45, 55], [0, 0, 100]], atol=1e-12)


def packed(path, kind="i2", scale=0.01, rain=None):
    """A rich file: packed members on an unlimited time axis, chunks, a group, text, a fill value, user types."""
    ds = noisy(40)
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({"title": "somebody's", "history": "made", "Conventions": "CF-1.8"})
        file.createDimension("time", None)
        file.createDimension("member", 2)
        file.createDimension("bnds", 2)
        time = file.createVariable("time", "i4", ("time",), chunksizes=(8,))
        time.setncatts({"units": "hours since 2012-03-05", "bounds": "time_bnds"})
        time[:] = np.arange(40) * 3
        file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.arange(80).reshape(40, 2)
        file.createVariable("flag", "i1", ("time",), fill_value=-9)[:] = np.arange(40) % 3
        file.createVariable("station", str, ("member",))[:] = np.array(["north", "süd"], dtype=object)
        for name in NAMES:
            v = file.createVariable(
                name, kind, ("time", "member"), zlib=True, complevel=3, shuffle=True, chunksizes=(16, 2),
                fill_value=-32768 if kind == "i2" else None,
            )  # fmt: skip
            v.setncatts({"units": "mm h-1", "comment": f"{name} as it was"})
            if kind == "i2":
                v.setncatts({"scale_factor": scale, "add_offset": 5.0})
            v[:] = np.stack([ds[name], ds[name] * 0.5], -1)
        if rain is not None:
            file["Rain"][3, 1] = rain
        group = file.createGroup("more")
        group.createDimension("x", 3)
        group.createVariable("y", "f4", ("x",))[:] = [1, 2, 3]
        group.note = "kept"
    return path


def described(group: netCDF4.Dataset) -> dict:
    """Everything of a file but the numbers of the budget and the history."""
    found: dict = {"attributes": {k: group.getncattr(k) for k in group.ncattrs() if k != "history"}}
    found["dims"] = {name: (len(dim), dim.isunlimited()) for name, dim in group.dimensions.items()}
    for name, v in group.variables.items():
        v.set_auto_maskandscale(False)
        storage = (v.dtype, v.dimensions, v.filters(), v.chunking(), v.endian())
        attributes = {k: np.asarray(v.getncattr(k)).tobytes() for k in v.ncattrs()}
        numbers = None if name in NAMES else (v[...].tolist() if v.dtype is str else v[...].tobytes())
        found[name] = (storage, attributes, list(v.ncattrs()), numbers)
    found["groups"] = {name: described(inner) for name, inner in group.groups.items()}
    return found


@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_everything_else_comes_through(tmp_path, kind, lawful):
    path, out = packed(tmp_path / "in.nc", kind), tmp_path / "out.nc"
    said = lawful("repair", path, "--domain", "budget", "-o", out, "--map", "time=time")
    assert said.code == 0, said
    with netCDF4.Dataset(path) as before, netCDF4.Dataset(out) as after:
        assert described(before) == described(after)
        first, second = after.history.split("\n")
    assert first == "made"
    assert second.endswith(" lawful repair in.nc --domain budget -o out.nc --map time=time")
    assert "note: dimension 'member' is taken for 'realization'" in said.err
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["in.nc", "out.nc"]


def test_packed_numbers_that_cannot_reach_are_left_with_the_reason(tmp_path):
    """Steps of 0.0005 about 5 reach from -11.4 to 21.4: a runoff of 21 leaves no room for what the law would have."""
    path = packed(tmp_path / "in.nc", scale=0.0005, rain=21.0)
    with netCDF4.Dataset(path, "r+") as file:
        file["RO"][3, 1], file["Evap"][3, 1], file["Store"][3, 1] = 21.0, 21.0, 21.0
    found = repair(path, BUDGET, tmp_path / "out.nc", sigmas={"RO": 0.0, "Evap": 0.0, "Store": 0.001})
    left = next(one for one in found["unrepaired"] if one["index"] == {"time": 3, "realization": 1})
    assert "too coarse, or do not reach" in left["reason"]
    assert not found["validity"]["holds"]


def tenths(path, kind, fill):
    """Hours far off, in steps of a tenth, with a fill value among them; unsigned, runoff is never as low as no rain."""
    ds, rng = noisy(), np.random.default_rng(0)
    ds["Store"] = (ds["Store"].dims, ds["Store"].to_numpy() + rng.normal(0, 4, 360), ds["Store"].attrs)
    low = {"Evap": -2.0, "Store": -12.0, "RO": 0.04} if kind == "u1" else {}
    ds.clip(min=-12).to_netcdf(path, encoding={
        name: {"dtype": kind, "scale_factor": 0.1, "add_offset": low.get(name, 0.0), "_FillValue": fill}
        for name in NAMES
    })  # fmt: skip
    return path


@pytest.mark.parametrize(("kind", "fill"), [("i2", 7), ("i2", 3), ("u1", 255)])
def test_no_number_is_written_that_stands_for_a_missing_one(tmp_path, kind, fill):
    path = tenths(tmp_path / "in.nc", kind, fill)
    found = repair(path, BUDGET, tmp_path / "out.nc")
    before, after = raw(path), raw(tmp_path / "out.nc")
    assert found["repaired"] > 50
    for name in NAMES:
        assert ((after[name] == fill) == (before[name] == fill)).all()
    assert found["validity"]["not_finite_by_variable"] == {
        name: int((before[name] == fill).sum()) for name in NAMES if (before[name] == fill).any()
    }


def test_plain_hdf5_is_repaired_in_its_own_places(tmp_path):
    ds = noisy()
    with h5py.File(tmp_path / "in.h5", "w") as file:
        for name in NAMES:
            file.create_dataset(f"met/{name}", data=ds[name].to_numpy().astype("f4"), chunks=(50,), compression="gzip")
            file[f"met/{name}"].attrs["units"] = "mm h-1"
        file["other/table"] = np.arange(7)
    found = repair(tmp_path / "in.h5", BUDGET, tmp_path / "out.h5")
    assert found["validity"]["holds"] and found["repaired"] == 120
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["other/table"][...].tolist() == list(range(7))
        assert file["met/Rain"].compression == "gzip" and "lawful repair in.h5" in file.attrs["history"]


def test_units_of_the_file_stay(tmp_path):
    ds = noisy(dtype=np.float32)
    ds["RO"] = (ds["RO"].dims, ds["RO"].to_numpy() * np.float32(24), {"units": "mm day-1"})
    found = repair(save(ds, tmp_path / "in.nc"), BUDGET, tmp_path / "out.nc")
    assert found["validity"]["holds"]
    assert xr.load_dataset(tmp_path / "out.nc")["RO"].attrs["units"] == "mm day-1"


def test_what_it_did_to_the_moments(tmp_path):
    path = save(noisy(), tmp_path / "in.nc")
    found = repair(path, BUDGET, tmp_path / "out.nc")
    before, after = (np.stack([raw(p)[name] for name in NAMES], -1) for p in (path, tmp_path / "out.nc"))
    for j, row in enumerate(found["variables"]):
        move = np.abs(after - before)[:, j]
        assert row["changed"] == np.count_nonzero(move)
        expected = (move.max(), move[move > 0].mean(), *(m[:, j].mean() for m in (before, after)))
        assert (row["max"], row["mean"], row["mean_before"], row["mean_after"]) == pytest.approx(expected)
        assert (row["sd_before"], row["sd_after"]) == pytest.approx((before[:, j].std(), after[:, j].std()))
    change = found["correlation"]
    i, j = (NAMES.index(name) for name in change["variables"])
    assert change["before"] == pytest.approx(np.corrcoef(before.T)[i, j])
    assert change["after"] == pytest.approx(np.corrcoef(after.T)[i, j])


@pytest.mark.parametrize("seed", range(3))
def test_what_no_longer_varies_has_no_correlation(lawful, tmp_path, seed):
    """A dry spell, for which a solver gave some water of less than zero."""
    ds, rng = budget_data(240), np.random.default_rng(seed)
    for name in ("Rain", "RO"):
        ds[name] = (ds[name].dims, -1e-13 * rng.random(240), ds[name].attrs)
    path = save(ds, tmp_path / "in.nc")
    said = lawful("repair", path, "--domain", "budget", "-o", tmp_path / "out.nc", "--json")
    change = json.loads(said.out)["correlation"]
    assert said.code == 0 and max(abs(change["before"]), abs(change["after"])) <= 1 and change["rms_change"] <= 2


def test_an_outlier_does_not_correlate_with_itself(tmp_path):
    ds = noisy()
    ds["Store"][5] = 1e36
    change = repair(save(ds, tmp_path / "in.nc"), BUDGET, tmp_path / "out.nc")["correlation"]
    assert len(set(change["variables"])) == 2


def test_sigmas_of_heavy_tails_are_standard_deviations(tmp_path, urban):
    domain, data = urban
    found = repair(save(data[list(domain.names)], tmp_path / "in.nc"), domain, tmp_path / "out.nc")
    assert found["notes"] == []
    for name in domain.names:
        assert found["sigma"][name] == pytest.approx(float(data[name].std()), rel=1e-9), name


def test_blocks_do_not_matter(tmp_path, monkeypatch):
    path = packed(tmp_path / "in.nc", "f4")
    repair(path, BUDGET, tmp_path / "whole.nc")
    monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", 3)
    monkeypatch.setattr("lawful.reports.physics.columns._PIECE", 2)
    repair(path, BUDGET, tmp_path / "parts.nc")
    whole, parts = raw(tmp_path / "whole.nc"), raw(tmp_path / "parts.nc")
    for name in NAMES:
        np.testing.assert_allclose(whole[name], parts[name], rtol=1e-6, atol=1e-6)


def test_a_black_box_ensemble_of_real_data(tmp_path, urban):
    """A Gaussian copula of hourly fluxes has the right marginals, and breaks every law in every hour."""
    domain, data = urban
    made = gaussian_copula(data, domain.names, members=2, events=700, seed=0)
    ds = xr.Dataset(
        {name: (("realization", "time"), made[..., j], {"units": data[name].attrs["units"]}) for j, name in
         enumerate(domain.names)}, {"time": data["time"][:700]},
    )  # fmt: skip
    path = save(ds, tmp_path / "copula.nc")
    found = repair(path, domain, tmp_path / "lawful.nc")
    assert found["validity"]["holds"] and found["left"] == 0
    after = xr.load_dataset(tmp_path / "lawful.nc")
    for j, name in enumerate(domain.names):
        zeros = made[..., j] == 0
        if zeros.any():
            assert (after[name].to_numpy()[zeros] == 0).mean() > 0.9


def test_a_failure_leaves_nothing_behind(lawful, tmp_path, monkeypatch):
    path = save(noisy(), tmp_path / "in.nc")
    (tmp_path / "out.nc").write_bytes(b"old")

    def full(attributes, command):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lawful.data_recipes.rewrite._carry_on_history", full)
    assert (
        "No space left" in lawful("repair", path, "--domain", "budget", "-o", tmp_path / "out.nc", "--overwrite").fault
    )
    assert (tmp_path / "out.nc").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.nc", "out.nc"]


def test_an_ensemble_of_stacked_events_is_repaired_as_it_lies(tmp_path):
    """Events of a generated ensemble are points of time and station, along one dimension."""
    domain = BUDGET.model_copy(update={"event_dim": "event", "stack": ("time", "station"), "context": ()})
    ds = noisy().drop_vars("time").rename(time="event").expand_dims(realization=2)
    found = repair(save(ds, tmp_path / "in.nc"), domain, tmp_path / "out.nc")
    assert (found["repaired"], found["validity"]["holds"]) == (240, True)


def test_no_file_is_lost(lawful, tmp_path):
    path, command = save(noisy(), tmp_path / "in.nc"), ("--domain", "budget", "-o")
    before, other, link = path.read_bytes(), tmp_path / "other.nc", tmp_path / "link.nc"
    link.symlink_to(path)
    for out in (path, link):
        for options in ((), ("--overwrite",)):
            assert "is the file that is repaired" in lawful("repair", path, *command, out, *options).fault
    other.write_bytes(b"old")
    assert "other.nc exists; give another name to -o, or --overwrite" in lawful("repair", path, *command, other).fault
    assert (path.read_bytes(), other.read_bytes()) == (before, b"old")
    assert lawful("repair", path, *command, other, "--overwrite").code == 0
    assert lawful("check", other, "--domain", "budget").code == 0
    assert "there is no folder" in lawful("repair", path, *command, tmp_path / "gone/out.nc").fault


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sigma", "Snow=1"), "no variable 'Snow'"),
        (("--sigma", "Rain=-1"), "--sigma Rain=-1: expected a number of zero or more"),
        (("--sigma", "Rain"), "--sigma Rain: expected VAR=NUMBER"),
    ],
)
def test_wrong_options_are_one_line(lawful, files, tmp_path, options, words):
    command = ("repair", files / "budget.nc", "--domain", "budget", "-o", tmp_path / "o.nc")
    assert words in lawful(*command, *options).fault
    assert not (tmp_path / "o.nc").exists()


def test_a_table_is_refused_for_what_it_is(lawful, tmp_path):
    noisy().to_dataframe().to_csv(tmp_path / "in.csv")
    said = lawful("repair", tmp_path / "in.csv", "--domain", "budget", "-o", tmp_path / "o.nc")
    assert "in.csv: numbers can be exchanged in NetCDF and HDF5 files alone" in said.fault
    assert not (tmp_path / "o.nc").exists()


@pytest.fixture(scope="module")
def urban() -> tuple[Domain, xr.Dataset]:
    from lawful.data_recipes import sample_path
    from lawful.domains.surface_balance import DOMAIN

    with xr.open_dataset(sample_path(DOMAIN)) as data:
        return DOMAIN, data.load()


def test_variables_that_go_together_move_together(tmp_path):
    """Beside scipy on the quadratic programme, for states that leave their bounds and for those that do not."""
    rng = np.random.default_rng(3)
    root = rng.normal(size=(4, 4))
    covariance = 0.99 * root @ root.T + 0.01 * np.diag(np.diagonal(root @ root.T))
    z = np.array([[1.0, 0.2, 0.1, 0.3], [0.3, 0.9, -0.4, 0.2], [-0.2, 0.1, 0.5, 0.05], [2.0, 1.0, 3.0, -1.0]])
    moved, found = Nearest(BUDGET, Correlated(torch.from_numpy(root @ root.T)), np.zeros(4))(z)
    assert found.all() and BUDGET.system().ulps(torch.from_numpy(moved)).max() <= 8
    for one, other in zip(z, moved, strict=True):
        best = minimize(
            lambda x, one=one: (x - one) @ np.linalg.solve(covariance, x - one), np.maximum(one, 0.1), method="SLSQP",
            bounds=[(0, None), (0, None), (0, 50), (None, None)], options={"ftol": 1e-14, "maxiter": 500},
            constraints=[
                {"type": "eq", "fun": lambda x: x[0] - x[1:].sum()}, {"type": "ineq", "fun": lambda x: x[0] - x[2]},
            ],
        )  # fmt: skip
        distance = (other - one) @ np.linalg.solve(covariance, other - one)
        assert best.success and distance <= best.fun * (1 + 1e-6) + 1e-12


def test_the_covariance_of_the_file_as_metric(lawful, tmp_path):
    ds = budget_data(360)
    rng = np.random.default_rng(4)
    for name in NAMES:
        ds[name] = ds[name] + 0.2 * rng.normal(size=360) * (ds[name] != 0)
    path = save(ds, tmp_path / "in.nc")
    options = ("--domain", "budget", "--sigma", "covariance", "--sigma", "Rain=0")
    said = lawful("repair", path, *options, "-o", tmp_path / "out.nc", "--json")
    found = json.loads(said.out)
    held = [sample for sample in ("Rain",) if raw(path)[sample].tobytes() == raw(tmp_path / "out.nc")[sample].tobytes()]
    assert held == ["Rain"] and found["repaired"] > 200
    plain = lawful("repair", path, "--domain", "budget", "-o", tmp_path / "plain.nc", "--json")
    assert json.loads(plain.out)["correlation"]["rms_change"] > 0
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert file.history.endswith("--sigma Rain=0 --sigma covariance")


def test_corners_are_met_with_the_covariance_too(tmp_path):
    """Ends of linear programmes, as flux balance analysis gives them, with noise on all fluxes."""
    (A, b, _), (C, d, _), rng = FLUX.matrix(), FLUX.inequality_matrix(), np.random.default_rng(2)
    given = np.array([v.given for v in FLUX.variables])
    with xr.open_dataset(sample_path(FLUX)) as sample:
        media = np.stack([sample[name].to_numpy()[:16] for name in FLUX.names], -1)
    columns = {name: np.zeros(16) for name in FLUX.names}
    for k, medium in enumerate(media):
        low, high = (np.where(given, medium, end) for end in (FLUX.lower, FLUX.upper))
        end = linprog(rng.normal(size=len(given)), C, d, A, b, np.stack([low, high], 1)).x
        for name, value, own in zip(FLUX.names, end, given, strict=True):
            columns[name][k] = value if own else value + 1e-6 * rng.normal()
    ds = xr.Dataset({name: ("state", values) for name, values in columns.items()})
    found = repair(save(ds, tmp_path / "in.nc"), FLUX, tmp_path / "out.nc", correlated=True)
    assert (found["repaired"], found["left"]) == (16, 0) and found["validity"]["holds"]
    assert max(row["max"] for row in found["variables"]) < 0.01
