"""The example of docs/domains.md on how likeness is judged is judged like that."""

import importlib
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lawful.domains import load_domain
from lawful.reports.fidelity import fidelity, own
from lawful.reports.fidelity.protocol import Effort

PAGE = (Path(__file__).parents[2] / "docs/domains.md").read_text().split("## How likeness is judged")[1]


def example(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def days(domain, rng: np.random.Generator, weeks: int) -> xr.Dataset:
    rain = rng.gamma(0.5, 4.0, (7 * weeks, 8)) * (rng.random((7 * weeks, 1)) < 0.5)
    areal = rain.mean(1)
    runoff = 0.4 * areal
    values = np.column_stack([rain, areal, runoff, areal - runoff])
    time = np.datetime64("2012-01-02", "ns") + np.arange(len(rain)) * np.timedelta64(24, "h")
    return xr.Dataset({name: ("time", values[:, k]) for k, name in enumerate(domain.names)}, {"time": time})


@pytest.fixture
def measure(tmp_path, monkeypatch):
    (tmp_path / "my_package.py").write_text(example("python"))
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("wet-days", "my_package:wet_days", own.GROUP)
    monkeypatch.setattr(own, "entry_points", lambda group, name=None: [point] if name in (None, point.name) else [])
    return importlib.import_module("my_package").wet_days


def test_the_report_has_what_the_domain_asks_for(tmp_path, measure):
    (tmp_path / "rain.yaml").write_text(example("yaml"))
    domain, rng = load_domain(tmp_path / "rain.yaml"), np.random.default_rng(0)
    train, test = days(domain, rng, 30), days(domain, rng, 10)
    made = days(domain, rng, 10).expand_dims("realization")
    found = fidelity(made, train, test, domain, effort=Effort(1, 2, 1, 5))
    labels = {row["measure"]: row["label"] for row in found["summary"]}
    assert labels["wet-days"] == "Error in the share of days with 1 mm of areal rain or more"
    assert {"synthetic_to_real:runoff from rain", "spectrum:rain", "blocks:rain", "energy_distance"} < set(labels)
    assert "annual" not in labels
    areal = np.stack([made["areal"].values[0], test["areal"].values])
    expected = abs((areal[0] >= 1).mean() - (areal[1] >= 1).mean())
    row = next(row for row in found["summary"] if row["measure"] == "wet-days")
    assert row["model"] == pytest.approx(expected)
    assert measure(np.zeros((3, 11)), np.ones((3, 11))) == 1.0
