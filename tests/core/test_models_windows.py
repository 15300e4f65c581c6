"""Windows drawn step by step: laws and bounds in every precision, memory, and nothing known that is not given."""

import pytest
import torch
from coordinates_cases import INF, make_problem
from torch import Tensor

from lawful.core.coordinates import Chart, Problem, Steps
from lawful.core.models import Batch, Settings, WindowModel
from lawful.core.models.memory import Memory
from lawful.core.models.seen import SeenModel, SeenStates

DAYS = 6
CAPACITY = 40.0
FLUXES = 3


def columns(days: int = DAYS) -> Steps:
    """Rain, runoff, evaporation of each day, then storage at each midnight."""
    first = FLUXES * days
    table = [[first + t, *(k * days + t for k in range(FLUXES)), first + t + 1] for t in range(days)]
    return Steps(torch.tensor(table), 1, ("storage_before", "rain", "runoff", "evaporation", "storage"))


def problem(given: tuple[int, ...] = ()) -> Problem:
    """rain - runoff - evaporation = change of storage, everything non-negative, storage up to its capacity."""
    steps, n = columns(), (FLUXES + 1) * DAYS + 1
    A = torch.zeros(DAYS, n)
    for t, row in enumerate(steps.columns):
        A[t, row] = torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0])
    upper = [INF] * (FLUXES * DAYS) + [CAPACITY] * (DAYS + 1)
    names = tuple(f"v{i}" for i in range(n))
    window = make_problem(A, [0.0] * DAYS, [0.0] * n, upper)
    return type(window)(**{**window.__dict__, "names": names}).with_given(tuple(names[i] for i in given))


def data(count: int = 80) -> Tensor:
    """Rain on a third of days, which half runs off when the soil is wet; evaporation in proportion to storage."""
    generator = torch.Generator().manual_seed(0)
    storage = 10 + 10 * torch.rand(count, generator=generator, dtype=torch.float64)
    parts, states = [], [storage]
    for _ in range(DAYS):
        wet = torch.rand(count, generator=generator) < 0.35
        rain = torch.where(wet, 6 * torch.rand(count, generator=generator, dtype=torch.float64) + 0.1, 0.0)
        runoff = torch.where(wet & (storage > 15), rain / 2, 0.0)
        evaporation = 0.05 * storage * (0.5 + torch.rand(count, generator=generator, dtype=torch.float64))
        storage = storage + rain - runoff - evaporation
        parts.append(torch.stack([rain, runoff, evaporation], -1))
        states.append(storage)
    fluxes = torch.stack(parts, 1).permute(0, 2, 1).flatten(1)
    return torch.cat([fluxes, torch.stack(states, 1)], 1)


def build(given: tuple[int, ...] = (), family: str = "autoregressive") -> tuple[WindowModel, Problem, Tensor]:
    """A model that starts from regressions and is not trained further."""
    torch.manual_seed(0)
    window, z, steps = problem(given), data(), columns()
    cut, context = steps.cut(z), torch.linspace(-1, 1, len(z))[:, None, None].expand(-1, DAYS, 2)
    of_step, of_start = steps.require(window)
    step, ids = Chart.fit(of_step, cut.flatten(0, 1))
    start, start_ids = (None, ids) if of_start.given.all() else Chart.fit(of_start, cut[..., :1].flatten(0, 1))
    model = WindowModel(family, steps, step, start, 2, Settings(networks=1, width=8, experts=2))
    model.fit_features(context, cut, ids)
    views = [(model.step, ids, model.known(context, cut), cut)]
    views += [(model.start, start_ids, model.standard(context), cut[..., :1])] if model.start else []
    generator = torch.Generator().manual_seed(1)
    for part, states, known, events in views:
        flat = events.flatten(0, 1)
        batch = Batch(states, part.chart.encode(flat, states, generator), known.flatten(0, 1), flat)
        for member in part.members:
            member.initialise(batch, torch.arange(len(batch)))
    return model.eval(), window, z


def draw(model: WindowModel, given: Tensor, dtype: torch.dtype = torch.float64, seed: int = 2) -> Tensor:
    context = torch.zeros(len(given), DAYS, 2)
    return model.sample_windows(context, given, torch.Generator().manual_seed(seed), dtype=dtype).z


@pytest.fixture(scope="module")
def built():
    return build()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("family", ["autoregressive", "flow-matching"])
def test_windows_obey_their_laws_as_stored(dtype, family):
    model, window, z = build(family=family)
    given = torch.zeros(50, z.shape[1], dtype=torch.float64)
    made = draw(model, given, dtype)
    assert (given == 0).all()
    assert made.dtype == dtype
    assert window.system.ulps(made).max() <= 4
    assert (made >= 0).all()
    assert (made[:, FLUXES * DAYS :] <= CAPACITY).all()


