"""Variables with a dimension, and what sums, differences, means and parameters amount to between single variables."""

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from lawful.domains import Blocks, Domain, InputError, Law, Parameter, Variable
from lawful.domains.components import bind, join, split

OXIDES = ("SiO2", "FeO", "MgO")


def rocks(**changes) -> Domain:
    fields = {
        "name": "rocks",
        "title": "Rocks",
        "event": "rock",
        "event_dim": "sample",
        "dimensions": {"oxide": OXIDES},
        "variables": (Variable(name="part", units="percent", lower=0, over="oxide"),),
        "laws": (Law(name="total", equation="sum(part, over=oxide) = 100", units="percent"),),
        "blocks": Blocks(kind="label", label="site"),
    }
    return Domain(**{**fields, **changes})


def law(equation: str, units: str = "percent", **fields) -> tuple[Law, ...]:
    return (Law(name="law", equation=equation, units=units, **fields),)


def test_a_sum_over_a_dimension():
    domain = rocks()
    assert domain.names == ("part[SiO2]", "part[FeO]", "part[MgO]")
    assert domain.laws[0].equation == "sum(part, over=oxide) = 100"
    np.testing.assert_array_equal(domain.matrix()[0], [[1, 1, 1]])
    np.testing.assert_array_equal(domain.matrix()[1], [100])
    assert Domain(**dict(domain)) == domain


def test_one_component_by_its_label():
    domain = rocks(laws=law("part[FeO] + 2 * part[MgO] <= part[SiO2]"))
    np.testing.assert_array_equal(domain.inequality_matrix()[0], [[-1, 1, 2]])


def test_a_law_along_a_dimension_is_one_for_each_label():
    variables = (*rocks().variables, Variable(name="limit", units="percent", over="oxide"))
    domain = rocks(variables=variables, laws=law("part <= limit"))
    assert [one.name for one in domain.laws] == ["law[SiO2]", "law[FeO]", "law[MgO]"]
    np.testing.assert_array_equal(domain.inequality_matrix()[0], np.hstack([np.eye(3), -np.eye(3)]))


def window(*variables, laws, **dimensions) -> Domain:
    return Domain(
        name="soil", title="Soil", event="window", event_dim="window", dimensions=dimensions,
        variables=variables, laws=laws, blocks=Blocks(kind="label", label="year"),
    )  # fmt: skip


def test_differences_along_steps_begin_with_the_second():
    flux, store = (Variable(name=n, units="mm", over="day") for n in ("P", "S"))
    domain = window(flux, store, laws=law("P = diff(S)", "mm"), day=("0", "1", "2"))
    assert [one.name for one in domain.laws] == ["law[1]", "law[2]"]
    np.testing.assert_array_equal(domain.matrix()[0], [[0, 1, 0, 1, -1, 0], [0, 0, 1, 0, 1, -1]])


def test_differences_between_edges_lie_on_the_intervals():
    variables = Variable(name="P", units="mm", over="day"), Variable(name="S", units="mm", over="edge")
    domain = window(*variables, laws=law("P - diff(S, over=edge) = 0", "mm"), day=("a", "b"), edge=("0", "1", "2"))
    assert [one.name for one in domain.laws] == ["law[a]", "law[b]"]
    np.testing.assert_array_equal(domain.matrix()[0], [[1, 0, 1, -1, 0], [0, 1, 0, 1, -1]])


AREAS = Parameter(name="area", units="m2", over="cell", values=(1, 3, 2, 2))
BLOCK = Parameter(name="region", over="cell", into="block", values=("w", "w", "e", "e"))
FINE, COARSE = Variable(name="fine", units="mm", over="cell"), Variable(name="coarse", units="mm", over="block")
FIELD = {
    "dimensions": {"cell": ("0", "1", "2", "3"), "block": ("w", "e")},
    "variables": (FINE, COARSE),
    "laws": law("mean(fine, over=cell, weights=area, by=region) = coarse", "mm"),
}
MEANS = [[0.25, 0.75, 0, 0, -1, 0], [0, 0, 0.5, 0.5, 0, -1]]


def test_area_weighted_block_means():
    domain = rocks(**FIELD, parameters=(AREAS, BLOCK))
    assert [one.name for one in domain.laws] == ["law[w]", "law[e]"]
    np.testing.assert_array_equal(domain.matrix()[0], MEANS)


def test_a_mean_over_everything():
    domain = rocks(**{**FIELD, "laws": law("mean(fine, over=cell) = coarse[w]", "mm")})
    np.testing.assert_array_equal(domain.matrix()[0], [[0.25, 0.25, 0.25, 0.25, -1, 0]])


