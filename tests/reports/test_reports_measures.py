"""Every measure against truths worked out by hand or by another implementation."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_data import trial_of
from scipy import stats
from sklearn.metrics import roc_auc_score

from lawful.domains import Variable
from lawful.reports.fidelity.analogs import Conditions, analog_ensemble
from lawful.reports.fidelity.beside import beside_floor, beside_zero, entry, with_unseen
from lawful.reports.fidelity.compositions import ilr_gaussian, without_zeros
from lawful.reports.fidelity.conditional import (
    _of_climatology,
    climatology_crps,
    crps,
    energy_score,
    nearest,
)
from lawful.reports.fidelity.dependence import correlation_errors, rank_correlation_errors, tail_dependence_errors
from lawful.reports.fidelity.kernels import EnergyDistance
from lawful.reports.fidelity.logarithms import LogScale, log_distances, log_scales, spans_decades
from lawful.reports.fidelity.marginals import atom_errors, cdf_distances, is_pinned, quantile_errors
from lawful.reports.fidelity.memorisation import memorisation_figures, nearest_distances, repeated
from lawful.reports.fidelity.protocol import Effort, Rows, block_copy, make_trial, spreads
from lawful.reports.fidelity.two_sample import can_tell, grouped_auc, weighted_auc

SMALL = Effort(realizations=2, copies=2, analog_sets=2, replicates=20)
numbers = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=25)


def test_wasserstein_and_kolmogorov_by_hand():
    """{0, 1} against {0.5, 3}: W1 = (0.5 + 2) / 2, and F - G is 1/2 on [0, 0.5) and on [1, 3)."""
    trial = trial_of([0.5, 3.0], [0.0, 1.0])
    w1, ks = cdf_distances(trial.synthetic[0], trial)[0, 0]
    assert (w1, ks) == (1.25, 0.5)


@settings(deadline=None)
@given(numbers, numbers)
def test_wasserstein_and_kolmogorov_as_scipy_has_them(made, test):
    trial = trial_of(made, test)
    w1, ks = cdf_distances(trial.synthetic[0], trial)[0, 0]
    assert w1 == pytest.approx(stats.wasserstein_distance(made, test), abs=1e-12)
    assert ks == pytest.approx(stats.ks_2samp(made, test, method="asymp").statistic, abs=1e-12)


def test_replicates_weigh_whole_blocks():
    """A replicate that draws block 1 twice and block 0 never is the test set made of block 1."""
    trial = trial_of([0.5, 3.0], [0.0, 1.0, 5.0, 6.0], blocks=[0, 0, 1, 1])
    trial = dataclasses.replace(trial, counts=np.array([[1, 1], [0, 2]]))
    made = Rows(np.array([[0.5], [3.0]]), np.array([0, 1]))
    assert cdf_distances(made, trial)[1, 0, 0] == stats.wasserstein_distance([3.0], [5.0, 6.0])


def test_quantile_errors_by_hand():
    """Levels up to one half hit the lower of two values, those above the upper: 4 errors of 1 and 3 of 2."""
    trial = trial_of([1.0, 12.0], [0.0, 10.0])
    assert quantile_errors(trial.synthetic[0], trial)[0, 0] == pytest.approx((4 * 1 + 3 * 2) / 7)


def _logs(made, test, at=None, blocks=None):
    trial = trial_of(made, test, blocks=blocks)
    return log_distances(trial.synthetic[0], trial, [at or LogScale(0, 1.0, 1e-3, 1.0)])[:, 0]


def test_distance_of_logarithms_by_hand():
    """{1, e^2} against {e, e}, zeros left out: W1 = (1 + 1) / 2; half of it where the logarithms' spread is 2."""
    made, test = [0.0, 1.0, np.exp(2.0)], [np.e, np.e, 0.0, 0.0]
    assert _logs(made, test)[0] == pytest.approx(1.0)
    assert _logs(made, test, LogScale(0, 1.0, 1e-3, 2.0))[0] == pytest.approx(0.5)
    assert _logs(-np.array(made), -np.array(test), LogScale(0, -1.0, 1e-3, 1.0))[0] == pytest.approx(1.0)


@settings(deadline=None)
@given(numbers, numbers)
def test_distance_of_logarithms_as_scipy_has_it(made, test):
    positive = [np.log([abs(x) + 1 for x in values]) for values in (made, test)]
    assert _logs(np.exp(positive[0]), np.exp(positive[1]))[0] == pytest.approx(
        stats.wasserstein_distance(*positive), abs=1e-12
    )


