"""Spread over error and ranks against numbers by hand and truths that are known, in one fold and over several."""

import numpy as np
import pytest

from lawful.reports.fidelity.calibration import block_sums, calibration, root_ratio
from lawful.reports.fidelity.pooled import pooled
from lawful.reports.fidelity.protocol import block_counts
from lawful.reports.fidelity.ranks import rank_histogram, ranks


def judged(ensemble, observed, blocks, seed=0):
    rng = np.random.default_rng(seed)
    sums = block_sums(ensemble, observed, ranks(ensemble, observed, rng), blocks)
    return calibration(sums, block_counts(len(sums["events"]), 400, rng))


def test_ranks_by_hand_with_ties_at_random():
    rng = np.random.default_rng(8)
    assert ranks(np.array([[1.0, 2.0, 3.0]] * 3), np.array([0.0, 2.5, 9.0]), rng).tolist() == [0, 2, 3]
    tied = ranks(np.tile([-1.0, 0.0, 0.0, 2.0], (3000, 1)), np.zeros(3000), rng)
    np.testing.assert_allclose(np.bincount(tied, minlength=5) / 3000, [0, 1 / 3, 1 / 3, 1 / 3, 0], atol=0.03)


def test_values_that_differ_by_rounding_tie():
    """Kup = albedo Kdown at an albedo that recurs: the products of data and ensemble differ in their last digit."""
    observed = np.linspace(1.0, 700.0, 4000) * 0.1125
    above, below = np.nextafter(observed, np.inf), np.nextafter(observed, 0.0)
    members = np.stack([above, below, above, below], axis=1)
    rank = ranks(members, observed, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(rank, minlength=5) / 4000, 0.2, atol=0.03)
    assert (ranks(members * (1 + 1e-6), observed, np.random.default_rng(0)) == 0).all()
    assert (ranks(-members * (1 + 1e-6), -observed, np.random.default_rng(0)) == 4).all()


def test_histogram_by_hand():
    found = rank_histogram(np.array([0, 0, 2, 2]), 3)
    assert found == {"counts": [2, 0, 2, 0], "reliability_index": 1.0}


def test_sums_by_hand():
    """Members 0 and 2 (variance 2) of mean 1: observed 4 is above them, (rank + 1/2) / 3 = 5/6; 1 between, 1/2."""
    observed, rank = np.array([4.0, 1.0, 4.0]), np.array([2, 1, 2])
    sums = block_sums(np.array([[0.0, 2.0]] * 3), observed, rank, np.array([0, 0, 1]))
    assert sums["events"].tolist() == [2, 1]
    np.testing.assert_allclose(sums["spread"], [6, 3])
    np.testing.assert_allclose(sums["error"], [9, 9])
    np.testing.assert_allclose(sums["rank"], [1 / 3, 1 / 3])
    np.testing.assert_allclose(sums["rank_square"], [1.5, 1.5])
    found = calibration(sums, np.ones((3, 2)))
    assert found["spread_skill"]["value"] == pytest.approx(0.5**0.5)
    assert found["bias"]["value"] == pytest.approx(2 / 9) and found["dispersion"]["value"] == pytest.approx(0.0)


def test_hours_without_a_doubt_do_not_count_in_spread_over_error():
    """Nights, when all members and the observation are zero, change neither the spread nor the error."""
    rng = np.random.default_rng(1)
    days, blocks = rng.normal(size=(500, 10)), np.repeat(np.arange(20), 25)
    observed = rng.normal(size=500)
    found = judged(days, observed, blocks)
    with_nights = judged(np.vstack([days, np.zeros((500, 10))]), np.append(observed, np.zeros(500)), np.tile(blocks, 2))
    assert with_nights["spread_skill"]["value"] == pytest.approx(found["spread_skill"]["value"])


def test_no_error_is_no_ratio():
    found = root_ratio(np.ones(3), np.array([1.0, 0.0, 1.0]), 2)
    assert found == {"value": 1.0, "interval": None}


@pytest.mark.parametrize(
    ("shift", "width", "flat", "bias", "dispersion"),
    [(0.0, 1.0, True, 0, 0), (0.0, 0.3, False, 0, 1), (0.0, 3.0, False, 0, -1), (-1.0, 1.0, False, 1, 0)],
)
def test_rank_histograms_tell_bias_from_dispersion(shift, width, flat, bias, dispersion):
    rng = np.random.default_rng(9)
    found = judged(rng.normal(shift, width, size=(1000, 9)), rng.normal(size=1000), np.repeat(np.arange(40), 25))
    assert found["flat"] is flat
    for name, sign in (("bias", bias), ("dispersion", dispersion)):
        if sign:
            assert sign * found[name]["interval"][0 if sign > 0 else 1] > 0


def test_intervals_hold_the_truth_as_often_as_they_say_with_few_blocks():
    """Eleven weeks with an error in common: of 95 % intervals, percentiles of the bootstrap would hold 1 in 85 %."""
    rng, blocks = np.random.default_rng(2), np.repeat(np.arange(11), 10)
    held = 0
    for seed in range(200):
        weekly = 1.5 * rng.normal(size=(11, 21)).repeat(10, axis=0)
        drawn = weekly + rng.normal(size=weekly.shape)
        low, high = judged(drawn[:, 1:], drawn[:, 0], blocks, seed)["spread_skill"]["interval"]
        held += low <= 1 <= high
    assert held >= 180


def fold(observed, members, blocks):
    sums = block_sums(members, observed, ranks(members, observed, np.random.default_rng(0)), blocks)
    scores = {"crps_model": sums["events"], "crps_climatology": 4 * sums["events"], "crps_analogs": 2 * sums["events"]}
    return {"variables": [{"name": "a", "units": "1", "blocks": {**sums, **scores}}]}


def test_folds_are_judged_as_one_run_of_all_their_blocks():
    rng = np.random.default_rng(3)
    observed, members, blocks = rng.normal(size=600), rng.normal(size=(600, 5)), np.repeat(np.arange(12), 50)
    parts = [fold(observed[k : k + 300], members[k : k + 300], blocks[:300]) for k in (0, 300)]
    (found,), (whole,) = pooled(parts), pooled([fold(observed, members, blocks)])
    assert found["spread_skill"]["value"] == pytest.approx(whole["spread_skill"]["value"])
    assert found["spread_skill"]["interval"] == pytest.approx(whole["spread_skill"]["interval"])
    assert found["crps"] == 1.0 and found["over_analogs"]["value"] == 0.5
    lone = pooled(parts[:1])[0]["spread_skill"]["interval"]
    both = found["spread_skill"]["interval"]
    assert both[1] - both[0] < lone[1] - lone[0]


def test_a_fold_with_more_events_counts_more():
    """60 events with errors of 1 and 20 with errors of 3: mean error (60 + 9 * 20) / 80."""
    parts = [fold(np.full(n, e), np.tile([-1.0, 1.0], (n, 1)), np.arange(n) // 10) for n, e in ((60, 1.0), (20, 3.0))]
    assert pooled(parts)[0]["spread_skill"]["value"] == pytest.approx((3 / ((60 + 180) / 80)) ** 0.5)
