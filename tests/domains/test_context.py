"""Features of context: cyclic, the same for every file, and named."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import Context, InputError
from lawful.domains.context import context_features


def test_shape_and_names(budget, year):
    features, names = context_features(year, budget)
    assert features.shape == (8784, 6 + 4 + 7)
    assert len(set(names)) == 17
    assert names[:2] == ("hour_sin1", "hour_cos1")
    assert names[-1] == "weekday_sunday"
    assert np.abs(features).max() <= 1


def test_values_of_one_hour(budget):
    ds = xr.Dataset(coords={"time": np.array(["2012-01-04T06:00"], dtype="datetime64[ns]")})
    features, names = context_features(ds, budget)
    row = dict(zip(names, features[0], strict=True))
    assert row["hour_sin1"] == pytest.approx(1)
    assert row["hour_cos2"] == pytest.approx(-1)
    assert row["weekday_wednesday"] == 1
    assert sum(value for name, value in row.items() if name.startswith("weekday")) == 1
    assert row["day_sin1"] == pytest.approx(np.sin(2 * np.pi * 3.25 / 365.2425))


def test_midnight_and_new_year_are_no_jumps(budget, year):
    features, names = context_features(year, budget)
    cyclic = [i for i, name in enumerate(names) if not name.startswith("weekday")]
    steps = np.abs(np.diff(features[:, cyclic], axis=0)).max(axis=0)
    assert (steps <= 3 * 2 * np.pi / 24).all()
    day = [i for i, name in enumerate(names) if name.startswith("day")]
    assert np.abs(features[0, day] - features[-1, day]).max() < 0.04


def test_an_event_has_the_same_features_in_any_file(budget, year):
    whole, _ = context_features(year, budget)
    part, _ = context_features(year.isel(time=[5000, 17]), budget)
    np.testing.assert_array_equal(part, whole[[5000, 17]])


def test_variables_and_other_calendars(budget):
    domain = budget.model_copy(update={"context": (*budget.context, Context(name="T", kind="variable"))})
    time = xr.date_range("2001-02-29", periods=4, freq="6h", calendar="360_day", use_cftime=True)
    ds = xr.Dataset({"T": ("time", np.arange(4))}, {"time": time})
    features, names = context_features(ds, domain)
    assert names[-1] == "T"
    np.testing.assert_array_equal(features[:, -1], np.arange(4))


def test_no_context_has_no_columns(budget, year):
    features, names = context_features(year, budget.model_copy(update={"context": ()}))
    assert features.shape == (8784, 0)
    assert names == ()


def test_errors(budget, year):
    with pytest.raises(InputError, match="needs the time"):
        context_features(xr.Dataset({"P": ("time", [1.0])}), budget)
    domain = budget.model_copy(update={"context": (Context(name="T", kind="variable"),)})
    with pytest.raises(InputError, match="no variable 'T'"):
        context_features(year, domain)
    with pytest.raises(InputError, match="one number for each hour"):
        context_features(year.assign(T=3.0), domain)
