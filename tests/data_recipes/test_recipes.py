"""Samples that come with the domains, and the recipes that make them."""

import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lawful.data_recipes import RECIPES, make, read, sample_path
from lawful.data_recipes import partial_charge as charges
from lawful.data_recipes import rock_oxides as rocks
from lawful.data_recipes import soil_water as soil
from lawful.data_recipes import surface_balance as surface
from lawful.domains import InputError, get_domain
from lawful.domains.blocks import block_labels, fold_masks
from lawful.domains.context import context_features

EVENTS = {
    "surface-balance": 8783,
    "rock-oxides": 498,
    "soil-water": 434,
    "rock-composition": 494,
    "metabolic-flux": 1824,
}
MEGABYTE = 2**20


@pytest.fixture(params=sorted(EVENTS), scope="module")
def domain(request):
    return get_domain(request.param)


def test_samples_read_without_a_note(domain):
    reading = read(sample_path(domain), domain)
    assert reading.notes == []
    assert reading.dataset.sizes[domain.event_dim] == EVENTS[domain.name]
    assert np.isfinite(context_features(reading.dataset, domain)[0]).all()


def test_samples_are_small_and_say_where_they_come_from(domain):
    path = sample_path(domain)
    assert path.stat().st_size < 1.5 * MEGABYTE
    with xr.open_dataset(path) as ds:
        assert ds.attrs["Conventions"] == "CF-1.11"
        assert ds.attrs["history"] == f"lawful data {domain.name}"
        for name in ("title", "source", "license", "references", "lawful_closure_tolerance"):
            assert ds.attrs[name]
        for variable in domain.variables:
            stored = ds[variable.name.partition("[")[0]]
            assert stored.dtype == np.float64
            assert stored.attrs["units"] == variable.units
            assert stored.attrs.get("standard_name") == variable.standard_name
        law = domain.laws[0]
        assert f"{law.name.partition('[')[0]}: {law.tolerance:g}" in ds.attrs["lawful_closure_tolerance"]
        assert domain.laws[0].equation in ds.attrs["lawful_laws"].split("; ")


def test_declared_tolerances_are_not_slack(domain):
    tight = [law.model_copy(update={"tolerance": (law.tolerance or 0) / 1e5}) for law in domain.equalities]
    with pytest.raises(InputError, match="break it"):
        read(sample_path(domain), domain.model_copy(update={"laws": tuple(tight)}))


def test_five_folds_of_the_samples(domain):
    ds = read(sample_path(domain), domain).dataset
    labels = block_labels(ds, domain)
    for fold in range(5):
        train, test = fold_masks(ds, domain, fold, 5)
        assert 0.15 < test.mean() < 0.25
        assert train.mean() > 0.7
        assert not (train & test).any()
        assert not set(labels[train]) & set(labels[test])


def test_rain_comes_in_steps_of_the_bucket():
    surface_balance = get_domain("surface-balance")
    rain = read(sample_path(surface_balance), surface_balance).dataset.Rain.to_numpy()
    steps = rain / surface_balance.variable("Rain").resolution
    assert np.abs(steps - steps.round()).max() < 1e-6


def test_latent_heat_of_the_sample():
    ds = read(sample_path(get_domain("surface-balance")), get_domain("surface-balance")).dataset
    latent_heat = (ds.QE / ds.Evap).to_numpy()
    assert latent_heat.min() > 681
    assert latent_heat.max() < 699


def test_every_recipe_is_of_a_domain_with_a_sample():
    assert set(RECIPES) == {*EVENTS, charges.DOMAIN.name}
    for domain in [*map(get_domain, EVENTS), charges.DOMAIN]:
        assert domain.sample == f"{domain.name}.nc"


def test_samples_that_are_not_there(domain):
    with pytest.raises(InputError, match="comes without sample data"):
        sample_path(domain.model_copy(update={"sample": ""}))
    with pytest.raises(InputError, match=f"lawful data {domain.name}"):
        sample_path(domain.model_copy(update={"sample": "absent.nc"}))


