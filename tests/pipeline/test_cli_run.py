"""A whole run: its files, what they say, and that the same seed gives the same."""

import json
import re

import numpy as np
import pytest
import xarray as xr
import yaml
from small import budget_data, parts_data, save


@pytest.fixture
def make(train, lawful, tmp_path):
    """Train `parts` and generate, with more options of either; gives the ensemble."""

    def command(*options, drawing=("--members", 2), out="run"):
        assert train(*options, out=out).code == 0
        assert lawful("generate", tmp_path / out, *drawing).code == 0
        return xr.load_dataset(tmp_path / out / "ensemble.nc")

    return command


def test_every_file_of_a_run(once):
    found = {str(path.relative_to(once)) for path in once.rglob("*") if path.is_file()}
    named = {name for name in found if not name.startswith("figures/")}
    expected = "ensemble.nc report.html report.json run.yaml"
    model = {"model/model.json", "model/model.safetensors", "model/training.csv"}
    assert named == {*expected.split(), *model}
    assert any(name.endswith(".png") for name in found)


def test_a_fast_run_is_marked_in_its_report(once):
    assert "Smoke run" in (once / "report.html").read_text()
    assert json.loads((once / "report.json").read_text())["run"]["fast"] is True


def test_run_yaml_has_all_that_a_run_depends_on(once, files):
    record = yaml.safe_load((once / "run.yaml").read_text())
    assert record["commands"][0].startswith("lawful run parts --out ")
    assert record["settings"] == {
        "domain": "parts", "out": str(once), "data": str(files / "parts.nc"), "mapping": {}, "members": 3,
        "given": [], "model": "auto", "seed": 0, "device": "auto", "mixed": False, "folds": 1,
        "dtype": "float64", "max_events": 1_000_000, "fast": True,
    }  # fmt: skip
    assert {"schedule", "network", "views", "day_shift", "device", "seconds"} <= set(record["training"])
    assert len(record["data_sha256"]) == len(record["law_hash"]) == 64
    assert set(record["seconds"]) == {"training", "generating", "reporting"}
    assert {"python", "lawful", "torch", "numpy"} <= set(record["versions"])


def test_the_ensemble_follows_cf(lawful, files, tmp_path):
    command = ("run", "budget", "--data", files / "budget.nc", "--out", tmp_path, "--members", 2, "--fast")
    assert lawful(*command).code == 0
    ds = xr.load_dataset(tmp_path / "ensemble.nc")
    assert ds.sizes["realization"] == 2
    assert ds["Rain"].dims == ("realization", "time")
    assert ds["time"].dtype.kind == "M"
    assert set(ds["time"].to_numpy()) <= set(budget_data()["time"].to_numpy())
    assert ds["Rain"].attrs == {
        "standard_name": "rainfall_rate", "long_name": "rainfall", "units": "mm h-1",
        "coverage_content_type": "modelResult",
    }  # fmt: skip
    assert ds["realization"].attrs["standard_name"] == "realization"
    assert ds.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
    assert ds.attrs["time_coverage_start"] == f"{ds['time'].values[0].astype('datetime64[s]')}Z"
    assert {"summary", "keywords", "title"} <= set(ds.attrs)
    assert ds.attrs["lawful_laws"] == "Rain = Evap + RO + Store; RO <= Rain"
    assert ds.attrs["comment"] == "Hours are generated independently."


