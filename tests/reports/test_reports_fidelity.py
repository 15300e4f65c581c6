"""Bad generators are caught, each by the measure made for it, and fresh data are not."""

import json

import numpy as np
import pytest
import xarray as xr
from reports_data import as_array, as_ensemble

from lawful.domains import Domain, InputError
from lawful.domains.blocks import fold_masks
from lawful.reports.fidelity import NothingToCompare, fidelity
from lawful.reports.validity import validity
from lawful.reports.verdict import verdict


def flagged(report: dict) -> set[str]:
    return {row["measure"] for row in report["summary"] if row["above_floor"]}


@pytest.fixture(scope="module")
def judge(urban: Domain, urban_data):
    train, test, _ = urban_data
    return lambda values, **options: fidelity(
        as_ensemble(values, test, urban), train, test, urban, fast=True, **options
    )


def test_fresh_data_are_not_caught(judge, urban_data):
    report = judge(urban_data[2])
    assert flagged(report) == set()
    for figures in report["two_sample"].values():
        assert abs(figures["model"] - 0.5) < 0.1
        assert abs(figures["floor"] - 0.5) < 0.1
    json.dumps(report, allow_nan=False)


def test_wrong_correlations_with_right_marginals_are_caught(judge, urban_data):
    rng = np.random.default_rng(0)
    caught = flagged(judge(rng.permuted(urban_data[2], axis=1)))
    assert {"auc", "auc_ratios", "correlation", "rank_correlation", "tail_dependence", "precision", "mmd"} <= caught
    assert not {"w1", "ks", "quantiles", "zeros", "copies"} & caught


def test_wrong_lower_tails_are_caught_in_logarithms_alone(tiny, tiny_data):
    """Values of a thousandth of the median say nothing in standard deviations."""
    rng = np.random.default_rng(3)
    sizes = [np.exp(rng.normal(0, 2, ds.sizes["time"])) for ds in tiny_data[:2]]
    train, test = (ds.assign(b=ds["b"].copy(data=x), c=ds["a"] + x) for ds, x in zip(tiny_data, sizes, strict=False))
    fresh = np.exp(rng.normal(0, 2, tiny_data[2]["b"].shape))
    for values, expected in ((fresh, False), (np.where(fresh < 1, fresh**4, fresh), True)):
        b = tiny_data[2]["b"].copy(data=values)
        report = fidelity(tiny_data[2].assign(b=b, c=tiny_data[2]["a"] + b), train, test, tiny, fast=True)
        found = report["marginals"]["variables"][1]
        assert (found["log_w1"]["interval"][0] > 0) is expected and found["w1"]["interval"][0] <= 0


def test_no_spread_at_all_is_caught(judge, urban_data):
    mean = np.broadcast_to(urban_data[2].mean(axis=(0, 1)), urban_data[2].shape)
    spread = {"w1", "ks", "quantiles", "extremes", "sliced_wasserstein", "energy_distance", "recall"}
    assert {*spread, "auc", "repeats"} <= flagged(judge(mean))


def test_realizations_that_are_all_the_same_are_caught(judge, urban_data):
    same = np.broadcast_to(urban_data[2][:1], urban_data[2].shape)
    assert flagged(judge(same)) == {"repeats"}


def test_copies_of_training_rows_are_caught(judge, urban, urban_data):
    train, _, fresh = urban_data
    rows = as_array(train, urban)
    # Copies of the row nearest to fresh data, so that every other measure is content.
    distance = ((fresh[..., np.newaxis, :] - rows) ** 2 / rows.var(axis=0)).sum(axis=-1)
    caught = flagged(judge(rows[distance.argmin(axis=-1)]))
    assert {"copies", "near_copies", "closer"} <= caught


