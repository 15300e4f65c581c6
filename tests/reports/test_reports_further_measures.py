"""Further measures against truths worked out by hand, closed forms, or another implementation."""

import dataclasses

import numpy as np
import ot
import pytest
import scoringrules
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_data import trial_of
from scipy import stats
from scipy.spatial.distance import cdist

from lawful.domains import Blocks, Domain, InputError, Task, Variable
from lawful.reports.fidelity import own
from lawful.reports.fidelity.conditional import variogram_score
from lawful.reports.fidelity.cycles import cycle_errors, cycle_figures, hour, month
from lawful.reports.fidelity.dependence import tail_dependence_errors
from lawful.reports.fidelity.extremes import Tails, return_levels
from lawful.reports.fidelity.grids import block_statistics, grid_figures, radial_spectrum
from lawful.reports.fidelity.kernels import MeanDiscrepancy
from lawful.reports.fidelity.manifold import Balls
from lawful.reports.fidelity.protocol import (
    Effort,
    Rows,
    block_subset,
    independent_normal,
    make_trial,
    rows_of,
    shuffled,
)
from lawful.reports.fidelity.reliability import reliability_term
from lawful.reports.fidelity.sliced import SlicedWasserstein
from lawful.reports.fidelity.utility import utility_figures

SMALL = Effort(realizations=2, copies=2, analog_sets=2, replicates=20)


def trial(made, test, train=None, blocks: int = 10, times=None):
    """A trial of arrays (row, variable) with blocks of equal size."""
    labels = np.arange(len(test)) * blocks // len(test)
    rows = Rows(np.asarray(test, float), labels, times)
    learned = rows if train is None else Rows(np.asarray(train, float), np.arange(len(train)) * blocks // len(train))
    return make_trial(np.asarray(made, float)[np.newaxis], rows, learned, SMALL, 0)


def test_return_levels_of_an_exponential_are_its_quantiles():
    """The excess over any threshold is exponential again: once in N events is log N, k = 0."""
    values = stats.expon.ppf((np.arange(200_000) + 0.5) / 200_000)
    found = return_levels(values, np.ones((1, len(values))), float(np.quantile(values, 0.95)))
    np.testing.assert_allclose(found[0], np.log([100, 1000]), rtol=2e-3)


@pytest.mark.parametrize("shape", [-0.3, 0.2])
def test_return_levels_of_a_generalised_pareto_are_its_quantiles(shape):
    distribution = stats.genpareto(shape, scale=2.0)
    values = distribution.ppf((np.arange(200_000) + 0.5) / 200_000)
    found = return_levels(values, np.ones((1, len(values))), 0.0)
    np.testing.assert_allclose(found[0], distribution.isf([1e-2, 1e-3]), rtol=0.02)


def test_return_levels_weigh_rows():
    rng = np.random.default_rng(0)
    values, counts = rng.gamma(2.0, size=300), rng.integers(0, 4, 300)
    weighted = return_levels(values, counts[np.newaxis].astype(float), 2.0)
    drawn = np.repeat(values, counts)
    np.testing.assert_allclose(weighted, return_levels(drawn, np.ones((1, len(drawn))), 2.0), rtol=0.02)


def test_tails_are_those_that_a_bound_does_not_end():
    rng = np.random.default_rng(1)
    domain = domain_of(Variable(name="a", units="1", lower=0), Variable(name="b", units="1"))
    tails = Tails(trial(rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) ** 2), domain)
    assert list(zip(tails.columns, tails.signs, strict=True)) == [(0, 1), (1, 1), (1, -1)]
    levels = tails.levels(tails_rows(rng), np.ones((1, 400)))
    assert levels.shape == (1, 3, 2) and (levels[0, 0] > 0).all() and levels[0, 2, 1] < levels[0, 2, 0]


@pytest.mark.parametrize("beyond", [9, 10])
def test_a_tail_needs_ten_events(beyond):
    train = np.arange(400.0)
    test = np.concatenate([np.full(beyond, 399.0), np.full(400 - beyond, 10.0)])
    upper = Variable(name="a", units="1", lower=0)
    assert len(Tails(trial(train[:, None], test[:, None], train[:, None]), domain_of(upper))) == (beyond == 10)


