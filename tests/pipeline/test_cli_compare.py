"""`lawful compare`: cells, going on after a cut, tables, and what is refused."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from small import BUDGET, PARTS

from lawful.core import LinearSystem
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron
from lawful.pipeline.compare import command, peers
from lawful.pipeline.compare.peers import PEERS
from lawful.pipeline.compare.peers.polytope import polytope_samples
from lawful.pipeline.compare.peers.shield import requirements
from lawful.pipeline.compare.settings import OWN


@pytest.fixture
def compare(lawful, files, tmp_path):
    """Compare on `parts` with two steps of training, or with other options."""

    def run(*options, domain="parts", out="cmp"):
        data = ("--data", files / f"{domain}.nc", "--out", tmp_path / out)
        return lawful("compare", domain, *data, "--steps", 2, "--members", 1, *options)

    return run


def test_every_strategy_under_both_models(compare, tmp_path):
    said = compare("--seeds", 1, domain="budget")
    assert said.code == 0, said
    found = json.loads((tmp_path / "cmp" / "compare.json").read_text())
    rows = {(table["model"], row["strategy"]): row for table in found["models"] for row in table["rows"]}
    assert {strategy for _, strategy in rows} == set(OWN) and not any(row["failed"] for row in rows.values())
    for (model, strategy), row in rows.items():
        holds_all = strategy in {"repair", "sequential", "mirror", "states"}
        assert row["lawful"] == 1.0 or not holds_all, (model, strategy)
        assert row["lawful"] < 1.0 or strategy not in {"unconstrained", "penalty"}, (model, strategy)
        keeps_laws = holds_all or strategy in {"projection", "projection-after", "conditional", "completion"}
        assert (row["ulps"] <= 8) is keeps_laws, (model, strategy)
        assert row["measures"]["energy_distance"]["mean"] > 0
    page = (tmp_path / "cmp" / "compare.html").read_text()
    assert 'class="sortable"' in page and "data:image/svg+xml" in page
    table = (tmp_path / "cmp" / "compare.md").read_text()
    assert table.startswith("`lawful compare budget") and "| `mirror` | 100 % | 0 % |" in table


def test_it_goes_on_where_it_was_cut_off(compare, tmp_path, monkeypatch):
    options = ("--strategies", "unconstrained,projection", "--models", "vae", "--seeds", 2)
    whole_judge = command.Judge

    class Killed(whole_judge):
        def __init__(self, prepared, seed):
            super().__init__(prepared, seed)
            if seed == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(command, "Judge", Killed)
    assert compare(*options).code == 130
    monkeypatch.setattr(command, "Judge", whole_judge)
    cells = tmp_path / "cmp" / "cells"
    first = {path.name: path.stat().st_mtime_ns for path in cells.iterdir()}
    assert sorted(first) == ["vae.projection.0.json", "vae.unconstrained.0.json"]
    assert "go on with --resume" in compare(*options).fault
    assert compare(*options, "--resume").code == 0
    assert {name: (cells / name).stat().st_mtime_ns for name in first} == first
    whole = compare(*options, out="whole")
    assert whole.code == 0
    resumed, once = (json.loads((tmp_path / out / "compare.json").read_text())["models"] for out in ("cmp", "whole"))
    for table in (*resumed, *once):
        for row in table["rows"]:
            del row["seconds"], row["events_per_second"]
    assert resumed == once


def test_cells_of_other_settings_are_made_again(compare, tmp_path):
    options = ("--strategies", "unconstrained", "--models", "vae", "--seeds", 1)
    compare(*options)
    cell = tmp_path / "cmp" / "cells" / "vae.unconstrained.0.json"
    before = json.loads(cell.read_text())["facts"]
    assert compare(*options, "--resume", "--steps", 3).code == 0
    assert json.loads(cell.read_text())["facts"] != before


@pytest.mark.parametrize("change", ["blocks: {kind: order, length: 7}", "leave_out: [tail_dependence]"])
def test_cells_of_other_blocks_or_measures_are_made_again(lawful, files, tmp_path, change):
    path = tmp_path / "mine.yaml"
    said = "name: mine\ntitle: Parts\nevent: sample\nevent_dim: sample\nvariables:\n"
    said += "".join(f"  {name}: {{units: percent, lower: 0, upper: 100}}\n" for name in "abc")
    said += "laws:\n  total: {equation: a + b + c = 100, units: percent, tolerance: 1e-9}\n"
    label = "blocks: {kind: label, label: site}\n"
    options = ("--data", files / "parts.nc", "--out", tmp_path / "cmp", "--steps", 2, "--members", 1, "--seeds", 1)
    options += ("--strategies", "unconstrained", "--models", "vae")
    path.write_text(said + label)
    assert lawful("compare", path, *options).code == 0
    cell = tmp_path / "cmp" / "cells" / "vae.unconstrained.0.json"
    before = json.loads(cell.read_text())["facts"]
    path.write_text(said + (change if change.startswith("blocks") else label + change) + "\n")
    assert lawful("compare", path, *options, "--resume").code == 0
    assert json.loads(cell.read_text())["facts"] != before


def test_no_two_seeds_have_the_same_data(files, tmp_path):
    settings = command.CompareSettings.checked(domain="parts", data=files / "parts.nc", out=tmp_path / "cmp")
    held_out = [command._split(settings, seed).test["sample"].to_numpy().tolist() for seed in range(10)]
    assert len({tuple(samples) for samples in held_out}) == 10
    first = sorted(sample for samples in held_out[:5] for sample in samples)
    assert first == sorted(sample for samples in held_out[5:] for sample in samples)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--strategies", "hope"), "--strategies: no 'hope'; there is unconstrained"),
        (("--models", "gpt"), "--models: no 'gpt'; there is vae, flow-matching"),
        (("--seeds", "0"), "--seeds: Input should be greater than or equal to 1"),
    ],
)
def test_refusals(compare, options, words):
    assert words in compare(*options).fault


def test_requirements_in_the_words_of_the_peer():
    A, b, _ = BUDGET.matrix()
    C, d, _ = BUDGET.inequality_matrix()
    bounds = Bounds(torch.from_numpy(BUDGET.lower), torch.from_numpy(BUDGET.upper))
    inside = Polyhedron(BUDGET.system(), bounds, Inequalities(torch.from_numpy(C), torch.from_numpy(d)))
    lines = requirements(inside, [1, 2, 0, 3]).splitlines()
    assert lines[0] == "ordering y_1 y_2 y_0 y_3" and len(lines) == 1 + 2 * len(b) + len(d) + 4
    assert lines[1] == "1y_0 - 1y_1 - 1y_2 - 1y_3 >= 0" and lines[3] == "1y_0 - 1y_2 >= -0"
    assert lines[-1] == "- y_2 >= -50" and len(A) == 1 and PARTS.name == "parts"


@pytest.mark.parametrize("peer", PEERS)
def test_peers_that_are_not_installed_are_refused_in_one_line(compare, monkeypatch, peer):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    option = "--strategies" if peer == peers.SHIELD else "--models"
    assert f'{peer}: needs the package {PEERS[peer]}; pip install "lawful[peers]"' in compare(option, peer).fault


def test_the_copula_and_what_repairs_it(compare, tmp_path):
    pytest.importorskip("sdv", reason="SDV is not installed")
    assert compare("--models", "sdv-copula", "--seeds", 1).code == 0
    (table,) = json.loads((tmp_path / "cmp" / "compare.json").read_text())["models"]
    lawful = {row["strategy"]: row["lawful"] for row in table["rows"]}
    assert set(lawful) == {"unconstrained", "projection-after", "repair"}
    assert lawful["unconstrained"] == 0 and lawful["repair"] == 1


def test_pishield_is_a_strategy(compare, tmp_path):
    pytest.importorskip("pishield", reason="PiShield is not installed")
    assert compare("--models", "vae", "--strategies", "pishield", "--seeds", 1).code == 0
    (table,) = json.loads((tmp_path / "cmp" / "compare.json").read_text())["models"]
    assert table["rows"][0]["lawful"] < 1 and table["rows"][0]["measures"]


def test_the_sampler_of_polytopes_takes_uniform_domains(compare, tmp_path):
    pytest.importorskip("hopsy", reason="hopsy is not installed")
    assert compare("--models", "hopsy", "--strategies", "unconstrained", "--seeds", 1).code == 0
    found = json.loads((tmp_path / "cmp" / "compare.json").read_text())
    assert "draws are uniform, which events of domain 'parts' are not" in found["models"][0]["rows"][0]["failed"][0]


def test_draws_of_a_polytope_are_uniform_given_what_is_known():
    """b in [0, 10 - a - c] is half of what is left in the mean, where c is the rest."""
    pytest.importorskip("hopsy", reason="hopsy is not installed")
    simplex = Polyhedron(
        LinearSystem([[1.0, 1.0, 1.0]], [10.0]), Bounds(torch.zeros(3), torch.full((3,), 10.0)),
    )  # fmt: skip
    z = torch.tensor([[4.0, 0.0, 0.0], [8.0, 0.0, 0.0]], dtype=torch.float64).repeat(400, 1)
    made = polytope_samples(simplex, torch.tensor([True, False, False]), z, 0)
    np.testing.assert_allclose(made.sum(1), 10.0, rtol=1e-9)
    for whole, rest in ((4.0, 6.0), (8.0, 2.0)):
        own = made[made[:, 0] == whole, 1]
        assert len(own) == 400 and kstest(own / rest, "uniform").pvalue > 1e-4
