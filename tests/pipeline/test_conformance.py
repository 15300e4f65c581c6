"""Ensembles pass the IOOS compliance checker for CF-1.11 without errors."""

import json
import shutil
import subprocess

import pytest

CHECKER = shutil.which("compliance-checker")
pytestmark = pytest.mark.skipif(
    CHECKER is None, reason='no compliance-checker is installed: pip install ".[conformance]"'
)


def faults(path, tmp_path, test: str) -> list[str]:
    """What the checker holds against a file among what it calls high and medium priorities."""
    target = tmp_path / "checked.json"
    command = [str(CHECKER), f"--test={test}", "--format=json", f"--output={target}", str(path)]
    subprocess.run(command, capture_output=True, check=False, timeout=300)
    found = json.loads(target.read_text())[test]
    results = [result for level in ("high_priorities", "medium_priorities") for result in found[level]]
    return [message for result in results for message in result["msgs"]]


@pytest.mark.parametrize("domain", ["budget", "parts"])
def test_an_ensemble_follows_cf(lawful, files, tmp_path, domain):
    data = ("--data", files / f"{domain}.nc", "--out", tmp_path / domain)
    assert lawful("run", domain, *data, "--members", 2, "--fast").code == 0
    found = faults(tmp_path / domain / "ensemble.nc", tmp_path, "cf:1.11")
    # A recommendation, on clocks that our data say nothing of.
    assert [message for message in found if "units_metadata" not in message] == []
