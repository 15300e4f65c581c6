"""The sun's elevation against hand-computed geometry."""

import numpy as np
import pytest
from pydantic import ValidationError

from lawful.domains import Context
from lawful.domains.solar import sine_of_elevation


def elevation(day, hour, latitude, longitude=0.0):
    return np.rad2deg(np.arcsin(sine_of_elevation(np.array([day]), np.array([hour]), latitude, longitude)))[0]


def highest(day, latitude, longitude=0.0):
    hours = np.linspace(0, 24, 1441)
    sines = sine_of_elevation(np.full_like(hours, day), hours, latitude, longitude)
    return np.rad2deg(np.arcsin(sines.max())), hours[sines.argmax()]


@pytest.mark.parametrize(
    ("day", "latitude", "expected"),
    [(171.5, 51.51, 90 - 51.51 + 23.44), (354.5, 51.51, 90 - 51.51 - 23.44), (79.0, 0.0, 90.0), (171.5, -80.0, -13.44)],
)
def test_noon_at_solstice_and_equinox(day, latitude, expected):
    top, _ = highest(day, latitude)
    assert top == pytest.approx(expected, abs=0.5)


def test_the_equation_of_time_moves_noon():
    # Early November the sun is 16 minutes ahead, in mid-February 14 minutes behind (nautical almanac).
    assert highest(306, 51.5)[1] == pytest.approx(12 - 16.4 / 60, abs=0.03)
    assert highest(42, 51.5)[1] == pytest.approx(12 + 14.2 / 60, abs=0.03)


def test_noon_comes_earlier_in_the_east():
    assert highest(100, 45.0, 15.0)[1] == pytest.approx(highest(100, 45.0, 0.0)[1] - 1, abs=0.02)


def test_the_sun_is_down_at_midnight():
    assert elevation(100, 0.0, 51.5) < -20
    assert elevation(171.5, 0.0, 70.0) > 0  # midnight sun


def test_a_sun_without_a_site_is_refused():
    with pytest.raises(ValidationError, match="latitude and a longitude"):
        Context(name="sun", kind="solar_elevation", latitude=50.0)
