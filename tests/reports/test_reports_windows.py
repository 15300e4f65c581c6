"""Measures of windows in time: by hand, and each fault of a generator caught by the measure made for it."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.domains import Blocks, Domain, InputError, Law, Variable
from lawful.domains.problem import problem_of
from lawful.domains.steps import chain_of
from lawful.reports.fidelity.of_windows import fidelity_of_windows
from lawful.reports.fidelity.persistence import autocorrelations, longest_run, spell_counts

STEPS = 20
DAYS = tuple(str(day) for day in range(1, STEPS + 1))
SOIL = Domain(
    name="soil",
    title="Water of a soil",
    event="window",
    event_dim="time",
    window="day",
    dimensions={"day": DAYS, "midnight": ("0", *DAYS)},
    variables=(
        Variable(name="rain", units="mm", lower=0, over="day"),
        Variable(name="loss", units="mm", lower=0, over="day"),
        Variable(name="storage", units="mm", lower=0, over="midnight"),
    ),
    laws=(Law(name="water", equation="rain - loss = diff(storage)", units="mm", tolerance=1e-9),),
    blocks=Blocks(kind="time", length_days=60),
)


def test_runs_by_hand():
    dry = np.array([[1, 1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1]], dtype=bool)
    assert longest_run(dry).tolist() == [3, 0, 7]
    assert spell_counts(dry).tolist() == [[0, 0, 1, 1, 0, 0, 0, 0], [0] * 8, [0, 0, 0, 0, 0, 0, 0, 1]]


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=8))
def test_spells_fill_the_time_that_they_take(rows):
    true = np.array(rows)
    counts = spell_counts(true)
    np.testing.assert_array_equal(counts @ np.arange(7), true.sum(axis=1))
    longest = [max((n for n in range(7) if row[n]), default=0) for row in counts]
    np.testing.assert_array_equal(longest_run(true), longest)


def test_autocorrelation_of_an_autoregressive_process():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 1))
    for _ in range(9):
        x = np.append(x, 0.6 * x[:, -1:] + 0.8 * rng.standard_normal((4000, 1)), axis=1)
    found = autocorrelations(x, np.ones((1, 4000)), 0.0, 4)[0]
    np.testing.assert_allclose(found, 0.6 ** np.arange(1, 5), atol=0.02)
    # Windows that are drawn twice count twice.
    twice = np.where(np.arange(4000) < 2000, 2.0, 0.0)[None]
    np.testing.assert_allclose(
        autocorrelations(x, twice, 0.0, 4), autocorrelations(x[:2000], np.ones((1, 2000)), 0.0, 4)
    )


def test_autocorrelation_by_hand():
    x = np.array([[1.0, 2.0, 4.0]])
    # Products 2 and 8, mean 5; squares 1, 4 and 16, mean 7.
    np.testing.assert_allclose(autocorrelations(x, np.ones((1, 1)), 0.0, 2)[0], [5 / 7, 4 / 7])
    assert np.isnan(autocorrelations(np.full((3, 4), 2.0), np.ones((1, 3)), 2.0, 1)).all()


def fluxes(windows: int, rng: np.random.Generator) -> np.ndarray:
    """Rain in spells and a loss that lasts, (window, 2, step)."""
    wet = np.empty((windows, STEPS), dtype=bool)
    level = np.empty((windows, STEPS))
    wet[:, 0], level[:, 0] = rng.random(windows) < 0.3, rng.standard_normal(windows)
    for day in range(1, STEPS):
        wet[:, day] = rng.random(windows) < np.where(wet[:, day - 1], 0.75, 0.1)
        level[:, day] = 0.8 * level[:, day - 1] + 0.6 * rng.standard_normal(windows)
    return np.stack([wet * rng.gamma(2.0, 3.0, wet.shape), np.exp(0.4 * level)], axis=1)


def as_windows(values: np.ndarray) -> xr.Dataset:
    """(..., window, 2, step) as a data set with the storage that follows from it."""
    gain = values[..., 0, :] - values[..., 1, :]
    storage = 500 + np.concatenate([np.zeros((*gain.shape[:-1], 1)), np.cumsum(gain, axis=-1)], axis=-1)
    columns = {f"rain[{day}]": values[..., 0, i] for i, day in enumerate(DAYS)}
    columns |= {f"loss[{day}]": values[..., 1, i] for i, day in enumerate(DAYS)}
    columns |= {f"storage[{day}]": storage[..., i] for i, day in enumerate(("0", *DAYS))}
    dims = ("realization", "time")[-storage[..., 0].ndim :]
    time = np.datetime64("2001-01-01", "ns") + STEPS * np.arange(storage.shape[-2]) * np.timedelta64(1, "D")
    return xr.Dataset({name: (dims, numbers) for name, numbers in columns.items()}, {"time": time})


@pytest.fixture(scope="module")
def judge():
    rng = np.random.default_rng(1)
    train, test = as_windows(fluxes(150, rng)), as_windows(fluxes(60, rng))
    steps = chain_of(SOIL, problem_of(SOIL))
    return lambda values: fidelity_of_windows(as_windows(values), train, test, SOIL, steps, fast=True)


def made(seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([fluxes(60, rng) for _ in range(2)])


def flagged(report: dict) -> set[str]:
    return {row["measure"] for row in report["summary"] if row["above_floor"]}


def test_fresh_windows_are_not_caught(judge):
    report = judge(made())
    known = {"auc_windows", "auc_statistics", "spells", "persistence", "seasons"}
    assert known <= {row["measure"] for row in report["summary"]} and not known & flagged(report)
    json.dumps(report, allow_nan=False)
    assert [row["name"] for row in report["windows"]["persistence"]["each"]] == ["rain", "loss", "storage"]
    assert [(row["name"], row["spells"]) for row in report["windows"]["spells"]["each"]] == [
        ("rain", "without"),
        ("rain", "with"),
    ]


def test_days_in_disorder_are_caught_though_every_day_is_right(judge):
    values = made()
    order = np.random.default_rng(3).permuted(np.broadcast_to(np.arange(STEPS), (*values.shape[:2], 1, STEPS)), axis=-1)
    caught = flagged(judge(np.take_along_axis(values, order, axis=-1)))
    assert {"auc_statistics", "spells", "persistence"} <= caught
    assert "zeros" not in caught


def test_rain_of_the_wrong_season_is_caught(judge):
    values = made()
    middle = as_windows(values[0]).time + np.timedelta64(STEPS // 2, "D")
    season = middle.dt.month.to_numpy() % 12 // 3
    values[:, :, 0] *= np.array([0.2, 0.2, 4.0, 0.2])[season][:, None]
    assert "seasons" in flagged(judge(values))


def test_windows_without_finite_values(judge):
    values = made()
    values[:, 1:] = np.nan
    with pytest.raises(InputError, match="nothing is left to compare"):
        judge(values)
