"""Grids of which some cells are not of the field: no weight, no value, and nothing that is there counts."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.models.fields import FieldModel, Fields, FieldSettings, LinearFields, PositiveFields
from lawful.core.models.fields.blocks import Blocks
from lawful.core.models.fields.regression import fit_places
from lawful.core.training import Schedule, fit

DOCS = Path(__file__).parents[2] / "docs"
TINY = FieldSettings(width=8, levels=1, steps=4)


def land():
    """Weights (8, 12) by latitude: a block of 4 x 3 without a cell, one with a single one, and some without a few."""
    weights = np.cos(np.deg2rad(np.linspace(20, 70, 8)))[:, None] * np.ones(12)
    weights[:4, 3:6] = 0
    weights[4:, 9:] = 0
    weights[6, 10] = 0.3
    weights[np.random.default_rng(2).random((8, 12)) < 0.15] = 0
    assert weights[6, 10] > 0
    return weights


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(kind, sea=torch.nan, count=12):
    """A chart and its fields, with a value `sea` where there are no cells."""
    z = torch.from_numpy(np.random.default_rng(1).normal(size=(count, 2, 8, 12)).cumsum(-1))
    weights = land()
    there = torch.from_numpy(weights > 0)
    if kind == "rain":
        z = (z[:, :1] - 1.0).clamp_min(0.0).where(there, sea)
        return PositiveFields.fit(z, (4, 3), weights=weights), z
    z = torch.cat([z, z[:, :1] - z[:, 1:]], 1).where(there, sea)
    return LinearFields.fit(z, (4, 3), weights=weights, cell_laws=[[1.0, -1.0, -1.0]]), z


def height(sea=torch.nan):
    """A context field (1, 1, 8, 12), with a value `sea` where there are no cells."""
    return torch.rand(1, 1, 8, 12, generator=generator(5)).where(torch.from_numpy(land() > 0), sea)


def trained(kind, sea=torch.nan):
    """A model after a few steps, its chart, and the fields that it learned from."""
    chart, z = made(kind, sea, 40)
    fields = Fields.of(chart.blocks.means(z), z=z, context=height(sea).expand(40, -1, -1, -1))
    torch.manual_seed(0)
    model = FieldModel(chart, 1, TINY)
    schedule = Schedule(steps=6, batch_size=8, check_every=3)
    fit(model, [fields], torch.arange(40) % 8 == 0, schedule, generator())
    return model.eval(), chart, fields


def test_means_are_those_of_the_cells_that_there_are():
    weights = torch.tensor([[1.0, 0.0, 0.0, 0.0], [3.0, 2.0, 0.0, 0.0]]).double()
    blocks = Blocks((1, 2, 4), (2, 2), weights)
    z = torch.tensor([[1.0, torch.nan, 9.0, 9.0], [2.0, 4.0, torch.nan, 9.0]]).double()
    means = blocks.means(z[None])
    # (1 * 1 + 3 * 2 + 2 * 4) / 6, and a block without a cell.
    assert means[0, 0, 0] == 2.5 and means[0, 0, 1].isnan()
    A = LinearSystem.block_means((2, 4), (2, 2), weights=weights).A.to_dense()
    assert torch.equal(A, torch.tensor([[1, 0, 0, 0, 3, 2, 0, 0], [0] * 8]).double() / 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["cell laws", "rain"])
def test_draws_are_lawful_where_there_are_cells_and_nothing_elsewhere(kind, dtype):
    model, chart, fields = trained(kind)
    drawn = model.sample(fields, generator(2), dtype=dtype)
    there = torch.from_numpy(land() > 0)
    assert torch.equal(drawn.isfinite(), there.expand(drawn.shape))
    assert chart.system(fields.coarse).ulps(drawn.nan_to_num(0.0).flatten(1)).max() <= 8
    assert fields.coarse[:, :, 0, 1].isnan().all() and fields.coarse[:, :, 1, 3].isfinite().all()
    # The one cell of its block has its mean.
    torch.testing.assert_close(drawn[:, :, 6, 10].double(), fields.coarse[:, :, 1, 3], rtol=1e-6, atol=1e-6)
    if kind == "rain":
        assert (drawn[..., there] >= 0).all() and (drawn == 0).any()
    for state in model.states(fields, generator()):
        assert torch.allclose(chart.blocks.means(state), fields.coarse, rtol=1e-10, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("kind", ["cell laws", "rain"])
def test_what_is_elsewhere_does_not_matter(kind):
    drawn = []
    for sea in (torch.nan, 1e6):
        model, _, fields = trained(kind, sea)
        junk = fields.coarse.nan_to_num(sea if sea == sea else -5.0)
        drawn.append(model.sample(Fields.of(junk, shape=(8, 12), context=fields.context), generator(1)))
    torch.testing.assert_close(*drawn, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kind", ["cell laws", "rain"])
def test_fields_come_back_from_their_coordinates(kind):
    chart, z = made(kind)
    coarse = chart.blocks.means(z)
    x = chart.encode(z, coarse, generator())
    assert not x[..., ~chart.blocks.inside].any()
    back = chart.decode(x, coarse)
    there = chart.blocks.inside
    assert torch.allclose(back[..., there], z[..., there], atol=1e-12)
    assert not back[..., ~there].any()


def test_a_mean_that_is_missing_where_there_are_cells_is_refused():
    model, _, fields = trained("rain")
    coarse = fields.coarse.clone()
    coarse[2, 0, 1, 0] = torch.nan
    with pytest.raises(InvalidValueError, match=r"at \(2, 0, 1, 0\) one is nan"):
        model.sample(Fields.of(coarse, shape=(8, 12), context=fields.context), generator())
    bare = fields.context.clone()
    bare[0, 0][tuple(np.argwhere(land() > 0)[0])] = torch.nan
    with pytest.raises(InvalidValueError, match="context fields to be finite"):
        model.sample(Fields.of(fields.coarse, shape=(8, 12), context=bare), generator())


def test_places_learn_from_the_blocks_that_have_them():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(50, 6, 3)))
    inside = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 0]] * 2, dtype=torch.bool)
    y = (x @ torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 0.0], [0.5, 0.0, 0.0]]).double())[:, :, None]
    found = fit_places(x, y.where(inside[:, None], 1e9), inside)
    by_hand = x[:, inside[:, 1]].flatten(0, 1)
    expected = torch.linalg.lstsq(by_hand, y[:, inside[:, 1], 0, 1].reshape(-1, 1)).solution
    torch.testing.assert_close(found[:, 0, 1:2], expected, rtol=5e-3, atol=5e-3)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([1.0, 0.0, 0.5]).double(), rtol=5e-3, atol=5e-3)
    assert not found[:, 0, 2].any()


def test_a_gaussian_random_field_given_means_over_its_cells(monkeypatch):
    """Closed form: conditional means and standard deviations of the cells that there are."""
    monkeypatch.syspath_prepend(str(DOCS))
    truths = importlib.import_module("ground_truth_fields")
    truth, rng = truths.GaussianField(side=8, block=4, length=3.0), np.random.default_rng(0)
    there = np.ones((8, 8), dtype=bool)
    there[:3, :4], there[5:, 6:], there[4, 1] = False, False, False
    A = truth.averaging * there.ravel()
    A = A / A.sum(1, keepdims=True)
    across = truth.covariance @ A.T
    gain = across @ np.linalg.inv(A @ across)
    sd = np.sqrt(np.diag(truth.covariance - gain @ across.T).clip(0)).reshape(8, 8)
    z = torch.from_numpy(truth.draw(1500, rng)).where(torch.from_numpy(there), torch.nan)
    chart = LinearFields.fit(z, (4, 4), weights=there.astype(float))
    coarse = chart.blocks.means(z)
    torch.manual_seed(0)
    model = FieldModel(chart, 0, FieldSettings(width=8, levels=1, steps=6))
    schedule = Schedule(steps=150, batch_size=32, check_every=75, rate=4e-3)
    fit(model, [Fields.of(coarse, z=z)], torch.arange(1500) % 8 == 0, schedule, generator())
    asked = coarse[:60].repeat(10, 1, 1, 1)
    drawn = model.sample(Fields.of(asked, shape=(8, 8)), generator(1)).numpy().reshape(10, 60, 8, 8)
    expected = (coarse[:60].numpy().reshape(60, -1) @ gain.T).reshape(60, 8, 8)
    anomalies = (drawn - expected)[..., there]
    mean = np.sqrt(max(0.0, ((anomalies.mean(0) / sd[there]) ** 2).mean() - 0.1))
    spread = np.sqrt(((anomalies.std((0, 1)) / sd[there] - 1) ** 2).mean())
    assert mean < 0.25 and spread < 0.15


def test_units_are_those_of_the_cells():
    chart, z = made("cell laws")
    apart = (z - chart.blocks.spread(chart.blocks.means(z)))[..., chart.blocks.inside]
    torch.testing.assert_close(chart.scale.flatten(), apart.square().mean((0, 2)).sqrt())


def test_the_loss_is_that_of_the_cells(monkeypatch):
    model, chart, fields = trained("rain")
    target = model.residuals(model._seen(fields), generator()), generator()
    model.residuals(model._seen(fields), target[1])
    off = target[0] - model._noise(target[0].shape, target[1])
    outside = 1e3 * (~chart.blocks.inside).float()
    monkeypatch.setattr(model, "_velocity", lambda x, t, known: outside.expand(x.shape))
    torch.testing.assert_close(model.loss(fields), off[..., chart.blocks.inside].square().mean())


def test_blocks_without_a_cell_are_told_as_those_around():
    model, chart, fields = trained("rain")
    coarse = torch.full_like(fields.coarse, 2.0)
    told = model._told(chart.blocks.of_filled(coarse))
    assert not chart.blocks.filled.all()
    torch.testing.assert_close(told, told[:, :, :1, :1].expand(told.shape))


def test_a_coast_is_no_edge_of_rain():
    chart, z = made("rain")
    wet = chart.blocks.within(torch.ones_like(z))
    pattern = chart.encode(wet, chart.blocks.means(wet), generator())[:, 0]
    # One and noise of a tenth; a half of what is around would be less beside cells that are not wet.
    assert abs(pattern[:, chart.blocks.inside].mean() - 1) < 0.02
