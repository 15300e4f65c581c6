"""`lawful check`: several files, tolerances, printed digits, the page, and exit codes."""

import json

import numpy as np
import pytest
import xarray as xr
from small import BUDGET, budget_data, save

from lawful.pipeline.check import check


@pytest.fixture
def broken(tmp_path):
    """A file whose water does not balance in one hour, by a tenth of a millimetre."""
    ds = budget_data()
    ds["Store"][7] += 0.1
    return save(ds, tmp_path / "broken.nc")


def test_several_files_are_judged_one_by_one(lawful, files, broken):
    said = lawful("check", files / "budget.nc", broken, "--domain", "budget")
    assert said.code == 1
    good, bad = said.out.split(f"{broken}\n")
    assert good.startswith(f"{files / 'budget.nc'}\n") and "BROKEN" not in good
    assert "off by more than 8 ulps in 1 sample" in bad


def test_a_file_that_cannot_be_read_does_not_keep_others_from_being_judged(lawful, files, tmp_path):
    said = lawful("check", tmp_path / "gone.nc", files / "budget.nc", "--domain", "budget")
    assert said.code == 2
    assert "there is no file" in said.err and "The law holds" in said.out


@pytest.mark.parametrize(
    ("tolerance", "code"),
    [("0.11", 0), ("0.09", 1), ("water=0.11", 0), ("data", 1), ("1rel", 0), ("1e-3rel", 1), ("1e20ulps", 0)],
)
def test_tolerances(lawful, broken, tolerance, code):
    assert lawful("check", broken, "--domain", "budget", "--tol", tolerance).code == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tol", "a bit"), "--tol a bit: expected data, or a number such as 8ulps"),
        (("--tol", "mass=1"), "has no law 'mass'; it has water, runoff"),
        (("--step", "Rain=0"), "--step Rain=0: expected a number of more than zero"),
        (("--step", "Snow=0.1"), "has no variable 'Snow'"),
        (("--map", "Snow=x"), "mapping names 'Snow'"),
    ],
)
def test_what_is_wrong_is_one_line(lawful, files, arguments, words):
    assert words in lawful("check", files / "budget.nc", "--domain", "budget", *arguments).fault


def test_printed_digits(lawful, tmp_path):
    path = save(budget_data().round(2), tmp_path / "printed.nc")
    assert lawful("check", path, "--domain", "budget").code == 1
    steps = [word for name in ("Rain", "Evap", "RO", "Store") for word in ("--step", f"{name}=0.01")]
    assert lawful("check", path, "--domain", "budget", *steps).code == 0


def test_json_and_page(lawful, broken, tmp_path):
    said = lawful("check", broken, "--domain", "budget", "--json", "--html", tmp_path / "page.html")
    judged = json.loads(said.out)
    (found,) = judged["files"]
    assert (judged["holds"], judged["faults"], found["file"]) == (False, {}, str(broken))
    assert found["laws"][0]["worst"]["index"] == {"time": 7}
    assert found["laws"][0]["worst"]["residual"] == pytest.approx(-0.1)
    assert "2012-03-05T21:00:00" in (tmp_path / "page.html").read_text()


def test_a_page_that_cannot_be_written_is_told_before_anything_is_judged(lawful, files, tmp_path):
    page = tmp_path / "gone" / "page.html"
    fault = lawful("check", files / "budget.nc", "--domain", "budget", "--html", page).fault
    assert f"--html {page}: there is no folder {page.parent}" in fault


def test_a_place_of_stacked_data_is_one_of_the_file(lawful, tmp_path):
    """Rain beside what it becomes at five stations: points of time and station are events of their own."""
    domain = tmp_path / "towns.yaml"
    domain.write_text(
        "name: towns\ntitle: T\nevent: hour\nevent_dim: event\nstack: [time, station]\nblocks: {kind: order}\n"
        "variables: {Rain: {units: mm}, RO: {units: mm}}\nlaws: {water: {equation: Rain = RO, units: mm}}\n"
    )
    values = np.random.default_rng(0).gamma(2.0, 1.0, (12, 5))
    ds = xr.Dataset({name: (("station", "time"), values.T.copy(), {"units": "mm"}) for name in ("Rain", "RO")})
    ds["RO"][{"time": 7, "station": 3}] += 1.0
    ds["RO"][{"time": 9, "station": 2}] = np.nan
    path = save(ds.assign_coords(station=list("abcde")), tmp_path / "towns.nc")
    (found,) = json.loads(lawful("check", path, "--domain", domain, "--json").out)["files"]
    assert float(xr.load_dataset(path)["RO"].isel(found["laws"][0]["worst"]["index"])) == values[7, 3] + 1.0
    said = lawful("check", path, "--domain", domain)
    words = " ".join(said.out.split())
    assert (
        found["laws"][0]["worst"]["place"] == {"station": "d"}
        and "1 value is not finite (RO 1, first at 9, station c)" in words
    )


@pytest.mark.parametrize("command", [("check",), ("repair", "-o", "out.nc")])
def test_a_file_without_samples_is_refused(lawful, tmp_path, command):
    """A file whose time axis nobody has filled yet: nothing holds in it, and nothing is broken."""
    path = tmp_path / "in.nc"
    budget_data().isel(time=slice(0, 0)).to_netcdf(path, unlimited_dims=["time"])
    assert f"{path} holds no sample: its dimension 'time' is empty" in lawful(
        *command, path, "--domain", "budget"
    ).fault  # fmt: skip


def test_units_that_do_not_fit_are_named_with_file_and_variable(lawful, files, tmp_path):
    ds = budget_data()
    ds["RO"].attrs["units"] = "kW"
    path = save(ds, tmp_path / "power.nc")
    said = lawful("check", path, files / "budget.nc", "--domain", "budget")
    assert said.code == 2 and f"{path}: variable 'RO': units 'kW' do not convert into 'mm h-1'" in said.err


def test_depth_and_mass_are_one_with_a_density(tmp_path):
    ds = budget_data().astype("f4").astype("f8")
    domain = BUDGET.model_copy(update={"density": "1000 kg m-3"})
    for name in BUDGET.names:
        ds[name] = (ds[name].dims, ds[name].to_numpy() / 3600, {"units": "kg m-2 s-1"})
    judged = check([save(ds.astype("f4"), tmp_path / "mass.nc")], domain).files.popitem()[1]
    assert judged["holds"] and judged["laws"][0]["ulps"]["max"] > 0


def test_units_are_converted_with_a_note(lawful, tmp_path):
    ds = budget_data().astype(np.float32, keep_attrs=True)
    ds["RO"] = (ds["RO"] * np.float32(24)).assign_attrs(units="mm day-1")
    said = lawful("check", save(ds, tmp_path / "mixed.nc"), "--domain", "budget")
    assert said.code == 0
    assert "note: RO converted from 'mm day-1' to 'mm h-1'" in said.err
