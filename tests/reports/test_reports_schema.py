"""report.json is what the published schema says, number by number."""

import copy
import json
from importlib.resources import files

import numpy as np
import pytest
from reports_data import as_array, as_ensemble

from lawful.domains import Domain
from lawful.reports.page import FORMAT, build_report

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install jsonschema")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((files("lawful.reports") / "schema" / "report.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def report(tiny: Domain, tiny_data, tmp_path_factory):
    train, test, ensemble = tiny_data
    given = ensemble.assign(c=test["c"] + 0 * ensemble["c"])
    run = {"given": ["c"], "fast": True, "seed": 1}
    return build_report(given, train, test, tiny, run, tmp_path_factory.mktemp("schema"))


def test_a_report_with_given_variables(validator, report):
    assert [error.message for error in validator.iter_errors(report)] == []
    assert report["format"] == FORMAT


def test_a_report_of_a_composition(validator, rocks, tmp_path):
    domain, data = rocks
    train, test = data.isel(sample=slice(None, 350)), data.isel(sample=slice(350, None))
    made = as_array(train, domain)[np.random.default_rng(0).integers(350, size=(2, test.sizes["sample"]))]
    report = build_report(as_ensemble(made, test, domain), train, test, domain, {"fast": True}, tmp_path)
    assert [error.message for error in validator.iter_errors(report)] == []
    assert "diurnal.png" not in str(report["figures"]) and "ratios.png" not in str(report["figures"])
    assert "isometric log-ratios" in (tmp_path / "report.html").read_text()


def test_a_report_without_likeness(validator, tiny, tiny_data, tmp_path):
    train, test, ensemble = tiny_data
    nothing = build_report(ensemble * float("nan"), train, test, tiny, {}, tmp_path)
    assert [error.message for error in validator.iter_errors(nothing)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("fidelity", "joint", "mmd"), {"model": 1.0}),
        (("fidelity", "summary", 0, "floor"), "0.1"),
        (("fidelity", "conditional", "variables", 0, "crps"), None),
        (("fidelity", "protocol", "surprise"), 1),
        (("validity", "ensemble", "laws", 0, "name"), 3),
    ],
)
def test_the_schema_refuses_what_is_not_so(validator, report, path, value):
    changed = copy.deepcopy(report)
    inside = changed
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    assert list(validator.iter_errors(changed))