def test_near_copies_are_caught(judge, urban, urban_data):
    train, _, fresh = urban_data
    rng = np.random.default_rng(1)
    rows = as_array(train, urban)[rng.integers(train.sizes["time"], size=fresh.shape[:2])]
    caught = flagged(judge(rows + 1e-4 * rng.normal(size=rows.shape) * rows.std(axis=(0, 1))))
    assert {"near_copies", "closer"} <= caught and "copies" not in caught


def test_missing_zeros_are_caught(judge, urban_data):
    fresh = urban_data[2]
    filled = np.where(fresh == 0, np.random.default_rng(2).random(fresh.shape) * 1e-3, fresh)
    caught = flagged(judge(filled))
    assert {"zeros", "auc"} <= caught and "w1" not in caught


def test_wrong_ratios_are_caught_by_the_classifier_that_sees_them(judge, urban, urban_data):
    made = urban_data[2].copy()
    made[..., urban.names.index("Kup")] *= np.random.default_rng(3).normal(1.0, 0.1, made.shape[:2])
    report = judge(made)
    assert "auc_ratios" in flagged(report)
    assert report["two_sample"]["with_ratios"]["model"] > 0.8


def test_given_variables_call_for_scores_and_a_good_ensemble_passes(judge, urban, urban_data):
    _, test, _ = urban_data
    given = ("Kdown", "Ldown", "Rain")
    columns = [urban.names.index(name) for name in given]
    truth, rng = as_array(test, urban), np.random.default_rng(4)
    # An ensemble of which the observation is one more member: centres off the truth, spread as wide as they are off.
    spread = 0.1 * truth.std(axis=0)
    centre = truth + spread * rng.normal(size=truth.shape)
    made = centre + spread * rng.normal(size=(9, *truth.shape))
    made[..., columns] = truth[:, columns]
    report = judge(made, given=given)
    scores = report["conditional"]
    assert [v["name"] for v in scores["variables"]] == [name for name in urban.names if name not in given]
    assert not {"crps", "energy_score"} & flagged(report)
    assert sum(v["ranks"]["flat"] for v in scores["variables"]) >= 8
    lupwards = next(v for v in scores["variables"] if v["name"] == "Lup")
    assert lupwards["spread_skill"]["value"] == pytest.approx(1.0, abs=0.1)
    assert lupwards["crps"]["over_climatology"]["interval"][1] < 0.5
    assert report["marginals"]["variables"][0]["given"]


def test_given_variables_show_an_ensemble_without_spread(judge, urban, urban_data):
    train, test, _ = urban_data
    climate = as_array(train, urban).mean(axis=0)
    made = np.broadcast_to(climate, (5, test.sizes["time"], len(climate))) + 1e-9 * np.arange(5)[:, None, None]
    report = judge(made, given=("Kdown",))
    assert {"crps", "energy_score"} <= flagged(report)
    variable = report["conditional"]["variables"][1]
    assert not variable["ranks"]["flat"] and variable["ranks"]["dispersion"]["value"] > 1
    assert variable["spread_skill"]["value"] < 1e-3


def every_fourth(datasets):
    return [ds.isel(time=slice(None, None, 4)) for ds in datasets]


