"""The domains that come with lawful, from the command line as a user has it; minutes, so on demand."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import sample_path
from lawful.domains import get_domain

pytestmark = pytest.mark.slow

GIVEN = ["Kdown", "Ldown", "Rain"]


@pytest.fixture
def small_domains():
    """The domains as they are installed."""


def lawful(*arguments):
    command = [sys.executable, "-c", "from lawful.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run_fast(domain, out, *options):
    done = lawful("run", domain, "--fast", "--out", out, *options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert json.loads((out / "report.json").read_text())["validity"]["ensemble"]["holds"] is True
    return xr.load_dataset(out / "ensemble.nc")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("domain", ["surface-balance", "rock-oxides"])
def test_a_smoke_run_is_lawful_and_marked(tmp_path, domain, dtype):
    run_fast(domain, tmp_path, "--dtype", dtype, "--members", 3)
    assert "Smoke run" in (tmp_path / "report.html").read_text()
    assert lawful("check", tmp_path / "ensemble.nc", "--domain", domain).returncode == 0


def test_given_forcing_is_kept(tmp_path):
    made = run_fast("surface-balance", tmp_path, "--given", ",".join(GIVEN), "--members", 3)
    with xr.open_dataset(sample_path(get_domain("surface-balance"))) as data:
        held_out = data.sel(time=made.time).load()
    for name in GIVEN:
        step = 1e-6 if name == "Rain" else 0.0
        assert np.abs(made[name] - held_out[name]).max() <= step
        assert (made[name] == made[name][0]).all()
    assert (made["QH"].std("realization") > 0).all()


def test_events_of_another_file(tmp_path):
    run_fast("surface-balance", tmp_path, "--members", 2)
    with xr.open_dataset(sample_path(get_domain("surface-balance"))) as data:
        data.isel(time=slice(0, 48)).load().to_netcdf(tmp_path / "two days.nc")
    assert lawful("generate", tmp_path, "--data", tmp_path / "two days.nc").returncode == 0
    assert lawful("report", tmp_path).returncode == 0
    assert xr.load_dataset(tmp_path / "ensemble.nc").sizes["time"] == 48
