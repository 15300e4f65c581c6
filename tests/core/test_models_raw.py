"""Models of raw values under every strategy: what is guaranteed holds for what they draw, in the units of the data."""

import pytest
import torch
from strategy_cases import polyhedron

from lawful.core import LinearSystem
from lawful.core.models import Settings
from lawful.core.models.raw import Space, made_strategy, solving_order
from lawful.core.models.raw_flow import RawFlowMatching
from lawful.core.models.raw_vae import RawVAE
from lawful.core.polyhedra import Polyhedron
from lawful.core.strategies import STRATEGIES

SMALL = Settings(joint_width=8, depth=1, latent=2, steps=3)


@pytest.fixture(scope="module")
def own() -> Polyhedron:
    """a + b + c = 100, of very different sizes, a residual d = a - b without bounds, and c <= a."""
    system = LinearSystem([[1, 1, 1, 0], [1, -1, 0, -1]], [100.0, 0.0])
    infinite = float("inf")
    return polyhedron(system, [0, 0, 0, -infinite], [100, 100, 100, infinite], C=[[-1, 0, 1, 0]], d=[0.0], names=["c"])


@pytest.fixture(scope="module")
def events() -> torch.Tensor:
    parts = torch.distributions.Dirichlet(torch.tensor([50.0, 20.0, 0.1], dtype=torch.float64))
    torch.manual_seed(0)
    z = 100 * parts.sample((200,))
    z[:50, 2] = 0.0
    z[:, 0] = 100 - z[:, 1] - z[:, 2]
    return torch.cat([z, (z[:, :1] - z[:, 1:2])], 1)


def test_units_are_powers_of_two_and_lose_nothing(own, events):
    space = Space.of(events)
    assert torch.equal(space.unit.log2(), space.unit.log2().round())
    scaled = space.polyhedron(own)
    u = scaled.project(events / space.unit + 0.1 * torch.randn(200, 4, dtype=torch.float64))
    assert scaled.contains(u).all() and own.contains(u * space.unit).all()
    assert torch.equal(scaled.system.ulps(u), own.system.ulps(u * space.unit))
    assert torch.equal(u * space.unit / space.unit, u)


def test_what_has_one_value_only_is_fixed(events):
    system = LinearSystem([[1, 1, 1, 1]], [100.0])
    own = polyhedron(system, [0, 0, 0, 0], [100, 100, 100, float("inf")], C=[[0, 0, 0, 1]], d=[0.0], names=["none"])
    z = torch.cat([events[:, :3], torch.zeros(200, 1, dtype=torch.float64)], 1)
    inside = Space.of(z).polyhedron(own)
    assert inside.system.free.tolist() == [True, True, True, False] and not len(inside.inequalities.C)
    model = RawVAE(made_strategy("mirror", inside, Space.of(z)), Space.of(z), 0, SMALL)
    u = model.start(inside.system.project(z / Space.of(z).unit))
    assert model.loss(u, torch.zeros(200, 0)).isfinite() and (model.sample(torch.zeros(9, 0))[:, 3] == 0).all()


def test_rounding_is_no_unit(events):
    noisy = torch.cat([events, 1e-14 * events[:, :1]], 1)
    assert Space.of(noisy).unit[4] > 1e-10 and Space.of(events).unit.equal(Space.of(noisy).unit[:4])


def test_upper_bounds_that_the_sum_implies_are_left_out(own, events):
    space = Space.of(events)
    assert not space.polyhedron(own).bounds.upper.isfinite().any()
    tighter = polyhedron(own.system, own.bounds.lower.tolist(), [100, 40, 100, float("inf")])
    assert space.polyhedron(tighter).bounds.upper.isfinite().tolist() == [False, True, False, False]


def test_what_is_solved_for_has_no_bounds_or_varies_most(own, events):
    order = solving_order(space_polyhedron := Space.of(events).polyhedron(own), Space.of(events))
    assert order[-1] == 3 and order[0] == 2 and space_polyhedron.n == 4


@pytest.mark.parametrize("kind", [RawVAE, RawFlowMatching])
@pytest.mark.parametrize("name", [*STRATEGIES, "repair"])
def test_what_a_strategy_guarantees_holds_in_the_units_of_the_data(own, events, kind, name):
    torch.manual_seed(1)
    space = Space.of(events)
    layer = made_strategy(name, space.polyhedron(own), space)
    model = kind(layer, space, 1, SMALL)
    u, context = model.start(space.polyhedron(own).system.project(events / space.unit)), torch.randn(200, 1)
    loss = model.loss(u[:64], context[:64])
    loss.backward()
    assert loss.isfinite() and all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    z = model.eval().sample(context)
    assert z.shape == (200, 4) and z.dtype == torch.float64 and z.isfinite().all()
    guarantee = layer.guarantee
    if guarantee.equalities:
        assert own.system.ulps(z).max() <= 8
    if guarantee.bounds:
        assert own.bounds.contains(z).all()
    if guarantee.equalities and guarantee.bounds and guarantee.inequalities:
        assert own.contains(z).all()


@pytest.mark.parametrize("name", ["unconstrained", "conditional", "mirror"])
def test_training_lowers_the_loss(own, events, name):
    torch.manual_seed(2)
    space = Space.of(events)
    model = RawVAE(made_strategy(name, space.polyhedron(own), space), space, 0, SMALL)
    u, nothing = model.start(space.polyhedron(own).system.project(events / space.unit)), torch.zeros(200, 0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = model.loss(u, nothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < sum(losses[:10])


@pytest.mark.parametrize("kind", [RawVAE, RawFlowMatching])
@pytest.mark.parametrize("name", ["mirror", "completion"])
@pytest.mark.parametrize("rounding", [0.0, 1e-14])
def test_a_variable_that_is_on_its_bound_in_all_events_has_a_place_inside(own, events, kind, name, rounding):
    torch.manual_seed(3)
    absent = events.clone()
    absent[:, 2] = 0.0
    absent[:, 0] = 100 - absent[:, 1]
    absent[:, 3] = absent[:, 0] - absent[:, 1]
    space = Space.of(absent)
    inside, nothing = space.polyhedron(own), torch.zeros(200, 0)
    model = kind(made_strategy(name, inside, space), space, 0, SMALL)
    on_laws = inside.system.project(absent / space.unit)
    on_laws[:, 2] += rounding * torch.randn(200).double().clamp_max(2.0) - rounding / 100
    u = model.start(on_laws)
    model.loss(u, nothing).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    z = model.eval().sample(nothing)
    assert own.system.ulps(z).max() <= 8 and (z[:, 2] > 0).all() and (z[:, 2] < 10).all()
