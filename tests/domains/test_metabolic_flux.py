"""Stoichiometry as laws: the core model, a network of three reactions, and what a medium limits."""

from pathlib import Path

import numpy as np
import pytest

from lawful.domains.metabolic_flux import CORE, DOMAIN, KNOCKOUTS, UPTAKES, balances, medium_laws, read_reactions

CSV = """reaction,lower,upper,equation
uptake,0,10,+1*a
split,0,1000,-1*a +2*b
out,0,1000,-1*b
"""


@pytest.fixture
def chain(tmp_path: Path):
    path = tmp_path / "chain.csv"
    path.write_text(CSV)
    return read_reactions(path)


def test_a_chain_of_three_reactions(chain):
    assert [law.equation for law in balances(chain)] == ["uptake = split", "2.0 * split = out"]
    assert [(r.lower, r.upper) for r in chain] == [(0, 10), (0, 1000), (0, 1000)]


def test_the_core_is_that_of_the_source():
    metabolites = {name for reaction in CORE for name in reaction.metabolites}
    assert (len(CORE), len(metabolites)) == (95, 72)
    biomass = next(r for r in CORE if r.name == "Biomass_Ecoli_core")
    # Orth, Fleming and Palsson (2010), biomass reaction of the core model.
    assert biomass.metabolites["atp_c"] == -59.81
    assert biomass.metabolites["3pg_c"] == -1.496


def test_the_matrix_is_the_stoichiometry():
    A, b, names = DOMAIN.matrix()
    assert not b.any()
    for reaction in CORE:
        column = A[:, DOMAIN.names.index(reaction.name)]
        made = {name: -value for name, value in zip(names, column, strict=True) if value}
        sign = np.sign(made[next(iter(made))] * reaction.metabolites[next(iter(made))])
        # A balance may be written either way round: each is compared with its own sign.
        assert {name: abs(value) for name, value in made.items()} == {
            name: abs(count) for name, count in reaction.metabolites.items()
        }
        assert sign in (-1, 1)
    assert DOMAIN.system().rank == 67


def test_every_balance_has_one_sign():
    A, _, names = DOMAIN.matrix()
    for row, name in zip(A, names, strict=True):
        ratios = {row[DOMAIN.names.index(r.name)] / r.metabolites[name] for r in CORE if name in r.metabolites}
        assert ratios in ({1.0}, {-1.0})


def test_what_a_medium_limits():
    C, d, names = DOMAIN.inequality_matrix()
    z = np.zeros(len(DOMAIN.names))
    z[[DOMAIN.names.index(name) for name in ("glucose", "PGI_on")]] = 10, 1
    assert (C @ z <= d).all()
    z[DOMAIN.names.index("EX_glc__D_e")] = -10.5
    z[DOMAIN.names.index("PFK")] = 1
    z[DOMAIN.names.index("PGI")] = -3
    assert [name for name, excess in zip(names, C @ z - d, strict=True) if excess > 0] == [
        "glucose uptake",
        "PFK forward",
    ]


def test_reversible_reactions_are_switched_both_ways():
    names = [law.name for law in medium_laws(CORE, ("PGI", "PFK"))]
    assert names[len(UPTAKES) :] == ["PGI forward", "PGI backward", "PFK forward"]


def test_media_are_given():
    assert set(DOMAIN.given) == {*UPTAKES, *(f"{name}_on" for name in KNOCKOUTS)}
