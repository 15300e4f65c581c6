"""Graphs and fields from data to ensemble: trained, kept, loaded, drawn, and what is wrong with them named."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from shaped_cases import CHARGES, RAIN, SHORT, WIND, Case, fields, molecules
from small import save

from lawful.core.models.fields import FieldSettings, LinearFields
from lawful.core.models.graphs import GraphSettings
from lawful.data_recipes import sample_path, write_ensemble
from lawful.data_recipes.shaped import read_shaped
from lawful.domains import InputError, Law, Variable
from lawful.domains.field_domain import FieldDomain
from lawful.pipeline.graphs import chunks
from lawful.pipeline.one_network import generate_shaped, load_shaped, train_shaped
from lawful.reports.validity import validity

NET = FieldSettings(width=8, levels=1, steps=3)


@pytest.fixture(scope="module", params=["graphs", "positive fields", "fields with a law in each cell"])
def case(request, tmp_path_factory):
    if request.param == "graphs":
        small = GraphSettings(width=16, rounds=2)
        return Case(CHARGES, molecules(60), small, GraphSettings(width=17))
    domain = RAIN if request.param.startswith("positive") else WIND
    data, _, _ = read_shaped(save(fields(), tmp_path_factory.mktemp("fields") / "fields.nc"), domain)
    return Case(domain, data, NET, FieldSettings(width=9))


@pytest.fixture(scope="module")
def trained(case, tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    return out, train_shaped(case.domain, case.data, out, settings=case.settings, schedule=SHORT)[0]


def laws(domain, ds, data):
    """The largest misfit of any law in ulps, by the judge of reports."""
    views = domain.views(data, ds)
    found = [validity(view.of(ds), view.domain) for view in (*views.laws, views.parts)]
    assert all(one["holds"] for one in found)
    return max(law["ulps"]["max"] for one in found for law in one["laws"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_stored_ensemble_obeys_the_laws(case, trained, tmp_path, dtype):
    _, model = trained
    made = generate_shaped(model, case.domain, case.data, members=3, seed=1, dtype=dtype)
    again = generate_shaped(model, case.domain, case.data, members=3, seed=1, dtype=dtype)
    stored = xr.load_dataset(write_ensemble(made, tmp_path / "ensemble.nc"))
    name = case.domain.names[0]
    assert stored[name].dtype == dtype and stored[name].dims[0] == "realization"
    assert laws(case.domain, stored, case.data) <= 8
    assert np.array_equal(stored[name], again[name])
    assert not np.array_equal(stored[name][0], stored[name][1])


def test_a_broken_law_is_found(case, trained):
    _, model = trained
    made = generate_shaped(model, case.domain, case.data, members=2)
    made[case.domain.names[0]][1, ..., -1] += 1e-9
    with pytest.raises(AssertionError):
        laws(case.domain, made, case.data)


def test_a_model_comes_back_as_it_was_written(case, trained):
    out, model = trained
    weights = load_shaped(case.domain, out, case.settings).state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert not (out / "checkpoint.safetensors").exists()
    assert json.loads((out / "model.json").read_text())["network"]["width"] == case.settings.width
    again, training = train_shaped(case.domain, case.data, out, settings=case.settings, schedule=SHORT)
    assert training == json.loads((out / "model.json").read_text())
    assert torch.equal(again.state_dict()["unit"], weights["unit"])


def test_another_model_is_refused_with_the_reason(case, trained, tmp_path):
    out, _ = trained
    with pytest.raises(InputError, match="trained with other network"):
        load_shaped(case.domain, out, case.other)
    with pytest.raises(InputError, match="trained with other laws"):
        load_shaped(case.domain.model_copy(update={"missing": (-9.0,)}), out, case.settings)
    with pytest.raises(InputError, match="no finished model here"):
        load_shaped(case.domain, tmp_path, case.settings)
    weights = out / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + b"x")
    with pytest.raises(InputError, match=r"does not belong to model\.json"):
        load_shaped(case.domain, out, case.settings)
    weights.write_bytes(before)


def test_going_on_gives_the_weights_of_a_training_without_a_break(case, trained, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(self, state):
        self.state = state
        self._write(state)
        raise Stopped

    how = {"settings": case.settings, "schedule": SHORT}
    with monkeypatch.context() as patch:
        patch.setattr("lawful.pipeline.keeping.Kept.keep", stop)
        with pytest.raises(Stopped):
            train_shaped(case.domain, case.data, tmp_path, **how)
    with pytest.raises(InputError, match="cut off"):
        load_shaped(case.domain, tmp_path, case.settings)
    torch.rand(3)
    resumed, _ = train_shaped(case.domain, case.data, tmp_path, **how, resume=True)
    weights = resumed.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in trained[1].state_dict().items())


def test_the_sample_is_neutral_and_whole():
    sample = xr.load_dataset(sample_path(CHARGES))
    assert CHARGES.ulps(sample).max() <= 1
    graphs = CHARGES.graphs(sample)
    assert len(graphs) == 4 * 1600 and graphs.sizes.max() <= 40
    first = sample.charge.values[:, : int(sample.atom_count[0])]
    assert np.array_equal(graphs[torch.tensor([1600])].z.numpy(), first[1].astype(float))
    # Quinone: as many bonds as atoms in a ring with four hydrogens, a methyl group and two oxygens.
    assert sample.smiles.values[0] == "CC1=CC(=O)C=CC1=O"
    assert (int(sample.atom_count[0]), int(sample.bond_count[0])) == (15, 15)
    single = CHARGES.single(sample).charge.values
    second = slice(int(sample.atom_count[0]), int(sample.atom_count[:2].sum()))
    assert np.array_equal(single[second], sample.charge.values[1, second])


def test_neighbours_of_a_node_by_hand():
    quinone = CHARGES.single(molecules(1))
    seen = CHARGES.views(quinone).likeness.of(quinone)
    ends, charge = quinone.bond_ends.values, quinone.charge.values.astype(float)
    joined = [int(b if a == 1 else a) for a, b in ends if 1 in (a, b)]
    assert seen.degree.values[1] == len(joined) == 3
    np.testing.assert_allclose(seen.charge_nearby.values[1], charge[joined].mean(), rtol=1e-14)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("bond_ends"), "no variable 'bond_ends'"),
        (lambda ds: ds.assign(element=ds.element.where(ds.atom != 2, 26)), "element of atom 2 is 26"),
        (lambda ds: ds.assign(charge=ds.charge.where(ds.atom != 2)), "charge of atom 2 is nan"),
        (lambda ds: ds.assign(charge=ds.charge + 0.01 * (ds.atom == 2)), r"misses by 0\.01 e in molecule 0"),
        (
            lambda ds: ds.assign(bond_ends=ds.bond_ends + 30),
            "bond 0 joins atoms .* expected two different numbers from 0",
        ),
        (lambda ds: ds.assign(bond_ends=ds.bond_ends * 0), "bond 0 joins atoms 0 and 0 of molecule 0"),
        (lambda ds: ds.assign(bond_ends=ds.bond_ends + 0.5), "different numbers from 0 to 14"),
        (
            lambda ds: ds.assign(bond_ends=ds.bond_ends.where(ds.bond != 1, ds.bond_ends[0, ::-1].values)),
            "of molecule 0, as bond 0 does: give every bond once",
        ),
        (
            lambda ds: ds.assign(bond_ends=ds.bond_ends[:, 0]),
            "'bond_ends' needs numbers along bond and a dimension of 2",
        ),
        (lambda ds: ds.assign(total_charge=ds.charge[0]), "'total_charge' needs numbers along molecule"),
        (lambda ds: ds.assign(total_charge=ds.total_charge * np.nan), "total_charge of molecule 0 is nan"),
        (lambda ds: ds.assign(charge=ds.total_charge), "'charge' needs numbers along atom"),
        (lambda ds: ds.assign(element=ds.element.astype(str)), "'element' needs numbers along atom, not <U"),
        (lambda ds: ds.assign(atom_count=ds.atom_count + 1), "atom_count adds up to 103, but there are 98 atoms"),
        (
            lambda ds: ds.assign(atom_count=("molecule", [0, int(ds.atom_count[:2].sum()), *ds.atom_count.values[2:]])),
            "molecule 0 has no atom",
        ),
    ],
)
def test_what_is_wrong_with_graphs_is_named(change, message):
    with pytest.raises(InputError, match=message):
        CHARGES.graphs(change(molecules(5)))


def test_ends_of_edges_may_come_the_other_way_round():
    found = CHARGES.graphs(molecules(5).transpose("end", ...))
    assert torch.equal(found.edges, CHARGES.graphs(molecules(5)).edges)


def test_values_and_totals_of_graphs_are_read_in_the_units_of_the_domain(tmp_path):
    units = {name: getattr(CHARGES, name).model_copy(update={"units": "mV"}) for name in ("value", "total")}
    domain = CHARGES.model_validate({**dict(CHARGES), **units, "tolerance": 2e-3})
    plain = molecules(3)
    volts = plain.assign({name: plain[name].assign_attrs(units="V") for name in ("charge", "total_charge")})
    found, notes, _ = read_shaped(save(volts, tmp_path / "volts.nc"), domain)
    np.testing.assert_allclose(found.charge, 1000 * plain.charge.astype(float), rtol=1e-15)
    assert found.charge.attrs["units"] == "mV" and any("converted from 'V' to 'mV'" in note for note in notes)
    with pytest.raises(InputError, match="'charge': units 'V' do not convert into 'e'"):
        read_shaped(save(volts.assign(total_charge=plain.total_charge), tmp_path / "mixed.nc"), CHARGES)
    same, _, _ = read_shaped(save(plain, tmp_path / "same.nc"), CHARGES)
    assert same.charge.dtype == np.float32 and np.array_equal(same.charge, plain.charge)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"total": Variable(name="total_charge", units="kg")}, "a sum of charge is in 'e', not in 'kg'"),
        ({"total": Variable(name="charge", units="e")}, "'charge' names two of"),
        ({"edge": "atom"}, "'atom' names two of"),
        ({"value": Variable(name="charge", units="e", resolution=0.1)}, "charge: graphs have no over, resolution"),
    ],
)
def test_declarations_of_graphs_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        CHARGES.model_validate({**dict(CHARGES), **change})


def test_one_large_graph_does_not_make_matrices_of_the_small_ones_as_large():
    plain = list(chunks(torch.full((1200,), 40)))
    assert [len(rows) for rows in plain] == [512, 512, 176]
    sizes = torch.full((600,), 20)
    sizes[300], sizes[599] = 2000, 5000
    found = list(chunks(sizes))
    assert torch.equal(torch.cat(found), torch.arange(600))
    assert all(len(rows) * int(sizes[rows].max()) ** 2 <= 2**22 or len(rows) == 1 for rows in found)
    assert [len(rows) for rows in found] == [300, 1, 298, 1]


def test_why_no_draw_is_within_bounds(tmp_path):
    narrow = CHARGES.value.model_copy(update={"lower": -1e-9, "upper": 1.0})
    domain, data = CHARGES.model_validate({**dict(CHARGES), "value": narrow}), molecules(60)
    model, _ = train_shaped(CHARGES, data, tmp_path, settings=GraphSettings(width=8, rounds=1), schedule=SHORT)
    with pytest.raises(InputError, match="molecule 0: no draw keeps charge of all its 15 atoms within bounds"):
        generate_shaped(model, domain, data, members=2)
    far = data.assign(total_charge=data.total_charge - 3).drop_vars("charge")
    with pytest.raises(InputError, match=r"molecule 0: total_charge -3 cannot be met: 15 atoms .* add up to .* to 15"):
        generate_shaped(model, domain, far, members=2)


def test_graphs_without_any_charge(tmp_path):
    data = molecules(60)
    nothing = data.assign(charge=data.charge * 0, total_charge=data.total_charge * 0)
    model, _ = train_shaped(CHARGES, nothing, tmp_path, settings=GraphSettings(width=8, rounds=1), schedule=SHORT)
    assert CHARGES.ulps(generate_shaped(model, CHARGES, nothing, members=2)).max() <= 8


@pytest.mark.parametrize(
    ("domain", "change", "message"),
    [
        (RAIN, lambda ds: ds.drop_vars("rain"), "no variable 'rain'"),
        (RAIN, lambda ds: ds.isel(x=slice(5)), "5 cells along 'x' are no multiple of blocks of 3"),
        (RAIN, lambda ds: ds.assign(rain=ds.rain.where(ds.rain != ds.rain.max(), -1)), "rain is -1 mm d-1 at time"),
        (RAIN, lambda ds: ds.assign(height=ds.height * np.nan), "'height' is not finite everywhere"),
        (RAIN, lambda ds: ds.rename(time="t"), "no dimension 'time'"),
        (
            RAIN,
            lambda ds: ds.assign(rain=ds.rain.where(ds.height < 0)),
            "rain is missing in 24 of 24 cells in every",
        ),
        (WIND, lambda ds: ds.assign(net=ds.net + 1), r"law 'net' .* is off by up to 1 W m-2"),
    ],
)
def test_what_is_wrong_with_fields_is_named(domain, change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_shaped(save(change(fields()), tmp_path / "fields.nc"), domain)


def test_the_unit_of_a_variable_does_not_say_how_far_it_is_moved_onto_the_laws(tmp_path):
    data = fields().astype(np.float64)
    data["net"] = data.net + 1e-3
    for name in WIND.names:
        data[name].attrs["units"] = "W m-2"
    in_kilowatts = (Variable(name="down", units="W m-2"), Variable(name="up", units="kW m-2"), WIND.variables[2])
    laws = (Law(name="net", equation="net = down - up", units="W m-2", tolerance=0.01),)
    moved = {}
    for kind, variables in (("alike", WIND.variables), ("mixed", in_kilowatts)):
        domain = FieldDomain.model_validate({**dict(WIND), "variables": variables, "laws": laws})
        found, notes, _ = read_shaped(save(data, tmp_path / f"{kind}.nc"), domain)
        moved[kind] = found.up.values * (1000 if kind == "mixed" else 1)
        assert "onto the laws of a cell, at most by down 0.000" in notes[-1]
    np.testing.assert_allclose(moved["mixed"], moved["alike"], atol=1e-9)
    # About a third of 0.001.
    assert 2e-4 < np.abs(moved["alike"] - data.up.values).max() < 5e-4


def test_coarse_fields_in_single_precision_are_moved_onto_the_laws_of_a_cell(tmp_path):
    means = fields()[[*WIND.names]].astype(np.float64).coarsen(y=2, x=3).mean().isel(time=slice(9))
    coarse = means.rename({name: f"{name}_coarse" for name in WIND.names}).rename(y="yc", x="xc")
    known = {**{name: array.assign_attrs(units="W m-2") for name, array in coarse.items()}, "height": fields().height}
    stored = xr.Dataset({name: array.astype("float32") for name, array in known.items()})
    found, notes, _ = read_shaped(save(stored, tmp_path / "coarse.nc"), WIND)
    net = found.down_coarse - found.up_coarse
    np.testing.assert_allclose(found.net_coarse, net, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.net_coarse, means.net, atol=1e-6)
    assert "at most by down_coarse " in notes[-1]
    chart = LinearFields((3, 4, 6), WIND.block, [1.0, 1.0, 1.0], cell_laws=WIND.cell_laws())
    assert chart.possible(WIND.fields(found).coarse).all()
    stored["net_coarse"] += 5
    with pytest.raises(InputError, match=r"law 'net' \(net = down - up\) is off by up to 5 W m-2"):
        read_shaped(save(stored, tmp_path / "off.nc"), WIND)


def test_block_means_of_a_file_with_fine_fields_are_said_not_to_be_used(tmp_path):
    others = fields().rain.coarsen(y=2, x=3).max().rename(y="yc", x="xc")
    found, notes, _ = read_shaped(save(fields().assign(rain_coarse=others), tmp_path / "fields.nc"), RAIN)
    assert "rain_coarse of the file not used: block means are taken of rain" in notes
    assert (found.rain_coarse.values <= others.values).all()
    assert RAIN.equations == {"rain means": "mean(rain over 2 x 3 cells, weighted by area) = rain_coarse"}
