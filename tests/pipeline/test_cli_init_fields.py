"""From a file of fields that lawful has never seen to a domain of fields: `lawful init --block`."""

import numpy as np
import pytest
import xarray as xr
from shaped_cases import fields
from small import save

from lawful.domains.registry import find_any_domain


@pytest.fixture
def start(lawful, tmp_path, monkeypatch):
    """Write a domain for a data set; gives what was said, the domain, and its text."""
    monkeypatch.chdir(tmp_path)

    def init(ds, block="2x3"):
        said = lawful("init", "mine", "--data", save(ds, tmp_path / "data.nc"), "--block", block)
        assert said.code == 0, said
        return said, find_any_domain(str(tmp_path / "mine.yaml")), (tmp_path / "mine.yaml").read_text()

    return init


def rain():
    ds = fields()[["rain", "height", "area"]]
    ds.rain.attrs["units"] = "kg m-2 d-1"
    ds["sea"] = ("t2", np.arange(3.0))
    return ds


def test_rain_has_a_bound_areas_and_what_is_known_on_the_grid(start):
    said, domain, text = start(rain())
    assert "mine.yaml: fields of rain in blocks of 2x3, 0 laws in a cell" in said.out
    assert (domain.dim, domain.rows, domain.columns, domain.block) == ("time", "y", "x", (2, 3))
    assert domain.positive and domain.variables[0].units == "kg m-2 d-1" and domain.event == "day"
    assert (domain.covariates, domain.weights, domain.periodic) == (("height",), "area", False)
    assert domain.blocks.kind == "time" and "# Fields are all" not in text


def test_laws_of_a_cell_are_found(start):
    ds = fields()[["down", "up", "net"]]
    ds = ds.map(lambda x: x.assign_attrs(units="W m-2"))
    said, domain, text = start(ds)
    assert not domain.positive and "1 laws in a cell" in said.out
    assert set(map(abs, domain.cell_laws()[0])) == {1.0} and "# Fields are all of zero or more" in text
    assert "# weights: a variable of the file" in text


def test_a_globe_goes_round(start):
    rng = np.random.default_rng(0)
    x = ("lon", np.arange(0, 360, 30.0), {"units": "degrees_east"})
    y = ("lat", np.linspace(80, -80, 6), {"units": "degrees_north"})
    time = np.datetime64("2001-01-01", "ns") + np.arange(40) * np.timedelta64(1, "h")
    ds = xr.Dataset({"t2m": (("time", "lat", "lon"), 280 + rng.normal(size=(40, 6, 12)), {"units": "K"})},
                    {"time": time, "lat": y, "lon": x})  # fmt: skip
    _, domain, _ = start(ds, "3x4")
    assert domain.periodic and domain.event == "hour" and not domain.positive
    _, regional, _ = _again(start, ds.isel(lon=slice(8)), "3x4")
    assert not regional.periodic


def _again(start, ds, block):
    from pathlib import Path

    Path("mine.yaml").unlink()
    return start(ds, block)


def test_what_was_started_runs(start, lawful, tmp_path, monkeypatch):
    from lawful.core.models.fields import FieldSettings
    from lawful.pipeline.fields import FieldKind

    monkeypatch.setattr(FieldKind, "settings", lambda self, domain, fast: FieldSettings(8, 1, 2))
    monkeypatch.setattr("lawful.domains.field_views.COMPARED", 300)
    start(rain())
    assert lawful("run", "mine.yaml", "--data", "data.nc", "--out", "run", "--fast", "--members", 2).code == 0


@pytest.mark.parametrize(
    ("change", "block", "words"),
    [
        (lambda ds: ds, "2x4", "6 cells along 'x' are no multiple of blocks of 4"),
        (lambda ds: ds, "2", "--block 2: expected rows and columns of a block, such as 4x6"),
        (lambda ds: ds, "0x3", "--block 0x3: expected rows"),
        (lambda ds: ds.isel(x=0), "2x3", "a field lies along samples, rows and columns; rain along time x y"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_no_file(lawful, tmp_path, monkeypatch, change, block, words):
    monkeypatch.chdir(tmp_path)
    said = lawful("init", "mine", "--data", save(change(rain()), tmp_path / "data.nc"), "--block", block)
    assert words in said.fault and not (tmp_path / "mine.yaml").exists()
