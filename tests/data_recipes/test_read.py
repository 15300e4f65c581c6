"""Reading NetCDF: what is accepted, what is said, and what is refused in one line."""

import hashlib

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import read
from lawful.domains import Blocks, Context, Domain, InputError, Law, Ratio, Variable


def refusal(*arguments, **options) -> str:
    """The message of the error that reading raises; it is one line."""
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(data: xr.Dataset, name: str, **values) -> xr.Dataset:
    """The data with some values of one variable replaced: index=value."""
    array = data[name].to_numpy().copy()
    for index, value in values.items():
        array[int(index[1:])] = value
    return data.assign({name: ("time", array, data[name].attrs)})


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4", "NETCDF4_CLASSIC"])
@pytest.mark.parametrize("name", ["data.nc", "data.h5", "data", "data.txt"])
def test_contents_decide_not_the_name(budget, data, save, kind, name):
    path = save(data, name, format=kind)
    reading = read(path, budget)
    assert reading.notes == []
    assert reading.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for variable in budget.names:
        np.testing.assert_array_equal(reading.dataset[variable], data[variable])
        assert reading.dataset[variable].dtype == np.float64
    assert reading.dataset["Rain"].attrs == {
        "standard_name": "rainfall_rate",
        "long_name": "rainfall",
        "units": "mm h-1",
    }
    np.testing.assert_array_equal(reading.dataset.time, data.time)


def test_global_attributes_are_kept(budget, data, save):
    assert read(save(data.assign_attrs(license="CC0")), budget).dataset.attrs["license"] == "CC0"


def test_no_file(budget, tmp_path):
    assert "there is no file" in refusal(tmp_path / "absent.nc", budget)


def test_a_folder(budget, tmp_path):
    assert "is a folder" in refusal(tmp_path, budget)


