"""From a file that lawful has never seen to a report: `lawful init`, then `lawful run`, on files of several fields."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from small import budget_data, save

from lawful.data_recipes import sample_path
from lawful.domains import load_domain
from lawful.domains.surface_balance import DOMAIN as SURFACE

REAL = Path(__file__).parent / "real"


@pytest.fixture
def start(lawful, tmp_path, monkeypatch):
    """Write a domain for a file; gives what was said and the domain."""
    monkeypatch.chdir(tmp_path)

    def init(data, name="mine"):
        said = lawful("init", name, "--data", data)
        assert said.code == 0, said
        return said, load_domain(tmp_path / f"{name}.yaml")

    return init


def equations(domain) -> set[frozenset[str]]:
    return {frozenset(law.parsed.coefficients) for law in domain.laws}


def single_precision(tmp_path: Path) -> Path:
    """The urban sample in single precision, every tenth hour, with a law too many and a name with blanks."""
    with xr.open_dataset(sample_path(SURFACE)) as ds:
        ds = ds.isel(time=slice(0, None, 10)).load()
    available = (ds.QN + ds.QF).assign_attrs(units="W m-2")
    ds = ds.assign({"available energy": available})
    ds = ds.astype(dict.fromkeys(ds.data_vars, np.float32), keep_attrs=True).drop_encoding()
    return save(ds, tmp_path / "urban.nc")


def test_rocks(start, lawful):
    said, domain = start(REAL / "cipw.csv")
    assert {"HYM_NORM", "HYF_NORM", "HY_NORM"} in equations(domain)
    assert {"Q_NORM", "OR_NORM", "AB_NORM", "AN_NORM", "SALIC"} in equations(domain)
    assert len(domain.laws) == 4
    assert "AGE_MA" not in domain.names
    assert "# AGE_MA: left out, missing everywhere" in Path("mine.yaml").read_text()
    assert (domain.blocks.kind, domain.variable("OL_NORM").lower) == ("label", 0.0)
    assert "mine.yaml: 16 variables, 4 laws" in said.out
    run(lawful, REAL / "cipw.csv")


def test_monthly_wind(start, lawful):
    _, domain = start(REAL / "uwnd.nc")
    assert (domain.stack, domain.names) == (("time", "latitude", "longitude"), ("uwnd",))
    assert domain.variable("uwnd").units == "m/s"
    assert (domain.blocks.kind, [context.kind for context in domain.context]) == ("time", ["day_of_year"])
    run(lawful, REAL / "uwnd.nc")


def test_sea_surface(start, lawful):
    _, domain = start(REAL / "elnino.csv")
    assert len(domain.names) == 12
    assert domain.blocks.kind == "order"
    run(lawful, REAL / "elnino.csv")


def test_a_city_in_single_precision_with_a_redundant_law(start, lawful, tmp_path):
    data = single_precision(tmp_path)
    _, domain = start(data)
    assert len(domain.laws) == 4
    assert {"Kdown", "Kup", "Ldown", "Lup", "QN"} in equations(domain)
    assert {"available_energy", "QN", "QF"} in equations(domain)
    assert domain.variable("available_energy").source == "available energy"
    assert {context.kind for context in domain.context} == {"hour_of_day", "day_of_year"}
    assert domain.blocks.kind == "time"
    run(lawful, data)


def run(lawful, data):
    said = lawful("run", "mine.yaml", "--data", data, "--members", 2, "--fast", "--out", "out")
    assert said.code == 0, said
    assert Path("out/report.html").is_file()


def test_what_is_missing_and_packed(start, tmp_path):
    ds = budget_data()
    half = ds.Rain.where(np.arange(360) % 2 == 0, -9999.0)
    ds = ds.assign(half=half, empty=ds.Rain * np.nan, level=("time", np.full(360, 2.5)))
    ds["Evap"].attrs["units"] = "Wombat"
    _, domain = start(save(ds, tmp_path / "budget.nc"))
    text = (tmp_path / "mine.yaml").read_text()
    assert domain.missing == (-9999.0,)
    assert "# empty: left out, missing everywhere" in text
    assert "# level: left out, the same everywhere" in text
    assert domain.variable("Evap").file_units == "Wombat"
    assert {"Rain", "Evap", "RO", "Store"} in equations(domain)
    assert yaml.safe_load(text)["name"] == "mine"


def test_packed_over_the_whole_range_of_integers(start, lawful, tmp_path):
    """Steps that are no decimal ones, each variable's own: a law holds to half a step of each of its members."""
    ds, packing = budget_data(), {}
    for name in ds:
        low, high = float(ds[name].min()), float(ds[name].max())
        packing[name] = {
            "dtype": "int16",
            "scale_factor": (high - low) / 65000,
            "add_offset": (high + low) / 2,
            "_FillValue": -32768,
        }
    ds.to_netcdf(tmp_path / "packed.nc", encoding=packing)
    _, domain = start(tmp_path / "packed.nc")
    assert {"Rain", "Evap", "RO", "Store"} in equations(domain)
    said = lawful("run", "mine.yaml", "--data", "packed.nc", "--members", 2, "--fast", "--out", "out")
    assert said.code == 0, said