def test_rows_of_zeros_count_as_the_smallest_training_value():
    """In the data as in replicates that draw the block of zeros alone."""
    assert _logs([0.0, 0.0], [1.0, 1.0])[0] == pytest.approx(np.log(1e3))
    trial = trial_of([1.0, 1.0], [1.0, 1.0, 0.0, 0.0], blocks=[0, 0, 1, 1])
    trial = dataclasses.replace(trial, counts=np.array([[1, 1], [0, 2]]))
    made = Rows(np.array([[1.0], [1.0]]), np.array([0, 1]))
    found = log_distances(made, trial, [LogScale(0, 1.0, 1e-3, 1.0)])[:, 0]
    np.testing.assert_allclose(found, [0.0, np.log(1e3)])


def test_which_variables_span_decades():
    decades, one = np.geomspace(1e-3, 10, 100), np.linspace(1, 10, 100)
    positive, free = Variable(name="x", units="1", lower=0), Variable(name="x", units="1")
    assert spans_decades(np.r_[0.0, decades], positive) and not spans_decades(decades, free)
    assert not spans_decades(one, positive) and not spans_decades(decades[:20], positive)
    negative = LogScale.of(-decades, Variable(name="x", units="1", upper=0), 3)
    assert negative == LogScale(3, -1.0, pytest.approx(1e-3), pytest.approx(np.log(decades).std()))


def test_variables_without_a_held_out_value_are_left_out(tiny):
    values = np.c_[np.geomspace(1e-3, 10, 100), np.geomspace(1e-3, 10, 100), np.ones(100)]
    bounded = tiny.model_copy(update={"variables": tuple(v.model_copy(update={"lower": 0.0}) for v in tiny.variables)})
    trial = trial_of(values, values * [1, 0, 1], train=values)
    assert [at.column for at in log_scales(trial, bounded)] == [0]


def test_zero_shares_by_hand():
    trial = trial_of([0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, -0.0])
    assert atom_errors(trial.synthetic[0], trial, 0.0)[0, 0] == 0.5


@pytest.mark.parametrize(
    ("values", "pinned"),
    [
        (np.full(50, 7.0), True),
        (np.r_[np.zeros(999), 1.0], True),
        (np.r_[np.full(999, 1e-14), 1.0], True),
        (np.r_[np.zeros(88), np.arange(1.0, 13.0)], False),
    ],
)
def test_pinned_variables(values, pinned):
    assert is_pinned(values, Variable(name="x", units="1", lower=0)) is pinned


def test_what_a_constant_leaves_of_rounding_is_no_spread():
    """A flux that laws pin to 8.39, in double precision and generated in single."""
    noise = 8.39 * (1 + np.finfo(float).eps * np.array([0, 1, 0, 2, 1, 0, 0, 1]))
    other = np.arange(8.0)
    test, made = np.column_stack([other, noise]), np.column_stack([other, np.full(8, np.float32(8.39))])
    trial = trial_of(made, test, train=test)
    assert trial.scale[1] == 1.0
    assert cdf_distances(trial.synthetic[0], trial)[0, 1, 0] < 1e-6
    assert spreads(np.full((7, 1), 8.39))[0] == 0
    np.testing.assert_array_equal(spreads(test[:, :1]), test[:, :1].std(axis=0))
    assert correlation_errors(trial.synthetic[0].values, trial.synthetic[0], trial)[0].tolist() == [0.0, 0.0]
    assert not _of_climatology(test[:, 1], made[:, 1] * 0 + 8.39).any()
    assert _of_climatology(test[:, 1], test[:, 1] + 1).min() > 0.9


def test_energy_distance_by_hand():
    """{0, 2} against {1, 1}: 2 * 1 - 1 - 0 = 1."""
    trial = trial_of([0.0, 2.0], [1.0, 1.0])
    assert EnergyDistance(trial)(trial.synthetic[0])[0] == pytest.approx(1.0)


def test_energy_distance_by_blocks_is_that_of_the_rows():
    rng = np.random.default_rng(1)
    values, blocks = rng.normal(size=(30, 3)), np.repeat(np.arange(6), 5)
    test = Rows(rng.normal(size=(30, 3)), blocks)
    trial = make_trial(values[np.newaxis], test, Rows(rng.normal(size=(60, 3)), np.repeat(np.arange(12), 5)), SMALL, 0)
    drawn = [np.repeat(np.arange(30), counts[blocks].astype(int)) for counts in trial.counts]
    x, y = trial.standardised(values), trial.standardised(test.values)

    def mean(left, right):
        return np.linalg.norm(left[:, None] - right[None], axis=-1).mean()

    direct = [2 * mean(x[i], y[i]) - mean(x[i], x[i]) - mean(y[i], y[i]) for i in drawn]
    np.testing.assert_allclose(EnergyDistance(trial)(trial.synthetic[0]), direct, atol=1e-12)


