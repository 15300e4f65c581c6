"""Declarations that agree, and the matrices, hash and errors that follow."""

import numpy as np
import pytest
from pydantic import ValidationError

from lawful.domains import Domain, InputError, Law, Ratio, Variable, get_domain, list_domains

FLUXES = ("Kdown", "Kup", "Ldown", "Lup", "QN", "QF", "QS", "QE", "QH")


def changed(domain: Domain, **fields) -> Domain:
    return Domain(**{**dict(domain), **fields})


def test_matrices_and_bounds(budget):
    A, b, names = budget.matrix()
    C, d, limits = budget.inequality_matrix()
    np.testing.assert_array_equal(A, [[1, -1, -1]])
    np.testing.assert_array_equal(C, [[-1, 0, 1]])
    assert (b.tolist(), names, d.tolist(), limits) == ([0], ("water",), [0], ("runoff",))
    np.testing.assert_array_equal(budget.lower, [0, -np.inf, 0])
    np.testing.assert_array_equal(budget.upper, [np.inf, np.inf, 50])


def test_matrices_keep_their_width_without_laws(budget):
    bare = changed(budget, laws=())
    assert bare.matrix()[0].shape == bare.inequality_matrix()[0].shape == (0, 3)


def test_unknown_variable_is_named_with_the_known_ones(budget):
    assert budget.variable("E").units == "mm h-1"
    with pytest.raises(InputError, match=r"'Q'.*P, E, R"):
        budget.variable("Q")


@pytest.mark.parametrize(
    ("field", "extra", "message"),
    [
        (
            "laws",
            Law(name="heat", equation="P = Q", units="mm h-1"),
            "law 'heat': equation 'P = Q', column 5: 'Q' is no variable; there are P, E, R",
        ),
        ("laws", Law(name="water", equation="P = E", units="mm h-1"), "two laws are called water"),
        ("laws", Law(name="heat", equation="P = E", units="W m-2"), "'W m-2', but P is in 'mm h-1'"),
        ("variables", Variable(name="P", units="mm h-1"), "called P"),
        ("ratios", Ratio(name="P", numerator="R", denominator="E", units="1"), "called P"),
        ("ratios", Ratio(name="c", numerator="R", denominator="Q", units="1"), "'c' names 'Q'"),
    ],
)
def test_declarations_that_disagree_are_refused(budget, field, extra, message):
    with pytest.raises(ValidationError, match=message):
        changed(budget, **{field: (*getattr(budget, field), extra)})


def test_a_coefficient_may_carry_units(budget):
    variables = (*budget.variables, Variable(name="QE", units="W m-2"))
    changed(budget, variables=variables, laws=(Law(name="heat", equation="QE = 690 * E", units="W m-2"),))


def test_equal_units_may_be_spelt_differently(budget):
    changed(budget, laws=(Law(name="water", equation="P = E + R", units="mm/h"),))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Variable(name="2x", units="1"),
        lambda: Variable(name="x[", units="1"),
        lambda: Variable(name="[x]", units="1"),
        lambda: Variable(name="x", units="1", lower=2, upper=1),
        lambda: Variable(name="x", units="1", lower=float("nan")),
        lambda: Variable(name="x", units="1", unit="1"),
        lambda: Law(name="l", equation="a * = 1", units="1"),
        lambda: Law(name="l", equation="a = 1", units="1", tolerance=-1),
    ],
)
def test_bad_declarations(make):
    with pytest.raises(ValidationError):
        make()


def test_a_name_may_be_typed_in_two_ways(budget):
    micro, mu = "\u00b5", "\u03bc"
    domain = changed(
        budget,
        variables=(Variable(name=micro, units="1"),),
        laws=(Law(name="l", equation=f"{mu} = 1", units="1"),),
    )
    np.testing.assert_array_equal(domain.matrix()[0], [[1]])


def test_declarations_are_frozen(budget):
    with pytest.raises(ValidationError):
        budget.name = "other"


def test_hash_follows_laws_and_bounds_but_not_wording(budget):
    first = budget.law_hash()
    water, runoff = budget.laws
    respelt = (water.model_copy(update={"reference": "x"}), runoff)
    assert changed(budget, title="Other", laws=respelt).law_hash() == first
    respelt_equation = (Law(name="water", equation="P - R - E = 0", units="mm h-1"), runoff)
    assert changed(budget, laws=respelt_equation).law_hash() == first
    assert changed(budget, laws=(runoff,)).law_hash() != first
    wider = (*budget.variables[:2], Variable(name="R", units="mm h-1", lower=0, upper=51))
    assert changed(budget, variables=wider).law_hash() != first


def test_shipped_domains():
    assert {"rock-oxides", "surface-balance"} <= set(list_domains())
    surface, rocks = get_domain("surface-balance"), get_domain("rock-oxides")
    assert surface.names == (*FLUXES, "Rain", "Evap", "RO", "TotCh")
    assert [law.name for law in surface.equalities] == ["radiation", "energy", "water"]
    assert [law.name for law in surface.inequalities] == ["shortwave"]
    assert np.linalg.matrix_rank(surface.matrix()[0]) == 3
    np.testing.assert_array_equal(rocks.matrix()[0], np.ones((1, 23)))
    np.testing.assert_array_equal(rocks.matrix()[1], [100])
    assert (rocks.lower == 0).all()
    assert (rocks.upper == 100).all()


def test_system_has_the_matrices_of_the_domain():
    domain = get_domain("surface-balance")
    system = domain.system()
    np.testing.assert_array_equal(np.asarray(system.A), domain.matrix()[0])
    assert tuple(system.columns) == domain.names
    assert system.rank == 3
