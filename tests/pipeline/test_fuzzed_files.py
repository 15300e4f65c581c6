"""Malformed files by the hundred: each is refused in one clear line with exit code 2, or is no longer malformed."""

import shutil

import pytest
from fuzz import DATA, DOMAINS, YAML, data_file, domain_file
from small import budget_data, save

from lawful.domains import InputError
from lawful.pipeline import train

REACHED = "the training is reached"


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*arguments):
        raise InputError(REACHED)

    monkeypatch.setattr(train, "train", refuse)


@pytest.fixture
def outcome(lawful, tmp_path, no_training, monkeypatch):
    """Whether a command refused its files; checks that it said so in one line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments) -> bool:
        shutil.rmtree("out", ignore_errors=True)
        fault = lawful(*arguments, "--out", "out").fault
        assert len(fault) < 700, fault
        assert "Error:" not in fault.split(": ")[1]
        return REACHED not in fault

    return run


def test_the_unfuzzed_files_reach_the_training(outcome, tmp_path):
    (tmp_path / "budget.yaml").write_text(YAML)
    assert not outcome("train", "budget.yaml", "--data", save(budget_data(), tmp_path / "budget.nc"))


def test_malformed_domains(outcome, tmp_path):
    data = save(budget_data(), tmp_path / "budget.nc")
    refused = 0
    for seed in DOMAINS:
        (tmp_path / "fuzzed.yaml").write_bytes(domain_file(seed))
        refused += outcome("train", "fuzzed.yaml", "--data", data)
    assert refused >= 0.75 * len(DOMAINS)


def test_malformed_data(outcome, tmp_path):
    (tmp_path / "budget.yaml").write_text(YAML)
    refused = 0
    for seed in DATA:
        refused += outcome("train", "budget.yaml", "--data", data_file(seed, tmp_path))
    assert refused >= 0.9 * len(DATA)
