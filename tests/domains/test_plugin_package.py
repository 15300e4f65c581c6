"""A package outside of this repository brings a domain: built, installed and found as any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"
SAYS = """
from lawful.domains import get_domain, list_domains
from lawful.data_recipes import sample_path
assert {"lake", "surface-balance"} <= set(list_domains())
domain = get_domain("lake")
print(domain.title, sample_path(domain).is_file())
"""


def python(*arguments, path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for file in PLUGIN.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            (source / file.relative_to(PLUGIN)).parent.mkdir(parents=True, exist_ok=True)
            (source / file.relative_to(PLUGIN)).write_bytes(file.read_bytes())
    target = tmp_path_factory.mktemp("target")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(target)]
    done = python("-m", "pip", "install", *options, str(source), path=target)
    assert done.returncode == 0, done.stderr
    return target


def test_its_domain_and_its_sample_are_found(installed):
    done = python("-c", SAYS, path=installed)
    assert (done.returncode, done.stdout.strip()) == (0, "Daily water balance of a lake True"), done.stderr


def test_the_command_line_lists_it(installed):
    done = python("-c", "from lawful.cli import main; main(['domains'])", path=installed)
    assert "lake: Daily water balance of a lake" in done.stdout
    assert "inflow = outflow + rise   [mm d-1]" in done.stdout
