"""The command line on small domains: quick trainings, files of data, and one finished run to start from."""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from small import budget_data, install, parts_data, save

from lawful.cli import main

# A shell that starts the tests in the background has interrupts ignored, and so would its children.
ENDLESS = """
import signal, small
signal.signal(signal.SIGINT, signal.default_int_handler)
small.install(setattr, steps=10**7)
from lawful.cli import main
main()
"""


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """The one line that a user is told; checks that it is one, for exit code 2, with nothing printed before."""
        lines = [line for line in self.err.splitlines() if not line.startswith("note:")]
        assert (self.code, self.out, len(lines)) == (2, "", 1), self
        assert lines[0].startswith("lawful: ")
        return lines[0]


def call(*arguments) -> int:
    """Run a command in this process; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def small_domains(monkeypatch):
    """The domains of `small`, and short trainings."""
    install(monkeypatch.setattr)


@pytest.fixture
def lawful(capsys):
    """Run a command and give what it said."""

    def run(*arguments) -> Said:
        capsys.readouterr()
        code = call(*arguments)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with `budget.nc` and `parts.nc`."""
    folder = tmp_path_factory.mktemp("files")
    save(budget_data(), folder / "budget.nc")
    save(parts_data(), folder / "parts.nc")
    return folder


@pytest.fixture(scope="session")
def once(files, tmp_path_factory):
    """The folder of one finished run of `parts`; not to be written in."""
    out = tmp_path_factory.mktemp("once") / "run"
    with pytest.MonkeyPatch.context() as patch:
        install(patch.setattr)
        assert call("run", "parts", "--data", files / "parts.nc", "--out", out, "--members", 3, "--fast") == 0
    return out


@pytest.fixture
def finished(once, tmp_path):
    """A copy of a finished run of `parts` that a test may damage."""
    return shutil.copytree(once, tmp_path / "finished")


@pytest.fixture
def train(lawful, files, tmp_path):
    """Train `parts`, with more options; gives what was said."""

    def command(*options, out="run"):
        return lawful("train", "parts", "--data", files / "parts.nc", "--out", tmp_path / out, "--fast", *options)

    return command


@pytest.fixture
def ended_by(files):
    """Start an endless training in a folder, end it by a signal when it is on its way; exit code and what it said."""

    def command(number, out):
        arguments = ["train", "parts", "--data", str(files / "parts.nc"), "--out", str(out), "--seed", "1"]
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, *arguments], cwd=Path(__file__).parent, stderr=subprocess.PIPE, text=True
        )
        while not (out / "model/training.json").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        return process.wait(), process.communicate()[1]

    return command
