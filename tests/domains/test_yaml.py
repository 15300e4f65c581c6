"""Domains as YAML: the same as in Python, and every fault on its line."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import Blocks, Context, Domain, InputError, Law, Ratio, Variable, find_domain, load_domain
from lawful.domains.components import with_parameters

TOWER = """\
# The energy balance of a tower.
name: tower
title: Energy balance of a flux tower
event: half hour
event_dim: time
variables:
  Rn: {units: W m-2, description: net radiation}
  G: {units: W m-2}
  H: {units: W m-2}
  NO: {units: W m-2, lower: 0}
  rain: {units: mm h-1, lower: 0, resolution: 2e-1}
laws:
  energy:
    equation: >
      Rn - G
      = H + NO
    units: W m-2
    tolerance: 1e-6
  positive:
    equation: "NO <= Rn"
    units: W m-2
ratios:
  bowen: {numerator: H, denominator: NO, units: 1}
context:
  hour: {kind: hour_of_day}
blocks: {kind: time, length_days: 7}
closure: reconcile
"""


@pytest.fixture
def tower(tmp_path):
    """Load a changed tower; each change is (what stands there, what to put instead)."""

    def load(*changes: tuple[str, str]) -> Domain:
        text = TOWER
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "tower.yaml").write_text(text)
        return load_domain(tmp_path / "tower.yaml")

    return load


def test_the_same_as_in_python(tower):
    flux = {"units": "W m-2"}
    python = Domain(
        name="tower",
        title="Energy balance of a flux tower",
        event="half hour",
        event_dim="time",
        variables=(
            Variable(name="Rn", description="net radiation", **flux),
            *(Variable(name=name, **flux) for name in "GH"),
            Variable(name="NO", lower=0, **flux),
            Variable(name="rain", units="mm h-1", lower=0, resolution=0.2),
        ),
        laws=(
            Law(name="energy", equation="Rn - G = H + NO", tolerance=1e-6, **flux),
            Law(name="positive", equation="NO <= Rn", **flux),
        ),
        ratios=(Ratio(name="bowen", numerator="H", denominator="NO", units="1"),),
        context=(Context(name="hour", kind="hour_of_day"),),
        blocks=Blocks(kind="time", length_days=7),
        closure="reconcile",
    )
    assert tower() == python
    assert tower().law_hash() == python.law_hash()


def test_a_word_that_ends_in_yaml_is_a_file(tower, tmp_path):
    tower()
    assert find_domain(str(tmp_path / "tower.yaml")).name == "tower"
    assert find_domain("rock-oxides").name == "rock-oxides"


def test_a_sample_lies_beside_the_file(tower, tmp_path):
    assert tower(("closure:", "sample: tower.nc\nclosure:")).sample == str(tmp_path / "tower.nc")


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("= H + NO", "= H * NO", 14, "law 'energy': equation 'Rn - G = H * NO', column 10: a product of two"),
        ("Rn - G", "Rn - S", 14, "column 6: 'S' is no variable; there are Rn, G, H, NO, rain"),
        ('"NO <= Rn"', '"NO <= rain"', 20, "law 'positive': it is in 'W m-2', but rain is in 'mm h-1'"),
        ('"NO <= Rn"', '"NO < Rn"', 20, "law 'positive': equation 'NO < Rn', column 4: character '<'"),
        (
            "tolerance: 1e-6",
            "tolerance: small",
            18,
            "law 'energy': tolerance = 'small': input should be a",
        ),
        ("tolerance: 1e-6", "tolerance: -1", 18, "tolerance = '-1': input should be greater than or equal to 0"),
        ("G: {units: W m-2}", "G: {unit: W m-2}", 8, "variable 'G': no field 'unit'; there are units, lower, upper"),
        ("G: {units: W m-2}", "G: {}", 8, "variable 'G': 'units' is missing"),
        ("G: {units: W m-2}", "G: W m-2", 8, "variable 'G' needs fields: units, lower"),
        ("G: {units: W m-2}", "Rn: {units: W m-2}", 8, "'Rn' stands here twice"),
        ("G: {units: W m-2}", "G: {units: Wombat}", 8, "variable 'G': units 'Wombat' are not understood"),
        ("G: {units: W m-2}", "G: {units: W m-2, name: x}", 8, "has no field 'name'"),
        ("G: {units: W m-2}", "2G: {units: W m-2}", 8, "'2G' cannot stand in an equation"),
        ("NO: {units: W m-2, lower: 0}", "NO: {units: W m-2, lower: 0, upper: -1}", 10, "lower bound 0 is above"),
        ("NO: {units: W m-2, lower: 0}", "NO: {units: W m-2, lower: .nan}", 10, "lower = '.nan'"),
        ("denominator: NO", "denominator: ON", 23, "ratio 'bowen' names 'ON', which is no variable"),
        ("kind: hour_of_day", "kind: moon", 25, "context 'hour': kind = 'moon'"),
        ("kind: time", "kind: label", 26, "blocks of kind 'label' need the name of the label"),
        ("length_days: 7", "span: 7", 26, "blocks: no field 'span'; there are kind, length_days"),
        ("closure: reconcile", "closure: project", 27, "closure = 'project': input should be 'strict', 'reconcile'"),
        ("closure: reconcile", "density: heavy", 27, "density 'heavy'"),
        ("closure: reconcile", "colour: red", 27, "no field 'colour'"),
        ("event_dim: time\n", "", 2, "'event_dim' is missing"),
        ("name: tower", "name: ../tower", 2, "name = '../tower'"),
        ("name: tower", "name: !!python/name:os.system tower", 2, "tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("name: tower", "name: &n tower", 2, "aliases"),
        ("name: tower", "name: [tower", 3, "not YAML"),
        ("variables:", "variables: 7\nmore:", 6, "variables need a name each"),
        ("name: tower", "- name: tower", 3, "not YAML"),
    ],
)
def test_faults_are_named_with_their_line(tower, before, after, line, words):
    changes = [(before, after)]
    if "&n" in after:
        changes.append(("title: Energy balance of a flux tower", "title: *n"))
    with pytest.raises(InputError) as caught:
        tower(*changes)
    message = str(caught.value)
    assert f"tower.yaml, line {line}" in message
    assert words in message
    assert "\n" not in message.strip()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"# nothing\n", "is empty"),
        (b"- a\n- b\n", "not a list"),
        (b"tower", "not a single word"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"a: 1\n---\nb: 2\n", "not YAML"),
        (b"a: \x00\n", "not YAML"),
        (b"[" * 5000, "too deeply nested"),
        (b"? [a, b]\n: c\n", "a name is missing before ':'"),
        (b"a" * 5_000_000, "larger than 4 MiB"),
    ],
)
def test_files_that_are_no_domain(tmp_path, content, words):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_domain(tmp_path / "x.yaml")


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        load_domain(tmp_path / "x.yaml")
    with pytest.raises(InputError, match="cannot be opened"):
        load_domain(tmp_path)


def test_values_of_parameters_are_numbers_and_stored_as_such(tower):
    domain = tower(("ratios:", "parameters:\n  heat: {units: 1, values: [28.356481]}\nratios:"))
    assert domain.parameters[0].values == (28.356481,)
    assert with_parameters(xr.Dataset(), domain)["heat"].dtype == np.float64
