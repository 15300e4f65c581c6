"""`lawful repair` of graphs and fields: the least change, all else bit for bit, and what is left named by its place."""

import json

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from scipy.optimize import minimize
from shaped_cases import CHARGES, WIND, block_means, declare, ensemble, graphs
from small import save

from lawful.domains import Domain
from lawful.pipeline.repair import repair
from lawful.pipeline.repair.metric import Independent
from lawful.pipeline.repair.nearest import Nearest
from lawful.pipeline.repair.one_sum import OneSum, within


@pytest.fixture
def mended(lawful, tmp_path, monkeypatch):
    """Repair a data set; what was found, and the raw numbers before and after."""
    word = declare(monkeypatch, tmp_path)

    def mend(domain, ds, *more, code=0):
        path, out = save(ds, tmp_path / "in.nc"), tmp_path / "out.nc"
        said = lawful("repair", path, "--domain", word(domain), "-o", out, "--overwrite", "--json", *more)
        assert said.code == code, said
        assert lawful("check", out, "--domain", word(domain), *more[: 2 * ("--map" in more)]).code == code
        return json.loads(said.out), raw(path), raw(out)

    return mend


def raw(path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return {name: file[name][...] for name in file.variables}


def same_but(before, after, **changed) -> None:
    """All numbers as they were, bit for bit, but where masks say so."""
    for name in before:
        kept = ~changed.get(name, np.zeros(before[name].shape, dtype=bool))
        assert before[name].dtype == after[name].dtype
        assert before[name][kept].tobytes() == after[name][kept].tobytes(), name


def atoms(ds, molecule, dims) -> np.ndarray:
    """Mask of the atoms of a molecule, for every set of values."""
    own = np.repeat(np.arange(ds.sizes["molecule"]), ds.atom_count.values) == molecule
    return np.broadcast_to(own, [ds.sizes[dim] for dim in dims]).copy()


def test_atoms_of_an_unlawful_molecule_move_alike(mended):
    """By hand: each of n atoms takes the n-th part of what is too much."""
    ds = graphs().assign(charge=lambda ds: ds.charge.astype("f8"))
    (sets,) = (dim for dim in ds.charge.dims if dim != "atom")
    ds = ds.transpose(..., "atom").isel({sets: [0, 0]}).rename({sets: "realization"})
    ds["total_charge"] = ("molecule", CHARGES.sums(ds)[0])
    first, count = int(ds.atom_count[:2].sum()), int(ds.atom_count[2])
    ds["charge"][1, first] += 0.5
    found, before, after = mended("partial-charge", ds)
    changed = atoms(ds, 2, ("realization", "atom"))
    changed[0] = False
    same_but(before, after, charge=changed)
    np.testing.assert_allclose((after["charge"] - before["charge"])[changed], -0.5 / count, rtol=1e-12)
    assert (found["samples"], found["lawful"], found["repaired"], found["left"]) == (12, 11, 1, 0)
    (row,) = found["variables"]
    assert (row["variable"], row["changed"], row["max"]) == ("charge", count, pytest.approx(0.5 / count))
    assert row["sd_before"] == pytest.approx(before["charge"].std()) and found["correlation"] is None


def test_atoms_are_held_within_their_bounds(mended):
    """In single precision: three atoms at bounds or beyond, what is left goes to the others."""
    ds = xr.Dataset(
        {"charge": ("atom", np.array([-2.0, 1.5, 0.0, 0.25, 0.75, -0.5], "f4")),
         "total_charge": ("molecule", [0.0, 0.0]), "atom_count": ("molecule", [4, 2])},
    )  # fmt: skip
    found, _, after = mended("bounded", ds)
    assert found["repaired"] == 2
    # -2 goes to its bound, 1.5 and 0 stay on theirs, so that the fourth is what makes up the sum.
    np.testing.assert_allclose(after["charge"], [-1.5, 1.5, 0, 0, 0.625, -0.625], atol=1e-6)
    assert after["charge"][:3].tolist() == [-1.5, 1.5, 0.0]


def test_one_sum_beside_the_general_way():
    """Laws with coefficients of both signs, patterns of zeros and bounds of all kinds."""
    rng = np.random.default_rng(8)
    for case in range(12):
        n = int(rng.integers(2, 7))
        limits = [(0, None), (None, None), (-1, 2), (None, 1.5)]
        chosen = [limits[k] for k in rng.integers(0, len(limits), n)]
        coefficients = rng.uniform(0.5, 2.0, n) * rng.choice([-1, 1] if case % 2 else [1], n)
        domain = Domain(
            name="sum", title="A sum", event="event", event_dim="event", blocks={"kind": "order"},
            variables=[{"name": f"v{k}", "units": "1", "lower": low, "upper": high}
                       for k, (low, high) in enumerate(chosen)],
            laws=[{"name": "sum", "units": "1",
                   "equation": " + ".join(f"{c:.12f} * v{k}" for k, c in enumerate(coefficients)) + " = 0.5"}],
        )  # fmt: skip
        z = rng.normal(0, 2, (40, n)) * (rng.random((40, n)) < 0.7)
        own, found = OneSum(domain, np.zeros(n, dtype=bool), np.zeros(n))(z)
        other, there = Nearest(domain, Independent(torch.ones(n).double()), np.zeros(n))(z)
        np.testing.assert_array_equal(found, there)
        np.testing.assert_allclose(own, other, atol=1e-9)
        assert (domain.system().ulps(torch.from_numpy(own))[found] <= 8).all()


def test_one_sum_beside_a_general_optimiser():
    rng = np.random.default_rng(3)
    y, row = rng.normal(0, 2, (15, 5)), rng.uniform(0.5, 2, 5)
    lower, upper = np.array([0, -1, -np.inf, 0, -0.5]), np.array([np.inf, 1, np.inf, 2, 0.5])
    x, found = within(y, row, np.full(15, 0.7), *(np.broadcast_to(limit, y.shape) for limit in (lower, upper)))
    assert found.all() and (x >= lower).all() and (x <= upper).all()
    for one, other in zip(y, x, strict=True):
        best = minimize(
            lambda v, one=one: ((v - one) ** 2).sum(), np.clip(one, lower, upper), method="SLSQP",
            bounds=[(low if np.isfinite(low) else None, high if np.isfinite(high) else None)
                    for low, high in zip(lower, upper, strict=True)],
            constraints=[{"type": "eq", "fun": lambda v: v @ row - 0.7}], options={"ftol": 1e-14, "maxiter": 300},
        )  # fmt: skip
        assert other @ row == pytest.approx(0.7, abs=1e-12)
        assert ((other - one) ** 2).sum() <= best.fun * (1 + 1e-6) + 1e-10
    _, found = within(y, row, np.full(15, -1e3), np.zeros(y.shape), np.ones(y.shape))
    assert not found.any()


@pytest.mark.parametrize("total", [0.0, 1e-300, 1e-20, 1e-17, 1e-6, 1.0])
def test_one_sum_of_far_less_than_what_there_was(total):
    """Dry blocks, and all but dry ones, for which a model had rain of either sign: no rounding of it is left."""
    rng = np.random.default_rng(4)
    y, row = rng.normal(0.3, 1, (500, 16)), rng.uniform(0.5, 1, 16)
    x, found = within(y, row, np.full(500, total), np.zeros(y.shape), np.full(y.shape, np.inf))
    assert found.all() and (x >= 0).all()
    if not total:
        assert not x.any()
    np.testing.assert_allclose(x @ row, total, rtol=1e-15)


@pytest.mark.parametrize("encoding", [{"dtype": "f8"}, {"dtype": "f4"}, {"dtype": "i2", "scale_factor": 2.0**-10}])
def test_blocks_keep_their_means_and_their_dry_cells(mended, tmp_path, encoding):
    ds = ensemble()
    ds["rain"][2, 3, 1, 4] += 4.0
    ds["rain"][0, 1, 2:, :3] = [[0, 0, -0.5], [3, 0, 1]]
    ds["rain_coarse"][0, 1, 1, 0] = 0.5
    ds["rain"][1, 1, :2, :3], ds["rain_coarse"][1, 1, 0, 0] = 0.0, 9.0
    ds.rain.encoding = {**encoding, "_FillValue": -32768} if encoding["dtype"] == "i2" else encoding
    found, before, after = mended("rain", ds)
    changed = np.zeros((3, 5, 4, 6), dtype=bool)
    changed[2, 3, :2, 3:], changed[0, 1, 2:, :3], changed[1, 1, :2, :3] = True, True, True
    same_but(before, after, rain=changed)
    assert (found["lawful"], found["repaired"]) == (57, 3)
    values = xr.load_dataset(tmp_path / "out.nc").rain.values
    step = 2.0**-10
    # By hand. Cells of weights 2 and 1: zeros stay, -0.5 goes to nothing, and 3 w 1 have 4.5 of 9 parts to share.
    np.testing.assert_allclose(values[0, 1, 2:, :3], [[0, 0, 0], [3.25, 0, 1.25]], atol=step)
    # Nothing but zeros cannot be 9 in the mean: they give way by their weights, 1 and 2 of 45/15.
    np.testing.assert_allclose(values[1, 1, :2, :3], [[5.4] * 3, [10.8] * 3], atol=step)
    dry = (before["rain"] == 0) & ~changed
    assert (after["rain"][dry] == 0).all() and after["rain"].min() == 0


def test_laws_of_cells_and_means_are_held_by_the_least_change(mended):
    """Beside a dense projection, with a sigma for each variable."""
    ds = ensemble()
    rng = np.random.default_rng(9)
    for name in WIND.names:
        ds[name][1, 2, 2:, 3:] += rng.normal(size=(2, 3))
    sigmas = {"down": 0.5, "up": 1.0, "net": 3.0}
    options = [word for name, sigma in sigmas.items() for word in ("--sigma", f"{name}={sigma}")]
    found, before, after = mended("wind", ds, *options)
    changed = np.zeros((3, 5, 4, 6), dtype=bool)
    changed[1, 2, 2:, 3:] = True
    same_but(before, after, **dict.fromkeys(WIND.names, changed))
    z = np.concatenate([before[name][1, 2, 2:, 3:].ravel() for name in WIND.names])
    mean, cell = np.kron(np.eye(3), np.full((1, 6), 1 / 6)), np.kron([[-1.0, 1.0, 1.0]], np.eye(6))
    A = np.concatenate([mean, cell])
    b = np.concatenate([[before[f"{name}_coarse"][1, 2, 1, 1] for name in WIND.names], np.zeros(6)])
    S = np.diag(np.repeat(list(sigmas.values()), 6) ** 2)
    expected = z - S @ A.T @ np.linalg.pinv(A @ S @ A.T) @ (A @ z - b)
    got = np.concatenate([after[name][1, 2, 2:, 3:].ravel() for name in WIND.names])
    np.testing.assert_allclose(got, expected, atol=1e-10)
    assert found["sigma"] == sigmas and found["correlation"]["rms_change"] > 0


def test_scattered_zeros_of_cells_stay_and_laws_hold_to_their_own_rounding(mended):
    """Laws of small numbers are not spoilt by the rounding of the means that depend on them."""
    ds, rng = ensemble(members=1, days=20), np.random.default_rng(2)
    for name in ("down", "up"):
        ds[name] = ds[name] * 10.0 ** rng.integers(-6, 1, ds[name].shape) * (rng.random(ds[name].shape) < 0.6)
    ds["net"] = ds.down - ds.up
    for name in WIND.names:
        ds[f"{name}_coarse"] = (ds[f"{name}_coarse"].dims, block_means(ds[name].values, np.ones((4, 6))))
        ds[name] = ds[name] * (1 + 1e-3 * rng.normal(size=ds[name].shape))
    found, before, after = mended("wind", ds)
    assert found["repaired"] + found["lawful"] == 80 and found["repaired"] > 70
    for name in ("down", "up"):
        assert ((before[name] == 0) <= (after[name] == 0)).all()


def test_a_variable_of_sigma_zero_stays(mended):
    ds = ensemble()
    ds["net"][1, 2, 2, 3] += 1.0
    ds["net"][1, 2, 2, 4] -= 1.0
    found, before, after = mended("wind", ds, "--sigma", "down=0", "--sigma", "up=0")
    assert found["repaired"] == 1
    same_but(before, after, net=before["net"] != ensemble().net.values)
    np.testing.assert_allclose(after["net"], ensemble().net, atol=1e-12)


def test_means_in_single_precision_need_not_obey_the_laws_of_cells_exactly(mended):
    ds = ensemble(dtype="float32")
    for name in WIND.names:
        ds[f"{name}_coarse"] = ds[f"{name}_coarse"].astype("f4")
    ds["up"][0, 4, 2, 5] += np.float32(0.1)
    found, before, after = mended("wind", ds)
    assert found["repaired"] == 1
    same_but(before, after, **dict.fromkeys(WIND.names, np.arange(5)[:, None, None] * np.ones((3, 5, 4, 6)) == 4))


def test_what_cannot_be_repaired_is_named_in_terms_of_the_file(mended, lawful, tmp_path):
    ds = ensemble().assign_coords(time=[10, 20, 30, 40, 50])
    ds["rain_coarse"][2, 3, 1, 0] = -1.0
    ds["rain"][0, 0, 0, 0] = np.nan
    ds["rain"][1, 1, 1, 1] += 1.0
    found, before, after = mended("rain", ds, code=1)
    assert (found["repaired"], found["left"], found["missing"]) == (1, 1, 1)
    left, gap = found["unrepaired"]
    assert (gap["event"], gap["reason"]) == ("10", "rain is missing or infinite")
    assert left["index"] == {"realization": 2, "time": 3, "yc": 1, "xc": 0} and "no values satisfy" in left["reason"]
    assert (left["event"], left["place"]) == ("40", {"yc": "1", "xc": "0"})
    changed = np.zeros((3, 5, 4, 6), dtype=bool)
    changed[1, 1, :2, :3] = True
    same_but(before, after, rain=changed)
    wind = ensemble()
    wind["net_coarse"][1, 0, 0, 1] += 1.0
    (left,) = mended("wind", wind, code=1)[0]["unrepaired"]
    assert left["index"] == {"realization": 1, "time": 0, "yc": 0, "xc": 1} and "no values satisfy" in left["reason"]
    molecule = graphs()
    molecule["total_charge"][4] = 1e3
    said = mended("bounded", molecule, code=1)[0]
    assert said["left"] == 4 and {left["event"] for left in said["unrepaired"]} == {"4"}


def test_files_of_other_makers(mended):
    """Dimensions in another order and of another name, units of the file, one set of means for all members."""
    ds = ensemble(members=1).isel(realization=[0, 0])
    ds["rain_coarse"] = ds.rain_coarse.isel(realization=0)
    ds["rain"] = (ds.rain / 24).assign_attrs(units="mm h-1").transpose("x", "time", "realization", "y").astype("f4")
    ds["rain"][5, 2, 1, 3] += np.float32(1)
    ds = ds[["rain", "rain_coarse", "area"]].rename(realization="member", rain="pr")
    found, before, after = mended("rain", ds, "--map", "rain=pr")
    changed = np.zeros((6, 5, 2, 4), dtype=bool)
    changed[3:, 2, 1, 2:] = True
    same_but(before, after, pr=changed)
    assert found["repaired"] == 1 and found["variables"][0]["units"] == "mm d-1"


@pytest.mark.parametrize("domain", ["rain", "wind", "partial-charge"])
def test_blocks_of_reading_do_not_matter(mended, monkeypatch, domain):
    ds = graphs() if domain == "partial-charge" else ensemble()
    for name in {"rain", "up", "charge"} & set(ds):
        values = ds[name].to_numpy()
        moved = np.random.default_rng(0).normal(0, 0.3, values.shape) * (values != 0)
        ds[name] = ds[name].copy(data=(values + moved).astype(values.dtype))
    whole = mended(domain, ds)[2]
    monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", 7)
    monkeypatch.setattr("lawful.reports.physics.columns._PIECE", 3)
    parts = mended(domain, ds)[2]
    for name in whole:
        np.testing.assert_allclose(whole[name], parts[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("domain", "more", "words"),
    [
        ("rain", ("--sigma", "covariance"), "parts of graphs and fields move independently"),
        ("rain", ("--sigma", "rain_coarse=1"), "moves no variable 'rain_coarse'; it moves rain"),
        ("partial-charge", ("--sigma", "charge=-1"), "--sigma charge=-1: expected a number of zero or more"),
    ],
)
def test_wrong_options_are_one_line(mended, lawful, tmp_path, domain, more, words):
    path = save(ensemble() if domain == "rain" else graphs(), tmp_path / "x.nc")
    word = tmp_path / "rain.yaml" if domain == "rain" else domain
    assert words in lawful("repair", path, "--domain", word, "-o", tmp_path / "o.nc", *more).fault
    assert not (tmp_path / "o.nc").exists()


def test_from_python(tmp_path):
    path = save(graphs(), tmp_path / "in.nc")
    found = repair(path, CHARGES, tmp_path / "out.nc")
    assert found["validity"]["holds"] and found["repaired"] == 0
    before, after = raw(path), raw(tmp_path / "out.nc")
    same_but(before, after)
