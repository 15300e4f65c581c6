"""Settings that cannot be are refused in one line, before anything is trained or written."""

import pytest
import torch
from small import BUDGET, install

from lawful.pipeline import RunSettings, train
from lawful.pipeline.settings import require_numbers

WRONG = [
    (["--members", 0], "--members: Input should be greater than or equal to 1, got 0"),
    (["--members", -3], "--members"),
    (["--members", 10**12], "GiB of memory"),
    (["--folds", 6], "--folds: Input should be less than or equal to 5, got 6"),
    (["--folds", 0], "--folds"),
    (["--seed", -1], "--seed"),
    (["--seed", 2**31], "--seed"),
    (["--dtype", "float16"], "--dtype: Input should be 'float32' or 'float64', got 'float16'"),
    (["--device", "tpu"], "--device"),
    (["--model", "oracle"], "--model: no model 'oracle'; there is auto, autoregressive"),
    (["--given", "Rain,Snow"], "no variable 'Snow'; it has Rain, Evap, RO, Store"),
    (["--given", "Rain,Evap,RO,Store"], "every variable is given"),
    (["--map", "Rain"], "--map Rain: expected VAR=PATH"),
    (["--map", "=there"], "--map =there: expected VAR=PATH"),
    (["--map", "Snow=there"], "'Snow', unknown to domain 'budget'"),
    (["--map", "Rain=there"], "no variable 'there'"),
]


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a training began")

    monkeypatch.setattr(train, "train", refuse)


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_a_wrong_setting_is_named(lawful, files, tmp_path, no_training, options, words):
    out = tmp_path / "out"
    said = lawful("run", "budget", "--data", files / "budget.nc", "--out", out, *options)
    assert words in said.fault
    assert not out.exists()


def test_an_unknown_domain(lawful, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no domain 'nowhere'; installed are budget, parts" in lawful("run", "nowhere").fault
    assert not list(tmp_path.iterdir())


def test_a_domain_without_sample_asks_for_a_file(lawful, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "give a file of your own" in lawful("run", "budget").fault


def test_cuda_where_there_is_none(lawful, files, tmp_path, no_training, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    command = ("run", "budget", "--data", files / "budget.nc", "--out", tmp_path / "out", "--device", "cuda")
    assert "--device cuda: PyTorch sees no CUDA device" in lawful(*command).fault


@pytest.mark.parametrize("command", ["run", "train"])
@pytest.mark.parametrize("place", ["file", "file/below", "/proc/lawful"])
def test_a_folder_that_cannot_be_written_is_found_before_training(lawful, files, tmp_path, no_training, command, place):
    (tmp_path / "file").write_text("")
    said = lawful(command, "budget", "--data", files / "budget.nc", "--out", tmp_path / place)
    assert "cannot write in folder" in said.fault


def test_a_model_folder_that_is_a_file_is_found_before_training(lawful, files, tmp_path, no_training):
    (tmp_path / "model").write_text("")
    said = lawful("train", "budget", "--data", files / "budget.nc", "--out", tmp_path)
    assert str(tmp_path / "model") in said.fault


def test_the_command_is_one_that_a_shell_reads_back():
    settings = RunSettings.checked(
        domain="budget", out="my folder", data="a b.h5", mapping={"Rain": "/x y"}, given=("Rain", "RO"), fast=True
    )
    expected = "lawful run budget --out 'my folder' --data 'a b.h5' --map 'Rain=/x y' --given Rain,RO --fast"
    assert settings.command() == expected


def test_a_pinned_variable_that_single_precision_cannot_hold(lawful, files, tmp_path, no_training, monkeypatch):
    """No float32 is 8.39: nearest is a number beyond the bound."""
    pinned = BUDGET.variables[2].model_copy(update={"lower": 8.39, "upper": 8.39})
    domain = BUDGET.model_copy(
        update={"name": "pinned", "variables": (*BUDGET.variables[:2], pinned, BUDGET.variables[3])}
    )
    install(monkeypatch.setattr, pinned=domain)
    said = lawful("run", "pinned", "--data", files / "budget.nc", "--out", tmp_path / "out", "--dtype", "float32")
    assert "--dtype float32: no float32 lies within the bounds 8.39 and 8.39 of RO; store float64" in said.fault
    require_numbers(domain, "float64")