def tails_rows(rng) -> Rows:
    return Rows(rng.normal(size=(400, 2)), np.zeros(400, int))


def domain_of(*variables: Variable, **fields) -> Domain:
    own_fields = {
        "name": "x",
        "title": "x",
        "event": "hour",
        "event_dim": "time",
        "laws": (),
        "blocks": Blocks(kind="time"),
    }
    return Domain(**{**own_fields, "variables": variables, **fields})


def test_mean_discrepancy_is_the_sum_over_all_pairs():
    rng = np.random.default_rng(2)
    found = trial(rng.normal(size=(30, 3)), rng.normal(1.0, 2.0, size=(30, 3)))
    measure = MeanDiscrepancy(found)
    x, y = (found.standardised(rows.values) for rows in (found.synthetic[0], found.test))

    def mean(left, right):
        return np.exp(-0.5 * (cdist(left, right) / measure.width) ** 2).mean()

    assert measure(found.synthetic[0])[0] == pytest.approx(mean(x, x) + mean(y, y) - 2 * mean(x, y), abs=1e-12)
    assert measure(found.test)[0] == pytest.approx(0.0, abs=1e-12)


def test_sliced_distance_is_that_of_pot():
    rng = np.random.default_rng(3)
    found = trial(rng.normal(size=(40, 4)), rng.normal(0.5, 2.0, size=(40, 4)))
    measure = SlicedWasserstein(found)
    x, y = (found.standardised(rows.values) for rows in (found.synthetic[0], found.test))
    expected = ot.sliced_wasserstein_distance(x, y, p=1, projections=measure.directions)
    assert measure(found.synthetic[0])[0] == pytest.approx(expected, rel=1e-9)


def test_tail_dependence_by_hand():
    """20 rows, one above the 95 % quantile: together in one set, apart in the other."""
    together = np.stack([np.arange(20.0), np.arange(20.0)], axis=1)
    apart = np.stack([np.arange(20.0), np.roll(np.arange(20.0), 7)], axis=1)
    found = trial_of(together, apart, train=apart)
    np.testing.assert_allclose(tail_dependence_errors(found.synthetic[0], found)[0], [1.0, 1.0])
    np.testing.assert_allclose(tail_dependence_errors(found.test, found)[0], [0.0, 0.0])


def test_precision_and_recall_by_hand():
    """Of two clusters the generator makes one, and a third that is not there: half of each is missing."""
    rng = np.random.default_rng(4)
    clusters = [rng.normal(centre, 0.01, size=(50, 2)) for centre in (0.0, 10.0, 50.0)]
    found = trial(np.concatenate([clusters[1], clusters[2]]), np.concatenate([clusters[0], clusters[1]]), blocks=5)
    precise, recalled = Balls(found)(found.synthetic[0])[0]
    assert precise == pytest.approx(0.5, abs=0.06) and recalled == pytest.approx(0.5, abs=0.06)
    np.testing.assert_array_equal(Balls(found)(found.test)[0], [0.0, 0.0])


def test_utility_tells_what_was_learned():
    rng = np.random.default_rng(5)
    domain = domain_of(
        *(Variable(name=name, units="1") for name in "ab"), tasks=(Task(name="b", target="b", inputs=("a",)),)
    )

    def rows(slope: float) -> np.ndarray:
        a = rng.normal(size=400)
        return np.stack([a, slope * a + 0.1 * rng.normal(size=400)], axis=1)

    good, bad = (utility_figures(trial(rows(slope), rows(1.0), rows(1.0)), domain, ())[0] for slope in (1.0, -1.0))
    for way in ("synthetic_to_real", "real_to_synthetic"):
        assert good[way]["model"] < 0.4 and abs(good[way]["excess"]) < 0.15
        assert bad[way]["model"] > 1.5 and bad[way]["interval"][0] > 0
        assert good[way]["ceiling"] > 0.8
    assert utility_figures(trial(rows(1.0), rows(1.0)), domain, ("b",)) == []


