"""The stages one by one: each goes on from the folder, and refuses one that does not fit."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from small import PARTS, install, parts_data, save

from lawful.core.models import FAMILIES
from lawful.domains import Law


def ensemble(folder):
    return xr.load_dataset(folder / "ensemble.nc")


def test_stages_make_what_a_run_makes(train, lawful, once, tmp_path):
    assert train().out == f"{tmp_path / 'run/model'}\n"
    made = tmp_path / "run/ensemble.nc"
    assert lawful("generate", tmp_path / "run", "--members", 3).out == f"{made}\n"
    xr.testing.assert_equal(ensemble(tmp_path / "run"), ensemble(once))
    said = lawful("report", tmp_path / "run")
    assert said.code == 0
    assert said.out.splitlines()[1] == str(tmp_path / "run/report.html")


@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_comes_back_from_its_file(train, lawful, tmp_path, model):
    train("--model", model)
    assert lawful("generate", tmp_path / "run", "--members", 2).code == 0
    assert lawful("check", tmp_path / "run/ensemble.nc", "--domain", "parts").code == 0


def test_generate_keeps_to_the_run_unless_told(finished, lawful):
    before = (finished / "ensemble.nc").read_bytes()
    assert lawful("generate", finished).code == 0
    assert (finished / "ensemble.nc").read_bytes() == before
    assert lawful("generate", finished, "--seed", 5, "--members", 4, "--dtype", "float32").code == 0
    made = ensemble(finished)
    assert (made.sizes["realization"], made["a"].dtype, made.attrs["lawful_seed"]) == (4, "float32", 5)


def test_another_seed_of_generating_keeps_the_split(finished, lawful):
    before = ensemble(finished)
    lawful("generate", finished, "--seed", 5)
    assert not np.array_equal(ensemble(finished)["a"], before["a"])
    assert np.array_equal(ensemble(finished)["sample"], before["sample"])
    assert lawful("report", finished).code == 0
    record = yaml.safe_load((finished / "run.yaml").read_text())
    assert (record["settings"]["seed"], record["drawing"]["seed"]) == (0, 5)
    assert [command.split()[1] for command in record["commands"]] == ["run", "generate"]


def test_generate_for_the_events_of_another_file(finished, lawful, tmp_path):
    other = save(parts_data(events=30, seed=9).rename(b="bee"), tmp_path / "other.nc")
    assert "no variable 'b'" in lawful("generate", finished, "--data", other).fault
    assert lawful("generate", finished, "--data", other, "--map", "b=bee").code == 0
    assert ensemble(finished).sizes["sample"] == 30
    assert lawful("report", finished).code == 0
    assert "other.nc" in (finished / "report.html").read_text()


def test_generate_takes_given_values_from_the_other_file(train, lawful, tmp_path):
    train("--given", "b")
    data = parts_data(events=60, seed=9)
    lawful("generate", tmp_path / "run", "--data", save(data, tmp_path / "other.nc"), "--members", 2)
    made = ensemble(tmp_path / "run")
    assert np.array_equal(made["b"], np.broadcast_to(data["b"], made["b"].shape))


def test_given_values_that_training_data_never_have_are_noted(train, lawful, tmp_path):
    train("--given", "b")
    ds = parts_data(20, seed=5)
    ds["b"][:2] = [99.5, 98.0]
    said = lawful("generate", tmp_path / "run", "--data", save(ds[["b", "site"]], tmp_path / "far.nc"))
    (note,) = (line for line in said.err.splitlines() if "outside" in line)
    assert said.code == 0 and note.startswith("note: b: 2 of 20 values outside of the training range ")
    assert note.endswith(" percent")
    assert note == "note: " + xr.load_dataset(tmp_path / "run/ensemble.nc").attrs["lawful_notes"]


def test_given_values_and_context_are_all_that_generating_needs(train, lawful, tmp_path):
    train("--given", "b")
    other = save(parts_data(events=60, seed=9).drop_vars(["a", "c"]), tmp_path / "other.nc")
    said = lawful("generate", tmp_path / "run", "--data", other, "--members", 2)
    assert said.code == 0
    assert "a, c: not in the file and not needed to generate" in said.err
    made = ensemble(tmp_path / "run")
    assert np.abs(made["a"] + made["b"] + made["c"] - 100).max() < 1e-12
    assert (
        "other.nc: has no a, c, so there is nothing to judge the ensemble by"
        in lawful("report", tmp_path / "run").fault
    )


def test_given_values_that_leave_no_event_are_named_with_their_laws(train, lawful, tmp_path):
    """Within their bounds one by one, but not together."""
    train("--given", "a,b")
    data = parts_data(events=60, seed=9).drop_vars("c")
    data["b"][17] = 100 - data["a"][17] + 1
    fault = lawful("generate", tmp_path / "run", "--data", save(data, tmp_path / "other.nc")).fault
    assert "the given values leave no lawful event" in fault
    assert "'total'" in fault
    assert "sample 17" in fault


def test_a_map_needs_a_file(finished, lawful):
    assert (
        "--map: it names variables of the file that --data gives"
        in lawful("generate", finished, "--map", "b=bee").fault
    )


def test_stages_work_from_another_folder(lawful, files, tmp_path, monkeypatch):
    monkeypatch.chdir(files)
    out = Path("..") / tmp_path.relative_to(files.parent)
    assert lawful("train", "parts", "--data", "parts.nc", "--out", out, "--fast").code == 0
    monkeypatch.chdir(tmp_path)
    assert lawful("generate", ".", "--members", 2).code == 0
    monkeypatch.chdir("/")
    assert lawful("report", tmp_path).code == 0


def test_a_folder_that_is_no_run(lawful, tmp_path):
    for command in ("generate", "report"):
        assert "no run.yaml here; give the folder of a run" in lawful(command, tmp_path).fault


def test_nothing_to_report_on_yet(train, lawful, tmp_path):
    train()
    assert "no ensemble was generated here; run `lawful generate" in lawful("report", tmp_path / "run").fault


def test_an_ensemble_of_another_training_is_not_reported_on(finished, train, lawful, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    train("--seed", 1)
    lawful("generate", tmp_path / "run")
    shutil.copy(finished / "ensemble.nc", tmp_path / "run/ensemble.nc")
    assert "not made by the model, the seed and for the events" in lawful("report", tmp_path / "run").fault


def test_a_model_of_other_settings_is_not_used(finished, lawful):
    record = yaml.safe_load((finished / "run.yaml").read_text())
    record["settings"]["given"] = ["b"]
    (finished / "run.yaml").write_text(yaml.safe_dump(record))
    assert "trained with other given; train again" in lawful("generate", finished).fault


def test_a_model_of_another_domain_is_not_used(finished, lawful, files, tmp_path):
    lawful("train", "budget", "--data", files / "budget.nc", "--out", tmp_path / "other", "--fast")
    shutil.rmtree(finished / "model")
    shutil.copytree(tmp_path / "other/model", finished / "model")
    assert "trained with other domain, data, laws" in lawful("generate", finished).fault


def test_other_laws_than_those_of_the_run(finished, lawful, monkeypatch):
    law = Law(name="part", equation="a <= b + c + 90", units="percent")
    install(monkeypatch.setattr, parts=PARTS.model_copy(update={"laws": (*PARTS.laws, law)}))
    for command in ("generate", "report"):
        assert "has other laws than when" in lawful(command, finished).fault


def test_data_that_changed_since_the_run(lawful, tmp_path):
    data, out = save(parts_data(), tmp_path / "data.nc"), tmp_path / "out"
    assert lawful("train", "parts", "--data", data, "--out", out).code == 0
    save(parts_data(seed=1), data)
    assert "data.nc: changed since the run" in lawful("generate", out).fault
    data.unlink()
    assert "there is no file" in lawful("generate", out).fault


def test_the_report_of_an_ensemble_that_is_gone(finished, lawful):
    (finished / "ensemble.nc").unlink()
    assert "there is no file" in lawful("report", finished).fault


def test_a_full_disk_is_one_line(finished, lawful, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device", "run.yaml")

    monkeypatch.setattr(os, "fdopen", full)
    assert lawful("generate", finished).fault == "lawful: run.yaml: No space left on device"


@pytest.mark.parametrize(("name", "missing"), [("rock-oxides", "pyrolite"), ("parts", "parts")])
def test_data_without_a_recipe_or_its_packages(lawful, tmp_path, monkeypatch, name, missing):
    monkeypatch.setitem(sys.modules, "pyrolite", None)
    said = lawful("data", name, "--output", tmp_path / "made.nc")
    assert said.fault.count(missing)
    assert not (tmp_path / "made.nc").exists()
