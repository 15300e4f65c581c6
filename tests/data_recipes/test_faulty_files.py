"""Files that broke the readers once."""

import numpy as np
import pytest
import xarray as xr

from lawful.data_recipes import read, sample_path, write_dataset
from lawful.domains import InputError, get_domain

DOMAIN = get_domain("surface-balance")


def test_two_names_can_be_exchanged(tmp_path):
    with xr.open_dataset(sample_path(DOMAIN)) as ds:
        swapped = ds.load().rename_vars({"Kdown": "x", "Ldown": "Kdown"}).rename_vars({"x": "Ldown"})
    path = write_dataset(swapped, tmp_path / "swapped.nc")
    got = read(path, DOMAIN, {"Kdown": "Ldown", "Ldown": "Kdown"}).dataset
    with xr.open_dataset(sample_path(DOMAIN)) as ds:
        assert np.array_equal(got["Kdown"].values, ds["Kdown"].values)
        assert np.array_equal(got["Ldown"].values, ds["Ldown"].values)


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_file_gives_one_line_or_is_read(tmp_path, seed):
    content = bytearray(sample_path(DOMAIN).read_bytes())
    rng = np.random.default_rng(seed)
    for position in rng.integers(8, 40_000, 200):
        content[position] = rng.integers(256)
    path = tmp_path / "damaged.nc"
    path.write_bytes(content)
    try:
        read(path, DOMAIN)
    except InputError as error:
        assert "\n" not in str(error)


def test_a_library_that_cannot_write_gives_one_line(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    with pytest.raises(InputError, match=r"cannot write .*out\.nc: NetCDF: HDF error"):
        write_dataset(xr.Dataset({"a": ("x", [1.0])}), tmp_path / "out.nc")
    assert list(tmp_path.iterdir()) == []
