"""The ulp measure and compensated residuals, against exact rational arithmetic and numbers worked by hand."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core import InvalidValueError
from lawful.core.linear import compensated_residual, half_spacing, ulps
from lawful.core.linear.exact import two_product, two_sum

REASONABLE = st.floats(-1e12, 1e12, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-12)


def double(x):
    return torch.tensor(x, dtype=torch.float64)


@settings(deadline=None)
@given(REASONABLE, REASONABLE)
def test_transformations_lose_nothing(x, y):
    for transform, exact in ((two_sum, Fraction(x) + Fraction(y)), (two_product, Fraction(x) * Fraction(y))):
        value, error = transform(double(x), double(y))
        assert Fraction(value.item()) + Fraction(error.item()) == exact


@settings(deadline=None)
@given(st.lists(st.tuples(REASONABLE, REASONABLE), min_size=1, max_size=12), REASONABLE)
def test_residual_is_the_rounded_exact_one(pairs, b):
    a, z = zip(*pairs, strict=True)
    exact = sum((Fraction(x) * Fraction(y) for x, y in pairs), -Fraction(b))
    size = sum(abs(Fraction(x) * Fraction(y)) for x, y in pairs) + abs(Fraction(b))
    got = Fraction(compensated_residual(double([a]), double(z), double([b])).item())
    assert abs(got - exact) <= Fraction(2) ** -52 * abs(exact) + Fraction(2) ** -95 * size


def test_residual_survives_cancellation_that_plain_sums_do_not():
    A, z = double([[1.0, 1.0, 1.0]]), double([1.0, 1e16, -1e16])
    assert compensated_residual(A, z, double([0.0])).item() == 1.0
    assert sum(z.tolist()) == 0.0


def test_residual_of_many_samples_is_that_of_each():
    generator = torch.Generator().manual_seed(0)
    A, z = torch.randn(60, 90, generator=generator).double(), torch.randn(1000, 90, generator=generator).double()
    b = torch.randn(1000, 60, generator=generator).double()
    residual = compensated_residual(A, z, b)
    assert residual.shape == (1000, 60)
    for i in (0, 499, 999):
        torch.testing.assert_close(residual[i], compensated_residual(A, z[i], b[i]), rtol=1e-15, atol=0)


def test_residual_differentiates_like_the_plain_one():
    generator = torch.Generator().manual_seed(1)
    A, z, b = (torch.randn(*s, generator=generator).double().requires_grad_() for s in ((2, 3), (4, 3), (4, 2)))
    assert torch.autograd.gradcheck(compensated_residual, (A, z, b))


@pytest.mark.parametrize(
    ("x", "dtype", "expected"),
    [
        (1.0, torch.float64, 2.0**-53),
        (1.0, torch.float32, 2.0**-24),
        (-1.5, torch.float32, 2.0**-24),
        (1000.0, "float32", 2.0**-15),
        (0.75, np.float64, 2.0**-54),
        (0.0, torch.float32, 2.0**-150),
        (0.0, torch.float64, 0.0),
    ],
)
def test_half_spacing_by_hand(x, dtype, expected):
    assert half_spacing(double(x), dtype).item() == expected


@settings(deadline=None)
@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_half_spacing_matches_numpy_for_float32_in_float64(x):
    assert half_spacing(double(x), torch.float32).item() == float(np.spacing(np.float32(abs(x)))) / 2


def test_half_spacing_refuses_other_formats():
    with pytest.raises(InvalidValueError, match="float16"):
        half_spacing(double(1.0), torch.float16)


def test_ulps_by_hand():
    # 1 + 1 - 2.0000000000000004: off by one spacing of 2, allowed h(1) + h(1) + h(2) = 2^-53 + 2^-53 + 2^-52.
    A, z, b = double([[1.0, 1.0]]), double([1.0, 1.0]), double([2.0 + 2.0**-51])
    assert ulps(A, z, b, half_spacing(z, "float64"), half_spacing(b, "float64")).item() == 1.0


def test_ulps_of_nothing_over_nothing_is_zero_and_of_something_infinite():
    zero = torch.zeros(2, dtype=torch.float64)
    got = ulps(double([[1.0, 1.0], [1.0, 1.0]]), zero, double([0.0, 1.0]), zero, zero)
    assert got.tolist() == [0.0, float("inf")]


@settings(deadline=None)
@given(st.floats(-9, 9), st.floats(-9, 9), st.integers(-20, 20))
def test_ulps_do_not_depend_on_units(x, y, power):
    A, z = double([[1.0, -1.0]]), double([x, y])
    b = double([x - y + 1e-15])
    unit = 2.0**power
    plain, scaled = (ulps(A, s * z, s * b, half_spacing(s * z, "float64"), s * b.abs() * 1e-16) for s in (1.0, unit))
    torch.testing.assert_close(plain, scaled, rtol=1e-12, atol=0)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_rounding_a_lawful_point_to_float32_costs_at_most_one_ulp(parts):
    # Wide enough gaps between digits make the float64 sum exact, so that only the cast can break the law.
    parts = [round(p * 1024) / 1024 for p in parts]
    z = double([*parts, sum(parts)]).float()
    A = double([[1.0] * len(parts) + [-1.0]])
    assert ulps(A, z, double([0.0]), half_spacing(z, "float32"), double([0.0])).item() <= 1.0