def test_a_variable_that_leaves_few_whole_events_is_left_out(start, tmp_path):
    ds = budget_data()
    seldom = ds.Rain.where(np.arange(360) % 5 == 0)
    _, domain = start(save(ds.assign(seldom=seldom), tmp_path / "budget.nc"))
    text = (tmp_path / "mine.yaml").read_text()
    assert "# seldom: left out, missing in 80%, which would leave 20% of the events" in text
    assert "seldom" not in domain.names


def test_stations_whose_times_are_too_few_for_folds_are_kept_together(start, tmp_path):
    hours = budget_data().assign(Rain=budget_data().Rain + 1.0)
    ds = hours.isel(time=slice(0, 300)).coarsen(time=60).construct(time=("time", "station")).drop_vars("time")
    ds = ds.assign_coords(time=np.arange("2001", "2006", dtype="datetime64[Y]").astype("datetime64[ns]")[:5])
    _, domain = start(save(ds.isel(time=slice(0, 4)).assign_coords(station=np.arange(60)), tmp_path / "few.nc"))
    assert (domain.blocks.kind, domain.blocks.label) == ("label", "station")


def test_text_is_mentioned_as_what_it_may_be(start, tmp_path):
    table = budget_data().to_dataframe().assign(soil=["clay", "sand"] * 180, id=[f"n{i}" for i in range(360)])
    table["snow"] = ["0.1", "0.2", "<0.01"] + ["0.3"] * 357
    table.to_csv(tmp_path / "budget.csv")
    _, domain = start(tmp_path / "budget.csv")
    text = (tmp_path / "mine.yaml").read_text()
    assert domain.names == ("Rain", "Evap", "RO", "Store")
    assert "# soil: left out, words; a label of blocks, maybe, or a category: {flag_meanings: [clay, sand]}" in text
    assert "# id: left out, 360 different words" in text
    assert "# snow: left out, it holds words beside numbers, '<0.01' in row 3 of 360" in text


def test_a_law_between_units_of_other_scale_reads_as_it_was_found(start, tmp_path):
    ds = budget_data()
    ds["Evap"] = (1000 * ds.Evap).assign_attrs(units="um h-1")
    ds["Rain"] = ds.Rain.assign_attrs(units="mm h-1")
    ds["RO"], ds["Store"] = (ds[name].assign_attrs(units="mm h-1") for name in ("RO", "Store"))
    _, domain = start(save(ds, tmp_path / "budget.nc"))
    (law,) = domain.laws
    size = {name: abs(factor) for name, factor in law.parsed.coefficients.items()}
    assert size["Rain"] == pytest.approx(1000 * size["Evap"]) == pytest.approx(size["RO"])
    assert law.equation == "Rain = Evap + RO + Store"


def test_times_that_no_calendar_knows(start, tmp_path):
    ds = budget_data().assign_coords(time=("time", np.arange(360.0), {"units": "months since the flood"}))
    _, domain = start(save(ds, tmp_path / "budget.nc"))
    assert (domain.blocks.kind, domain.context) == ("order", ())
    assert "times of budget.nc were left as numbers" in (tmp_path / "mine.yaml").read_text()


@pytest.mark.parametrize("name", ["a file: yes", "no", "2024"])
def test_odd_words_come_back(start, tmp_path, name):
    ds = budget_data()
    ds["Rain"].attrs |= {"long_name": "# rain: 'total' \n or so", "units": "mm h-1"}
    _, domain = start(save(ds.rename(Evap=name), tmp_path / "budget.nc"))
    assert name in {v.source or v.name for v in domain.variables}


def test_faults_are_one_line(lawful, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = save(budget_data(), tmp_path / "budget.nc")
    (tmp_path / "old.yaml").write_text("")
    assert "old.yaml exists" in lawful("init", "old", "--data", data).fault
    assert "there is no file" in lawful("init", "new", "--data", "nowhere.nc").fault
    save(budget_data(20), tmp_path / "few.nc")
    assert "20 events have all of" in lawful("init", "new", "--data", "few.nc").fault
    save(xr.Dataset({"a": 1.0}), tmp_path / "scalar.nc")
    assert "no variable of numbers lies along a dimension" in lawful("init", "new", "--data", "scalar.nc").fault
    save(xr.Dataset({"a": ("x", np.ones(90))}), tmp_path / "flat.nc")
    assert "there is nothing to learn" in lawful("init", "new", "--data", "flat.nc").fault
    assert "name = 'new domain'" in lawful("init", "new domain", "--data", data).fault
    assert [path.name for path in tmp_path.glob("*.yaml")] == ["old.yaml"]


def test_maps_of_what_never_changes_do_not_come_before_fields_in_time(start, tmp_path):
    time = np.datetime64("2001-01-01", "ns") + np.arange(30) * np.timedelta64(1, "D")
    rng = np.random.default_rng(0)
    fixed = {name: (("lat", "lon"), rng.random((6, 8)), {"units": "m"}) for name in ("height", "depth")}
    rain = (("time", "lat", "lon"), rng.random((30, 6, 8)), {"units": "mm d-1"})
    ds = xr.Dataset({**fixed, "rain": rain}, {"time": time})
    _, domain = start(save(ds, tmp_path / "rain.nc"))
    assert (domain.stack, domain.names) == (("time", "lat", "lon"), ("rain",))
    text = Path("mine.yaml").read_text()
    assert "# not looked at, for other dimensions: height, depth (lat x lon)" in text
    assert "`lawful init` with --block" in text
