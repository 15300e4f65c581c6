"""Laws that nobody declared are found in data: in any mixture, precision and company; and none where there is none."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.data_recipes.relations import relations, rounding


def found(values: np.ndarray, dtype=np.float64):
    names = [f"x{i}" for i in range(values.shape[1])]
    steps = np.array([rounding(column, np.dtype(dtype)) for column in values.T])
    return relations(values, names, steps)


def rows(laws, size: int) -> np.ndarray:
    """Laws as rows (m, n + 1), constants last with their signs turned."""
    return np.array([[*(float(r.coefficients.get(f"x{i}", 0)) for i in range(size)), -r.constant] for r in laws])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_planted_laws_are_found(seed, single):
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.gamma(2.0, rng.uniform(0.1, 50, 4), (300, 4)).T
    values = np.column_stack([a, b, a + b, c, d, 100 - c - 2 * d])
    if single:
        values = values.astype(np.float32).astype(np.float64)
    planted = np.array([[1, 1, -1, 0, 0, 0, 0], [0, 0, 0, 1, 2, 1, -100]])
    laws = rows(found(values, np.float32 if single else np.float64), 6)
    assert len(laws) == 2
    assert np.linalg.matrix_rank(np.vstack([laws, planted]), tol=1e-6) == 2


def test_the_sparsest_form_is_reported():
    a, b, c = np.random.default_rng(0).normal(size=(3, 200))
    laws = found(np.column_stack([a, b, a + b, c, a + b + c]))
    assert [set(law.coefficients) for law in laws] == [{"x0", "x1", "x2"}, {"x2", "x3", "x4"}]


def test_fractions_come_as_whole_numbers():
    celsius = np.random.default_rng(0).uniform(-20, 40, 100)
    (law,) = found(np.column_stack([celsius, 1.8 * celsius + 32]))
    assert law.coefficients == {"x0": Fraction(9), "x1": Fraction(-5)}
    assert law.constant == -160.0


def test_a_law_that_holds_to_the_last_digit_of_a_table():
    a, b = np.random.default_rng(0).uniform(0, 50, (2, 150))
    table = np.round(np.column_stack([a, b, 100 - a - b]), 1)
    (law,) = found(table)
    assert set(law.coefficients.values()) == {Fraction(1)}
    assert law.constant == 100.0
    assert 0.05 <= law.residual <= 0.11


def coarse_rain(factor: float) -> np.ndarray:
    """Heat, `factor` times evaporation, then rain in tenths, evaporation, runoff and storage in single precision."""
    rng = np.random.default_rng(0)
    rain = np.round(rng.gamma(0.6, 9.0, 400) * (rng.random(400) < 0.4), 1)
    evaporation = rng.uniform(0, 4, 400).astype(np.float32).astype(float)
    runoff = (np.maximum(rain - 10, 0) * rng.uniform(0.5, 0.6, 400)).astype(np.float32).astype(float)
    storage = (rain - evaporation - runoff).astype(np.float32).astype(float)
    heat = (factor * evaporation).astype(np.float32).astype(float)
    return np.column_stack([heat, rain, evaporation, runoff, storage])


@pytest.mark.parametrize("factor", [28.356481, 0.035265])
def test_a_coarse_column_does_not_make_a_law_of_a_factor_that_is_none(factor):
    values = coarse_rain(factor)
    steps = [rounding(column, np.dtype(np.float32)) for column in values.T]
    (law,) = relations(values, ["heat", "P", "E", "R", "dS"], np.array(steps))
    assert law.coefficients == {"P": 1, "E": -1, "R": -1, "dS": -1}
    assert (law.constant, law.residual < 1e-5) == (0.0, True)


@pytest.mark.parametrize("noise", [1e-3, 1e-2, 1.0])
def test_what_holds_only_nearly_is_no_law(noise):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 300))
    assert found(np.column_stack([a, b, a + b + noise * rng.normal(size=300)])) == []


def test_no_law_in_unrelated_data():
    assert found(np.random.default_rng(2).gamma(2.0, 1.0, (200, 8))) == []
    assert found(np.random.default_rng(2).normal(size=(4, 3))) == []
    assert found(np.zeros((100, 3))) == []


@pytest.mark.parametrize(
    ("values", "dtype", "half"),
    [
        ([0.1, 25.3, 7.0], np.float64, 0.05),
        ([1.0, 2.0, 3.0], np.float64, 0.5),
        ([1.25, 3.5], np.float64, 0.005),
        ([1 / 3, 2 / 3], np.float32, 2.0**-25),
        ([1 / 3, 2 / 3], np.float64, 2.0**-54),
    ],
)
def test_rounding(values, dtype, half):
    assert rounding(np.array(values), np.dtype(dtype)) == pytest.approx(half, rel=1e-12)
