"""Folding minor oxides, and what becomes of pyrolite's norm; pyrolite itself is not needed."""

import numpy as np
import pandas as pd
import pytest

from lawful.data_recipes import read, sample_path
from lawful.data_recipes.rock_composition import FOLDED, MINOR_MASS, PYROLITE, fold, to_dataset
from lawful.domains import InputError
from lawful.domains.rock_composition import DOMAIN, MINERALS, OXIDES, molar_mass
from lawful.domains.rock_oxides import PARTS


def parts(**given):
    return {name: np.array([given.get(name, 0.0)]) for name in PARTS}


def norm(oxides, minerals, **free):
    columns = {name: [oxides.get(name, 0.0)] for name in OXIDES}
    columns |= {PYROLITE.get(name, name.replace("_", " ")): [minerals.get(name, 0.0)] for name in MINERALS}
    return pd.DataFrame({**columns, "FREE_OXIDES": [0.0], "FREE_DEFSIO2": [0.0], **{k: [v] for k, v in free.items()}})


TABLE = pd.DataFrame({"CONSECUT": [3], "REF": ["A  (2001)"], "SAMPLE NAME": ["b"]})


def test_minor_oxides_are_folded_mole_for_mole():
    folded = fold(parts(SiO2=50.0, FeO=40.0, MnO=10.0))
    moles = folded["FeO"] / molar_mass("FeO") / (folded["SiO2"] / molar_mass("SiO2"))
    expected = (40 / 71.844 + 10 / 70.937043) / (50 / 60.083)
    assert moles == pytest.approx(expected, rel=1e-12)
    assert sum(folded.values()) == pytest.approx(100, rel=1e-14)


def test_halogens_are_left_out_and_every_other_part_is_somewhere():
    assert set(PARTS) == set(OXIDES) | set(FOLDED) | {"F", "Cl"}
    assert set(FOLDED) == set(MINOR_MASS)


def test_rocks_that_the_norm_cannot_make_are_left_out():
    whole = norm({"SiO2": 100.0}, {"quartz": 100.0})
    both = pd.concat([whole, norm({"SiO2": 100.0}, {"quartz": 93.0}, FREE_DEFSIO2=7.0)], ignore_index=True)
    ds = to_dataset(pd.concat([TABLE, TABLE], ignore_index=True), both)
    assert ds.sizes["sample"] == 1
    assert ds.quartz.item() == 100
    assert ds.reference.item() == "A (2001)"


def test_another_norm_is_refused():
    with pytest.raises(InputError, match=r"sum to 90 %.*0\.3\.8\.post1"):
        to_dataset(TABLE, norm({"SiO2": 100.0}, {"quartz": 90.0}))


def test_minerals_that_exclude_each_other_do_so_in_the_sample():
    ds = read(sample_path(DOMAIN), DOMAIN).dataset
    for one, other in (("quartz", "forsterite"), ("quartz", "nepheline"), ("nepheline", "enstatite"),
                       ("corundum", "diopside_Mg"), ("acmite", "anorthite")):  # fmt: skip
        assert not ((ds[one] > 0) & (ds[other] > 0)).any()
    zeros = np.mean([(ds[mineral] == 0).to_numpy() for mineral in MINERALS])
    assert 0.55 < zeros < 0.6
