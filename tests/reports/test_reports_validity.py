import json
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_data import as_array, as_ensemble

from lawful.domains import Domain, InputError
from lawful.reports.text import validity_table
from lawful.reports.validity import validity


def dataset(values, dtype=np.float64) -> xr.Dataset:
    values = np.asarray(values, dtype=dtype)
    dims = ("realization", "time") if values.ndim == 3 else ("time",)
    time = np.datetime64("2012-01-02", "ns") + np.arange(values.shape[-2]) * np.timedelta64(1, "h")
    return xr.Dataset({name: (dims, values[..., k]) for k, name in enumerate("abc")}, coords={"time": time})


def assert_alike(found, expected) -> None:
    """Equal but for the rounding of sums."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_alike(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    else:
        assert found == (pytest.approx(expected, rel=1e-6, abs=1e-16) if isinstance(expected, float) else expected)


def law(report: dict, name: str) -> dict:
    return next(row for row in report["laws"] + report["inequalities"] if row["name"] == name)


def test_ulps_by_hand(tiny: Domain):
    """Half spacings of 1, 1 and 2 are 2^-53, 2^-53 and 2^-52: a residual of 2^-51 is 2^-51 / 2^-51 = 1 ulp."""
    report = validity(dataset([[1.0, 1.0, np.nextafter(2.0, 3.0)], [1.0, 1.0, 2.0]]), tiny)
    found = law(report, "sum")
    assert found["residual"]["max"] == 2.0**-51
    assert found["ulps"]["max"] == 1.0
    assert found["worst"] == {
        "realization": None,
        "event": "2012-01-02T00:00:00",
        "place": {},
        "index": {"time": 0},
        "residual": -(2.0**-51),
        "ulps": 1.0,
    }
    assert found["ulps"]["quantiles"]["50"] == 0.5


def test_ulps_in_float32_by_hand(tiny: Domain):
    """In float32 the half spacings are 2^-24, 2^-24 and 2^-23, and 2^-22 is one ulp."""
    report = validity(dataset([[1.0, 1.0, np.nextafter(np.float32(2), np.float32(3))]], np.float32), tiny)
    assert law(report, "sum")["ulps"]["max"] == 1.0
    assert report["stored"] == {"a": "float32", "b": "float32", "c": "float32"}


def test_packed_integers_are_judged_by_their_step(tiny: Domain):
    ds = dataset([[1.0, 1.0, 2.03]])
    for name in "abc":
        ds[name].encoding = {"dtype": np.int16, "scale_factor": 0.02}
    report = validity(ds, tiny)
    assert law(report, "sum")["ulps"]["max"] == pytest.approx(0.03 / (3 * 0.01))
    assert report["stored"]["a"] == "int16 in steps of 0.02"


def test_other_types_are_refused(tiny: Domain):
    with pytest.raises(InputError, match="float16"):
        validity(dataset([[1.0, 1.0, 2.0]], np.float16), tiny)


def test_residual_is_exact_where_plain_sums_are_not(tiny: Domain):
    """1e16 + 1 - (1e16 + 2) is -1 exactly; plain float64 sums give -2."""
    found = law(validity(dataset([[1e16, 1.0, 1e16 + 2]]), tiny), "sum")
    assert found["residual"]["max"] == float(abs(Fraction(10) ** 16 + 1 - (Fraction(10) ** 16 + 2)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(1e-12, 1e12), st.floats(1e-12, 1e12)), min_size=1, max_size=30))
def test_rounding_to_float32_is_one_ulp_at_most(tiny: Domain, pairs):
    a, b = np.array(pairs).T
    found = law(validity(dataset(np.stack([a, b, a + b], axis=-1), np.float32), tiny), "sum")
    assert found["ulps"]["max"] <= 1.0 + 1e-6
    assert found["holds"]


def test_dimensions_in_any_order_and_with_or_without_realizations(tiny: Domain, tiny_data):
    ensemble = tiny_data[2]
    turned = ensemble.transpose("time", "realization")
    there, back = (law(validity(ds, tiny), "sum") for ds in (ensemble, turned))
    assert there["ulps"]["quantiles"] == back["ulps"]["quantiles"] and there["judged"] == back["judged"]
    assert there["along"][0]["mean"] == pytest.approx(back["along"][0]["mean"])
    one = validity(ensemble.isel(realization=1), tiny)
    assert (one["realizations"], one["events"]) == (1, ensemble.sizes["time"])


def test_a_law_off_by_a_millionth_in_one_cell_is_found(tiny: Domain, tiny_data):
    values = np.stack([tiny_data[2][name].values for name in "abc"], axis=-1)
    assert validity(as_ensemble(values, tiny_data[1], tiny), tiny)["holds"]
    values[2, 17, 2] += 1e-6
    report = validity(as_ensemble(values, tiny_data[1], tiny), tiny)
    found = law(report, "sum")
    assert not report["holds"] and report["closes"] is False
    assert found["beyond_tolerance"] == 1 and found["closure"]["beyond"] == 1
    assert found["worst"]["realization"] == 2
    assert found["worst"]["event"] == str(tiny_data[1].time.values[17])[:19]
    assert found["worst"]["residual"] == pytest.approx(-1e-6)


def test_one_negative_value_is_found(tiny: Domain, tiny_data):
    values = np.stack([tiny_data[2][name].values for name in "abc"], axis=-1)
    values[1, 3, 1] = -1e-300
    report = validity(as_ensemble(values, tiny_data[1], tiny), tiny)
    bound = next(b for b in report["bounds"] if b["variable"] == "b")
    assert bound["violations"] == 1 and not bound["holds"] and not report["holds"]
    assert (bound["worst"]["realization"], bound["worst"]["value"]) == (1, -1e-300)


def test_upper_bounds_count_too_and_values_on_a_bound_obey_it(tiny: Domain):
    report = validity(dataset([[0.0, 1000.0, 1000.0], [1.0, 1000.0, 1001.0]]), tiny)
    upper = next(b for b in report["bounds"] if b["side"] == "upper")
    lower = next(b for b in report["bounds"] if b["variable"] == "a")
    assert (upper["violations"], upper["on_bound"]) == (1, 1)
    assert (lower["violations"], lower["on_bound"]) == (0, 1)


def test_comparisons_are_judged_exactly_and_sums_to_the_tolerance(tiny: Domain):
    """a <= c compares stored numbers; a + b <= c may be off by rounding."""
    report = validity(dataset([[1.0, 1.0, np.nextafter(2.0, 1.0)]]), tiny)
    assert law(report, "both")["holds"] and law(report, "both")["tolerance"] == {"kind": "ulps", "value": 8}
    report = validity(dataset([[1.0, 0.0, np.nextafter(1.0, 0.0)]]), tiny)
    assert law(report, "part")["violations"] == 1
    assert law(report, "part")["worst"]["excess"] == 2.0**-53


def test_nothing_is_judged_on_nan_but_nan_does_not_pass(tiny: Domain):
    report = validity(dataset([[1.0, 1.0, 2.0], [np.nan, 1.0, 5.0], [1.0, np.inf, 7.0]]), tiny)
    assert (report["nan"], report["infinite"]) == (1, 1)
    assert report["not_finite_by_variable"] == {"a": 1, "b": 1}
    assert {name: place["index"] for name, place in report["not_finite_first"].items()} == {
        "a": {"time": 1}, "b": {"time": 2}
    }  # fmt: skip
    assert "2 values are not finite (a 1, first at " in " ".join(validity_table(report).split())
    assert law(report, "sum")["judged"] == 1 and law(report, "sum")["holds"]
    assert not report["holds"]


def test_nothing_but_nan(tiny: Domain):
    report = validity(dataset([[np.nan] * 3] * 2), tiny)
    assert law(report, "sum")["residual"]["max"] is None and law(report, "sum")["worst"] is None
    json.dumps(report, allow_nan=False)
    assert "not finite" in validity_table(report)


def test_training_data_close_to_their_tolerance_though_not_to_ulps(urban: Domain, urban_data):
    report = validity(urban_data[0], urban)
    assert report["closes"] and not report["holds"]
    assert law(report, "water")["ulps"]["max"] > 1e4
    assert "only to the closure tolerance" in validity_table(report)


def test_ratios_are_looked_at_not_judged(tiny: Domain):
    report = validity(dataset([[0.0, 0.0, 0.0], [2.0, 2.0, 4.0], [1.0, 4.0, 5.0]]), tiny)
    share = report["ratios"][0]
    assert (share["defined"], share["min"], share["max"], share["outside"]) == (2, 0.2, 0.5, 0)
    assert report["holds"]
    outside = validity(dataset([[6.0, -3.0, 3.0]]), tiny)["ratios"][0]
    assert outside["outside"] == 1 and outside["worst"]["value"] == 2.0


def test_missing_variables_and_dimensions_are_named(tiny: Domain):
    with pytest.raises(InputError, match="no b, c"):
        validity(dataset([[1.0, 1.0, 2.0]])[["a"]], tiny)
    with pytest.raises(InputError, match="along 'time'"):
        validity(dataset([[1.0, 1.0, 2.0]]).rename(time="hour"), tiny)
    ds = dataset([[1.0, 1.0, 2.0]])
    with pytest.raises(InputError, match=r"b: expected dimensions \(time\), got \(time, site\)"):
        validity(ds.assign(b=ds["b"].expand_dims(site=2, axis=1)), tiny)


def test_rock_analyses_close_to_their_tolerance(rocks):
    domain, data = rocks
    report = validity(data, domain)
    assert report["closes"] and report["laws"][0]["judged"] == data.sizes["sample"]
    assert report["laws"][0]["worst"]["event"] in {str(label) for label in data["sample"].values}


def test_large_ensembles_are_judged_in_parts(tiny: Domain, tiny_data, monkeypatch):
    values = as_array(tiny_data[2], tiny)
    values[2, 500:520, 2] += 1e-9
    values[1, 3, 0] = np.nan
    ensemble = as_ensemble(values, tiny_data[1], tiny)
    whole = validity(ensemble, tiny)
    monkeypatch.setattr("lawful.reports.physics.columns._BLOCK", 300)
    monkeypatch.setattr("lawful.reports.physics.columns._PIECE", 7)
    assert_alike(validity(ensemble, tiny), whole)


def test_table_for_the_terminal(tiny: Domain, tiny_data):
    text = validity_table(validity(tiny_data[2], tiny))
    assert "a + b = c" in text and "holds" in text and "BROKEN" not in text
    assert max(map(len, text.splitlines())) <= 110
    values = as_array(tiny_data[1], tiny)[np.newaxis].copy()
    values[0, 0, 0] -= 100.0
    text = " ".join(validity_table(validity(as_ensemble(values, tiny_data[1], tiny), tiny)).split())
    assert "BROKEN" in text and "a is below 0 in 1 sample" in text


def test_of_many_bounds_only_the_violated_are_listed(rocks):
    domain, data = rocks
    text = validity_table(validity(data, domain), width=200)
    assert "SiO2 >= 0" not in text
    low = data.assign(SiO2=data["SiO2"] * 0 - 1)
    assert "SiO2 >= 0" in validity_table(validity(low, domain), width=200)