def test_correlation_errors_by_hand():
    """1 against -1 is off by 2; of the third variable, which is constant, 0 against 1 and -1 by 1 each."""
    made = [[0.0, 0.0, 5.0], [1.0, 1.0, 5.0], [2.0, 2.0, 5.0]]
    test = [[0.0, 2.0, 5.0], [1.0, 1.0, 6.0], [2.0, 0.0, 7.0]]
    trial = trial_of(made, test, train=test)
    found = correlation_errors(trial.synthetic[0].values, trial.synthetic[0], trial)[0]
    np.testing.assert_allclose(found, [np.sqrt(2.0), 2.0])
    # What is constant in the test rows has no correlation to miss.
    trial = trial_of(test, made, train=test)
    np.testing.assert_allclose(correlation_errors(trial.synthetic[0].values, trial.synthetic[0], trial)[0], [2.0, 2.0])


def test_correlations_are_those_of_numpy_and_survive_large_offsets():
    rng = np.random.default_rng(2)
    made, test = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 4)) + 1e7, rng.normal(size=(40, 4))
    trial = trial_of(made, test, train=test)
    upper = np.triu_indices(4, 1)
    difference = (np.corrcoef(made, rowvar=False) - np.corrcoef(test, rowvar=False))[upper]
    found = correlation_errors(made, trial.synthetic[0], trial)[0]
    np.testing.assert_allclose(found, [np.sqrt((difference**2).mean()), np.abs(difference).max()], rtol=1e-6)


def test_rank_correlations_do_not_see_a_monotone_change():
    rng = np.random.default_rng(3)
    test = rng.normal(size=(50, 2))
    trial = trial_of(np.exp(test), np.exp(test), train=np.exp(rng.normal(size=(80, 2))))
    assert rank_correlation_errors(trial.synthetic[0], trial)[0, 1] == pytest.approx(0.0, abs=1e-12)


@settings(deadline=None)
@given(numbers, numbers, st.integers(0, 99))
def test_weighted_auc_as_sklearn_has_it(above, below, seed):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.integers(1, 4, len(above)), rng.integers(1, 4, len(below))
    found = weighted_auc(np.array(above), np.array(below), ours[np.newaxis], theirs[np.newaxis])[0]
    truth = np.r_[np.ones(len(above)), np.zeros(len(below))]
    expected = roc_auc_score(truth, np.r_[above, below], sample_weight=np.r_[ours, theirs])
    assert found == pytest.approx(expected, abs=1e-12)


def test_classifier_folds_never_cut_a_block():
    """Blocks have offsets of their own and nothing else: known blocks would give AUC 1, unknown ones give none."""
    rng = np.random.default_rng(4)
    blocks = np.repeat(np.arange(20), 20)

    def rows(first: int) -> Rows:
        return Rows(rng.normal(size=20).repeat(20)[:, np.newaxis] + rng.normal(0, 1e-3, (400, 1)), blocks + first)

    trial = make_trial(rows(0).values[np.newaxis], rows(0), rows(0), SMALL, 0)
    assert grouped_auc(rows(20), trial)[0] < 0.7


def test_auc_of_a_shifted_sample_is_that_of_the_shift():
    """Normal samples a standard deviation apart have AUC Phi(1 / sqrt 2) = 0.760."""
    rng = np.random.default_rng(5)
    blocks = np.repeat(np.arange(30), 50)
    test, made = Rows(rng.normal(size=(1500, 1)), blocks), rng.normal(1.0, 1.0, (1, 1500, 1))
    trial = make_trial(made, test, test, SMALL, 0)
    assert grouped_auc(trial.synthetic[0], trial)[0] == pytest.approx(stats.norm.cdf(0.5**0.5), abs=0.03)


def test_classifier_does_not_see_rounding():
    """Made rows differ from test rows in their 15th digit alone."""
    rng = np.random.default_rng(6)
    blocks = np.repeat(np.arange(30), 50)
    values = rng.choice([0.1125, 0.1104, 0.25], size=(1500, 1))
    made = values * (1 + 4 * np.finfo(float).eps * rng.choice([-1, 1], size=(1, 1500, 1)))
    trial = make_trial(made, Rows(values, blocks), Rows(values, blocks), SMALL, 0)
    assert grouped_auc(trial.synthetic[0], trial)[0] == pytest.approx(0.5, abs=0.05)


