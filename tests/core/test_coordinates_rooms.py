"""Coordinates of rooms, and uniform draws: hit-and-run leaves their distribution as it is, and brings others to it."""

import math
from dataclasses import replace

import pytest
import torch
from coordinates_cases import INF, make_problem
from scipy.stats import kstest

from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import holds
from lawful.core.coordinates.rooms import Rooms, may_have_rooms
from lawful.core.errors import InvalidValueError
from lawful.core.polyhedra import UnboundedError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def triangles(count, seed=0):
    """Uniform on `a + b + c = 1, a <= cap` for a given cap: a problem, events, and a of them as a share of the cap.

    The density of a is proportional to 1 - a up to the cap; its distribution function is closed.
    """
    problem = make_problem([[1, 1, 1, 0]], [1], [0, 0, 0, 0], [INF] * 4, C=[[1, 0, 0, -1]], d=[0], given=("d",))
    g = generator(seed)
    cap = torch.tensor([0.2, 0.5, 1.5], dtype=torch.float64)[torch.randint(3, (count,), generator=g)]
    u, v = torch.rand(2, count, generator=g, dtype=torch.float64)
    reach = cap.clamp_max(1.0)
    a = 1 - (1 - u * (1 - (1 - reach) ** 2)).sqrt()
    b = v * (1 - a)
    return replace(problem, uniform=True), torch.stack([a, b, 1 - a - b, cap], 1)


def share(z):
    """The distribution function of a at its value: uniform where events are."""
    reach = z[:, 3].clamp_max(1.0)
    return (1 - (1 - z[:, 0]) ** 2) / (1 - (1 - reach) ** 2)


def is_uniform(values):
    return kstest(values.numpy(), "uniform").pvalue > 1e-6


@pytest.fixture(scope="module")
def chart():
    problem, z = triangles(500)
    return Chart.fit(problem, z)[0]


def taken_on(chart, z, seed=2):
    """Events from where `z` are."""
    ids = torch.zeros(len(z), dtype=torch.long)
    return chart.decode(chart.encode(z, ids, generator()), ids, z, generator(seed))


@pytest.mark.parametrize("crowded", [False, True])
def test_events_spread_evenly_wherever_they_start(chart, crowded):
    _, z = triangles(4000, seed=1)
    if crowded:
        z[:, 0] = 1e-3 * z[:, 3]
        z[:, 1] = 0.9 * (1 - z[:, 0])
        z[:, 2] = 1 - z[:, 0] - z[:, 1]
        assert not is_uniform(share(z))
    moved = taken_on(chart, z)
    assert moved.lawful.all()
    assert holds(chart.problem, moved.z, torch.float64).all()
    assert torch.equal(moved.z[:, 3], z[:, 3])
    assert (moved.z[:, 0] != z[:, 0]).double().mean() > 0.9
    assert is_uniform(share(moved.z))
    assert is_uniform(moved.z[:, 1] / (1 - moved.z[:, 0]))


def test_events_of_which_nothing_is_given():
    """Parts of a whole, spread evenly: each has the density 2 (1 - a)."""
    problem = replace(make_problem([[1, 1, 1]], [1], [0, 0, 0], [INF] * 3), uniform=True)
    z = torch.distributions.Dirichlet(torch.tensor([8.0, 1, 1]).double()).sample((3000,))
    z = z / z.sum(1, keepdim=True)
    moved = taken_on(Chart.fit(problem, z)[0], z)
    assert moved.lawful.all()
    assert is_uniform(1 - (1 - moved.z[:, 0]) ** 2) and not is_uniform(1 - (1 - z[:, 0]) ** 2)


def test_each_event_keeps_within_its_own_limit(chart):
    _, z = triangles(300, seed=3)
    moved = taken_on(chart, z, seed=4).z
    assert (moved[:, 0] <= z[:, 3]).all()
    for cap in z[:, 3].unique():
        reached = moved[z[:, 3] == cap, 0].max()
        assert reached > 0.8 * cap.clamp_max(1.0) - 0.2


def test_without_a_generator_events_stay(chart):
    _, z = triangles(200)
    ids = torch.zeros(len(z), dtype=torch.long)
    stayed = chart.decode(chart.encode(z, ids, generator()), ids, z)
    assert stayed.lawful.all()
    torch.testing.assert_close(stayed.z, z, rtol=1e-8, atol=1e-10)


