"""A repair depends neither on the units of unrelated variables nor on one outlier."""

import numpy as np
import pytest
import xarray as xr
from repair_cases import noisy, raw
from small import BUDGET, save

from lawful.domains import Domain, Law, Variable
from lawful.pipeline.repair import repair

NAMES = BUDGET.names


def budget_and_heat() -> Domain:
    """The water budget beside a balance in units of its own, of which nothing varies in `steady`."""
    heat = [Variable(name=name, units="W m-2") for name in ("Net", "Turbulent", "steady")]
    law = Law(name="heat", equation="Net = Turbulent + steady", units="W m-2")
    return BUDGET.model_copy(update={"variables": (*BUDGET.variables, *heat), "laws": (*BUDGET.laws, law)})


def with_heat(ds: xr.Dataset) -> xr.Dataset:
    net = np.random.default_rng(5).normal(200, 80, ds.sizes["time"])
    columns = {"Net": net, "Turbulent": net - 12.0, "steady": np.full(len(net), 13.0)}
    return ds.assign({name: ("time", values, {"units": "W m-2"}) for name, values in columns.items()})


@pytest.mark.parametrize("options", [{}, {"correlated": True}])
def test_one_outlier_is_named_and_changes_the_repair_of_no_other_sample(tmp_path, options):
    ds, domain = with_heat(noisy()), budget_and_heat()
    repair(save(ds, tmp_path / "in.nc"), domain, tmp_path / "out.nc", **options)
    ds["Net"][4] = -1e30
    found = repair(save(ds, tmp_path / "far.nc"), domain, tmp_path / "far_out.nc", **options)
    before, after = raw(tmp_path / "out.nc"), raw(tmp_path / "far_out.nc")
    others = np.arange(360) != 4
    for name in domain.names:
        atol = 0.005 * before[name].std()
        np.testing.assert_allclose(after[name][others], before[name][others], rtol=0.01, atol=atol, err_msg=name)
    (note,) = found["notes"]
    assert note.startswith(
        "Net is -1e+30 W m-2 at 2012-03-05T12:00:00, more than a million times as far from its median"
    )


@pytest.mark.parametrize("factor", [1e-2, 1e5])
def test_units_of_unrelated_variables_do_not_matter(tmp_path, factor):
    domain, ds = budget_and_heat(), with_heat(noisy())
    unscaled = repair(save(ds, tmp_path / "in.nc"), domain, tmp_path / "out.nc")
    heat = [name for name in domain.names if name not in NAMES]
    ds = ds.assign({name: ds[name] * factor for name in heat})
    scaled = repair(save(ds, tmp_path / "scaled.nc"), domain, tmp_path / "scaled_out.nc")
    assert not unscaled["unrepaired"] and not scaled["unrepaired"]
    before, after = raw(tmp_path / "out.nc"), raw(tmp_path / "scaled_out.nc")
    for name, sigma in unscaled["sigma"].items():
        unit = factor if name in heat else 1
        assert scaled["sigma"][name] == pytest.approx(sigma * unit), name
        np.testing.assert_allclose(after[name] / unit, before[name], atol=1e-8 * sigma, rtol=1e-12, err_msg=name)
    assert 0 < unscaled["sigma"]["steady"] < 1e-5 * unscaled["sigma"]["Net"]


@pytest.mark.parametrize("options", [{}, {"correlated": True}], ids=["independent", "correlated"])
@pytest.mark.parametrize("factor", [1e-9, 1e-4, 1e9])
def test_variables_of_one_unit_may_be_of_very_different_size(tmp_path, factor, options):
    """Shares of trace gases beside a budget, all without units: what is small moves no more readily for that."""
    ds, rng = noisy(), np.random.default_rng(3)
    parts = np.sort(rng.random((ds.sizes["time"], 3)), 1)
    parts[rng.random(len(parts)) < 0.2, 0] = 0.0
    parts += 0.02 * rng.normal(size=parts.shape) * (parts > 0)
    repaired = []
    for unit in (1.0, factor):
        names = ("one", "two", "three")
        domain = BUDGET.model_copy(
            update={
                "variables": (
                    *(variable.model_copy(update={"units": "1"}) for variable in BUDGET.variables),
                    *(Variable(name=name, units="1", lower=0) for name in names),
                ),
                "laws": (
                    *(law.model_copy(update={"units": "1"}) for law in BUDGET.laws),
                    Law(name="share", equation="one + two = three", units="1"),
                ),
            }
        )
        mixed = ds.assign({name: ("time", parts[:, k] * unit) for k, name in enumerate(names)})
        for name in mixed:
            mixed[name].attrs["units"] = "1"
        found = repair(save(mixed, tmp_path / "in.nc"), domain, tmp_path / f"out{unit}.nc", **options)
        assert not found["unrepaired"] and found["validity"]["holds"]
        values = raw(tmp_path / f"out{unit}.nc")
        repaired.append(np.stack([values[name] / (unit if name in names else 1) for name in domain.names], -1))
    np.testing.assert_allclose(repaired[1], repaired[0], atol=1e-8 * repaired[0].std(0).min())
    np.testing.assert_array_equal(repaired[1] == 0, repaired[0] == 0)
