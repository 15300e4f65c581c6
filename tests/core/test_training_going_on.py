"""A training that is cut off and goes on ends with the weights of one that is not, bit for bit."""

import copy
import json

import pytest
import torch
from coordinates_cases import make_case

from lawful.core.coordinates import Chart
from lawful.core.models import FAMILIES, Batch, Settings
from lawful.core.training import Schedule, fit

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
SCHEDULE = Schedule(steps=12, check_every=5, batch_size=64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def prepared(family):
    problem, z = make_case("composition", N=200)
    chart, ids = Chart.fit(problem, z)
    views = [Batch(ids, chart.encode(z, ids, generator(k)), torch.zeros(200, 0), z) for k in range(2)]
    torch.manual_seed(0)
    settings = Settings(width=8, experts=2, joint_width=16, depth=1, dropout=0.3, joint_dropout=0.3)
    return FAMILIES[family](chart, 0, settings), views, torch.arange(200) % 5 == 0


class KeepAll:
    """Keeps the state after every step."""

    def __init__(self):
        self.states = {}

    def wanted(self):
        return True

    def keep(self, state):
        self.states[state["step"]] = copy.deepcopy(state)


def trained(family, state=None, keeper=None):
    model, views, validation = prepared(family)
    if state is not None:
        torch.manual_seed(99)
    fitted = fit(model, views, validation, SCHEDULE, generator(1), keeper=keeper, state=state)
    return model.state_dict(), fitted


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("step", [3, 5, 12])
def test_going_on_gives_the_same_weights(family, step):
    keeper = KeepAll()
    whole, fitted = trained(family, keeper=keeper)
    assert sorted(keeper.states) == list(range(1, 13))
    again, found = trained(family, state=keeper.states[step])
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert found == fitted


def test_keeping_changes_nothing():
    kept, without = (trained("vae", keeper=keeper)[0] for keeper in (KeepAll(), None))
    assert all(torch.equal(kept[name], without[name]) for name in kept)


def test_a_state_is_tensors_and_what_json_knows():
    keeper = KeepAll()
    trained("autoregressive", keeper=keeper)

    def without_tensors(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            return {key: without_tensors(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [without_tensors(part) for part in value]
        return None if isinstance(value, torch.Tensor) else value

    plain = without_tensors(keeper.states[7])
    assert json.loads(json.dumps(plain)) == plain
