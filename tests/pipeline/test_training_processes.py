"""Two processes that `torchrun` starts train as one does, and write one model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small import install

from lawful.core.models import Settings
from lawful.pipeline.settings import RunSettings

STEPS = 12
NETWORK = Settings(networks=2, width=8, experts=2, dropout=0.0)
SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_training_processes import prepare
prepare(setattr)
from lawful.cli import main
main()
"""


def prepare(patch):
    """Without dropout, so that what differs between processes is the order of sums."""
    install(patch, steps=STEPS)
    patch(RunSettings, "network", property(lambda self: NETWORK))


@pytest.fixture
def two_processes(tmp_path):
    """Run a command in two processes."""
    (tmp_path / "command.py").write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

    def command(*arguments):
        return subprocess.run(
            [*launcher, str(tmp_path / "command.py"), *map(str, arguments)],
            capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    return command


@pytest.mark.slow
def test_two_processes_train_as_one(two_processes, lawful, files, tmp_path, monkeypatch):
    prepare(monkeypatch.setattr)
    arguments = ["train", "parts", "--data", files / "parts.nc", "--out"]
    said = two_processes(*arguments, tmp_path / "two")
    assert (said.returncode, said.stdout) == (0, f"{tmp_path / 'two/model'}\n")
    assert lawful(*arguments, tmp_path / "one").code == 0
    one, two = (json.loads((tmp_path / name / "model/model.json").read_text()) for name in ("one", "two"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["validation_loss"] == pytest.approx(one["validation_loss"], abs=1e-3)
    assert {path.name for path in (tmp_path / "two").rglob("*.*")} == {
        "model.json", "model.safetensors", "training.csv", "run.yaml",
    }  # fmt: skip
    assert "reusing the finished training" in lawful(*arguments, tmp_path / "two").err


def test_a_run_of_two_processes_is_refused(lawful, files, tmp_path, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    said = lawful("run", "parts", "--data", files / "parts.nc", "--out", tmp_path / "two")
    assert "only `lawful train` takes several processes" in said.fault
