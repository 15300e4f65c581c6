"""Whole blocks on one side of every split, and a gap between the sides."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.domains import Blocks, InputError
from lawful.domains.blocks import block_labels, fold_masks

FOLDS = 5


@pytest.fixture
def studies(budget):
    return budget.model_copy(update={"event_dim": "sample", "blocks": Blocks(kind="label", label="reference")})


def labelled(words) -> xr.Dataset:
    return xr.Dataset({"reference": ("sample", np.array(words, dtype=object))})


def test_blocks_of_time_are_weeks_from_monday(budget, year):
    labels = block_labels(year, budget)
    assert labels[0] == 0
    assert (np.diff(labels) >= 0).all()
    starts = year.time[1:][np.diff(labels) == 1]
    assert set(starts.dt.dayofweek.to_numpy()) == {0}
    assert set(starts.dt.hour.to_numpy()) == {0}
    assert set(np.bincount(labels)[1:-1]) == {168}


def test_two_files_of_one_site_agree_on_blocks(budget, year):
    later = year.isel(time=slice(100, None))
    whole, part = block_labels(year, budget)[100:], block_labels(later, budget)
    np.testing.assert_array_equal(whole - whole[0], part)


def test_folds_partition_the_events(budget, year):
    tests = np.stack([fold_masks(year, budget, fold, FOLDS)[1] for fold in range(FOLDS)])
    assert (tests.sum(axis=0) == 1).all()
    months = year.time.dt.month.to_numpy()
    for test in tests:
        assert len(set(months[test])) >= 10


def test_blocks_stay_whole_and_the_gap_is_kept(budget, year):
    labels, when = block_labels(year, budget), year.time.to_numpy()
    for fold in range(FOLDS):
        train, test = fold_masks(year, budget, fold, FOLDS)
        assert not (train & test).any()
        assert not set(labels[train]) & set(labels[test])
        tested = when[test]
        distance = np.min(np.abs(when[train][:, None] - tested[None, ::24]), axis=1) / np.timedelta64(1, "h")
        assert distance.min() > 0
        brute = np.array([np.abs(t - tested).min() for t in when[~test][::7]])
        np.testing.assert_array_equal(train[~test][::7], brute > np.timedelta64(24, "h"))


def test_times_that_miss_midnight_by_a_rounding_are_in_the_day_that_begins(budget):
    """Times in floating-point days are good to some microseconds."""
    mondays = np.datetime64("2012-01-02", "us") + np.arange(4) * np.timedelta64(7, "D")
    exact, early = (xr.Dataset(coords={"time": mondays - np.timedelta64(us, "us")}) for us in (0, 20))
    np.testing.assert_array_equal(block_labels(early, budget), block_labels(exact, budget))
    either = xr.Dataset(coords={"time": np.sort(np.concatenate([mondays, mondays - np.timedelta64(20, "us")]))})
    np.testing.assert_array_equal(block_labels(either, budget), np.repeat(np.arange(4), 2))


def test_an_event_just_as_far_as_the_gap_trains_nothing(budget):
    days = xr.Dataset(coords={"time": np.datetime64("2012-01-02") + np.arange(40).astype("timedelta64[D]")})
    blocks = budget.blocks.model_copy(update={"length_days": 4, "gap_days": 1})
    train, test = fold_masks(days, budget.model_copy(update={"blocks": blocks}), 0, FOLDS)
    apart = np.abs(np.subtract.outer(np.flatnonzero(train), np.flatnonzero(test)))
    assert apart.min() == 2


def test_gap_zero_leaves_nothing_out(budget, year):
    close = budget.model_copy(update={"blocks": Blocks(kind="time", gap_days=0)})
    train, test = fold_masks(year, close, 0, FOLDS)
    assert (train ^ test).all()


def test_seed_decides(budget, year):
    first, same, other = (fold_masks(year, budget, 0, FOLDS, seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_order_of_events_does_not_matter(budget, year):
    order = np.random.default_rng(1).permutation(year.sizes["time"])
    straight, shuffled = fold_masks(year, budget, 2), fold_masks(year.isel(time=order), budget, 2)
    for side in (0, 1):
        np.testing.assert_array_equal(straight[side][order], shuffled[side])


def test_other_calendars(budget):
    time = xr.date_range("2001-01-01", periods=360 * 4, freq="6h", calendar="360_day", use_cftime=True)
    ds = xr.Dataset(coords={"time": time})
    assert set(np.bincount(block_labels(ds, budget))[1:-1]) == {28}
    train, test = fold_masks(ds, budget, 0)
    assert train.any()
    assert test.any()


def test_labels_keep_studies_together(studies):
    ds = labelled(["b", "a", "b ", "", "", np.nan, "a", b"b"])
    labels = block_labels(ds, studies)
    assert labels[0] == labels[2] == labels[7]
    assert labels[1] == labels[6]
    assert len(set(labels)) == 5


def test_a_label_that_looks_like_a_number_is_no_unlabelled_event(studies):
    assert len(set(block_labels(labelled(["#1", "", "=1"]), studies))) == 3


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 12), min_size=60, max_size=200), st.integers(2, 5), st.integers(0, 9))
def test_labelled_folds_are_balanced_partitions(words, folds, seed):
    from lawful.domains import get_domain

    domain = get_domain("rock-oxides")
    ds = labelled([str(word) for word in words])
    labels = block_labels(ds, domain)
    if labels.max() + 1 < folds:
        return
    tests = np.stack([fold_masks(ds, domain, fold, folds, seed)[1] for fold in range(folds)])
    assert (tests.sum(axis=0) == 1).all()
    sizes = tests.sum(axis=1)
    assert sizes.max() - sizes.min() <= np.bincount(labels).max()
    for test in tests:
        assert not set(labels[test]) & set(labels[~test])


def test_large_studies_are_dealt_first(studies):
    ds = labelled(["large"] * 6 + [f"small {i}" for i in range(6)])
    for seed in range(10):
        assert fold_masks(ds, studies, 0, 2, seed)[1].sum() == 6


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 1), (0, 0)])
def test_folds_that_are_not(budget, year, fold, folds):
    with pytest.raises(InputError, match="no fold"):
        fold_masks(year, budget, fold, folds)


def test_too_few_blocks(budget, year):
    with pytest.raises(InputError, match="2 blocks do not make 5 folds"):
        fold_masks(year.isel(time=slice(0, 168)), budget, 0)


def test_gap_that_swallows_everything(budget, year):
    wide = budget.model_copy(update={"blocks": Blocks(kind="time", gap_days=60)})
    with pytest.raises(InputError, match="nothing to train on"):
        fold_masks(year, wide, 0)


def test_missing_times_and_labels(budget, studies, year):
    with pytest.raises(InputError, match="needs the time"):
        block_labels(xr.Dataset({"P": ("time", [1.0])}), budget)
    with pytest.raises(InputError, match="does not hold times"):
        block_labels(xr.Dataset(coords={"time": [1.0, 2.0]}), budget)
    with pytest.raises(InputError, match="no variable 'reference'"):
        block_labels(year, studies)
    with pytest.raises(InputError, match="dimensions"):
        block_labels(xr.Dataset({"reference": "one"}), studies)