def test_parameters_of_the_file_are_bound_to_it():
    waiting = [p.model_copy(update={"values": None}) for p in (AREAS, BLOCK)]
    domain = rocks(**FIELD, parameters=waiting)
    with pytest.raises(InputError, match="takes parameters of a data file"):
        domain.matrix()
    ds = xr.Dataset({"area": ("cell", [1e-6, 3e-6, 2e-6, 2e-6], {"units": "km2"}), "region": ("cell", list("wwee"))})
    np.testing.assert_allclose(bind(domain, ds).matrix()[0], MEANS, rtol=1e-15)
    with pytest.raises(InputError, match="no variable 'region'"):
        bind(domain, ds.drop_vars("region"))
    with pytest.raises(InputError, match=r"'area' differs from event to event.*given: true"):
        bind(domain, ds.assign(area=ds.area.expand_dims(sample=2)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"laws": law("sum(part, over=mineral) = 1")}, "column 16: what sum works on lies along 'oxide'"),
        ({"laws": law("sum(part) = 1")}, "say over which dimension"),
        ({"laws": law("part[CaO] = 1")}, "'part[CaO]' is no variable"),
        ({"laws": law("f(part) = 1")}, "no function 'f'"),
        ({"laws": law("part * part = 1")}, "a product of two variables"),
        ({"laws": law("mean(part, over=oxide, weights=part) = 1")}, "weights of a mean must be a parameter"),
        ({"laws": law("mean(part, over=oxide, by=region) = 1")}, "'region' is no parameter along 'oxide'"),
        ({"dimensions": {}}, "lies over 'oxide', which is no dimension"),
        ({"dimensions": {"oxide": ("a", "a")}}, "label 'a' twice"),
        ({"dimensions": {"oxide": ()}}, "has no labels"),
        ({"parameters": (Parameter(name="p", over="oxide", values=(1, 2)),)}, "2 values for 3 labels"),
        ({"parameters": (Parameter(name="p", values=("x",)),)}, "'x' is no number"),
        ({"parameters": (Parameter(name="r", over="oxide", into="oxide", values=("x",) * 3),)}, "'x' is no label"),
        ({"parameters": (Parameter(name="part[FeO]", values=(1,)),)}, "called part[FeO]"),
    ],
)
def test_what_does_not_fit_is_named(changes, words):
    with pytest.raises(ValidationError) as caught:
        rocks(**changes)
    assert words in str(caught.value)


def fluxes(equation: str, *more: Parameter, units: str = "W m-2", density: str | None = None, given=False) -> Domain:
    variables = (
        Variable(name="QE", units="W m-2"),
        Variable(name="E", units="mm h-1"),
        Variable(name="D", units="mm d-1"),
        Variable(name="M", units="kg m-2 s-1"),
        Variable(name="L", units="W m-2 / (mm h-1)", given=given),
    )
    return rocks(variables=variables, parameters=more, laws=law(equation, units), density=density)


LATENT = Parameter(name="heat", units="W m-2 / (mm h-1)", values=(690.0,))


@pytest.mark.parametrize(
    ("domain", "row"),
    [
        (lambda: fluxes("QE = 690 * E"), [1, -690, 0, 0, 0]),
        (lambda: fluxes("QE = heat * E", LATENT), [1, -690, 0, 0, 0]),
        (lambda: fluxes("E = D", units="mm h-1"), [0, 1, -1 / 24, 0, 0]),
        (lambda: fluxes("E = 2 * D + 3", units="mm h-1"), [0, 1, -2 / 24, 0, 0]),
        (lambda: fluxes("QE = 2 * heat * D", LATENT), [1, 0, -2 * 690 / 24, 0, 0]),
        (lambda: fluxes("E = 2 * M", units="mm h-1", density="1000 kg m-3"), [0, 1, 0, -7200, 0]),
        (lambda: fluxes("E = M", units="mm h-1", density="1000 kg m-3"), [0, 1, 0, -3600, 0]),
        (lambda: fluxes("E = M", units="kg m-2 s-1", density="1000 kg m-3"), [0, 1 / 3600, 0, -1, 0]),
    ],
)
def test_terms_come_in_the_units_of_the_law(domain, row):
    np.testing.assert_allclose(domain().matrix()[0], [row], rtol=1e-15)


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (lambda: fluxes("QE + E = 0"), "law 'law': it is in 'W m-2', but E is in 'mm h-1'"),
        (lambda: fluxes("E = M", units="mm h-1"), "it is in 'mm h-1', but M is in 'kg m-2 s-1'"),
        (lambda: fluxes("QE = heat * D * E", LATENT), "a product of two variables"),
        (lambda: fluxes("QE = heat * QE", LATENT), "but QE is in 'W m-2' * 'W m-2 / (mm h-1)'"),
        (lambda: fluxes("QE + E + E = 0"), "but E is in 'mm h-1'"),
        (lambda: fluxes("E = M", units="mm h-1", density="1000 K"), "do not convert"),
    ],
)
def test_units_that_do_not_go_together_are_named(domain, words):
    with pytest.raises(ValidationError) as caught:
        domain()
    assert words in str(caught.value)