def test_analogs_stand_in_the_blocks_of_the_test_events_and_are_like_them():
    rng = np.random.default_rng(8)
    known = np.arange(200.0)[:, np.newaxis]
    train, test = Rows(known, np.repeat(np.arange(20), 10)), Rows(known[::2] + 0.3, np.repeat(np.arange(10), 10))
    conditions = Conditions(known, known[::2])
    for rows in analog_ensemble(train, test, conditions, 3, rng):
        np.testing.assert_array_equal(rows.blocks, test.blocks)
        assert 5 < np.abs(rows.values - test.values).max() <= 30
        assert len(np.unique(rows.values)) == len(rows)


def test_every_training_event_is_an_analog_where_nothing_is_known():
    rows = Rows(np.arange(50.0)[:, np.newaxis], np.repeat(np.arange(5), 10))
    nothing = Conditions(np.zeros((50, 0)), np.zeros((50, 0)))
    for drawn in analog_ensemble(rows, rows, nothing, 3, np.random.default_rng(9)):
        assert sorted(drawn.values[:, 0]) == list(range(50))
        np.testing.assert_array_equal(drawn.blocks, rows.blocks)


def test_crps_by_hand():
    """Members 1 and 3: observing 2 costs 1 - 1, observing 4 costs 2 - 1."""
    np.testing.assert_allclose(crps(np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([2.0, 4.0])), [0.0, 1.0])


def test_climatology_is_the_same_score_without_repeating_members():
    rng = np.random.default_rng(6)
    members, observed = rng.gamma(2.0, size=17), np.r_[rng.gamma(2.0, size=9), 0.0, 99.0]
    expected = scoringrules.crps_ensemble(observed, np.tile(members, (11, 1)), estimator="fair")
    np.testing.assert_allclose(climatology_crps(members, observed), expected, atol=1e-12)


def test_energy_score_by_hand():
    """Members (0, 0) and (3, 4), observed (0, 0): 2.5 - 2.5; observed (3, 0): (3 + 4) / 2 - 2.5."""
    members = np.array([[[0.0, 0.0], [3.0, 4.0]]] * 2)
    np.testing.assert_allclose(energy_score(members, np.array([[0.0, 0.0], [3.0, 0.0]])), [0.0, 1.0])


def test_scores_are_the_same_in_parts(monkeypatch):
    rng = np.random.default_rng(7)
    ensemble, observed = rng.normal(size=(20, 5)), rng.normal(size=20)
    whole = crps(ensemble, observed)
    monkeypatch.setattr("lawful.reports.fidelity.conditional._NUMBERS_AT_ONCE", 60)
    np.testing.assert_array_equal(crps(ensemble, observed), whole)


def test_analogs_are_the_nearest_in_units_of_spread():
    train = np.array([[0.0, 0.0], [1.0, 900.0], [2.0, 100.0], [9.0, 0.0]])
    assert nearest(Conditions(train, np.array([[1.0, 0.0]])), 2).tolist() == [[0, 2]]
    assert nearest(Conditions(train, np.array([[1.0, 0.0]])), 30).shape == (1, 4)


def test_zero_replacement_by_hand():
    """0.65 of the smallest positive value per part; the rest shrinks by what was added."""
    parts = np.array([[60.0, 40.0, 0.0], [50.0, 30.0, 20.0]])
    replaced = without_zeros(parts)
    np.testing.assert_allclose(replaced, [[60 * 0.87, 40 * 0.87, 13.0], [50.0, 30.0, 20.0]])
    np.testing.assert_allclose(replaced.sum(axis=1), 100.0)


def test_log_ratio_gaussian_keeps_the_sum_and_the_mean_log_ratio():
    rng = np.random.default_rng(10)
    train = np.exp(rng.normal(size=(4000, 4)) * [0.1, 0.5, 0.2, 0.3] + [2.0, 0.0, 1.0, -1.0])
    train *= 100 / train.sum(axis=1, keepdims=True)
    drawn = ilr_gaussian(train, 4000, rng)
    np.testing.assert_allclose(drawn.sum(axis=1), 100.0)
    assert (drawn > 0).all()
    ratios = [np.log(x[:, 0] / x[:, 1]) for x in (drawn, train)]
    assert np.mean(ratios[0]) == pytest.approx(np.mean(ratios[1]), abs=0.05)
    assert np.std(ratios[0]) == pytest.approx(np.std(ratios[1]), rel=0.05)


def test_nearest_distances_and_repeats():
    train = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(nearest_distances(np.array([[3.0, 4.0], [0.0, 1.0]]), train), [0.0, 1.0])
    assert repeated(np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]])).tolist() == [True, False, True]


