"""Relations of data that no law tells are named; those that laws, given or constant variables explain are not."""

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import sample_path
from lawful.data_recipes.undeclared import undeclared
from lawful.domains import Blocks, Domain, Law, Variable, get_domain


def domain_of(units: dict[str, str], **laws: str) -> Domain:
    return Domain(
        name="ions",
        title="Ions",
        event="sample",
        event_dim="sample",
        blocks=Blocks(kind="order"),
        variables=tuple(Variable(name=name, units=unit) for name, unit in units.items()),
        laws=tuple(
            Law(name=name, equation=equation, units="mol", tolerance=1e-6, reference="hand")
            for name, equation in laws.items()
        ),
    )


UNITS = {"a": "mol", "b": "mol", "c": "mol", "d": "mol"}


def data(dtype=np.float64) -> xr.Dataset:
    a, b = np.random.default_rng(0).gamma(2.0, 3.0, (2, 200)).astype(dtype)
    return xr.Dataset({"a": ("sample", a), "b": ("sample", b), "c": ("sample", a + b), "d": ("sample", 2 * a)})


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_nobody_declared_is_named(dtype):
    found = undeclared(data(dtype), domain_of(UNITS, total="a + b = c"))
    assert found == ["2 * a = d"]
    assert undeclared(data(dtype), domain_of(UNITS, total="a + b = c", twice="d = 2 * a")) == []


def test_what_follows_from_several_laws_is_declared():
    """d = 2 a from d = 2 c - 2 b and a + b = c."""
    assert undeclared(data(), domain_of(UNITS, total="a + b = c", other="d = 2 * c - 2 * b")) == []


def test_given_and_constant_variables_keep_their_values():
    domain = domain_of(UNITS, total="a + b = c")
    assert undeclared(data(), domain, ("a", "d")) == []
    assert undeclared(data(), domain, ("a",)) == ["2 * a = d"]
    constant = data().assign(b=("sample", np.full(200, 3.0)))
    constant["c"] = constant["a"] + 3.0
    assert undeclared(constant, domain_of(UNITS, total="a + b = c", twice="d = 2 * a")) == []


def test_units_are_told_as_a_law_has_them():
    """The law converts units, so that its numbers are without them: 500 a in mmol is a / 2 in mol."""
    ds = data().assign(d=500 * data()["a"])
    assert undeclared(ds, domain_of({**UNITS, "d": "mmol"}, total="a + b = c")) == ["a = 2 * d"]


def test_events_with_gaps_are_left_out():
    ds = data()
    ds["b"][3] = np.nan
    assert undeclared(ds, domain_of(UNITS, total="a + b = c")) == ["2 * a = d"]
    assert undeclared(ds * np.nan, domain_of(UNITS, total="a + b = c")) == []


@pytest.mark.parametrize("name", ["surface-balance", "rock-oxides", "rock-composition", "metabolic-flux"])
def test_samples_obey_nothing_else(name):
    """Fluxes have relations of their own, from those that are zero throughout."""
    domain = get_domain(name)
    with xr.open_dataset(sample_path(domain)) as ds:
        assert undeclared(ds, domain) == []


def test_a_coarse_column_does_not_hide_what_others_miss():
    """Of rain in steps of 0.2 the rounding is larger than what heat misses of 7 times the evaporation."""
    rng = np.random.default_rng(1)
    rain, evaporation = np.round(5 * rng.random(400)) / 5, rng.random(400)
    factor = 7 + 0.1 * rng.random(400)
    columns = {"a": rain, "b": evaporation, "c": rain - evaporation, "d": factor * evaporation}
    ds = xr.Dataset({name: ("sample", x) for name, x in columns.items()})
    assert undeclared(ds, domain_of(UNITS, total="a = b + c")) == []


def test_a_side_without_terms_is_zero():
    """`a + b + 3 = 0` once its constant stands with the terms."""
    ds = data()
    ds = ds.assign(b=-ds["a"] - 3.0, c=ds["c"] * ds["a"], d=ds["d"] ** 2)
    assert undeclared(ds, domain_of(UNITS)) == ["a + b + 3.0 = 0"]