def test_same_seed_same_figures(tiny: Domain, tiny_data):
    train, test, ensemble = every_fourth(tiny_data)
    runs = [fidelity(ensemble, train, test, tiny, fast=True, seed=seed) for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


def test_good_tiny_ensemble(tiny: Domain, tiny_data):
    train, test, ensemble = tiny_data
    report = fidelity(ensemble, train, test, tiny)
    assert flagged(report) == set()
    assert report["protocol"]["realizations_used"] == 4
    a = report["marginals"]["variables"][0]
    assert a["atoms"][0]["at"] == 0 and a["atoms"][0]["share"]["ensemble"] == pytest.approx(0.4, abs=0.05)


def test_context_may_be_given_or_computed(tiny: Domain, tiny_data):
    train, test, ensemble = every_fourth(tiny_data)
    nothing = [np.zeros((ds.sizes["time"], 0)) for ds in (train, test)]
    by_domain = fidelity(ensemble, train, test, tiny, given=("c",), fast=True)
    by_hand = fidelity(
        ensemble, train, test, tiny, given=("c",), fast=True, context_train=nothing[0], context_test=nothing[1]
    )
    assert by_domain["conditional"] != by_hand["conditional"]


def test_compositions_with_labelled_blocks(rocks):
    domain, data = rocks
    learn, hold = fold_masks(data, domain, 0)
    train, test = data.isel(sample=learn), data.isel(sample=hold)
    rng = np.random.default_rng(5)
    drawn = rng.integers(train.sizes["sample"], size=(3, test.sizes["sample"]))
    report = fidelity(as_ensemble(as_array(train, domain)[drawn], test, domain), train, test, domain)
    joint = report["joint"]
    assert joint["ilr_gaussian"]["energy_distance"]["model"] > joint["energy_distance"]["floor"]
    assert "copies" in flagged(report)
    assert report["two_sample"]["with_ratios"] is None and report["conditional"] is None
    json.dumps(report, allow_nan=False)


def test_one_realization_one_test_block(tiny: Domain, tiny_data):
    train, test, ensemble = tiny_data
    one = slice(0, 56)
    report = fidelity(
        ensemble.isel(realization=[0], time=one), train, test.isel(time=one), tiny, given=("a",), fast=True
    )
    assert report["two_sample"] == {"variables": None, "with_ratios": None}
    assert report["conditional"] is None
    # Resampling one block says nothing of others, however wrong the ensemble.
    assert all(row["interval"] is None and not row["above_floor"] for row in report["summary"])
    assert "of one block" in verdict(validity(ensemble, tiny), report)


def test_scores_of_one_test_block_have_no_intervals(tiny: Domain, tiny_data):
    train, test, ensemble = tiny_data
    one = slice(0, 56)
    shifted = ensemble.isel(time=one).assign(b=ensemble["b"].isel(time=one) + 500.0)
    report = fidelity(shifted, train, test.isel(time=one), tiny, given=("a",), fast=True)["conditional"]
    for variable in report["variables"]:
        scores = (variable["crps"]["over_analogs"], variable["spread_skill"], variable["ranks"]["bias"])
        assert all(score["interval"] is None for score in scores) and variable["ranks"]["flat"]


def test_constant_and_empty_variables_do_no_harm(tiny: Domain, tiny_data):
    train, test, ensemble = (ds.assign(b=0 * ds["b"], c=ds["a"]) for ds in tiny_data)
    report = fidelity(ensemble, train, test, tiny, given=("c",), fast=True)
    b = report["marginals"]["variables"][1]
    assert b["pinned"] and b["ks"] is None and b["w1"]["model"] == 0
    json.dumps(report, allow_nan=False)


def test_events_that_are_not_finite_are_left_out_and_counted(tiny: Domain, tiny_data):
    train, test, ensemble = tiny_data
    holed = ensemble.copy(deep=True)
    holed["a"][1, 5] = np.nan
    holed["b"][0, 9] = np.inf
    assert fidelity(holed, train, test, tiny, fast=True)["protocol"]["left_out"] == 2
    with pytest.raises(NothingToCompare, match="fewer than two events"):
        fidelity(ensemble * np.nan, train, test, tiny, fast=True)


def test_what_does_not_fit_is_refused(tiny: Domain, tiny_data):
    train, test, ensemble = tiny_data
    with pytest.raises(InputError, match="they must be the same"):
        fidelity(ensemble.isel(time=slice(9)), train, test, tiny)
    with pytest.raises(InputError, match="given d"):
        fidelity(ensemble, train, test, tiny, given=("d",))
    with pytest.raises(InputError, match="select one realization"):
        fidelity(ensemble, ensemble, test, tiny)
    assert isinstance(ensemble, xr.Dataset)
