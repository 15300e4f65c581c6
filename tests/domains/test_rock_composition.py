"""The laws of rocks and their minerals, against masses worked out by hand."""

import numpy as np
import pytest

from lawful.domains.rock_composition import DOMAIN, MINERALS, OXIDES, mass_fractions, molar_mass


def rock(**minerals):
    """Mass percent of every variable for a rock of these minerals."""
    oxides = dict.fromkeys(OXIDES, 0.0)
    for mineral, mass in minerals.items():
        for oxide, share in mass_fractions(mineral).items():
            oxides[oxide] += mass * share
    return np.array([oxides.get(name, minerals.get(name, 0.0)) for name in DOMAIN.names])


@pytest.mark.parametrize(
    ("oxide", "mass"), [("SiO2", 60.083), ("Al2O3", 101.9600768), ("Na2O", 61.97853856), ("P2O5", 141.942523996)]
)
def test_molar_masses(oxide, mass):
    assert molar_mass(oxide) == pytest.approx(mass, rel=1e-12)


def test_albite_is_two_thirds_silica():
    # Deer, Howie and Zussman (2013): ideal NaAlSi3O8 is 68.74 % SiO2, 19.44 % Al2O3, 11.82 % Na2O.
    shares = {oxide: round(100 * share, 2) for oxide, share in mass_fractions("albite").items()}
    assert shares == {"Na2O": 11.82, "Al2O3": 19.44, "SiO2": 68.74}


def test_every_mineral_is_made_of_oxides_alone():
    for mineral in MINERALS:
        assert sum(mass_fractions(mineral).values()) == pytest.approx(1, rel=1e-15)


def test_a_granite_obeys_and_a_wrong_one_does_not():
    granite = rock(quartz=30.0, orthoclase=30.0, albite=35.0, magnetite=5.0)
    A, b, names = DOMAIN.matrix()
    assert np.abs(A @ granite - b).max() < 1e-12
    granite[DOMAIN.names.index("quartz")] += 1
    broken = {name for name, misfit in zip(names, A @ granite - b, strict=True) if abs(misfit) > 1e-9}
    assert broken == {"total of minerals", "SiO2 balance"}


def test_the_total_of_oxides_follows_from_the_other_laws():
    system = DOMAIN.system()
    assert system.m == 14
    assert system.rank == 13