def test_unknown_recipe(tmp_path):
    with pytest.raises(InputError, match=r"'nothing'.*rock-oxides, soil-water, surface-balance"):
        make("nothing", tmp_path / "x.nc")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("surface-balance", "supy"),
        ("rock-oxides", "pyrolite"),
        ("soil-water", "aquacrop"),
        ("partial-charge", "rdkit"),
    ],
)
def test_a_package_that_is_not_installed(monkeypatch, tmp_path, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(rocks, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=rf"needs {module}: pip install 'lawful\[recipes\]'"):
        make(name, tmp_path / "x.nc")


def five_minutes(first: str, count: int) -> pd.DataFrame:
    """Steps whose every value is the number of the step."""
    index = pd.date_range(first, periods=count, freq="5min")
    names = get_domain("surface-balance").names
    return pd.DataFrame({name: np.arange(count, dtype=float) for name in names}, index)


def test_hours_are_full_and_end_labelled():
    steps = five_minutes("2012-01-01 00:10", 11 + 12 + 5)
    hours = surface.hourly(steps)
    assert list(hours.index) == [pd.Timestamp("2012-01-01 02:00")]
    assert hours.Kdown.item() == np.arange(11, 23).mean()
    assert hours.Rain.item() == np.arange(11, 23).sum()


def test_hours_do_not_depend_on_order_and_skip_gaps():
    steps = five_minutes("2012-01-01 00:05", 48)
    hours = surface.hourly(steps.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(hours, surface.hourly(steps))
    steps.iloc[15, 3] = np.nan
    assert len(surface.hourly(steps)) == len(hours) - 1


def test_balances_survive_the_sum_over_hours():
    steps = five_minutes("2012-01-01 00:05", 120)
    generator = np.random.default_rng(0)
    fluxes = pd.DataFrame(generator.normal(size=steps.shape), steps.index, steps.columns)
    fluxes["QN"] = fluxes.Kdown - fluxes.Kup + fluxes.Ldown - fluxes.Lup
    hours = surface.hourly(fluxes)
    np.testing.assert_allclose(hours.QN, hours.Kdown - hours.Kup + hours.Ldown - hours.Lup, atol=1e-12)


def test_surface_data_set_is_cf():
    ds = surface.to_dataset(surface.hourly(five_minutes("2012-01-01 00:05", 24)), "here")
    assert ds.Kdown.attrs["standard_name"] == "surface_downwelling_shortwave_flux_in_air"
    assert ds.time.attrs["long_name"] == "end of the hour"
    assert ds.attrs["source"] == "here"


def test_rock_table_keeps_complete_rows():
    columns = {f"{part.upper()}ADJ": [1.0, 2.0, 3.0] for part in get_domain("rock-oxides").names}
    columns["CLADJ"] = [1.0, np.nan, 3.0]
    table = pd.DataFrame({**columns, "CONSECUT": [7, 8, 9], "REF": [" A  (2001)", "B", None], "SAMPLE NAME": [1, 2, 3]})
    ds = rocks.to_dataset(table)
    assert ds["sample"].to_numpy().tolist() == [7, 9]
    assert ds.reference.to_numpy().tolist() == ["A (2001)", ""]
    assert ds.Cl.to_numpy().tolist() == [1.0, 3.0]


def aquacrop_days(count: int = 5) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Weather, fluxes and water contents as AquaCrop gives them: two layers, sown on the second day of 1983."""
    days = pd.date_range("1982-12-31", periods=count)
    weather = pd.DataFrame({"Precipitation": np.arange(count + 2.0), "Date": [*days, *days[-1:], *days[-1:]]})
    zeros = dict.fromkeys(("IrrDay", "Runoff", "DeepPerc", "Es", "Tr", "surface_storage"), np.zeros(count))
    fluxes = pd.DataFrame({**zeros, "dap": [7, 7, 1, 2, 0]})
    water = pd.DataFrame({"growing_season": [0, 0, 1, 1, 0], "th1": 0.25, "th2": [0.5, 0.5, 0.5, 0.5, 0.0]})
    return weather, fluxes.assign(surface_storage=3.0), water


def test_soil_days_are_those_simulated_after_the_spin_up():
    days = soil.daily(*aquacrop_days(), np.array([0.1, 0.2]))
    assert list(days.index) == list(pd.date_range("1983-01-01", periods=3))
    assert days.precipitation.tolist() == [1, 2, 3]
    # 1000 (0.25 x 0.1 + 0.5 x 0.2) mm in the soil and 3 mm on it.
    assert days.storage.tolist() == [128.0] * 3
    assert days.days_after_planting.tolist() == [0, 1, 2]


def test_stages_of_the_crop():
    weather, fluxes, water = aquacrop_days()
    sown = [0, 6, 7, 107, 108]
    water = water.assign(growing_season=[0, 1, 1, 1, 1], th2=0.5)
    days = soil.daily(weather, fluxes.assign(dap=sown), water, np.array([0.1, 0.2]))
    assert days.crop_stage.tolist() == [1, 2, 3, 4]


def test_windows_of_the_soil_follow_one_another():
    domain = get_domain("soil-water")
    ds = read(sample_path(domain), domain).dataset
    assert (np.diff(ds.time) == np.timedelta64(30, "D")).all()
    np.testing.assert_array_equal(ds["storage[30]"][:-1], ds["storage[0]"][1:])
    rain = np.stack([ds[f"precipitation[{day}]"] for day in range(1, 31)])
    drained = np.stack([ds[f"percolation[{day}]"] for day in range(1, 31)])
    assert abs((rain == 0).mean() - 0.84) < 0.005
    assert 0.99 < (drained == 0).mean() < 1
    for fold in range(5):
        train, test = (np.flatnonzero(mask) for mask in fold_masks(ds, domain, fold, 5))
        # The window after a held-out one starts from its last storage.
        assert np.abs(train[:, None] - test).min() > 1