@pytest.mark.parametrize("content", [b"", b"CDF", b"a,b\n1,2\n", b"\x89PNG\r\n\x1a\n"])
def test_no_kind_of_file_that_is_read(budget, tmp_path, content):
    path = tmp_path / "data.nc"
    path.write_bytes(content)
    assert ("is not NetCDF, HDF5, Zarr, CSV or Parquet" if content else "is empty") in refusal(path, budget)


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_a_damaged_file(budget, data, save, kind):
    path = save(data, format=kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert "damaged" in refusal(path, budget)


def test_a_missing_variable_and_a_close_name(budget, data, save):
    message = refusal(save(data.rename(RO="Ro_")), budget)
    assert "no variable 'RO'" in message
    assert "map RO=Ro_" in message
    assert "it has Evap, Rain, Ro_, time" in message


def test_a_missing_variable_known_by_its_standard_name(budget, data, save):
    named = data.rename(Rain="precip_tot")
    named["precip_tot"].attrs["standard_name"] = "rainfall_rate"
    assert "map Rain=precip_tot" in refusal(save(named), budget)


def test_mapping(budget, data, save):
    path = save(data.rename(RO="Ro_", time="t"))
    reading = read(path, budget, {"RO": "Ro_", "time": "t"})
    np.testing.assert_array_equal(reading.dataset.RO, data.RO)
    np.testing.assert_array_equal(reading.dataset.time, data.time)


def test_a_mapped_variable_takes_the_place_of_another(budget, data, save):
    path = save(data.assign(runoff=data.RO, RO=data.RO + 5))
    np.testing.assert_array_equal(read(path, budget, {"RO": "runoff"}).dataset.RO, data.RO)


def test_mappings_of_what_is_not_there(budget, data, save):
    assert "no variable 'nothing'" in refusal(save(data), budget, {"RO": "nothing"})
    assert "mapping names 'Snow'" in refusal(save(data), budget, {"Snow": "RO"})


def test_units_are_converted_and_said(budget, data, save):
    converted = data.assign(Rain=("time", data.Rain.to_numpy() / 3.6e6, {"units": "m s-1"}))
    reading = read(save(converted), budget)
    assert reading.notes == ["Rain converted from 'm s-1' to 'mm h-1'"]
    np.testing.assert_allclose(reading.dataset.Rain, data.Rain, rtol=1e-14)


def test_other_spellings_of_units_are_not_worth_a_note(budget, data, save):
    data["Rain"].attrs["units"] = "mm/h"
    assert read(save(data), budget).notes == []


def test_units_that_do_not_convert(budget, data, save):
    data["Rain"].attrs["units"] = "W m-2"
    message = refusal(save(data), budget)
    assert all(word in message for word in ("'Rain'", "'W m-2'", "'mm h-1'"))
    data["Rain"].attrs["units"] = "bananas"
    assert "'bananas' are not understood" in refusal(save(data), budget)


def test_absent_units_are_assumed_and_said(budget, data, save):
    data["Rain"].attrs = {}
    assert read(save(data), budget).notes == ["Rain has no units; 'mm h-1' assumed"]


def test_missing_values_are_left_out_counted_and_said(budget, data, save):
    gaps = changed(changed(data, "Rain", i3=np.nan, i4=np.nan), "Evap", i4=np.inf)
    reading = read(save(gaps), budget)
    assert reading.notes == ["2 of 100 hours left out for missing values (Rain 2, Evap 1)"]
    np.testing.assert_array_equal(reading.dataset.time, np.delete(data.time.to_numpy(), [3, 4]))


@pytest.mark.parametrize("encoding", [{"_FillValue": -999.0}, {"_FillValue": None}])
def test_fill_values_declared_or_not(budget, data, save, encoding):
    fill = np.nan if encoding["_FillValue"] else 9.969209968386869e36
    reading = read(save(changed(data, "Evap", i7=fill), encoding={"Evap": encoding}), budget)
    assert reading.dataset.sizes["time"] == 99


def test_missing_context_is_missing(timeless, samples, save):
    domain = timeless.model_copy(update={"context": (Context(name="T", kind="variable"),)})
    temperature = np.where(np.arange(100) == 5, np.nan, 280.0)
    reading = read(save(samples.assign(T=("sample", temperature))), domain)
    assert reading.notes == ["1 of 100 hours left out for missing values (T 1)"]
    assert "no variable 'T'" in refusal(save(samples), domain)


def test_too_few_events(budget, data, save):
    path = save(data.isel(time=slice(0, 49)))
    assert "49 complete hours, 50 at least are needed" in refusal(path, budget)
    assert read(path, budget, minimum_events=49).notes == []


def test_too_few_events_for_what_is_missing_most(budget, data, save):
    path = save(data.assign(RO=data.RO * np.inf, Evap=data.Evap.where(np.arange(100) > 1)))
    words = "0 complete hours, 50 at least are needed; of 100, values are missing or infinite in RO 100, Evap 2"
    assert words in refusal(path, budget)


def test_what_is_given_is_asked_for_and_not_the_rest(budget, data, save):
    path = save(data[["Evap"]])
    with pytest.raises(InputError, match="has no variable 'RO'"):
        read(path, budget, needed=("RO",))


def test_masses_do_not_become_amounts_unasked(save):
    ions = Domain(
        name="ions",
        title="Ions",
        event="well",
        event_dim="well",
        variables=(Variable(name="Ca", units="mmol L-1"),),
        laws=(),
        blocks=Blocks(kind="order"),
    )
    path = save(xr.Dataset({"Ca": ("well", np.ones(60), {"units": "mg/L"})}))
    message = refusal(path, ions)
    assert str(path) in message
    assert "units 'mg/L' do not convert into 'mmol L-1'; leave masses in their units" in message


def test_values_out_of_bounds(budget, data, save):
    bad = changed(data, "RO", i2=-0.25, i6=-0.5)
    message = refusal(save(bad.assign(Rain=bad.Evap + bad.RO)), budget)
    assert "RO: 2 of 100 hours below 0 mm h-1, worst -0.5 at time 2012-03-01T06:00:00" in message
    high = changed(data, "RO", i2=51.0)
    assert "RO: 1 of 100 hours above 50 mm h-1, worst 51 at" in refusal(save(high), budget)


def test_a_broken_law(budget, data, save):
    path = save(changed(data, "Evap", i10=1.0, i12=4.0))
    message = refusal(path, budget)
    assert "law 'water' (Rain = Evap + RO): 2 of 100 hours break it by more than 1e-06 mm h-1" in message
    assert "at time 2012-03-01T12:00:00" in message


def test_a_broken_law_is_a_note_where_data_are_projected(budget, data, save):
    path = save(changed(data, "Evap", i10=1.0))
    project = budget.model_copy(update={"closure": "reconcile"})
    (note,) = read(path, project).notes
    assert "law 'water'" in note


def test_closure_within_tolerance_is_no_fault(budget, data, save):
    assert read(save(changed(data, "Evap", i10=data.Evap.to_numpy()[10] + 9e-7)), budget).notes == []
    assert "water" in refusal(save(changed(data, "Evap", i10=data.Evap.to_numpy()[10] + 2e-6)), budget)


def test_without_a_tolerance_single_precision_is_enough(budget, data, save):
    water, runoff = budget.laws
    loose = budget.model_copy(update={"laws": (water.model_copy(update={"tolerance": None}), runoff)})
    single = data.astype(np.float32)
    for name in data.data_vars:
        single[name].attrs = data[name].attrs
    assert read(save(single), loose).notes == []
    message = refusal(save(changed(data, "Evap", i10=data.Evap.to_numpy()[10] + 1e-4)), loose)
    assert "by more than 1e-06 of its terms" in message


def test_the_constant_of_a_law_is_one_of_its_terms(budget, data, save):
    laws = (Law(name="level", equation="RO = 40", units="mm h-1"),)
    domain = Domain.model_validate({**dict(budget), "laws": laws, "ratios": ()})
    level = data.assign(RO=("time", np.full(100, 40.0), data.RO.attrs))
    # A millionth of 40 and 40 is allowed.
    assert read(save(changed(level, "RO", i3=40.00006)), domain).notes == []
    assert "law 'level'" in refusal(save(changed(level, "RO", i3=40.0001)), domain)


def test_a_ratio_to_a_negative_denominator_is_looked_at(budget, data, save):
    ratios = (Ratio(name="coefficient", numerator="RO", denominator="Evap", units="1", lower=0),)
    negative = changed(changed(data, "Evap", i5=-0.25), "RO", i5=data.Rain.to_numpy()[5] + 0.25)
    (note,) = read(save(negative), budget.model_copy(update={"ratios": ratios, "laws": budget.laws[:1]})).notes
    assert note == "coefficient = RO/Evap is out of its range in 1 of 100 hours"


def test_a_broken_inequality(budget, data, save):
    bad = changed(changed(data, "RO", i1=12.0), "Evap", i1=-11.5)
    message = refusal(save(bad.assign(Rain=("time", (bad.Evap + bad.RO).to_numpy(), bad.Rain.attrs))), budget)
    assert "law 'runoff' (RO <= Rain + 10): 1 of 100 hours break it" in message
    assert "worst 1.5 mm h-1" in message


def test_all_faults_are_told_at_once(budget, data, save):
    message = refusal(save(changed(data, "RO", i2=-0.25)), budget)
    assert "RO: 1 of" in message
    assert "1 more faults: law 'water'" in message


def test_reading_without_refusing(budget, data, save):
    path = save(changed(data, "RO", i2=-0.25, i3=51.0).isel(time=slice(0, 20)))
    notes = read(path, budget, refuse=False).notes
    assert [note.split(":")[0] for note in notes[1:3]] == ["RO", "RO"]
    assert any(note.startswith("law 'water'") for note in notes)
    assert notes[0].startswith("20 complete hours")


def test_odd_ratios_are_noted(budget, data, save):
    (note,) = read(save(data), budget.model_copy(update={"ratios": _narrow(budget)})).notes
    assert note.startswith("coefficient = RO/Rain is out of its range in ")


def _narrow(budget):
    return (budget.ratios[0].model_copy(update={"upper": 0.5}),)


def test_only_dimension_is_taken_for_that_of_events(budget, data, save):
    reading = read(save(data.rename(time="hours")), budget, {"time": "hours"})
    assert reading.notes == ["dimension 'hours' is taken for 'time'"]
    record = data.swap_dims(time="record").reset_coords("time")
    reading = read(save(record), budget)
    assert reading.dataset.Rain.dims == ("time",)
    np.testing.assert_array_equal(reading.dataset.time, data.time)


def test_dimensions_of_length_one_are_dropped(budget, data, save):
    reading = read(save(data.expand_dims(lat=[51.5], lon=[0.1])), budget)
    assert reading.notes == ["dimensions of length one were dropped: lat, lon"]
    np.testing.assert_array_equal(reading.dataset.Rain, data.Rain)


def test_dimensions_that_do_not_fit(budget, data, save):
    message = refusal(save(data.assign(Rain=data.Rain.rename(time="other"))), budget)
    assert "'time' alone" in message
    assert "other: Rain; time: Evap, RO" in message
    message = refusal(save(data.expand_dims(realization=3)), budget)
    assert "realization x time: Rain, Evap, RO" in message


def test_text_is_not_numbers(budget, data, save):
    words = ("time", np.array(["much"] * 100))
    assert "variable 'Rain' holds" in refusal(save(data.assign(Rain=words)), budget)


@pytest.mark.parametrize("units", ["parsecs since 2012-01-01", "hours since yesterday", None])
def test_times_that_cannot_be_decoded(budget, data, save, units):
    attributes = {"units": units} if units else {}
    numbers = data.assign_coords(time=("time", np.arange(100.0), attributes))
    message = refusal(save(numbers), budget)
    assert "does not hold times" in message
    assert "hours since 2012-01-01" in message


def test_times_that_nobody_needs(timeless, samples, save):
    odd = samples.assign_coords(sample=("sample", np.arange(100.0), {"units": "hours since yesterday"}))
    reading = read(save(odd), timeless)
    assert len(reading.notes) == 1
    assert "left as numbers" in reading.notes[0]
    assert reading.dataset.sizes == {"sample": 100}


def test_no_times_at_all(budget, data, save):
    assert "needs the time of each event" in refusal(save(data.drop_vars("time")), budget)


@pytest.mark.parametrize("kind", ["hour_of_day", "day_of_year", "day_of_week", "solar_elevation"])
def test_context_of_time_asks_for_times(timeless, samples, save, kind):
    context = (Context(name="when", kind=kind, latitude=51.5, longitude=0.0),)
    path = save(samples.drop_vars("sample", errors="ignore"))
    assert "needs the time of each event" in refusal(path, timeless.model_copy(update={"context": context}))


def test_missing_times_are_missing(budget, data, save):
    time = data.time.to_numpy().copy()
    time[8] = np.datetime64("NaT")
    reading = read(save(data.assign_coords(time=time)), budget)
    assert reading.notes == ["1 of 100 hours left out for missing values (time 1)"]


def test_other_calendars(budget, data, save):
    time = xr.date_range("2001-02-28", periods=100, freq="h", calendar="360_day", use_cftime=True)
    reading = read(save(data.assign_coords(time=time)), budget)
    assert reading.dataset.time.dt.calendar == "360_day"
    broken = changed(data.assign_coords(time=time), "Evap", i30=9.0)
    assert "at time 2001-02-29 06:00:00" in refusal(save(broken), budget)


def test_labels_come_along(timeless, samples, save):
    reading = read(save(samples, format="NETCDF3_CLASSIC"), timeless)
    assert reading.dataset.site.to_numpy()[:2].tolist() == ["north", "south"]
    assert "no variable 'site'" in refusal(save(samples.drop_vars("site")), timeless)


def test_events_without_labels_are_numbered_as_in_the_file(timeless, samples, save):
    values = samples.Rain.to_numpy().copy()
    values[:3] = np.nan
    reading = read(save(samples.assign(Rain=("sample", values, samples.Rain.attrs))), timeless)
    assert reading.dataset.sample.to_numpy()[0] == 3


def test_packed_and_integer_data(budget, data, save):
    packed = {name: {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -32768} for name in budget.names}
    loose = budget.model_copy(update={"closure": "reconcile"})
    reading = read(save(data, encoding=packed), loose)
    np.testing.assert_allclose(reading.dataset.Rain, data.Rain, atol=1e-4)
    whole = data.assign(
        {n: ("time", np.full(100, k), {"units": "mm h-1"}) for n, k in {"Rain": 3, "Evap": 1, "RO": 2}.items()}
    )
    assert read(save(whole), budget).dataset.Rain.dtype == np.float64


def test_nothing_but_missing_values(budget, data, save):
    nothing = ("time", np.full(100, np.nan), data.Rain.attrs)
    path = save(data.assign(Rain=nothing))
    assert "0 complete hours" in refusal(path, budget)
    assert read(path, budget, refuse=False).dataset.sizes["time"] == 0


def test_a_file_can_be_replaced_after_it_was_refused(budget, data, save):
    refusal(save(data.expand_dims(realization=3)), budget)
    assert read(save(data), budget).notes == []
