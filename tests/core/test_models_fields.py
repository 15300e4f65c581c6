"""Fields on a grid: block means exact on every state of the way, zeros and cell laws too, and a known truth."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.models.fields import FieldModel, Fields, FieldSettings, LinearFields, PositiveFields
from lawful.core.models.fields.neighbours import carried_on
from lawful.core.training import Schedule, fit

DOCS = Path(__file__).parents[2] / "docs"
TINY = FieldSettings(width=8, levels=1, steps=4)
AREAS = np.cos(np.deg2rad(np.linspace(20, 70, 8)))[:, None]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(kind, count=12):
    """A chart with its fields: of two channels with a law in every cell, or rain with zeros and dry blocks."""
    rng = np.random.default_rng(1)
    z = torch.from_numpy(rng.normal(size=(count, 2, 8, 12)).cumsum(-1))
    if kind == "rain":
        z = (z[:, :1] - 1.0).clamp_min(0.0)
        return PositiveFields.fit(z, (4, 3), weights=AREAS), z
    z = torch.cat([z, z[:, :1] - z[:, 1:]], 1)
    return LinearFields.fit(z, (4, 3), weights=AREAS, cell_laws=[[1.0, -1.0, -1.0]]), z


def untrained(chart, context=0, settings=TINY):
    torch.manual_seed(0)
    return FieldModel(chart, context, settings).eval()


def test_fields_without_context_are_learned_without_a_warning(recwarn):
    chart, z = made("rain")
    untrained(chart).initialise(Fields.of(chart.blocks.means(z), z=z), torch.ones(len(z), dtype=torch.bool))
    assert not recwarn.list


def test_block_means_by_hand():
    chart = LinearFields((1, 2, 4), (2, 2), [1.0], weights=[[1.0], [3.0]])
    z = torch.tensor([[[[1.0, 3.0, 0.0, 0.0], [5.0, 7.0, 0.0, 8.0]]]]).double()
    # (1 + 3 + 3 * 5 + 3 * 7) / 8 and 3 * 8 / 8.
    assert torch.equal(chart.blocks.means(z), torch.tensor([[[[5.0, 3.0]]]]).double())
    assert torch.equal(chart.blocks.join(chart.blocks.split(z)), z)


@pytest.mark.parametrize("kind", ["cell laws", "rain"])
def test_fields_come_back_from_their_coordinates(kind):
    chart, z = made(kind)
    coarse = chart.blocks.means(z)
    back = chart.decode(chart.encode(z, coarse, generator()), coarse)
    assert torch.allclose(back, z, atol=1e-12)
    assert torch.equal(back == 0, z == 0)
    assert kind != "rain" or 0.2 < (z == 0).double().mean() < 0.8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["cell laws", "rain"])
def test_every_draw_is_lawful_as_stored(kind, dtype):
    chart, z = made(kind)
    coarse = chart.blocks.means(z)
    fields = Fields.of(coarse, shape=(8, 12))
    model = untrained(chart)
    drawn = model.sample(fields, generator(2), dtype=dtype)
    assert drawn.dtype == dtype and drawn.shape == z.shape
    assert chart.system(coarse).ulps(drawn.flatten(1)).max() <= 8
    assert torch.equal(drawn, model.sample(fields, generator(2), dtype=dtype))
    assert not torch.equal(drawn, model.sample(fields, generator(3), dtype=dtype))
    if kind == "rain":
        assert (drawn >= 0).all() and (drawn == 0).any()
        assert (drawn[chart.blocks.spread(coarse) == 0] == 0).all()
    else:
        assert (
            (drawn[:, 0] - drawn[:, 1] - drawn[:, 2]).abs() < 100 * torch.finfo(dtype).eps * drawn.abs().max()
        ).all()


@pytest.mark.parametrize("kind", ["cell laws", "rain"])
def test_states_on_the_way_are_on_the_laws(kind):
    chart, z = made(kind)
    coarse = chart.blocks.means(z)
    states = untrained(chart).states(Fields.of(coarse, z=z), generator())
    assert len(states) == TINY.steps
    for state in states:
        assert torch.allclose(chart.blocks.means(state), coarse, rtol=1e-10, atol=1e-10)


def test_coordinates_on_the_way_have_no_part_off_the_laws():
    chart, z = made("cell laws")
    states = []
    untrained(chart)._drawn(Fields.of(chart.blocks.means(z), z=z), generator(), states)
    for x in states:
        assert torch.allclose(chart.tangent(x), x, atol=1e-5)


def test_one_total_over_the_whole_grid():
    _, z = made("rain")
    chart = PositiveFields.fit(z, (8, 12), weights=AREAS)
    coarse = chart.blocks.means(z)
    area = torch.from_numpy(np.broadcast_to(AREAS, (8, 12)).copy())
    assert torch.allclose(coarse[:, 0, 0, 0], (z[:, 0] * area).sum((1, 2)) / area.sum())
    drawn = untrained(chart).sample(Fields.of(coarse, shape=(8, 12)), generator())
    assert chart.system(coarse).ulps(drawn.flatten(1)).max() <= 8


def test_a_wet_block_without_a_wet_cell_gets_the_likeliest():
    chart = PositiveFields((1, 2, 2), (2, 2), torch.tensor([[0.0], [1.0], [0.0], [1.0]]))
    pattern, logs = torch.tensor([[[[-3.0, -1.0], [-2.0, -4.0]]]]), torch.zeros(1, 1, 2, 2)
    z = chart.decode(torch.cat([pattern, logs], 1), torch.full((1, 1, 1, 1), 2.0).double())
    assert z.flatten().tolist() == [0.0, 8.0, 0.0, 0.0]


def test_what_cannot_be_is_refused():
    chart, z = made("rain")
    coarse = chart.blocks.means(z)
    model = untrained(chart)
    with pytest.raises(InvalidValueError, match="coarse value -1"):
        model.sample(Fields.of(coarse - 1 - coarse, shape=(8, 12)), generator())
    with pytest.raises(ShapeError, match=r"coarse fields of shape \(1, 2, 4\)"):
        model.sample(Fields.of(coarse[..., :2], shape=(8, 12)), generator())
    with pytest.raises(InvalidValueError, match="zero or more"):
        PositiveFields.fit(z - 1, (4, 3))
    with pytest.raises(InvalidValueError, match="finite in every cell"):
        model.initialise(Fields.of(coarse, shape=(8, 12)), torch.arange(3))
    with pytest.raises(ShapeError, match="context of shape"):
        Fields.of(coarse, z=z, context=z[..., :3])
    two, _ = made("cell laws")
    with pytest.raises(InvalidValueError, match="No fine field has the coarse value"):
        untrained(two).sample(Fields.of(torch.ones(1, 3, 2, 4), shape=(8, 12)), generator())


def test_a_gaussian_random_field_given_its_block_means(monkeypatch):
    """Closed form: conditional mean and standard deviations, and the spectrum of anomalies."""
    monkeypatch.syspath_prepend(str(DOCS))
    truths = importlib.import_module("ground_truth_fields")
    truth, rng = truths.GaussianField(side=8, block=4, length=3.0), np.random.default_rng(0)
    z = torch.from_numpy(truth.draw(1500, rng))
    chart = LinearFields.fit(z, (4, 4))
    coarse = chart.blocks.means(z)
    np.testing.assert_allclose(truth.averaging @ z[0].numpy().ravel(), coarse[0].ravel(), atol=1e-12)
    torch.manual_seed(0)
    model = FieldModel(chart, 0, FieldSettings(width=8, levels=1, steps=6))
    schedule = Schedule(steps=150, batch_size=32, check_every=75, rate=4e-3)
    fit(model, [Fields.of(coarse, z=z)], torch.arange(1500) % 8 == 0, schedule, generator())
    asked = coarse[:60].repeat(10, 1, 1, 1)
    drawn = model.sample(Fields.of(asked, shape=(8, 8)), generator(1)).numpy().reshape(10, 60, 1, 8, 8)
    found = truths.field_distance(truth, coarse[:60].numpy(), drawn)
    white = truths.field_distance(truth, coarse[:60].numpy(), _white(chart, truth, coarse[:60]))
    assert found.mean < 0.25
    assert found.spread < 0.15
    assert found.correlation < min(0.1, 0.5 * white.correlation)
    assert found.spectrum < min(0.4, 0.5 * white.spectrum)


def _white(chart, truth, coarse):
    """Lawful noise of the right size: what a model that learned no space would draw."""
    noise = torch.randn(10 * len(coarse), 1, 8, 8, generator=generator(), dtype=torch.float64)
    return truth.mean(coarse.numpy()) + (chart.scale * chart.tangent(noise)).numpy().reshape(10, -1, 1, 8, 8)


def test_context_is_told_to_the_network():
    """A field that is its context within each block: draws follow it."""
    rng = np.random.default_rng(3)
    context = torch.from_numpy(rng.normal(size=(400, 1, 4, 4)))
    z = context + 0.1 * torch.from_numpy(rng.normal(size=(400, 1, 4, 4)))
    chart = LinearFields.fit(z, (4, 4))
    fields = Fields.of(chart.blocks.means(z), z=z, context=context)
    torch.manual_seed(0)
    model = FieldModel(chart, 1, FieldSettings(width=8, levels=1, steps=4))
    fit(
        model,
        [fields],
        torch.arange(400) % 8 == 0,
        Schedule(steps=80, batch_size=32, check_every=40, rate=5e-3),
        generator(),
    )
    drawn = model.sample(fields, generator())
    within = context - context.mean((2, 3), keepdim=True)
    assert np.corrcoef((drawn - chart.blocks.spread(fields.coarse)).ravel(), within.ravel())[0, 1] > 0.8


def test_periodic_columns_know_no_edge():
    chart, z = made("rain", 3)
    model = untrained(chart, settings=FieldSettings(width=8, levels=0, periodic=True))
    x, t = torch.randn(3, 2, 8, 12, generator=generator()), torch.full((3, 1), 0.3)
    known = model._known(Fields.of(chart.blocks.means(z), z=z))
    turned = model._velocity(x.roll(5, -1), t, known.roll(5, -1))
    assert torch.allclose(turned, model._velocity(x, t, known).roll(5, -1), atol=1e-5)


def test_what_dry_cells_are_encoded_as_goes_on_from_wet_ones():
    """Any number decodes to the same field; white noise would be learned as roughness of all cells."""
    known = torch.zeros(1, 1, 5, 7, dtype=torch.bool)
    known[0, 0, 1, 2] = True
    values = torch.full((1, 1, 5, 7), 9.0).double().where(~known, 2.0)
    torch.testing.assert_close(carried_on(values, known), torch.full_like(values, 2.0))
    assert not carried_on(values, torch.zeros_like(known)).any()
    known[0, 0, 1, 6] = True
    values[0, 0, 1, 6] = 4.0
    ramp = carried_on(values, known)[0, 0, 1]
    assert ramp[2] == 2 and ramp[6] == 4 and (ramp[2:].diff() > 0).all() and (ramp[:2] - 2).abs().max() < 0.3


def test_coordinates_of_rain_are_no_rougher_than_it_is():
    torch.manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(60, 1, 24, 24).double(), 9, stride=1)
    z = (smooth / smooth.std() - 0.4).clamp_min(0)
    chart = PositiveFields.fit(z, (4, 4))
    coarse = chart.blocks.means(z)
    x = chart.encode(z, coarse, torch.Generator().manual_seed(1))
    torch.testing.assert_close(chart.decode(x, coarse), z, rtol=1e-9, atol=1e-9)
    assert ((x[:, :1] > 0) == (z > 0)).all()
    for part in x.chunk(2, 1):
        assert part.diff(dim=-1).square().mean() < 0.5 * part.var()
