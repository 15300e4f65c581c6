"""Ensembles: written whole or not at all, read as they are stored."""

import os

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import ensure_writable, read_ensemble, write_dataset, write_ensemble
from lawful.domains import InputError


@pytest.fixture
def ensemble(data) -> xr.Dataset:
    """Three members in single precision."""
    ds = (data.expand_dims(realization=3) * xr.DataArray([1, 2, 3], dims="realization")).astype(np.float32)
    for name in ds.data_vars:
        ds[name].attrs["units"] = "mm h-1"
    return ds.assign_coords(realization=np.arange(3)).assign_attrs(lawful_seed=0)


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_written_and_read_bit_for_bit(budget, ensemble, tmp_path, dtype):
    path = write_ensemble(ensemble.astype(dtype, keep_attrs=True), tmp_path / "ensemble.nc")
    reading = read_ensemble(path, budget)
    assert reading.notes == []
    assert reading.dataset.Rain.dims == ("realization", "time")
    assert reading.dataset.Rain.dtype == dtype
    np.testing.assert_array_equal(reading.dataset.Rain, ensemble.Rain.astype(dtype))
    np.testing.assert_array_equal(reading.dataset.time, ensemble.time)
    assert reading.dataset.attrs["lawful_seed"] == 0
    with xr.open_dataset(path) as ds:
        assert ds.Rain.encoding["zlib"]
        assert ds.Rain.encoding["shuffle"]
        assert "_FillValue" not in ds.Rain.encoding


def test_writing_is_deterministic_and_drops_packing(ensemble, tmp_path):
    ensemble.Rain.encoding = {"dtype": "int16", "scale_factor": 0.1}
    first, second = (write_ensemble(ensemble, tmp_path / name).read_bytes() for name in ("a.nc", "b.nc"))
    assert first == second
    with xr.open_dataset(tmp_path / "a.nc") as ds:
        np.testing.assert_array_equal(ds.Rain, ensemble.Rain)


def test_an_interrupted_write_leaves_the_old_file(ensemble, tmp_path, monkeypatch):
    path = tmp_path / "ensemble.nc"
    path.write_bytes(b"old")

    def fail(self, target, **options):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(InputError, match="No space left"):
        write_ensemble(ensemble, path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["ensemble.nc"]


def test_a_reader_of_the_old_file_keeps_it(ensemble, tmp_path):
    path, link = tmp_path / "ensemble.nc", tmp_path / "link"
    path.write_bytes(b"old")
    link.hardlink_to(path)
    write_ensemble(ensemble, path)
    assert link.read_bytes() == b"old"


def test_nothing_but_the_file_is_left(ensemble, tmp_path):
    write_ensemble(ensemble, tmp_path / "ensemble.nc")
    assert names(tmp_path) == ["ensemble.nc"]


def test_what_is_no_ensemble(data, ensemble, tmp_path):
    with pytest.raises(InputError, match="'realization'"):
        write_ensemble(data, tmp_path / "x.nc")
    with pytest.raises(InputError, match="'Rain' is int64"):
        write_ensemble(ensemble.assign(Rain=ensemble.Rain.astype(int)), tmp_path / "x.nc")
    with pytest.raises(InputError, match="cannot write"):
        write_ensemble(ensemble, tmp_path / "absent" / "x.nc")


def test_missing_values_are_kept_and_counted(budget, ensemble, save):
    values = ensemble.Rain.to_numpy().copy()
    values[1, 4], values[2, 5] = np.nan, np.inf
    reading = read_ensemble(save(ensemble.assign(Rain=ensemble.Rain.copy(data=values))), budget)
    assert reading.notes == ["Rain has 2 missing or infinite values of 300"]
    np.testing.assert_array_equal(reading.dataset.Rain, values)


def test_nothing_is_refused_for_its_values(budget, ensemble, save):
    bad = ensemble.assign(RO=-ensemble.RO.assign_attrs(units="mm h-1"))
    bad["RO"].attrs["units"] = "mm h-1"
    assert read_ensemble(save(bad), budget).notes == []


def test_members_may_come_last_or_be_called_otherwise(budget, ensemble, save):
    other = ensemble.transpose("time", "realization").rename(realization="member")
    reading = read_ensemble(save(other), budget)
    assert reading.notes == ["dimension 'member' is taken for 'realization'"]
    np.testing.assert_array_equal(reading.dataset.Rain, ensemble.Rain)
    reading = read_ensemble(save(ensemble.rename(time="hours")), budget)
    assert reading.notes == ["dimension 'hours' is taken for 'time'"]


def test_a_file_without_members(budget, data, save):
    assert read_ensemble(save(data), budget).dataset.Rain.dims == ("time",)
    reading = read_ensemble(save(data.rename(time="hours")), budget)
    assert reading.dataset.Rain.dims == ("time",)


def test_converted_values_keep_the_stored_dtype(budget, ensemble, save):
    rate = (ensemble.Rain / 3.6e6).astype(np.float32).assign_attrs(units="m s-1")
    reading = read_ensemble(save(ensemble.assign(Rain=rate)), budget)
    assert reading.notes == ["Rain converted from 'm s-1' to 'mm h-1'"]
    assert reading.dataset.Rain.dtype == np.float32
    assert reading.dataset.Rain.attrs["units"] == "mm h-1"
    np.testing.assert_allclose(reading.dataset.Rain, ensemble.Rain, rtol=1e-6)


def test_packed_members_are_said_to_be(budget, ensemble, save):
    packing = {"dtype": "int16", "scale_factor": 1e-3, "_FillValue": -32768}
    reading = read_ensemble(save(ensemble, encoding={"Rain": packing}), budget)
    assert reading.notes == ["Rain is packed as int16; it is judged unpacked"]


def test_refusals(budget, ensemble, data, save):
    with pytest.raises(InputError, match="no variable 'RO'"):
        read_ensemble(save(ensemble.drop_vars("RO")), budget)
    with pytest.raises(InputError, match="realization x time"):
        read_ensemble(save(ensemble.assign(Rain=data.Rain)), budget)
    with pytest.raises(InputError, match="realization x time"):
        read_ensemble(save(ensemble.expand_dims(site=2)), budget)
    ensemble["Rain"].attrs["units"] = "K"
    with pytest.raises(InputError, match=r"'Rain'.*'K'"):
        read_ensemble(save(ensemble), budget)


def test_times_need_not_be_there(budget, ensemble, save):
    assert read_ensemble(save(ensemble.drop_vars("time")), budget).dataset.sizes["time"] == 100


def test_writable_folders(tmp_path):
    folder = tmp_path / "deep" / "folder"
    assert ensure_writable(folder) == folder
    assert names(folder) == []
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(InputError, match="cannot write in folder"):
            ensure_writable(bad)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folders_that_are_read_only(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot write in folder"):
        ensure_writable(tmp_path)


def test_text_and_times_are_written(samples, tmp_path):
    path = write_dataset(samples, tmp_path / "samples.nc")
    with xr.open_dataset(path) as ds:
        assert ds.site.to_numpy()[:2].tolist() == ["north", "south"]
