"""Categories through the command line: from words or flags to an ensemble with flags, judged as kinds."""

import json

import numpy as np
import pytest
import xarray as xr
import yaml
from small import save

from lawful.data_recipes import read
from lawful.domains import InputError, load_domain
from lawful.reports.fidelity import fidelity
from lawful.reports.fidelity.protocol import Effort

WORDS = ("granite", "basalt", "lime stone")
ROCKS = """\
name: rocks
title: Rocks of three kinds
event: rock
event_dim: sample
variables:
  rock: {flag_values: [1, 2, 4], flag_meanings: [granite, basalt, lime stone]}
  a: {units: percent, lower: 0, upper: 100}
  b: {units: percent, lower: 0, upper: 100}
laws:
  total: {equation: a + b = 100, units: percent}
blocks: {kind: order, length: 6}
"""


def rocks(count=300, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, count, p=(0.5, 0.3, 0.2))
    a = 100 * rng.beta(np.array([8, 4, 2])[kind], np.array([2, 4, 8])[kind])
    columns = {"a": a, "b": 100 - a}
    ds = xr.Dataset({name: ("sample", values, {"units": "percent"}) for name, values in columns.items()})
    return ds.assign(rock=("sample", np.array(WORDS)[kind]))


def flagged(ds, values=(1, 2, 4), words="granite basalt lime_stone"):
    codes = [values[WORDS.index(word)] for word in ds.rock.values]
    attrs = {"flag_values": np.array(values, np.int8), "flag_meanings": words}
    return ds.assign(rock=("sample", np.array(codes, np.int8), attrs))


@pytest.fixture
def domain(tmp_path):
    path = tmp_path / "rocks.yaml"
    path.write_text(ROCKS)
    return path


def test_words_and_flags_of_any_number_are_the_same_kinds(domain, tmp_path):
    found = load_domain(domain)
    table = tmp_path / "rocks.csv"
    rocks().to_dataframe().to_csv(table)
    files = [
        table,
        save(rocks(), tmp_path / "words.nc"),
        save(flagged(rocks()), tmp_path / "flags.nc"),
        save(flagged(rocks(), (7, 8, 9)), tmp_path / "others.nc"),
    ]
    codes = [read(file, found).dataset.rock.values for file in files]
    for other in codes:
        np.testing.assert_array_equal(other, codes[0])
    assert set(codes[0]) == {1, 2, 4}


def test_strangers_are_refused(domain, tmp_path):
    found, ds = load_domain(domain), rocks()
    ds.rock[3] = "marble"
    with pytest.raises(InputError, match="variable 'rock' holds 'marble'; its categories are granite, basalt"):
        read(save(ds, tmp_path / "words.nc"), found)
    numbers = flagged(rocks()).rock.values.copy()
    numbers[5] = 3
    bare = rocks().assign(rock=("sample", numbers))
    with pytest.raises(InputError, match=r"rock: 1 of 300 rocks of no category \(1, 2, 4\)"):
        read(save(bare, tmp_path / "numbers.nc"), found)


def test_the_whole_way(domain, lawful, tmp_path):
    data, out = save(flagged(rocks()), tmp_path / "flags.nc"), tmp_path / "run"
    said = lawful("run", domain, "--data", data, "--out", out, "--members", 2, "--fast", "--dtype", "float32")
    assert said.code == 0, said
    made = xr.load_dataset(out / "ensemble.nc", mask_and_scale=False)
    assert made.rock.dtype == made.rock.attrs["flag_values"].dtype == np.int32
    assert made.rock.attrs["flag_values"].tolist() == [1, 2, 4] and set(np.unique(made.rock)) <= {1, 2, 4}
    assert made.rock.attrs["flag_meanings"] == "granite basalt lime_stone"
    report = json.loads((out / "report.json").read_text())
    (category,) = report["fidelity"]["categories"]
    assert [kind["kind"] for kind in category["kinds"]] == list(WORDS)
    assert {"shares:rock", "within:rock"} <= {row["measure"] for row in report["fidelity"]["summary"]}
    assert (out / "figures" / "categories.png").exists()
    assert [row["name"] for row in report["validity"]["ensemble"]["inequalities"]] == ["category"]
    # The ensemble is read again as data are, and a number that stands for nothing is seen.
    assert lawful("check", out / "ensemble.nc", "--domain", domain).code == 0
    made.rock[0, 0] = 3
    broken = lawful("check", save(made, tmp_path / "broken.nc"), "--domain", domain)
    assert broken.code == 1 and "rock in {1, 2, 4}" in broken.out


