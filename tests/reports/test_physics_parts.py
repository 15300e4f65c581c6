"""The parts of the judge, against exact rational arithmetic, numpy and numbers worked by hand."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core.linear import compensated_residual, half_spacing
from lawful.data_recipes.blocks import blocks
from lawful.domains import Domain, InputError
from lawful.reports.physics import sketch
from lawful.reports.physics.residuals import misfit
from lawful.reports.physics.sketch import Quantiles
from lawful.reports.physics.tolerance import Tolerance, parse_tolerances
from lawful.reports.stored import Storage, storage_of

NUMBERS = st.floats(-1e12, 1e12, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-12)
FLOAT64, FLOAT32 = Storage("float64"), Storage("float32", fraction_bits=23, smallest_normal=2.0**-126)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1.0, -1.0, 0.5, 0.1, -18.015]), NUMBERS), min_size=1, max_size=9), NUMBERS)
def test_residual_is_the_rounded_exact_one(terms, b):
    row, values = np.array([a for a, _ in terms]), [np.array([z]) for _, z in terms]
    spacing = [FLOAT64.half_spacing(z) for z in values]
    found = misfit(row, b, values, spacing)
    exact = sum((Fraction(a) * Fraction(z) for a, z in terms), -Fraction(b))
    size = sum(abs(Fraction(a) * Fraction(z)) for a, z in terms) + abs(Fraction(b))
    assert abs(Fraction(found.residual.item()) - exact) <= Fraction(2) ** -52 * abs(exact) + Fraction(2) ** -95 * size
    assert found.gross.item() == pytest.approx(float(size))
    core = compensated_residual([row.tolist()], [float(z[0]) for z in values], [b]).item()
    assert found.residual.item() == pytest.approx(core, rel=1e-14, abs=float(size) * 1e-28)


@settings(deadline=None)
@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=2, max_size=6))
def test_plain_sums_of_single_precision_are_right_to_a_millionth_of_an_ulp(parts):
    values = [np.array([part]) for part in parts]
    found = misfit(np.ones(len(parts)), 0.0, values, [FLOAT32.half_spacing(z) for z in values])
    exact = abs(sum(map(Fraction, parts)))
    allowance = sum(Fraction(float(FLOAT32.half_spacing(z)[0])) for z in values)
    assert abs(Fraction(found.ulps.item()) - exact / allowance) <= Fraction(1, 10**6) * (1 + exact / allowance)


def test_values_are_not_changed_by_being_judged():
    values = [np.array([3.0, -4.0])]
    misfit(np.array([1.0]), 0.0, values, [FLOAT64.half_spacing(values[0])])
    misfit(np.array([1.0]), 1.0, values, [FLOAT64.half_spacing(values[0])])
    assert values[0].tolist() == [3.0, -4.0]


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_half_spacings_are_those_of_the_core(x):
    for storage, dtype in ((FLOAT64, torch.float64), (FLOAT32, torch.float32)):
        if dtype == torch.float32 or x == 0 or abs(x) >= 2.0**-1022:
            assert storage.half_spacing(np.array([x]))[0] == half_spacing([x], dtype).item()


def stored(attributes=None, dtype=np.float32, **encoding) -> xr.DataArray:
    array = xr.DataArray(np.array([1.25, 300.0], dtype=dtype), dims="x", attrs=attributes or {}, name="v")
    array.encoding = encoding
    return array


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (stored(), [2.0**-24, 2.0**-16]),
        (stored(dtype=np.float64), [2.0**-53, 2.0**-45]),
        (stored(dtype="int16", scale_factor=0.5, add_offset=7.0), 0.25),
        (stored({"least_significant_digit": 2}), 0.005),
        (stored({"_QuantizeBitRoundNumberOfSignificantBits": 4}), [2.0**-5, 8.0]),
        (stored({"_QuantizeGranularBitRoundNumberOfSignificantDigits": 3}), [0.005, 0.5]),
    ],
)
def test_half_spacing_of_what_the_file_declares(array, expected):
    if "int" in str(array.encoding.get("dtype", "")):
        array = array.astype(np.float64)
        array.encoding = {"dtype": np.int16, "scale_factor": 0.5, "add_offset": 7.0}
    found = storage_of(array).half_spacing(np.array([1.25, 300.0]))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_a_printed_step_is_taken_from_the_user_first():
    assert storage_of(stored({"least_significant_digit": 2}), step=0.1).half_spacing(np.array([1.0])) == 0.05


@pytest.mark.parametrize("count", [1, 1000, 70_000])
def test_quantiles_beside_numpy(count):
    sizes = np.random.default_rng(count).lognormal(0, 4, count)
    sizes[::7] = 0.0
    found = Quantiles()
    for part in np.array_split(sizes, 3):
        found.add(part)
    percents = (1.0, 50.0, 99.0, 100.0)
    expected = np.percentile(sizes, percents, method="linear" if found.exact else "lower")
    np.testing.assert_allclose(found.percentiles(percents), expected, rtol=0 if found.exact else sketch.RESOLUTION)
    assert (found.largest, found.count) == (sizes.max(), count)
    assert found.exact == (count < 2**16)


def test_what_is_beyond_the_histogram_stays_in_its_ends():
    found = Quantiles()
    found.add(np.array([0.0, 1e-300, 1e300] * 30_000))
    assert found.percentiles((10.0, 50.0)) == [0.0, 0.0]
    assert found.largest == 1e300


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=4), st.integers(1, 60))
def test_blocks_cover_an_array_once(axes, most):
    sizes = {f"d{i}": size for i, (size, _) in enumerate(axes)}
    chunks = {f"d{i}": chunk for i, (_, chunk) in enumerate(axes)}
    seen = np.zeros(tuple(sizes.values()), dtype=int)
    for block in blocks(sizes, chunks, most):
        part = seen[tuple(block.values())]
        assert part.size <= max(most, 8 * most if any(c > 1 for c in chunks.values()) else most)
        part += 1
    assert (seen == 1).all()


def test_blocks_hold_whole_chunks():
    lengths = {tuple(s.stop - s.start for s in block.values()) for block in blocks({"m": 4, "t": 100}, {"t": 10}, 45)}
    assert lengths == {(1, 40), (1, 20)}


def test_tolerances(tiny: Domain):
    assert parse_tolerances(["8ulps"], tiny)["part"] == Tolerance("ulps", 8)
    assert parse_tolerances(["1e-6rel", "sum=0.5"], tiny) == {
        "sum": Tolerance("units", 0.5), "part": Tolerance("relative", 1e-6), "both": Tolerance("relative", 1e-6),
    }  # fmt: skip
    assert parse_tolerances(["data"], tiny) == {"sum": Tolerance("units", 1e-9)}


@pytest.mark.parametrize("text", ["", "much", "-1", "nan", "inf", "1e-6 W m-2", "1e999", "sum=", "mass=1"])
def test_tolerances_that_are_none(tiny: Domain, text):
    with pytest.raises(InputError, match="--tol"):
        parse_tolerances([text], tiny)