def test_hours_and_months():
    times = np.array(["2012-01-31T23:59", "2012-12-01T00:00"], dtype="datetime64[ns]")
    assert hour(times).tolist() == [23, 0] and month(times).tolist() == [0, 11]
    before = np.array(["1969-12-31T22:00"], dtype="datetime64[ns]")
    assert hour(before).tolist() == [22] and month(before).tolist() == [11]


def test_cycle_errors_by_hand():
    """The cycle has amplitude 1; without it, every hour is off by it; moved up by 2, by 2."""
    times = np.datetime64("2012-03-01", "ns") + np.arange(24 * 20) * np.timedelta64(1, "h")
    cycle = np.cos(np.arange(24 * 20) * 2 * np.pi / 24)[:, np.newaxis]
    for made, error in ((np.zeros_like(cycle), np.sqrt(0.5)), (cycle + 2, 2.0)):
        found = trial(made, cycle, times=times)
        assert cycle_errors(found.synthetic[0], found, hour)[0, 0] == pytest.approx(error / cycle.std(), rel=1e-6)
    figures = cycle_figures(trial(cycle, cycle, times=times), [0])
    assert figures["diurnal"]["model"] == 0 and figures["diurnal"]["ceiling"] > 0.5 and figures["annual"] is None
    assert cycle_figures(trial(cycle, cycle), [0]) is None


def test_spectrum_of_a_wave_is_in_its_wavenumber():
    """Parseval: a cosine of amplitude 1 has variance 1/2, in two coefficients of a quarter each."""
    x = np.mgrid[:16, :16][1]
    wave = np.cos(2 * np.pi * 3 * x / 16)
    ring = np.rint(np.hypot(*np.meshgrid(np.fft.fftfreq(16) * 16, np.fft.fftfreq(16) * 16))).astype(int)
    expected = np.zeros(8)
    expected[2] = 2 * 0.25 / (ring == 3).sum()
    np.testing.assert_allclose(radial_spectrum(wave + 5.0), expected, atol=1e-15)
    np.testing.assert_allclose(radial_spectrum(np.stack([wave, 2 * wave]))[1], 4 * expected, atol=1e-15)


def test_block_statistics_by_hand():
    field = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(block_statistics(field, 2), [[2.5, 5], [4.5, 7], [10.5, 13], [12.5, 15]])
    assert block_statistics(np.zeros((3, 5, 7)), 2).shape == (3, 6, 2)


def test_grids_tell_structure_from_noise():
    rng = np.random.default_rng(6)
    labels = tuple(f"c{k}" for k in range(24))
    domain = domain_of(Variable(name="t", units="K", over="cell"), dimensions={"cell": labels}, grids={"cell": (4, 6)})

    def smooth(size: int) -> np.ndarray:
        return (rng.normal(size=(size, 1)) + 0.1 * rng.normal(size=(size, 24))).reshape(size, 24)

    good, bad = smooth(200), rng.normal(size=(200, 24))
    for made, caught in ((good, False), (bad, True)):
        figures = grid_figures(trial(made, smooth(200), smooth(400)), domain)[0]
        assert figures["grid"] == [4, 6]
        for kind in ("spectrum", "blocks"):
            assert (figures[kind]["interval"][0] > 0) is caught, kind
    with pytest.raises(ValueError, match="grid 'cell' is 5 x 5, but the dimension has 24 labels"):
        domain_of(Variable(name="t", units="K", over="cell"), dimensions={"cell": labels}, grids={"cell": (5, 5)})


def test_measures_of_a_domain_of_its_own(monkeypatch):
    def spread(made, held_out):
        """Difference of standard deviations."""
        return abs(made.std() - held_out.std())

    class Point:
        name, value = "spread", "lakes:spread"

        def load(self):
            return spread

    monkeypatch.setattr(own, "entry_points", lambda group, name=None: [Point()] if name in (None, "spread") else [])
    rng = np.random.default_rng(7)
    domain = domain_of(Variable(name="a", units="1"), measures=("spread",))
    found = own.own_figures(
        trial(rng.normal(0, 3, (300, 1)), rng.normal(size=(300, 1)), rng.normal(size=(600, 1))), domain
    )
    assert found[0]["label"] == "Difference of standard deviations"
    assert found[0]["model"] == pytest.approx(2.0, abs=0.3) and found[0]["interval"][0] > 0
    with pytest.raises(InputError, match="measure 'other': 0 of that name are installed; there are spread"):
        own.find_measure("other")