def test_repair_and_compare_leave_kinds_alone(domain, lawful, tmp_path):
    ds = flagged(rocks())
    ds.a[2] += 1.0
    repaired = tmp_path / "repaired.nc"
    assert lawful("repair", save(ds, tmp_path / "off.nc"), "--domain", domain, "-o", repaired).code == 0
    np.testing.assert_array_equal(xr.load_dataset(repaired).rock, ds.rock)
    ds.rock[7] = 3
    strange = save(ds, tmp_path / "strange.nc")
    said = lawful("repair", strange, "--domain", domain, "-o", repaired, "--overwrite")
    assert said.code == 1 and int(xr.load_dataset(repaired).rock[7]) == 3
    assert "rock is a category" in lawful("compare", domain, "--data", repaired, "--out", tmp_path / "c").fault


def test_a_given_kind_is_kept(domain, lawful, tmp_path):
    data, out = save(rocks(), tmp_path / "words.nc"), tmp_path / "run"
    assert lawful("train", domain, "--data", data, "--out", out, "--given", "rock").code == 0
    asked = save(rocks(40, seed=1), tmp_path / "asked.nc")
    assert lawful("generate", out, "--data", asked, "--members", 2).code == 0
    expected = flagged(rocks(40, seed=1)).rock.values
    np.testing.assert_array_equal(xr.load_dataset(out / "ensemble.nc").rock, np.stack([expected] * 2))


def test_init_proposes_flags(lawful, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = save(flagged(rocks()), tmp_path / "flags.nc")
    assert lawful("init", "started", "--data", data).code == 0
    declared = yaml.safe_load((tmp_path / "started.yaml").read_text())
    assert declared["variables"]["rock"]["flag_values"] == [1, 2, 4]
    assert declared["variables"]["rock"]["flag_meanings"] == ["granite", "basalt", "lime_stone"]
    assert all("rock" not in law["equation"] for law in declared["laws"].values())
    assert load_domain(tmp_path / "started.yaml").variable("rock").categorical


def judged(domain, made, train, test):
    found = fidelity(made, train, test, domain, effort=Effort(2, 4, 2, 60))
    return {row["measure"]: row for row in found["summary"]}


def test_a_kind_that_does_not_go_with_the_values_is_caught(domain, tmp_path):
    found = load_domain(domain)
    parts = [read(save(rocks(600, seed), tmp_path / f"{seed}.nc"), found).dataset for seed in range(4)]
    train, test, *members = parts
    made = xr.concat(members, "realization")
    good = judged(found, made, train, test)
    assert not good["within:rock"]["above_floor"] and good["auc"]["model"] < 0.6
    mixed = made.assign(rock=made.rock.copy(data=np.random.default_rng(0).permuted(made.rock.values, axis=1)))
    bad = judged(found, mixed, train, test)
    assert bad["within:rock"]["above_floor"] and bad["auc"]["model"] > 0.7
    assert not bad["shares:rock"]["above_floor"]
    one = judged(found, made.assign(rock=made.rock.where(made.rock != 4, 1)), train, test)
    assert one["shares:rock"]["above_floor"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[1, 2, 4]", "[1, 2]", "line 6: variable 'rock': rock: 2 flag_values need as many different flag_meanings"),
        ("[1, 2, 4]", "[1, 2, 2]", "flag_values must be different whole numbers"),
        ("a + b = 100", "a + b + 2 * rock = 100", "reckons with rock, which is a category"),
        ("[1, 2, 4],", "[1, 2, 4], lower: 0,", "no lower, upper or resolution"),
    ],
)
def test_a_declaration_that_cannot_be(domain, old, new, words):
    domain.write_text(ROCKS.replace(old, new))
    with pytest.raises(InputError) as fault:
        load_domain(domain)
    assert words in str(fault.value)
