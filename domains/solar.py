"""Where the sun stands: what an hour and a day mean for radiation at a site."""

import numpy as np


def sine_of_elevation(day_of_year: np.ndarray, hour: np.ndarray, latitude: float, longitude: float) -> np.ndarray:
    """Sine of the sun's elevation, negative at night.

    Args:
        day_of_year: days since the beginning of the year (events,), fractions allowed.
        hour: universal time in hours (events,).
        latitude, longitude: degrees north and east.

    Source: Iqbal 1983, An Introduction to Solar Radiation, eqs. 1.3.1 and 1.5.3, with Spencer's (1971) series; within
    half a degree of an ephemeris.
    """
    angle = 2 * np.pi * day_of_year / 365.2425
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2 * angle)
        + 0.000907 * np.sin(2 * angle)
        - 0.002697 * np.cos(3 * angle)
        + 0.00148 * np.sin(3 * angle)
    )
    equation_of_time = (
        229.18
        / 60
        * (
            0.000075
            + 0.001868 * np.cos(angle)
            - 0.032077 * np.sin(angle)
            - 0.014615 * np.cos(2 * angle)
            - 0.040849 * np.sin(2 * angle)
        )
    )
    hour_angle = np.deg2rad(15.0 * (hour + equation_of_time - 12.0) + longitude)
    phi = np.deg2rad(latitude)
    return np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
