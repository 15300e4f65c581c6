"""The package as it is installed: metadata, entry points, the refusal of a second name, and the import arrows."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lawful
from lawful.domains import Domain

ROOT = Path(__file__).parents[1]
ROOMS = ("core", "domains", "data_recipes", "reports")
DOMAINS = {"surface-balance", "rock-oxides", "soil-water", "rock-composition", "metabolic-flux"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _run(*command: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    extra = {"PYTHONPATH": str(path)} if path else {}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **extra}, check=False)


def test_metadata(project: dict[str, Any]) -> None:
    installed = distribution("lawful").metadata
    assert installed["Version"] == project["project"]["version"] == lawful.__version__
    assert installed["License-Expression"] == "Apache-2.0"
    assert installed["Requires-Python"] == ">=3.11"


def test_license_is_the_unmodified_text() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "Copyright [yyyy] [name of copyright owner]" in text
    assert len(text.split()) == 1581


def test_domains_are_found() -> None:
    found = {point.name: point.load() for point in entry_points(group="lawful.domains")}
    assert set(found) >= DOMAINS
    assert all(isinstance(found[name], Domain) and found[name].name == name for name in DOMAINS)


def test_command_is_installed() -> None:
    (script,) = {point.value for point in entry_points(group="console_scripts", name="lawful")}
    assert script == "lawful.cli:main"


def test_files_beside_the_code_are_found() -> None:
    data = files("lawful.data_recipes") / "samples"
    assert {"README.md", "rock-oxides.nc", "soil-water.nc", "surface-balance.nc"} <= {
        entry.name for entry in data.iterdir()
    }
    assert (files("lawful.reports") / "templates" / "report.html.j2").is_file()
    assert (files("lawful") / "py.typed").is_file()


def test_every_folder_with_code_is_packaged() -> None:
    pytest.importorskip("setuptools")
    listing = (
        "import setuptools.dist as d; d.Distribution.run_commands = lambda self: print(*self.packages); import setup"
    )
    done = _run(sys.executable, "-c", listing, "build")
    assert done.returncode == 0, done.stderr
    homes = {**{room: f"lawful.{room}" for room in ROOMS}, "src/lawful": "lawful"}
    code = {
        ".".join([home, *folder.relative_to(ROOT / root).parts])
        for root, home in homes.items()
        for folder in {file.parent for file in (ROOT / root).rglob("*.py")}
    }
    assert set(done.stdout.split()) == code


def test_core_has_one_name_only() -> None:
    refused = _run(sys.executable, "-c", "import core", path=ROOT)
    assert refused.returncode == 1
    assert "import lawful.core" in refused.stderr
    assert _run(sys.executable, "-c", "import lawful.core", path=ROOT).returncode == 0


def test_import_arrows() -> None:
    checked = _run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", checked.stdout)


def test_every_dependency_has_a_range_and_a_pin(project: dict[str, Any]) -> None:
    ranges = [Requirement(line) for line in project["project"]["dependencies"]]
    ranges += [Requirement(line) for line in project["project"]["optional-dependencies"]["test"]]
    pins = _pins()
    for requirement in ranges:
        assert requirement.specifier, requirement
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} does not admit the pin {version}"


def test_pins_are_plain_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line) for line in lines), "one exact pin a line"
    assert _pins()["torch"] == "2.13.0"


def _pins() -> dict[str, str]:
    pairs = (line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {canonicalize_name(name): version for name, version in pairs}
