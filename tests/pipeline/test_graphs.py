"""Graphs of a domain from file to ensemble: trained, kept, loaded, drawn, stored, and what is wrong with them named."""

import json

import numpy as np
import pytest
import torch
import xarray as xr

from lawful.core.models.graphs import GraphSettings
from lawful.core.training import Schedule
from lawful.data_recipes import sample_path, write_ensemble
from lawful.domains import InputError
from lawful.domains.partial_charge import DOMAIN
from lawful.pipeline.graphs import generate_graphs, load_graph_model, train_graphs

SMALL, SHORT = GraphSettings(width=16, rounds=2), Schedule(steps=40, batch_size=16, check_every=20)


@pytest.fixture(scope="module")
def sample():
    return xr.load_dataset(sample_path(DOMAIN))


def some(sample, count):
    """The first molecules of the sample."""
    atoms, bonds = (int(sample[name][:count].sum()) for name in DOMAIN.counts)
    return sample.isel(molecule=slice(count), atom=slice(atoms), bond=slice(bonds))


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    out = tmp_path_factory.mktemp("charges")
    return out, train_graphs(DOMAIN, some(sample, 60), out, settings=SMALL, schedule=SHORT)


def test_the_sample_is_neutral_and_whole(sample):
    assert DOMAIN.ulps(sample).max() <= 1
    graphs = DOMAIN.graphs(sample)
    assert len(graphs) == 4 * 1600 and graphs.sizes.max() <= 40
    first = sample.charge.values[:, : int(sample.atom_count[0])]
    assert np.array_equal(graphs[torch.tensor([1600])].z.numpy(), first[1].astype(float))
    # Quinone: as many bonds as atoms in a ring with four hydrogens, a methyl group and two oxygens.
    assert sample.smiles.values[0] == "CC1=CC(=O)C=CC1=O"
    assert (int(sample.atom_count[0]), int(sample.bond_count[0])) == (15, 15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_stored_ensemble_obeys_the_law(sample, trained, tmp_path, dtype):
    _, model = trained
    ensemble = generate_graphs(model, DOMAIN, some(sample, 80), members=3, seed=1, dtype=dtype, chunk=33)
    again = generate_graphs(model, DOMAIN, some(sample, 80), members=3, seed=1, dtype=dtype, chunk=33)
    path = write_ensemble(ensemble, tmp_path / "ensemble.nc")
    stored = xr.load_dataset(path)
    assert stored.charge.dtype == dtype and stored.charge.dims == ("realization", "atom")
    assert DOMAIN.ulps(stored).max() <= 8
    assert np.array_equal(stored.charge, again.charge)
    assert stored.attrs["lawful_laws"] == "sum(charge over atom) = total_charge"


def test_a_model_comes_back_as_it_was_written(sample, trained):
    out, model = trained
    loaded = load_graph_model(DOMAIN, out, SMALL)
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert not (out / "checkpoint.safetensors").exists()
    assert json.loads((out / "model.json").read_text())["network"]["width"] == 16


def test_another_model_is_refused_with_the_reason(trained, tmp_path):
    out, _ = trained
    with pytest.raises(InputError, match="trained with other network"):
        load_graph_model(DOMAIN, out, GraphSettings(width=17))
    with pytest.raises(InputError, match="trained with other domain"):
        load_graph_model(DOMAIN.model_copy(update={"node_kinds": (1, 6)}), out, SMALL)
    with pytest.raises(InputError, match="no finished model here"):
        load_graph_model(DOMAIN, tmp_path, SMALL)
    weights = out / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(before[:-1] + b"x")
    with pytest.raises(InputError, match=r"does not belong to model\.json"):
        load_graph_model(DOMAIN, out, SMALL)
    weights.write_bytes(before)


def test_going_on_gives_the_weights_of_a_training_without_a_break(sample, trained, tmp_path, monkeypatch):
    _, whole = trained

    class Stopped(Exception):
        pass

    def stop(self, state):
        self.state = state
        self._write(state)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("lawful.pipeline.keeping.Kept.keep", stop)
        with pytest.raises(Stopped):
            train_graphs(DOMAIN, some(sample, 60), tmp_path, settings=SMALL, schedule=SHORT)
    with pytest.raises(InputError, match="cut off"):
        load_graph_model(DOMAIN, tmp_path, SMALL)
    torch.rand(3)
    resumed = train_graphs(DOMAIN, some(sample, 60), tmp_path, settings=SMALL, schedule=SHORT, resume=True)
    weights = resumed.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in whole.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("bond_ends"), "no variable 'bond_ends'"),
        (lambda ds: ds.assign(element=ds.element.where(ds.atom != 2, 26)), "element of atom 2 is 26"),
        (lambda ds: ds.assign(charge=ds.charge.where(ds.atom != 2)), "charge is not finite"),
        (lambda ds: ds.assign(charge=ds.charge + 0.01 * (ds.atom == 2)), r"misses by 0\.01 e in molecule 0"),
        (lambda ds: ds.assign(bond_ends=ds.bond_ends + 30), "expected two nodes of one graph"),
        (lambda ds: ds.assign(atom_count=ds.atom_count + 1), "atom_count adds up to 103, but there are 98 atoms"),
        (
            lambda ds: ds.assign(atom_count=("molecule", [0, int(ds.atom_count[:2].sum()), *ds.atom_count.values[2:]])),
            "molecule 0 has no atom",
        ),
    ],
)
def test_what_is_wrong_with_data_is_named(sample, change, message):
    with pytest.raises(InputError, match=message):
        DOMAIN.graphs(change(some(sample, 5)))