def test_results_and_notes_are_apart_and_plain(lawful, files, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = lawful("run", "parts", "--data", files / "parts.nc", "--out", tmp_path, "--members", 2, "--fast")
    verdict, *paths = said.out.splitlines()
    assert verdict.startswith("The law holds in each of 48 samples")
    assert paths == [str(tmp_path / "ensemble.nc"), str(tmp_path / "report.html")]
    assert not re.search(r"[\x1b\r]|━", said.out + said.err)


def test_the_same_seed_gives_the_same_file(make, tmp_path):
    make(out="one")
    make(out="two")
    assert (tmp_path / "one/ensemble.nc").read_bytes() == (tmp_path / "two/ensemble.nc").read_bytes()


def test_another_seed_gives_another_ensemble(make):
    one, two = make(), make("--seed", 1)
    assert not np.array_equal(one["a"], two["a"])


def test_given_values_are_stored_as_they_are(make):
    made = make("--given", "b")
    data = parts_data().isel(sample=made["sample"].to_numpy())
    assert np.array_equal(made["b"], np.broadcast_to(data["b"], made["b"].shape))
    assert not np.array_equal(made["a"][0], made["a"][1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_ensemble_passes_the_check_as_stored(make, lawful, tmp_path, dtype):
    made = make(drawing=("--members", 2, "--dtype", dtype))
    assert made["a"].dtype == dtype
    said = lawful("check", tmp_path / "run/ensemble.nc", "--domain", "parts")
    assert (said.code, said.err) == (0, "")
    assert f"The law holds in each of {made['a'].size} samples" in said.out


@pytest.mark.parametrize(
    ("value", "words"), [(50.0, "total"), (-1e-300, "c is below 0 in 1 sample"), (np.nan, "1 value is not finite")]
)
def test_one_planted_fault_fails_the_check_and_is_named(finished, lawful, tmp_path, value, words):
    ds = xr.load_dataset(finished / "ensemble.nc")
    where = np.unravel_index(int(ds["c"].to_numpy().argmin()), ds["c"].shape)
    ds["c"][where] = value
    said = lawful("check", save(ds, tmp_path / "faulty.nc"), "--domain", "parts")
    assert said.code == 1
    assert words in said.out


def test_the_check_as_json(once, lawful):
    said = lawful("check", once / "ensemble.nc", "--domain", "parts", "--json")
    judged = json.loads(said.out)
    assert judged["holds"] is True
    assert judged["files"][0]["laws"][0]["name"] == "total"


def test_a_run_whose_ensemble_is_not_lawful_says_so_in_its_exit_code(finished, lawful):
    ds = xr.load_dataset(finished / "ensemble.nc")
    ds["c"][0, 0] += 1.0
    save(ds, finished / "ensemble.nc")
    said = lawful("report", finished)
    assert said.code == 1
    assert said.out.startswith("The physics does not hold")


def test_folds(lawful, files, tmp_path):
    data, out = files / "parts.nc", tmp_path / "run"
    said = lawful("run", "parts", "--data", data, "--out", out, "--members", 2, "--folds", 2, "--fast")
    assert said.code == 0
    assert "mean over 2 folds" in said.out
    means = json.loads((out / "folds.json").read_text())
    assert (means["folds"], means["all_hold"], len(means["measures"][0]["per_fold"])) == (2, True, 2)
    events = [xr.load_dataset(folder / "ensemble.nc").sample for folder in (out, out / "folds/1")]
    assert not set(events[0].to_numpy()) & set(events[1].to_numpy())
    assert lawful("generate", out / "folds/1").code == 0


def test_folds_are_judged_again_with_their_means(lawful, files, tmp_path):
    data, out = files / "parts.nc", tmp_path / "run"
    lawful("run", "parts", "--data", data, "--out", out, "--members", 2, "--folds", 2, "--fast")
    means = (out / "folds.json").read_text()
    (out / "folds.json").unlink()
    (out / "folds/1/report.json").unlink()
    said = lawful("report", out)
    assert "mean over 2 folds" in said.out and (out / "folds.json").read_text() == means
    assert (out / "folds/1/report.json").exists()
    assert "mean over" not in lawful("report", out / "folds/1").out
    (out / "folds.json").unlink()
    (out / "folds/1/ensemble.nc").unlink()
    said = lawful("report", out)
    assert said.code == 0 and not (out / "folds.json").exists()


def test_folds_with_given_variables_are_scored_over_all_their_events(lawful, files, tmp_path):
    data, out = files / "parts.nc", tmp_path / "run"
    said = lawful("run", "parts", "--data", data, "--out", out, "--given", "a", "--members", 3, "--folds", 2, "--fast")
    assert said.code == 0
    assert "over the held-out events of all folds" in said.out
    means = json.loads((out / "folds.json").read_text())
    folds = [json.loads((folder / "report.json").read_text()) for folder in (out, out / "folds/1")]
    parts = [fold["fidelity"]["conditional"]["variables"][0] for fold in folds]
    scored = means["conditional"][0]
    counts = [sum(part["blocks"]["events"]) for part in parts]
    mean = sum(n * part["crps"]["model"] for n, part in zip(counts, parts, strict=True)) / sum(counts)
    assert scored["name"] == parts[0]["name"] == "b" and scored["crps"] == pytest.approx(mean)
    assert json.loads((out / "model/model.json").read_text())["stretch"].keys() <= {"b", "c"}


def test_a_second_run_reuses_the_training(finished, lawful, files):
    command = ("run", "parts", "--data", files / "parts.nc", "--out", finished, "--members", 1, "--fast")
    said = lawful(*command)
    assert said.code == 0
    assert f"reusing the finished training in {finished / 'model'}" in said.err
    assert xr.load_dataset(finished / "ensemble.nc").sizes["realization"] == 1
