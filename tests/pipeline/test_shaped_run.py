"""Graphs and fields through the command line, the whole way and stage by stage."""

import json

import numpy as np
import pytest
import xarray as xr
import yaml
from shaped_cases import CHARGES, RAINS, SHORT, field_file, fields, molecules
from small import install, save

from lawful.core.models.fields import FieldSettings
from lawful.core.models.graphs import GraphSettings
from lawful.pipeline.fields import FieldKind
from lawful.pipeline.graphs import GraphKind

RAIN = field_file("rain", "Rain of a day", f"{RAINS}covariates: [height]\nblocks: {{kind: time}}\n")


@pytest.fixture(autouse=True)
def short(monkeypatch, small_domains):
    install(monkeypatch.setattr, **{"partial-charge": CHARGES})
    monkeypatch.setattr("lawful.domains.field_views.COMPARED", 300)
    for kind, settings in ((GraphKind, GraphSettings(width=8, rounds=1)), (FieldKind, FieldSettings(8, 1, 2))):
        monkeypatch.setattr(kind, "schedule", lambda self, fast: SHORT)
        monkeypatch.setattr(kind, "settings", lambda self, domain, fast, found=settings: found)


@pytest.fixture(params=["graphs", "fields"])
def asked(request, tmp_path):
    """A domain as it is named on the command line, and its data."""
    if request.param == "graphs":
        return "partial-charge", save(molecules(60), tmp_path / "molecules.nc")
    (tmp_path / "rain.yaml").write_text(RAIN)
    return tmp_path / "rain.yaml", save(fields(), tmp_path / "fields.nc")


def test_the_whole_way(asked, lawful, tmp_path):
    domain, data = asked
    out = tmp_path / "run"
    said = lawful("run", domain, "--data", data, "--out", out, "--members", 3, "--fast", "--seed", 5)
    assert said.code == 0, said
    report = json.loads((out / "report.json").read_text())
    assert report["validity"]["ensemble"]["holds"] and report["verdict"] in said.out
    assert all(law["ulps"]["max"] <= 8 for law in report["validity"]["ensemble"]["laws"])
    measures = {row["measure"] for row in report["fidelity"]["summary"]}
    assert {"w1", "auc", "crps"} <= measures
    assert ("spectrum:rain" in measures) == ("zeros" in measures) == (domain != "partial-charge")
    assert (out / "figures" / "residuals.png").exists() and "Smoke run" in (out / "report.html").read_text()
    made = xr.load_dataset(out / "ensemble.nc")
    assert made.attrs["lawful_seed"] == 5 and made.sizes["realization"] == 3
    before = (out / "ensemble.nc").read_bytes()
    assert lawful("generate", out).code == 0 and (out / "ensemble.nc").read_bytes() == before


def test_stage_by_stage(asked, lawful, tmp_path):
    domain, data = asked
    out = tmp_path / "run"
    assert lawful("train", domain, "--data", data, "--out", out, "--fast").code == 0
    assert yaml.safe_load((out / "run.yaml").read_text())["training"]["laws"]
    assert lawful("generate", out, "--members", 2).code == 0
    again = lawful("train", domain, "--data", data, "--out", out, "--fast", "--resume")
    assert "reusing the finished training" in again.err
    assert lawful("generate", out, "--members", 2).code == 0
    changed = save(xr.load_dataset(out / "ensemble.nc").assign_attrs(lawful_seed=9), tmp_path / "other.nc")
    changed.replace(out / "ensemble.nc")
    assert "run `lawful generate" in lawful("report", out).fault


def test_coarse_fields_alone_are_made_fine(lawful, tmp_path):
    (tmp_path / "rain.yaml").write_text(RAIN)
    out, data = tmp_path / "run", save(fields(), tmp_path / "fields.nc")
    assert lawful("train", tmp_path / "rain.yaml", "--data", data, "--out", out).code == 0
    means = fields(9, seed=1).rain.astype(float).coarsen(y=2, x=3).mean().rename(y="b", x="c")
    coarse = xr.Dataset({"rain_coarse": means, "height": fields().height})
    asked = save(coarse, tmp_path / "coarse.nc")
    assert lawful("generate", out, "--data", asked, "--members", 2).code == 0
    made = xr.load_dataset(out / "ensemble.nc").rain
    assert made.shape == (2, 9, 4, 6) and (made >= 0).all()
    np.testing.assert_allclose(made.coarsen(y=2, x=3).mean()[1], means, rtol=1e-13)
    assert "so there is nothing to judge the ensemble by" in lawful("report", out).fault
    assert "nothing to learn from" in lawful("train", tmp_path / "rain.yaml", "--data", asked, "--out", out).fault


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--given", "charge"), "totals or block means are given"),
        (("--model", "vae"), "with a model of its own"),
        (("--map", "mass=m"), "mapping names 'mass'"),
        (("--map", "charge=q"), "has no variable 'q'"),
        (("--data", "nowhere.nc"), "there is no file nowhere.nc"),
    ],
)
def test_faults_in_one_line(lawful, tmp_path, more, words):
    data = save(molecules(60), tmp_path / "molecules.nc")
    assert words in lawful("run", "partial-charge", "--data", data, "--out", tmp_path / "run", *more).fault


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("shape: fields", "shape: blobs", "line 1: shape 'blobs': there is graphs, fields"),
        ("lower: 0", "lower: 1", "line 10: variable 'rain': rain: fields have `lower: 0`"),
        ("covariates", "covariables", "no field 'covariables'; there are name"),
        ("block: [2, 3]", "block: [2, 4]", "6 cells along 'x' are no multiple of blocks of 4"),
    ],
)
def test_faults_of_a_file_in_one_line(lawful, tmp_path, old, new, words):
    (tmp_path / "rain.yaml").write_text(RAIN.replace(old, new))
    data = save(fields(), tmp_path / "fields.nc")
    assert words in lawful("run", tmp_path / "rain.yaml", "--data", data, "--out", tmp_path / "run").fault


def test_commands_that_take_events_alone_say_so(lawful):
    assert "one of graphs or fields" in lawful("compare", "partial-charge").fault
    assert "sum(charge over atom) = total_charge" in lawful("domains").out