def test_variogram_score_by_hand():
    """Observed (0, 1), members (0, 4) and (0, 0): |0-1|^.5 = 1, mean of 2 and 0 is 1, their variance over 2 is 1."""
    members = np.array([[[0.0, 4.0], [0.0, 0.0]]] * 2)
    observed = np.array([[0.0, 1.0], [0.0, 9.0]])
    np.testing.assert_allclose(variogram_score(members, observed), [2 * (0 - 1), 2 * ((3 - 1) ** 2 - 1)])
    found = scoringrules.vs_ensemble(observed, members, p=0.5, estimator="fair", backend="numpy")
    np.testing.assert_allclose(variogram_score(members, observed), found)
    alone = scoringrules.vs_ensemble(observed, members[:, :1], p=0.5)
    np.testing.assert_allclose(variogram_score(members[:, :1], observed), alone)


def test_variogram_scores_do_not_depend_on_the_number_of_members():
    rng = np.random.default_rng(0)
    observed, members = rng.normal(size=(4000, 3)), rng.normal(size=(4000, 32, 3))
    few, many = variogram_score(members[:, :2], observed).mean(), variogram_score(members, observed).mean()
    assert abs(few - many) < 0.05 * many


def test_reliability_by_hand():
    """Two bins: 0.05 said and never seen, 0.95 said and half of it seen."""
    forecast, happened = np.array([0.05, 0.05, 0.95, 0.95]), np.array([0.0, 0.0, 1.0, 0.0])
    expected = (2 * 0.05**2 + 2 * 0.45**2) / 4
    assert reliability_term(forecast, happened, np.ones((1, 4)))[0] == pytest.approx(expected)
    twice = reliability_term(forecast, happened, np.array([[2.0, 2.0, 0.0, 0.0]]))
    assert twice[0] == pytest.approx(0.05**2)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99))
def test_trivial_rows_keep_marginals_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.0, size=(500, 1)) * np.array([1.0, -2.0])
    for column, made in zip(values.T, shuffled(values, 300, rng).T, strict=True):
        assert np.isin(made, column).all()
    assert abs(np.corrcoef(shuffled(values, 2000, rng).T)[0, 1]) < 0.1
    normal = independent_normal(values, 5000, rng)
    np.testing.assert_allclose(normal.mean(axis=0), values.mean(axis=0), atol=0.3)


def test_subsets_are_whole_blocks_without_repeats():
    rows = Rows(np.arange(30.0)[:, np.newaxis], np.repeat(np.arange(6), 5))
    chosen = block_subset(rows, 12, np.random.default_rng(0))
    assert len(np.unique(chosen.values)) == 12
    assert len(block_subset(rows, 99, np.random.default_rng(0))) == 30


def test_cycles_of_years_of_360_days():
    """Their dates are not those of numpy: the 30th of February is a day of the second month."""
    ds = xr.Dataset(coords={"time": xr.date_range("2001-02-30T22:00", periods=4, freq="h", calendar="360_day")})
    domain = Domain(
        name="x", title="x", event="hour", event_dim="time", variables=(Variable(name="x", units="1"),), laws=(),
        blocks=Blocks(kind="time"),
    )  # fmt: skip
    rows = rows_of(np.zeros((4, 1)), ds, domain)
    assert hour(rows.times).tolist() == [22, 23, 0, 1] and month(rows.times).tolist() == [1, 1, 2, 2]


def test_rows_carry_their_times():
    times = np.arange(6).astype("datetime64[h]")
    rows = Rows(np.arange(6.0)[:, np.newaxis], np.zeros(6, int), times)
    assert rows.chosen(np.array([2, 4])).times.tolist() == times[[2, 4]].tolist()
    assert rows.with_values(np.zeros((6, 2))).times is times
    assert dataclasses.replace(rows, times=None).chosen(np.array([1])).times is None
