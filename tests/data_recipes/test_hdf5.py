"""Plain HDF5: datasets by name or by path, without dimensions and mostly without attributes."""

import h5py
import numpy as np
import pytest

from lawful.data_recipes import read
from lawful.domains import InputError


@pytest.fixture
def plain(tmp_path, data):
    """A file with the variables in a group and times beside it."""
    path = tmp_path / "tower.dat"
    with h5py.File(path, "w") as file:
        for name in data.data_vars:
            item = file.create_dataset(f"fluxes/level1/{name}", data=data[name].to_numpy())
            item.attrs["units"] = np.bytes_("mm h-1")
        hours = file.create_dataset("clock/time", data=np.arange(100.0))
        hours.attrs["units"] = "hours since 2012-03-01"
    return path


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def refusal(*arguments) -> str:
    with pytest.raises(InputError) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_datasets_are_found_by_their_names(budget, data, plain):
    reading = read(plain, budget)
    assert reading.notes == []
    for name in budget.names:
        np.testing.assert_array_equal(reading.dataset[name], data[name])
    np.testing.assert_array_equal(reading.dataset.time, data.time)


def test_mapping_gives_paths(budget, data, plain):
    edit(plain, lambda file: file.move("fluxes/level1/RO", "other/runoff"))
    assert "map RO" not in refusal(plain, budget)
    np.testing.assert_array_equal(read(plain, budget, {"RO": "/other/runoff"}).dataset.RO, data.RO)
    assert "no dataset 'other/ro' for 'RO'" in refusal(plain, budget, {"RO": "other/ro"})


def test_an_ambiguous_name(budget, data, plain):
    edit(plain, lambda file: file.create_dataset("fluxes/level2/RO", data=data.RO.to_numpy() + 1))
    assert "several datasets 'RO': fluxes/level1/RO, fluxes/level2/RO" in refusal(plain, budget)
    np.testing.assert_array_equal(read(plain, budget, {"RO": "fluxes/level1/RO"}).dataset.RO, data.RO)


def test_a_missing_name(budget, plain):
    edit(plain, lambda file: file.move("fluxes/level1/RO", "fluxes/level1/ro"))
    message = refusal(plain, budget)
    assert "no variable 'RO'" in message
    assert "map RO=ro" in message


def test_attributes_are_honoured(budget, data, plain):
    def change(file):
        item = file["fluxes/level1/Rain"]
        item.attrs["_FillValue"] = -1.0
        item[3] = -1.0
        del file["fluxes/level1/Evap"].attrs["units"]

    edit(plain, change)
    reading = read(plain, budget)
    assert reading.notes == [
        "Evap has no units; 'mm h-1' assumed",
        "1 of 100 hours left out for missing values (Rain 1)",
    ]


def test_columns_of_one_are_vectors(budget, data, plain):
    def change(file):
        values = file["fluxes/level1/RO"][()]
        del file["fluxes/level1/RO"]
        file["fluxes/level1/RO"] = values[:, None]

    edit(plain, change)
    np.testing.assert_array_equal(read(plain, budget).dataset.RO, data.RO)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(99), "differ in length: Rain 100, Evap 100, RO 99"),
        (np.float64(3), "not an array of numbers"),
        (np.zeros(100, dtype=[("a", "f8")]), "not an array of numbers"),
        (np.zeros((100, 2)), "must lie along 'time' alone"),
        (np.array([b"much"] * 100), "not numbers"),
    ],
)
def test_datasets_of_other_kinds(budget, plain, values, message):
    def change(file):
        del file["fluxes/level1/RO"]
        file["fluxes/level1/RO"] = values

    edit(plain, change)
    assert message in refusal(plain, budget)


def test_labels_are_text(timeless, data, tmp_path):
    path = tmp_path / "samples.h5"
    with h5py.File(path, "w") as file:
        for name in data.data_vars:
            file[name] = data[name].to_numpy()
        file["site"] = ["north", "süd"] * 50
    reading = read(path, timeless)
    assert reading.dataset.site.to_numpy()[:2].tolist() == ["north", "süd"]
    assert len(reading.notes) == 3


def test_a_file_with_a_user_block(budget, data, plain, tmp_path):
    path = tmp_path / "block.h5"
    with h5py.File(path, "w", userblock_size=512) as file, h5py.File(plain) as source:
        for name in source:
            source.copy(name, file)
    np.testing.assert_array_equal(read(path, budget).dataset.RO, data.RO)


def test_a_damaged_file(budget, plain):
    plain.write_bytes(plain.read_bytes()[:1000])
    assert "damaged" in refusal(plain, budget)
