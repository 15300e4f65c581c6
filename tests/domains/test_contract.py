"""The contract test lets good domains pass and tells what is wrong with bad ones."""

import numpy as np
import pytest
import xarray as xr

from lawful.core import LinearSystem
from lawful.data_recipes import read, sample_path
from lawful.domains import Blocks, Domain, InputError, Law, Variable, get_any_domain, get_domain, list_domains
from lawful.domains.testing import check_declaration

GOOD = Domain(
    name="lake",
    title="Lake",
    event="day",
    event_dim="time",
    variables=(
        Variable(name="inflow", units="mm d-1", lower=0),
        Variable(name="outflow", units="mm d-1", lower=0),
        Variable(name="rise", units="mm d-1"),
    ),
    laws=(
        Law(name="water", equation="inflow = outflow + rise", units="mm d-1", tolerance=1e-9),
        Law(name="less", equation="outflow <= inflow + 3", units="mm d-1"),
    ),
    blocks=Blocks(kind="order"),
)


def example(**changes) -> xr.Dataset:
    a, b = np.arange(60) % 7 / 4, np.arange(60) % 5 / 4
    columns = {"inflow": a, "outflow": b, "rise": a - b, **changes}
    return xr.Dataset({name: ("time", values) for name, values in columns.items()})


def with_(**changes) -> Domain:
    return GOOD.model_copy(update=changes)


def test_a_good_domain_passes():
    check_declaration(GOOD, example())


@pytest.mark.parametrize("name", [name for name in list_domains() if isinstance(get_any_domain(name), Domain)])
def test_shipped_domains_pass(name):
    domain = get_domain(name)
    check_declaration(domain, read(sample_path(domain), domain).dataset)


SECOND = Law(name="twice", equation="inflow = outflow + rise + 1", units="mm d-1")
LOW = tuple(v.model_copy(update={"upper": 4.0}) for v in GOOD.variables)
HIGH = Law(name="high", equation="outflow >= 5", units="mm d-1")


@pytest.mark.parametrize(
    ("domain", "data", "words"),
    [
        (with_(variables=(*GOOD.variables[:2], Variable(name="rise", units="Wombat"))), {}, "rise: units 'Wombat'"),
        (with_(laws=(*GOOD.laws, SECOND)), {}, "'twice'"),
        (with_(laws=(*GOOD.laws, HIGH), variables=LOW), {}, "'high'"),
        (GOOD, {"rise": np.zeros(60)}, "of the example breaks law 'water' by 1.5 mm d-1"),
        (GOOD, {"inflow": np.full(60, -1.0)}, "event 0 of the example has inflow = -1, which is out of bounds"),
        (with_(laws=(Law(name="water", equation="inflow = outflow + rise", units="mm d-1", tolerance=1e9),)), {},
         "law 'water' does not notice inflow"),
        (with_(blocks=Blocks(kind="label", label="site")), {}, "no variable 'site'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(domain, data, words):
    with pytest.raises(InputError) as caught:
        check_declaration(domain, example(**data))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_system_that_is_not_that_of_the_laws_is_told(monkeypatch):
    monkeypatch.setattr(Domain, "system", lambda self: LinearSystem(self.matrix()[0], [0.5]))
    with pytest.raises(InputError, match="law 'water' changes when data are scaled"):
        check_declaration(GOOD, example())