def test_draws_outside_start_as_far_out_as_there_is_room(chart):
    _, z = triangles(50, seed=7)
    ids = torch.zeros(len(z), dtype=torch.long)
    far = 1e6 * chart.encode(z, ids, generator())
    start = chart.decode(far, ids, z)
    assert start.lawful.all()
    nearest = torch.cat([start.z[:, :3], (z[:, 3:] - start.z[:, :1])], 1).amin(1)
    assert (nearest >= 0).all() and (nearest < 0.02).all()


def test_coordinates_are_those_of_the_limits_around_the_analytic_centre():
    """Of `0 <= x <= 4`: the centre is 2, the curvature of -log x - log(4 - x) there is 1/2, and distances in units of
    the centre's are `x / 2` and `(4 - x) / 2`. The link of sharpness one is `(1 - 1 / e) log(e^x - 1)`."""
    problem = replace(make_problem([[1, 1, -1]], [0], [0, 0, 0], [INF] * 3, given=("c",)), uniform=True)
    z = torch.tensor([[1.0, 3.0, 4.0], [2.0, 2.0, 4.0]], dtype=torch.float64)
    far = 0.5**0.5 * (1 - math.exp(-1)) * (math.log(math.expm1(0.5)) - math.log(math.expm1(1.5)))
    w = Rooms(problem).encode(z, torch.zeros(2, dtype=torch.long), torch.tensor([[True, False, False]]).expand(2, -1))
    torch.testing.assert_close(w[:, 0], torch.tensor([far, 0.0]).double())


