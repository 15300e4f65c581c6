"""The yardstick of comparisons says what `fidelity` says."""

from dataclasses import replace

import numpy as np
import pytest
from reports_data import as_array

from lawful.reports.comparison.table import MEASURES
from lawful.reports.fidelity import fidelity
from lawful.reports.fidelity.protocol import Effort
from lawful.reports.fidelity.yardstick import Yardstick

COPIES = ("energy_distance", "w1", "zeros", "correlation", "tail_dependence")
EFFORT = Effort(realizations=2, copies=2, analog_sets=2, replicates=0)


def test_it_agrees_with_the_report(tiny, tiny_data):
    train, test, ensemble = tiny_data
    made = np.stack([as_array(ensemble.isel(realization=k), tiny) for k in range(2)])
    found = Yardstick(train, test, tiny, 3, EFFORT)(made)
    judged = fidelity(
        ensemble.isel(realization=[0, 1]), train, test, tiny, seed=3, effort=replace(EFFORT, replicates=2)
    )
    rows = {row["measure"]: row for row in judged["summary"]}
    assert set(found) == set(MEASURES)
    for measure, figures in found.items():
        # Copies of training data are other ones, drawn after other draws.
        near = 0.6 if measure in COPIES else 1e-9
        assert figures["floor"] == pytest.approx(rows[measure]["floor"], rel=near), measure
        for name in ("model", "ceiling"):
            assert figures[name] == pytest.approx(rows[measure][name], rel=1e-9), (measure, name)


def test_one_set_of_floors_serves_all(tiny, tiny_data):
    train, test, _ = tiny_data
    yardstick = Yardstick(train, test, tiny, 0, EFFORT)
    same, shifted = as_array(test, tiny)[None], as_array(test, tiny)[None] + 50.0
    good, bad = yardstick(same), yardstick(shifted)
    for measure in good:
        assert good[measure]["floor"] == bad[measure]["floor"] and good[measure]["ceiling"] == bad[measure]["ceiling"]
    assert good["w1"]["model"] < 1e-12 and bad["w1"]["model"] > 1.0


def test_measures_that_a_domain_leaves_out_are_not_taken(tiny, tiny_data):
    train, test, _ = tiny_data
    shorter = tiny.model_copy(update={"leave_out": ("auc", "w1")})
    found = Yardstick(train, test, shorter, 0, EFFORT)(as_array(test, tiny)[None])
    assert "energy_distance" in found and not {"auc", "w1"} & set(found)
