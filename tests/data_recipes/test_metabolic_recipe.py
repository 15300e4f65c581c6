"""The design of the media, draws in one of them, and what the sample holds."""

import numpy as np
import pytest
import torch

from lawful.core.coordinates.rooms import Rooms
from lawful.data_recipes import metabolic_flux as recipe
from lawful.data_recipes import read, sample_path
from lawful.domains.blocks import block_labels, fold_masks
from lawful.domains.metabolic_flux import CORE, DOMAIN, KNOCKOUTS
from lawful.domains.problem import problem_of


def medium(**given):
    return {"glucose": 10.0, "oxygen": 15.0, "ammonium": 5.0, **{f"{name}_on": 1.0 for name in KNOCKOUTS}, **given}


def test_media_of_every_kind():
    media = list(recipe.designed(np.random.default_rng(0), 2))
    assert len(media) == 2 * len(recipe.KINDS) == 24
    assert all(sum(m[f"{name}_on"] == 0 for name in KNOCKOUTS) <= 1 for m in media)
    assert sum(m["oxygen"] == 0 for m in media) == 2 * sum(not air for _, air in recipe.KINDS)


def test_equalities_that_a_medium_implies_are_seen():
    dimensions = {
        "wild type": recipe.polyhedron(medium()).dimension,
        "without air": recipe.polyhedron(medium(oxygen=0.0)).dimension,
        "without PGI": recipe.polyhedron(medium(PGI_on=0.0)).dimension,
    }
    assert dimensions == {"wild type": 24, "without air": 23, "without PGI": 23}


def test_states_of_the_sample_are_possible_in_their_medium():
    ds = read(sample_path(DOMAIN), DOMAIN).dataset
    z = torch.from_numpy(np.stack([ds[name].to_numpy() for name in DOMAIN.names], axis=1))
    labels = block_labels(ds, DOMAIN)
    given = [DOMAIN.names.index(name) for name in DOMAIN.given]
    for number in (0, 40, 95):
        rows = z[labels == number]
        assert (rows[:, given] == rows[0, given]).all()
        one = dict(zip(DOMAIN.given, rows[0, given].tolist(), strict=True))
        assert recipe.polyhedron(one).contains(rows).all()


@pytest.mark.parametrize(
    ("given", "pinned"),
    [({"oxygen": 0.0}, "O2t"), ({"PTAr_on": 0.0}, "ACKr"), ({"PGI_on": 0.0, "PTAr_on": 0.0}, "PGI")],
)
def test_any_medium_has_a_room_in_which_pinned_fluxes_are_zero(given, pinned):
    """From wherever draws start, and with two knock-outs that no data have."""
    problem, one = problem_of(DOMAIN), medium(ammonium=0.2, **given)
    z = torch.tensor([one.get(name, 0.0) for name in DOMAIN.names], dtype=torch.float64).expand(64, -1)
    generator = torch.Generator().manual_seed(0)
    w = 100 * torch.randn(64, problem.columns, dtype=torch.float64, generator=generator)
    active = torch.arange(problem.columns).expand(64, -1) < recipe.polyhedron(one).dimension
    moved, lawful = Rooms(problem).decode(w, torch.zeros(64, dtype=torch.long), active, z, generator)
    assert lawful.all()
    assert (moved[:, DOMAIN.names.index(pinned)] == 0).all()
    assert recipe.polyhedron(one).contains(moved).all()


def test_every_kind_is_trained_on_in_every_fold():
    ds = read(sample_path(DOMAIN), DOMAIN).dataset
    kinds = np.stack([ds[f"{name}_on"].to_numpy() for name in KNOCKOUTS] + [ds.oxygen.to_numpy() > 0], axis=1)
    for fold in range(5):
        train, _ = fold_masks(ds, DOMAIN, fold, 5)
        assert len(np.unique(kinds[train], axis=0)) == len(recipe.KINDS)


def test_the_data_set_names_its_media():
    states = [np.zeros((2, len(DOMAIN.names))), np.ones((2, len(DOMAIN.names)))]
    ds = recipe.to_dataset(states, [medium(), medium()])
    assert ds.medium.to_numpy().tolist() == [0, 0, 1, 1]
    assert ds[CORE[0].name].attrs["units"] == "mmol g-1 h-1"
    assert "University of California" in ds.attrs["license"]
