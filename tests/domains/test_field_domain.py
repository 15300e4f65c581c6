"""Laws between the variables of a cell, which have units of their own."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import InputError, Law, Variable
from lawful.domains.field_domain import FieldDomain

UNITS = {"down": "W m-2", "up": "kW m-2", "net": "MJ m-2 d-1"}


def radiation(variables=UNITS, **law):
    return FieldDomain(
        name="radiation",
        title="Radiation",
        event="hour",
        dim="time",
        rows="y",
        columns="x",
        block=(2, 2),
        variables=tuple(Variable(name=name, units=unit) for name, unit in variables.items()),
        laws=(Law(**{"name": "net", "equation": "net = down - up", "units": "W m-2", **law}),),
    )


def test_terms_are_converted_into_the_units_of_the_law():
    np.testing.assert_allclose(radiation().cell_laws(), [[-1, 1000, 1e6 / 86400]], rtol=1e-15)
    np.testing.assert_allclose(radiation(units="kW m-2").cell_laws(), [[-1e-3, 1, 1e3 / 86400]], rtol=1e-15)
    assert np.array_equal(radiation(dict.fromkeys(UNITS, "W m-2")).cell_laws(), [[-1, 1, 1]])


def test_a_number_carries_the_units_that_are_missing():
    domain = radiation({"down": "W m-2", "up": "mm h-1", "net": "W m-2"}, equation="net = down - 680 * up")
    assert np.array_equal(domain.cell_laws(), [[-1, 680, 1]])


def test_views_have_the_laws_that_the_model_has():
    domain, cells = radiation(), np.ones((1, 2, 2))
    fine = {name: (("time", "y", "x"), value * cells) for name, value in zip(UNITS, (864.0, 0.1, 66.0), strict=True)}
    means = {f"{name}_coarse": (("time", "yc", "xc"), array[:, :1, :1]) for name, (_, array) in fine.items()}
    ds = xr.Dataset({**fine, **means})
    of_cells = domain.views(ds).parts.domain.matrix()[0]
    assert np.array_equal(of_cells, domain.cell_laws())
    (block,) = domain.wholes(ds)
    first = [block.view.domain.names.index(f"{name}[1]") for name in UNITS]
    laws = dict(zip(block.view.domain.matrix()[2], block.view.domain.matrix()[0], strict=True))
    assert np.array_equal(laws["net[1]"][first], domain.cell_laws()[0])


@pytest.mark.parametrize(
    ("units", "law", "message"),
    [
        ({**UNITS, "up": "K"}, {}, "law 'net': it is in 'W m-2', but up is in 'K'"),
        (UNITS, {"equation": "net = down - upp"}, "'upp' is no variable"),
        (UNITS, {"equation": "net <= down - up"}, "must be an equation, no constant"),
        (UNITS, {"equation": "net = down - up + 1"}, "must be an equation, no constant"),
    ],
)
def test_a_law_that_cannot_be_one_is_named(units, law, message):
    with pytest.raises((InputError, ValueError), match=message):
        radiation(units, **law)
