"""Means over folds, of which some may have had nothing to compare."""

from lawful.pipeline.folds import as_text, over_folds


def report(model: float | None, floor: float = 0.5) -> dict:
    """The report of a fold; None where nothing was left to compare."""
    row = {"measure": "w1", "label": "W1", "model": model, "floor": floor, "excess": model and model - floor}
    fidelity = None if model is None else {"summary": [row], "conditional": None}
    return {"fidelity": fidelity, "validity": {"ensemble": {"holds": True, "laws": [{"ulps": {"max": 1.5}}]}}}


def test_a_fold_with_nothing_to_compare_is_left_out_of_means_and_said():
    found = over_folds([report(0.6), report(None), report(0.8)])
    w1 = found["measures"][0]
    assert found["folds"] == 3 and found["all_hold"] and found["conditional"] is None
    assert round(w1["model"], 12) == 0.7 and w1["per_fold"] == [0.6, None, 0.8]
    assert as_text(found).startswith("mean over 2 of 3 folds ")


def test_no_fold_with_anything_to_compare():
    found = over_folds([report(None), report(None)])
    assert found["measures"] == [] and as_text(found).startswith("mean over 0 of 2 folds ")


def test_all_folds_compared():
    assert as_text(over_folds([report(0.6), report(0.8)])).startswith("mean over 2 folds ")