def test_copies_are_whole_blocks_of_the_size_asked():
    rows = Rows(np.arange(30.0)[:, np.newaxis], np.repeat(np.arange(6), 5))
    copy = block_copy(rows, 17, np.random.default_rng(0))
    assert len(copy) == 17
    for start in range(0, 15, 5):
        np.testing.assert_array_equal(np.diff(copy.values[start : start + 5, 0]), 1.0)
    np.testing.assert_array_equal(copy.blocks, copy.values[:, 0] // 5)


def test_training_blocks_are_never_taken_for_test_blocks():
    """Both label their blocks 0, 1, ...: the trial keeps them apart."""
    rows = Rows(np.zeros((10, 1)), np.repeat([0, 1], 5))
    trial = make_trial(np.zeros((3, 10, 1)), rows, rows, SMALL, 0)
    assert trial.train.blocks.min() == trial.test_blocks == 2
    assert (trial.weights(trial.train) == 1).all()
    assert len(trial.synthetic) == 2


@pytest.mark.parametrize(
    ("sizes", "told"), [([5] * 5, True), ([5] * 4 + [4], False), ([20, 20], True), ([90, 19], False), ([200], False)]
)
def test_a_classifier_without_enough_rows_for_a_split_is_not_asked(sizes, told):
    """Its AUC would be 0.5 whatever the rows; where it is asked, it tells rows that are all different."""
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    trial = trial_of(np.full(len(blocks), 9.0), np.zeros(len(blocks)), blocks=blocks)
    assert can_tell(trial.test) is told
    rows = Rows(trial.synthetic[0].values, blocks)
    auc = grouped_auc(rows, trial)[0]
    assert auc == 1.0 if told else auc < 0.9


def test_rows_that_do_not_vary_know_nothing_of_dependence():
    """Test rows with correlation 1 and upper tails that coincide: a constant misses all of both."""
    test = np.repeat(np.arange(40.0), 2).reshape(-1, 2)
    rows, learned = Rows(test, np.zeros(40, int)), Rows(test, np.zeros(40, int))
    trial = make_trial(np.full((1, 40, 2), 7.0), rows, learned, SMALL, 0)
    constant = trial.synthetic[0]
    for errors in (correlation_errors(constant.values, constant, trial), tail_dependence_errors(constant, trial)):
        np.testing.assert_allclose(errors, 1.0)
    np.testing.assert_allclose(tail_dependence_errors(trial.test, trial), 0.0)
    # Among test rows without a spread there is nothing to miss.
    blank = dataclasses.replace(trial, test=constant)
    np.testing.assert_array_equal(correlation_errors(test, rows, blank), 0.0)


@pytest.mark.parametrize(("share", "told"), [(1 / 160, False), (0.04, False), (0.06, True), (1.0, True)])
def test_a_row_or_two_are_not_above_a_floor_of_none(share, told):
    """None of 80 test rows: with a share of 0.045 that happens once in 40 times."""
    figures = entry(beside_floor([np.full(21, share)], [np.zeros(21)], np.random.default_rng(0)))
    assert figures["interval"][0] > 0
    judged = beside_zero(with_unseen(figures, 80), 5)
    assert judged["above_floor"] is told and judged["excess"] == figures["excess"]
    assert stats.binomtest(0, 80).proportion_ci(method="exact").high == pytest.approx(share - judged["interval"][0])


def test_shares_of_memorisation_and_manifold_know_of_it():
    """Three copies of training rows among the 80 rows of each realization, each in a block of its own."""
    rng = np.random.default_rng(4)
    train, test, made = rng.normal(size=(320, 2)), rng.normal(size=(80, 2)), rng.normal(size=(2, 80, 2))
    made[0, [0, 8, 16]], made[1, [24, 32, 40]] = train[:3], train[3:6]
    parts = [Rows(values, np.arange(len(values)) // 8) for values in (test, train)]
    trial = make_trial(made, *parts, SMALL, 0)
    domain = SimpleNamespace(names=("x", "y"))
    found = memorisation_figures(trial, domain)
    for name in ("copies", "near_copies"):
        assert found[name]["model"] == 3 / 80 and found[name]["interval"][0] < 0 < found[name]["interval"][1]


def test_interval_covers_the_excess_of_a_noisy_measure():
    """The interval is about the measured excess, though replicates of a distance are biased upwards."""
    rng = np.random.default_rng(11)
    model = [np.r_[0.3, rng.normal(0.5, 0.05, 400)] for _ in range(3)]
    floor = [np.r_[0.2, rng.normal(0.5, 0.05, 400)] for _ in range(3)]
    low, high = beside_floor(model, floor, rng)["interval"]
    assert low < 0.1 < high and high - low < 0.25