def test_zeros_are_exact_and_about_as_frequent_as_in_the_data(built):
    model, _, z = built
    made, rain = draw(model, torch.zeros(400, z.shape[1], dtype=torch.float64)), slice(0, DAYS)
    assert abs((made[:, rain] == 0).double().mean() - (z[:, rain] == 0).double().mean()) < 0.08
    # Without rain there is none to run off.
    assert (made[:, DAYS : 2 * DAYS][made[:, rain] == 0] == 0).all()


def test_given_rain_is_kept_and_nothing_else_is_known():
    rain = tuple(range(DAYS))
    model, window, z = build(given=rain)
    z = z[:30]
    made = draw(model, z)
    assert torch.equal(made[:, :DAYS], z[:, :DAYS])
    assert window.system.ulps(made).max() <= 4
    hidden = torch.where(window.given, z, 7.7)
    assert torch.equal(draw(model, hidden), made)
    assert torch.equal(draw(model, z.float().double(), torch.float32)[:, :DAYS], z.float()[:, :DAYS])


def test_given_storage_leaves_no_first_state_to_draw():
    storage = tuple(range(FLUXES * DAYS, (FLUXES + 1) * DAYS + 1))
    model, window, z = build(given=storage)
    assert model.start is None
    z = z[:2]
    made = draw(model, z)
    assert torch.equal(made[:, list(storage)], z[:, list(storage)])
    assert window.system.ulps(made).max() <= 4


def test_the_same_seed_makes_the_same_windows(built):
    model, _, z = built
    empty = torch.zeros(20, z.shape[1], dtype=torch.float64)
    assert torch.equal(draw(model, empty), draw(model, empty))
    assert not torch.equal(draw(model, empty), draw(model, empty, seed=3))


def test_the_memory_is_made_of_moving_averages():
    memory = Memory(torch.zeros(1), torch.full((1,), INF))
    memory.decays = torch.tensor([0.0, 0.5], dtype=torch.float64)
    memory.size = 2 * 4
    seen = torch.tensor([[[0.0], [2.0], [1.0]]], dtype=torch.float64)
    on_bound, value, bent = memory.before_each(seen)[0].reshape(3, 2, 4)[..., :3].permute(2, 0, 1)
    torch.testing.assert_close(on_bound, torch.tensor([[0, 0], [1, 0.5], [0, 0.25]], dtype=torch.float64))
    torch.testing.assert_close(value, torch.tensor([[0, 0], [0, 0], [2, 1.0]], dtype=torch.float64))
    assert bent[2, 0] == pytest.approx(4.3822, abs=1e-4)  # asinh(2 / 0.05), below the cut at 8
    age = memory.before_each(seen)[0].reshape(3, 2, 4)[..., 3]
    torch.testing.assert_close(age, torch.tensor([[0, 0], [1, 0.5], [1, 0.75]], dtype=torch.float64))


def test_what_a_step_remembers_does_not_depend_on_later_steps(built):
    model, _, z = built
    cut = model.steps.cut(z)
    context = torch.zeros(len(z), DAYS, 2)
    later = cut.clone()
    later[:, 3:] += 1
    assert torch.equal(model.known(context, cut)[:, :4], model.known(context, later)[:, :4])
    assert not torch.equal(model.known(context, cut)[:, 4], model.known(context, later)[:, 4])


def test_states_that_a_kind_of_event_would_have_shown():
    ids = torch.cat([torch.zeros(50, dtype=torch.long), torch.ones(50, dtype=torch.long), torch.tensor([2, 2])])
    crop = torch.cat([torch.ones(50), torch.arange(50) % 2, torch.ones(2)])
    seen = SeenStates(3, 2)
    seen.fit(ids, torch.stack([crop, torch.linspace(0, 1, 102)], 1))
    # State 0 was never seen without a crop in 50 events, state 2 in two: the first is no accident.
    bare, cropped = torch.tensor([False, True]).expand(3, 2), torch.tensor([True, False]).expand(3, 2)
    assert seen.agree(torch.arange(3), bare).tolist() == [False, True, True]
    assert seen.agree(torch.arange(3), cropped).all()


def test_draws_are_repeated_until_their_states_are_possible():
    class Coin:
        def sample(self, context, z, generator):
            ids = torch.randint(3, (len(context),), generator=generator)
            return ids, ids[:, None].double()

    seen = SeenStates(3, 1)
    seen.possible[0, 0, 0] = False
    context = torch.tensor([[-0.5, 9.0], [0.5, 9.0]]).repeat(1500, 1)
    ids, w = SeenModel(Coin(), seen).sample(context, torch.zeros(3000, 1), torch.Generator().manual_seed(0))
    assert torch.equal(w[:, 0], ids.double())
    without, with_crop = torch.bincount(ids[::2], minlength=3), torch.bincount(ids[1::2], minlength=3)
    assert without[0] == 0
    # What is left keeps its shares.
    assert abs(without[1] / 1500 - 0.5) < 0.05
    assert (abs(with_crop / 1500 - 1 / 3) < 0.05).all()