def ions(equation: str) -> Domain:
    units = {"Na": "mmol/L", "Ca": "umol/L", "Mg": "mg/L"}
    return rocks(variables=tuple(Variable(name=n, units=u) for n, u in units.items()), laws=law(equation, "mmol/L"))


def test_a_number_before_a_variable_of_another_scale_leaves_it_to_be_converted():
    np.testing.assert_allclose(ions("Na + 2 * Ca = 3").matrix()[0], [[1, 0.002, 0]], rtol=1e-15)


def test_a_count_of_charges_does_not_stand_for_a_molar_mass():
    np.testing.assert_array_equal(ions("Na + 0.0823 * Mg = 3").matrix()[0], [[1, 0, 0.0823]])
    with pytest.raises(ValidationError, match=r"Mg is in 'mg/L'.*let a number in the law make amounts"):
        ions("Na + 2 * Mg = 3")
    with pytest.raises(ValidationError, match="let a number in the law make amounts"):
        ions("Na + 8 * Mg = 3")
    np.testing.assert_array_equal(ions("Na + 9 * Mg = 3").matrix()[0], [[1, 0, 9]])


def test_a_number_carries_units_of_another_zero():
    variables = (Variable(name="C", units="degC"), Variable(name="F", units="degF"))
    domain = rocks(variables=variables, laws=law("F = 1.8 * C + 32", "degF"))
    np.testing.assert_array_equal(domain.matrix()[0], [[-1.8, 1]])


def test_a_variable_of_the_file_may_be_a_coefficient():
    domain = fluxes("QE = L * E", given=True)
    assert domain.given == ("L",)
    assert domain.laws[0].parsed.products == {("L", "E"): -1.0}
    with pytest.raises(InputError, match=r"law 'law' has coefficients that differ from event to event \(L\)"):
        domain.matrix()


def test_arrays_come_apart_and_together():
    domain = rocks()
    values = np.arange(12.0).reshape(4, 3)
    ds = xr.Dataset({"part": (("sample", "oxide"), values[:, ::-1])}, {"oxide": list(OXIDES[::-1])})
    apart = split(ds, domain)
    for i, name in enumerate(domain.names):
        assert apart[name].dims == ("sample",)
        np.testing.assert_array_equal(apart[name], values[:, i])
    whole = join(apart.drop_vars("oxide", errors="ignore"), domain)
    assert whole["part"].dims == ("sample", "oxide")
    np.testing.assert_array_equal(whole["part"].sel(oxide="FeO"), values[:, 1])
    unlabelled = split(ds.drop_vars("oxide"), domain)
    np.testing.assert_array_equal(unlabelled["part[SiO2]"], values[:, 2])


def test_two_arrays_share_a_dimension():
    domain = rocks(variables=(*rocks().variables, Variable(name="error", units="percent", over="oxide")))
    values = {name: ("sample", np.full(2, float(i))) for i, name in enumerate(domain.names)}
    whole = join(xr.Dataset(values), domain)
    assert set(whole.data_vars) == {"part", "error"}
    np.testing.assert_array_equal(whole["error"][0], [3, 4, 5])


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (xr.DataArray(np.ones((2, 3)), dims=("sample", "oxide"), coords={"oxide": list("abc")}), "has no oxide 'SiO2'"),
        (xr.DataArray(np.ones((2, 4)), dims=("sample", "oxide")), "has 4 places along 'oxide'"),
        (xr.DataArray(np.ones(2), dims="sample"), "it needs 'oxide' too"),
        (xr.DataArray(np.ones((2, 3, 1)), dims=("sample", "x", "y")), "it needs 'oxide' too"),
    ],
)
def test_arrays_that_do_not_fit(part, words):
    with pytest.raises(InputError, match=words):
        split(xr.Dataset({"part": part}), rocks())


GAP = (Variable(name="a", units="percent", closes="low"),)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"closure": "residual"}, "only one of them is there"),
        ({"variables": GAP, "laws": law("a = 1")}, "only one of them"),
        (
            {"variables": GAP, "laws": law("a = 1"), "closure": "residual"},
            "a closes 'low', which is no equation with a",
        ),
    ],
)
def test_misfits_and_closure_go_together(changes, words):
    with pytest.raises(ValidationError, match=words):
        rocks(**changes)


def test_misfits_along_a_dimension_close_the_laws_of_their_labels():
    variables = (*rocks().variables, Variable(name="gap", units="percent", over="oxide", closes="law"))
    domain = rocks(variables=variables, laws=law("part + gap = 5"), closure="residual")
    assert [domain.closed_by(v).name for v in domain.variables[3:]] == ["law[SiO2]", "law[FeO]", "law[MgO]"]