def test_the_barrier_is_flat_and_round_at_the_centre(chart):
    reduced = chart.rooms.at(triangles(1, seed=8)[1][0]).reduced
    below, above = 1 / (reduced.start - reduced.low), 1 / (reduced.high - reduced.start)
    hessian = (reduced.rows.T * (below.square() + above.square())) @ reduced.rows
    torch.testing.assert_close(hessian, torch.eye(2, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert ((above - below) @ reduced.rows).abs().max() < 1e-5


def test_a_given_value_that_pins_variables_leaves_the_others(chart):
    """At a cap of zero a is zero: a segment is left, of fewer dimensions than any that was learned."""
    z = torch.tensor([[0.0, 0.4, 0.6, 0.0]], dtype=torch.float64).expand(2000, -1)
    ids = torch.zeros(len(z), dtype=torch.long)
    assert not chart.encode(z, ids, generator()).any()
    moved = chart.decode(torch.ones(2000, chart.problem.columns, dtype=torch.float64), ids, z, generator())
    assert moved.lawful.all()
    assert (moved.z[:, 0] == 0).all()
    assert is_uniform(moved.z[:, 1])


def test_given_values_that_leave_a_single_event():
    problem = replace(make_problem([[1, 1, -1]], [0], [0, 0, 0], [2, 2, 4], given=("c",)), uniform=True)
    given = torch.tensor([[0.0, 0.0, 4.0]], dtype=torch.float64)
    w, none = torch.ones(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.bool)
    z, lawful = Rooms(problem).decode(w, torch.zeros(1, dtype=torch.long), none, given, generator())
    assert lawful.all()
    assert z.tolist() == [[2.0, 2.0, 4.0]]


def test_given_values_without_any_event_are_told(chart):
    _, z = triangles(5, seed=7)
    ids, w = torch.zeros(len(z), dtype=torch.long), chart.encode(z, torch.zeros(len(z), dtype=torch.long), generator())
    z[:, 3] = -1.0
    assert not chart.decode(w, ids, z, generator()).lawful.any()


def test_what_rounding_took_over_a_bound_comes_back(chart):
    room = chart.rooms.at(triangles(1)[1][0])
    z = room.reduced.base.expand(1, -1).clone()
    z[0, 1], z[0, 2] = -1e-15, 1 - z[0, 0]
    assert not holds(chart.problem, z, torch.float64).any()
    assert holds(chart.problem, room.nudged(z), torch.float64).all()


def test_a_chart_comes_back_whole(chart):
    _, z = triangles(20, seed=9)
    ids = torch.zeros(len(z), dtype=torch.long)
    again = Chart.from_tensors(chart.problem, chart.tensors())
    assert torch.equal(again.encode(z, ids, generator()), chart.encode(z, ids, generator()))


def test_draws_that_are_no_numbers_are_unlawful(chart):
    w = torch.full((3, chart.problem.columns), torch.nan, dtype=torch.float64)
    given = torch.full((3, chart.problem.n), 0.5, dtype=torch.float64)
    assert not chart.decode(w, torch.zeros(3, dtype=torch.long), given, generator()).lawful.any()


def test_steps_and_ratios_fill_no_polyhedron():
    problem = make_problem([[1, 1, -1]], [0], [0, 0, 0], [INF] * 3, given=("c",))
    stepped = replace(problem, uniform=True, resolution=torch.tensor([0.1, 0, 0], dtype=torch.float64))
    with pytest.raises(InvalidValueError, match="resolutions"):
        Rooms(stepped)


def pinned(count=400, seed=0):
    """Two paths of `a = b + c`, of which the second leads nowhere: `c = d` and `d + e = 0` pin it to zero, but for what
    a solver leaves. `f` is a thin room of its own, `0 <= f <= 1e-6 a`, and zero in a tenth of the events."""
    problem = make_problem(
        [[1, -1, -1, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 1, 1, 0]],
        [0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [10, 1000, 1000, 1000, 1000, 1000],
        C=[[-1e-6, 0, 0, 0, 0, 1]],
        d=[0],
    )
    a, share = torch.rand(2, count, generator=generator(seed), dtype=torch.float64)
    a, off = 1 + 9 * a, 1e-14 * share
    f = torch.where(share > 0.9, 0.0, 1e-6 * a * share)
    return problem, torch.stack([a, a, off, off, off, f], 1)


def test_thin_and_pinned_problems_have_rooms_of_their_states():
    """What the mirror map of single variables does not reach: it needs room on both sides of each."""
    problem, z = pinned()
    chart, ids = Chart.fit(problem, z)
    assert chart.rooms is not None
    assert len(chart.states.table) == 2
    assert sorted(chart.coordinate.sum(1).tolist()) == [1, 2]
    w = chart.encode(z, ids, generator())
    assert (w[~chart.coordinate[ids]] == 0).all()
    back = chart.decode(w, ids, torch.zeros_like(z))
    assert back.lawful.all()
    torch.testing.assert_close(back.z, z, rtol=1e-8, atol=1e-13)
    torch.testing.assert_close(back.z[:, 5], z[:, 5], rtol=1e-8, atol=0)
    assert (back.z[:, 2:5] == 0).all()
    assert torch.equal(chart.rooms.sharpened(chart.rooms.sharpness).encode(z, ids, chart.coordinate[ids]), w)
    noise = torch.randn(w.shape, generator=generator(5), dtype=torch.float64) * chart.coordinate[ids]
    far = chart.decode(w + 3 * noise, ids, torch.zeros_like(z))
    assert far.lawful.all()
    assert holds(problem, far.z, torch.float64).all()
    again = Chart.from_tensors(problem, chart.tensors())
    assert torch.equal(again.decode(w, ids, torch.zeros_like(z)).z, back.z)


def test_rooms_hold_inequalities_at_the_slack_of_a_state():
    """`b <= a` with equality in half of the events, and `a - b = 0.5` in some others."""
    problem = make_problem([[1, 1, 1, -1]], [0], [0] * 4, [10, 10, 10, 40], C=[[-1, 1, 0, 0]], d=[0])
    g = generator(3)
    a, share, c = torch.rand(3, 300, generator=g, dtype=torch.float64)
    a = 1 + 8 * a
    b = torch.where(share < 0.4, a, torch.where(share < 0.6, a - 0.5, a * share))
    z = torch.stack([a, b, c, a + b + c], 1)
    chart, ids = Chart.fit(problem, z)
    roomy = chart._with_rooms(z, ids)
    assert len(chart.states.table) == 3
    assert sorted(roomy.coordinate.sum(1).tolist()) == [2, 2, 3]
    w = roomy.encode(z, ids, generator())
    moved = roomy.decode(w + 0.5 * roomy.coordinate[ids], ids, torch.zeros_like(z))
    assert moved.lawful.all()
    gap = moved.z[:, 0] - moved.z[:, 1]
    apart = gap[(share >= 0.4) & (share < 0.6)]
    assert (gap[share < 0.4].abs() < 1e-13).all()
    torch.testing.assert_close(apart, torch.full_like(apart, 0.5))


def test_rooms_are_not_found_by_the_thousand():
    problem, z = pinned(2000)
    assert may_have_rooms(problem, z)
    assert may_have_rooms(problem.with_given(("f",)), torch.cat([z[:, :5], (z[:, 5:] > 0).double()], 1))
    assert not may_have_rooms(problem.with_given(("a",)), z)
    assert not may_have_rooms(replace(problem, upper=torch.full((6,), INF).double()), z)
    assert not may_have_rooms(replace(problem, resolution=torch.full((6,), 0.1).double()), z)


def test_rooms_without_an_end_are_refused_where_events_are_uniform_and_none_elsewhere():
    problem = make_problem([[1, 1, -1]], [0], [-INF] * 3, [INF] * 3)
    z = torch.rand(50, 3, generator=generator(), dtype=torch.float64)
    z[:, 2] = z[:, 0] + z[:, 1]
    states = Chart.fit(problem, z)[0].states
    with pytest.raises(UnboundedError):
        Rooms(replace(problem, uniform=True)).at(z[0])
    assert Rooms(problem, states).at(z[0]) is None


def test_small_coefficients_of_given_values_are_seen():
    """`f <= 1e-6 a` at a = 300: next to nothing, and not nothing."""
    limits = [[-1e-6, 0, 0, 1], [1, -1, 0, 0]]
    problem = make_problem([[1, 1, -1, 0]], [0], [0] * 4, [1000] * 4, C=limits, d=[0, 0.5], given=("a",))
    rooms = Rooms(replace(problem, uniform=True))
    assert rooms.at(torch.tensor([300.0, 0, 0, 0], dtype=torch.float64)).dimension == 2


def test_small_values_that_laws_pin_stay():
    problem = make_problem(
        [[1, -1, 0, 0, 0], [0, 0, 1, 1, -1]], [0, 0], [0] * 5, [1e-6, 1e-6, 1000, 1000, 1000], given=("a", "e")
    )
    z = torch.tensor([[8e-10, 8e-10, 300, 700, 1000]], dtype=torch.float64).expand(5, -1)
    chart, ids = Chart.fit(replace(problem, uniform=True), z)
    back = chart.decode(chart.encode(z, ids, generator()), ids, z)
    assert back.lawful.all()
    torch.testing.assert_close(back.z, z, rtol=1e-9, atol=0)


def test_given_values_that_are_no_numbers_have_no_room(chart):
    assert chart.rooms.at(torch.tensor([0.1, 0.1, 0.8, math.nan], dtype=torch.float64)) is None


def test_uniform_categories_are_refused_unless_they_are_given():
    problem = make_problem([[1, 1, 0]], [1], [0] * 3, [1] * 3)
    problem = replace(problem, uniform=True, categories=((), (), (0.0, 1.0)))
    with pytest.raises(InvalidValueError, match="'c' given"):
        Rooms(problem)
    assert Rooms(problem.with_given(("c",))).at(torch.ones(3, dtype=torch.float64)).dimension == 1


def test_problems_with_room_keep_the_mirror_map(chart):
    problem, z = triangles(200)
    assert Chart.fit(replace(problem, uniform=False), z)[0].rooms is None
    assert chart.rooms is not None


@pytest.mark.parametrize("thin", [False, True])
def test_the_sharpness_is_that_which_makes_coordinates_normal(thin):
    """Evenly spread parts are best seen as they are, parts on many scales by their logarithms."""
    problem = replace(make_problem([[1, 1, 1]], [1], [0] * 3, [1] * 3), uniform=True)
    noise = torch.randn(800, 2, generator=generator(6), dtype=torch.float64)
    parts = torch.exp(2 * noise - 5) if thin else 1 + 0.2 * noise
    z = torch.cat([parts, torch.ones(800, 1)], 1).double()
    z = z / z.sum(1, keepdim=True)
    chart, _ = Chart.fit(problem, z)
    assert (chart.rooms.sharpness < 0.5) == thin
    assert Chart.from_tensors(problem, chart.tensors()).rooms.sharpness == chart.rooms.sharpness


def test_the_volume_of_coordinates_is_that_of_their_derivative(chart):
    room = chart.rooms.at(triangles(1, seed=8)[1][0])
    s = torch.tensor([[0.1, -0.2], [0.3, 0.4]], dtype=torch.float64)
    step = 1e-6 * torch.eye(2, dtype=torch.float64)
    J = torch.stack(
        [(room.inverse(room.reduced.z(s + e)) - room.inverse(room.reduced.z(s - e))) / 2e-6 for e in step], -1
    )
    torch.testing.assert_close(room.log_det(room.reduced.z(s)), torch.logdet(J), rtol=1e-6, atol=1e-7)
