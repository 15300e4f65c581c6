"""Units as CF spells them."""

import numpy as np
import pytest

from lawful.domains import InputError, get_domain
from lawful.domains.units import between_mass_and_amount, convert, equivalent


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1.0, "kW m-2", "W m-2", 1000.0),
        (1.0, "m s-1", "mm h-1", 3.6e6),
        (0.0, "degC", "K", 273.15),
        (0.5, "1", "percent", 50.0),
        (0.5, "", "%", 50.0),
        (2.0, "W/m^2", "W m-2", 2.0),
        (2.0, "mm hr**-1", "mm h-1", 2.0),
    ],
)
def test_conversions(value, source, target, expected):
    assert convert(value, source, target) == pytest.approx(expected)


def test_equal_units_change_no_bit():
    values = np.random.default_rng(0).normal(size=100)
    np.testing.assert_array_equal(convert(values, "W/m2", "W m-2"), values)
    assert equivalent("W m**-2", "watt / meter ** 2")


@pytest.mark.parametrize(
    ("sources", "target", "expected"),
    [
        (("mg/L",), "mmol/L", True),
        (("mmol/L",), "mg/L", True),
        (("mg/L", "1"), "mol m-3", True),
        (("mg/L",), "kg m-3", False),
        (("W m-2",), "mm h-1", False),
    ],
)
def test_a_molar_mass_is_told_from_other_things_that_units_lack(sources, target, expected):
    assert between_mass_and_amount(sources, target) == expected


def test_float32_becomes_float64():
    assert convert(np.float32([0.1]), "W m-2", "W m-2").dtype == np.float64


def test_refusals_name_both():
    with pytest.raises(InputError, match=r"'mm h-1'.*'kg m-2 s-1'"):
        convert(1.0, "mm h-1", "kg m-2 s-1")
    with pytest.raises(InputError, match="'blue' are not understood"):
        convert(1.0, "blue", "K")


@pytest.mark.parametrize("name", ["surface-balance", "rock-oxides", "soil-water"])
def test_units_of_shipped_domains_are_understood(name):
    domain = get_domain(name)
    for declared in (*domain.variables, *domain.laws, *domain.ratios):
        assert convert(1.0, declared.units, declared.units) == 1
    for ratio in domain.ratios:
        quotient = f"({domain.variable(ratio.numerator).units}) / ({domain.variable(ratio.denominator).units})"
        assert convert(1.0, quotient, ratio.units) == pytest.approx(1)
