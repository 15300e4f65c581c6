"""Fields on a grid, trained into a folder: loaded as they were, resumed bit for bit, refused with the reason."""

import numpy as np
import pytest
import torch

from lawful.core.models.fields import Fields, FieldSettings, LinearFields, PositiveFields
from lawful.core.training import Schedule
from lawful.domains import InputError
from lawful.pipeline.fields import load_field_model, train_fields

SMALL, SHORT = FieldSettings(width=8, levels=1, steps=3), Schedule(steps=8, batch_size=8, check_every=4)
AREAS = np.array([[1.0], [2.0], [2.0], [1.0]])


def some(kind):
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(40, 2, 4, 6)))
    if kind == "positive":
        z = z.clamp_min(0.0)
        chart = PositiveFields.fit(z, (2, 3), weights=AREAS)
    else:
        z = torch.cat([z, z.sum(1, keepdim=True)], 1)
        chart = LinearFields.fit(z, (2, 3), weights=AREAS, cell_laws=[[1.0, 1.0, -1.0]])
    return chart, Fields.of(chart.blocks.means(z), z=z, context=rng.normal(size=(40, 1, 4, 6)))


def drawn(model, fields):
    return model.sample(fields, torch.Generator().manual_seed(3), dtype=torch.float32)


@pytest.mark.parametrize("kind", ["linear", "positive"])
def test_a_model_comes_back_and_draws_the_same(kind, tmp_path):
    chart, fields = some(kind)
    model = train_fields(chart, fields, tmp_path, settings=SMALL, schedule=SHORT)
    loaded = load_field_model(kind, chart.blocks.shape, (2, 3), tmp_path, context=1, settings=SMALL)
    assert torch.equal(drawn(loaded, fields), drawn(model, fields))
    assert chart.system(fields.coarse).ulps(drawn(loaded, fields).flatten(1)).max() <= 8
    other = "linear" if kind == "positive" else "positive"
    with pytest.raises(InputError, match="trained with other model"):
        load_field_model(other, chart.blocks.shape, (2, 3), tmp_path, context=1, settings=SMALL)
    with pytest.raises(InputError, match="trained with other block"):
        load_field_model(kind, chart.blocks.shape, (4, 6), tmp_path, context=1, settings=SMALL)


def test_going_on_gives_the_weights_of_a_training_without_a_break(tmp_path, monkeypatch):
    chart, fields = some("positive")
    whole = train_fields(chart, fields, tmp_path / "whole", settings=SMALL, schedule=SHORT)

    class Stopped(Exception):
        pass

    def stop(self, state):
        self.state = state
        self._write(state)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("lawful.pipeline.keeping.Kept.keep", stop)
        with pytest.raises(Stopped):
            train_fields(chart, fields, tmp_path / "part", settings=SMALL, schedule=SHORT)
    resumed = train_fields(chart, fields, tmp_path / "part", settings=SMALL, schedule=SHORT, resume=True)
    weights = resumed.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in whole.state_dict().items())
