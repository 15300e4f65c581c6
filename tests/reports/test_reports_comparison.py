"""Tables and findings of a comparison, by hand."""

import numpy as np
import pytest
from scipy import stats

from lawful.reports.comparison.finding import findings
from lawful.reports.comparison.table import as_markdown, holm, paired_difference, tables, tied


def cells(**values: list[float]) -> list[dict]:
    """Cells of the model vae whose AUC by strategy and seed is given; only `good` is lawful."""
    return [
        {
            "model": "vae", "strategy": name, "seed": seed, "failed": None,
            "validity": {"lawful": 1.0 if name == "good" else 0.5, "out_of_bounds": 0.0, "ulps": 1.0},
            "measures": {"auc": {"model": value, "floor": 0.5, "ceiling": 1.0}},
            "seconds": {"training": 1.0, "sampling": 1.0}, "events_per_second": 10.0,
        }
        for name, own in values.items() for seed, value in enumerate(own)
    ]  # fmt: skip


def test_paired_differences_are_those_of_a_paired_test():
    one, other = {0: 0.7, 1: 0.8, 2: 0.75}, {0: 0.6, 1: 0.72, 2: 0.66, 3: 0.1}
    found = paired_difference(one, other)
    gaps = np.array([0.1, 0.08, 0.09])
    assert found["difference"] == pytest.approx(0.09)
    assert found["p"] == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)
    half = stats.t.ppf(0.975, 2) * gaps.std(ddof=1) / 3**0.5
    np.testing.assert_allclose(found["interval"], [0.09 - half, 0.09 + half])
    assert paired_difference({0: 1.0}, {0: 0.5}) == {"difference": 0.5, "interval": None, "p": None}


def test_holm_by_hand():
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_best_those_like_it_and_the_rest():
    table = tables(cells(good=[0.60, 0.61, 0.62], close=[0.59, 0.62, 0.60], bad=[0.90, 0.91, 0.93]))[0]
    rows = {row["strategy"]: row["measures"]["auc"] for row in table["rows"]}
    assert rows["close"]["best"] and tied(rows["good"]) and not tied(rows["bad"])
    assert rows["bad"]["difference"] == pytest.approx(0.31) and table["floor"]["auc"] == 0.5
    said = " ".join(findings([table]))
    assert "all events are lawful under good" in said and "close (50 %)" in said
    assert "lowest two-sample AUC under close (0.603), which is not lawful, not told apart from good;" in said
    assert "of the lawful ones, good (0.61)" in said


def test_the_better_on_shared_seeds_is_not_told_to_be_worse():
    """`good` failed on the hard seed, and so has the lower mean; on the seeds that both have the other is better."""
    hard = [0.50, 0.51, 0.52, 0.99]
    table = tables(cells(good=[0.55, 0.5605, 0.57], steady=hard))[0]
    rows = {row["strategy"]: row["measures"]["auc"] for row in table["rows"]}
    assert rows["good"]["best"] and rows["steady"]["difference"] < 0 and rows["steady"]["p_adjusted"] < 0.05
    assert tied(rows["steady"])


def test_what_failed_is_told_and_left_out():
    broken = [{"model": "vae", "strategy": "bad", "seed": 0, "failed": "no convergence"}]
    table = tables([*cells(good=[0.6]), *broken])[0]
    assert table["rows"][1]["seeds"] == 0 and table["rows"][1]["measures"] == {}
    assert "vae, bad: failed (no convergence)" in findings([table])


def test_seeds_that_failed_are_counted_in_the_table():
    broken = [{"model": "vae", "strategy": "good", "seed": 2, "failed": "no convergence"}]
    found = tables([*cells(good=[0.6, 0.7]), *broken])
    text = as_markdown({"about": {"command": "lawful compare"}, "models": found, "findings": []})
    assert "| `good`, 2 of 3 seeds | 100 % |" in text
