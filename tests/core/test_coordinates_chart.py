"""The chart: events to coordinates and back, and every coordinate to a lawful event."""

import pytest
import torch
from coordinates_cases import INF, MAKERS, make_case, make_problem, tensor

from lawful.core import InvalidValueError
from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import finish, holds
from lawful.core.linear import compensated_residual

everywhere = pytest.mark.parametrize("name", MAKERS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def fitted(name, **options):
    problem, z = make_case(name, **options)
    chart, ids = Chart.fit(problem, z)
    return problem, z, chart, ids, chart.encode(z, ids, generator())


def jittered(chart, w, ids, spread, seed=1):
    """Coordinates that are not those of data: each around its mean, with `spread` standard deviations."""
    on = chart.coordinate[ids]
    count = on.sum(0).clamp_min(1)
    mean = (w * on).sum(0) / count
    std = (((w - mean) * on).square().sum(0) / count).sqrt()
    noise = torch.randn(w.shape, generator=generator(seed), dtype=torch.float64)
    return torch.where(on, mean + spread * std * noise, 0.0)


def assert_lawful(problem, z):
    """Judged here by other means than the chart's own."""
    assert ((z >= problem.lower) & (z <= problem.upper)).all()
    if len(problem.b):
        assert problem.system.ulps(z).max() <= 4
    excess = compensated_residual(problem.C, z, problem.d)
    rounding = 1e-15 * (z.abs() @ problem.C.abs().T + problem.d.abs())
    assert (excess <= torch.where(problem.comparisons, 0.0, rounding)).all()
    step = problem.resolution
    on_grid = ((z / step).round() * step - z).abs() <= 1e-12 * z.abs()
    assert on_grid[:, (step > 0) & ~problem.given].all()


@everywhere
def test_round_trip(name):
    problem, z, chart, ids, w = fitted(name)
    assert w.isfinite().all()
    assert (w[~chart.coordinate[ids]] == 0).all()
    decoded = chart.decode(w, ids, z)
    assert decoded.lawful.all()
    assert_lawful(problem, decoded.z)
    torch.testing.assert_close(decoded.z, z, rtol=1e-8, atol=1e-10)
    # An unbounded variable may be the rounding error of the others.
    assert torch.equal((decoded.z == 0)[:, problem.lower == 0], (z == 0)[:, problem.lower == 0])


@everywhere
def test_states_of_decoded_events_are_those_asked_for(name):
    problem, z, chart, ids, w = fitted(name)
    decoded = chart.decode(w, ids, z).z
    fixed = chart.states.values(ids)[:, : problem.n]
    known = fixed.isfinite() & ~problem.given
    assert torch.equal(decoded[known], fixed[known])
    at_bound = (decoded == problem.lower) | (decoded == problem.upper)
    assert torch.equal(at_bound[:, ~problem.given], (known & at_bound)[:, ~problem.given])


@everywhere
def test_other_coordinates_decode_to_lawful_events_too(name):
    problem, z, chart, ids, w = fitted(name)
    decoded = chart.decode(jittered(chart, w, ids, 1.0), ids, z)
    # What has no lawful event is reported; here that is the rare tail where rounding swallows a slack or a value.
    assert decoded.lawful.double().mean() > 0.97
    assert_lawful(problem, decoded.z[decoded.lawful])
    zero = chart.states.values(ids)[:, : problem.n] == 0
    assert (decoded.z[zero & ~problem.given] == 0).all()


@everywhere
def test_encoding_what_was_decoded_returns_the_coordinates(name):
    problem, z, chart, ids, w = fitted(name)
    decoded = chart.decode(w, ids, z).z
    again = chart.encode(decoded, ids, generator())
    step = problem.quantised
    torch.testing.assert_close(again[:, ~step], w[:, ~step], rtol=1e-5, atol=1e-5)


@everywhere
def test_coordinates_are_as_many_as_the_face_has_dimensions(name):
    """Moving one coordinate moves the event, and no two of them move it alike."""
    problem, z, chart, ids, w = fitted(name)
    state = int(chart.states.counts.argmax())
    row = (ids == state).nonzero()[0, 0]
    columns = (chart.coordinate[state] & ~problem.quantised).nonzero()[:, 0]
    start = chart.decode(w[row : row + 1], ids[row : row + 1], z[row : row + 1]).z
    step = 1e-4 * torch.eye(problem.columns, dtype=torch.float64)[columns]
    many = torch.full((len(columns),), state)
    moved = chart.decode(w[row] + step, many, z[row].expand(len(columns), -1)).z
    moves = (moved - start) / 1e-4
    moves = moves / moves.norm(dim=1, keepdim=True)
    assert torch.linalg.matrix_rank(moves, rtol=1e-6) == len(columns)


@everywhere
def test_tensors_make_the_same_chart(name):
    problem, z, chart, ids, w = fitted(name)
    again = Chart.from_tensors(problem, {key: value.clone() for key, value in chart.tensors().items()})
    assert torch.equal(again.coordinate, chart.coordinate)
    assert torch.equal(again.encode(z, ids, generator()), w)
    assert torch.equal(again.decode(w, ids, z).z, chart.decode(w, ids, z).z)


@pytest.mark.parametrize("name", ["composition", "completion", "inequality", "mixed signs"])
@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_of_the_data_do_not_count(name, scale):
    problem, z = make_case(name)
    scaled = make_problem(
        problem.A, problem.b * scale, problem.lower * scale, problem.upper * scale, C=problem.C, d=problem.d * scale
    )
    chart, ids = Chart.fit(scaled, z * scale)
    decoded = chart.decode(chart.encode(z * scale, ids, generator()), ids, z * scale)
    assert decoded.lawful.all()
    torch.testing.assert_close(decoded.z, z * scale, rtol=1e-8, atol=1e-10 * scale)


def test_inequalities_that_hold_with_equality_stay_lawful():
    problem, z, chart, ids, w = fitted("inequality", N=2000)
    slack = problem.extend(z)[:, problem.n :] == 0
    assert slack.all(1).any()
    assert (slack.any(1) & ~slack.all(1)).any()
    decoded = chart.decode(w, ids, z)
    assert decoded.lawful.all()
    assert (compensated_residual(problem.C, decoded.z, problem.d) <= 0).all()
    assert torch.equal(problem.extend(decoded.z)[:, problem.n :] == 0, slack)


def test_a_ratio_is_a_law_of_its_own():
    _, z, chart, ids, w = fitted("ratio")
    w = jittered(chart, w, ids, 0.5)
    decoded = chart.decode(w, ids, z)
    bright = decoded.lawful & (z[:, 0] > 0)
    share = decoded.z[bright, 1] / decoded.z[bright, 0]
    recurring = chart.states.values(ids)[bright, -1]
    drawn = chart.link.forward(w)[bright, -1]
    torch.testing.assert_close(share, torch.where(recurring.isnan(), drawn, recurring), rtol=1e-9, atol=0)
    assert (decoded.z[z[:, 0] == 0, :2] == 0).all()


def test_events_whose_ratio_is_out_of_range_are_coped_with():
    problem, z = make_case("ratio")
    loose = make_problem([[1, -1, 1, -1]], [0], [0, 0, -INF, -INF], [INF] * 4, ratios=problem.ratios)
    z[:5, :2] = tensor([[0, 3], [0, 0.5], [1, 2], [5, 5.5], [0, 7]])
    z[:5, 3] = z[:5, 0] - z[:5, 1] + z[:5, 2]
    chart, ids = Chart.fit(loose, z)
    w = chart.encode(z, ids, generator())
    assert w.isfinite().all()
    decoded = chart.decode(w, ids, z)
    assert decoded.lawful.all()
    torch.testing.assert_close(decoded.z, z, rtol=1e-9, atol=1e-10)


def test_steps_keep_their_signs_and_their_bounds():
    problem, z, chart, ids, w = fitted("quantised")
    assert (z[:, 1] < 0).any()
    for seed in range(3):
        spread = chart.decode(chart.encode(z, ids, generator(seed)), ids, z)
        torch.testing.assert_close(spread.z[:, :2], z[:, :2], rtol=1e-12, atol=1e-12)
    far = jittered(chart, w, ids, 5.0)
    decoded = chart.decode(far, ids, z)
    assert decoded.lawful.all()
    assert_lawful(problem, decoded.z)
    assert (decoded.z[ids == ids[z[:, 0] > 0][0], 0] > 0).all()


def test_spreading_over_a_step_is_uniform():
    problem, z = make_case("quantised", N=4000)
    chart, ids = Chart.fit(problem, z)
    w = chart.encode(z, ids, generator())
    spread = chart.link.forward(w)[:, 1]
    offset = ((spread - z[:, 1]) / 0.5)[chart.coordinate[ids, 1]]
    assert offset.abs().max() <= 0.5
    assert offset.mean().abs() < 0.02
    assert offset.std().item() == pytest.approx(12**-0.5, abs=0.01)


def test_given_values_come_back_as_they_are():
    problem, z, chart, ids, w = fitted("given")
    other = z.clone()
    other[:, problem.given] *= torch.where(other[:, problem.given] > 0, 0.9, 1.0)
    decoded = chart.decode(jittered(chart, w, ids, 1.0), ids, other)
    assert decoded.lawful.double().mean() > 0.97
    assert torch.equal(decoded.z[decoded.lawful][:, problem.given], other[decoded.lawful][:, problem.given])
    assert_lawful(problem, decoded.z[decoded.lawful])


def test_given_values_without_a_lawful_event_are_reported():
    problem, z, chart, ids, w = fitted("given")
    other = z.clone()
    other[:, problem.given] = tensor([70.0, 60.0])
    assert not chart.decode(w, ids, other).lawful.any()


def test_coordinates_that_are_no_numbers_are_reported():
    _, z, chart, ids, w = fitted("two-sided")
    w[3] = torch.nan
    lawful = chart.decode(w, ids, z).lawful
    assert not lawful[3]
    assert lawful.sum() == len(z) - 1


def test_no_events():
    _, z, chart, ids, w = fitted("composition")
    decoded = chart.decode(w[:0], ids[:0], z[:0])
    assert decoded.z.shape == (0, z.shape[1])


def test_events_out_of_bounds_are_refused_by_name():
    problem, z = make_case("composition")
    for value in (-0.1, 100.5, float("nan")):
        wrong = z.clone()
        wrong[7, 2] = value
        with pytest.raises(InvalidValueError, match=r"c is .* in event 7"):
            Chart.fit(problem, wrong)


@pytest.mark.parametrize("name", ["composition", "completion", "mixed signs", "inequality"])
def test_float32_holds_after_rounding_once(name):
    problem, z, chart, ids, w = fitted(name)
    decoded = chart.decode(w, ids, z).z
    assert holds(problem, decoded, torch.float32).all()
    stored = decoded.float().double()
    assert ((stored >= problem.lower) & (stored <= problem.upper)).all()


@pytest.mark.parametrize("name", ["composition", "completion", "mixed signs"])
def test_finishing_moves_what_is_off_the_laws_and_nothing_else(name):
    problem, _, chart, ids, w = fitted(name)
    lawful = chart.decode(w, ids, torch.zeros(len(w), problem.n, dtype=torch.float64)).z
    off = lawful * (1 - 1e-9 * torch.rand(lawful.shape, generator=generator(), dtype=torch.float64))
    fixed, none = chart.fixed[ids], torch.zeros(0, dtype=torch.long)
    off = torch.where(fixed[:, : problem.n], lawful, off)
    off[::2] = lawful[::2]
    slack = torch.zeros(len(w), problem.lifted - problem.n, dtype=torch.float64)
    z, held = finish(problem, fixed, none, torch.cat([off, slack], 1), torch.zeros(len(w), 0, dtype=torch.float64))
    assert held.all() and holds(problem, z, torch.float64).all()
    assert torch.equal(z[::2], lawful[::2])
    assert (z != off)[1::2].any(-1).double().mean() > 0.5


def test_holds_sees_each_kind_of_violation():
    problem = make_problem([[1, 1, -1]], [0], [0, 0, 0], [5, 5, 9], C=[[1, -1, 0], [1, 2, 0]], d=[0, 9])
    cases = {
        (1, 2, 3): True,
        (1, 2, 3 + 1e-12): False,
        (3, 3, 6): True,
        (3 + 4.5e-16, 3, 6): False,
        (2, 4, 6): False,
        (-1, 1, 0): False,
        (0, 5.5, 5.5): False,
        (float("nan"), 1, 2): False,
    }
    for z, expected in cases.items():
        assert holds(problem, tensor([z]), torch.float64).item() is expected, z


def test_holds_knows_the_stored_precision():
    problem = make_problem([[1, 1, -1]], [0], [0] * 3, [0.7, INF, INF])
    rough = tensor([[0.3, 0.25, 0.55 + 1e-8]])
    assert holds(problem, rough, torch.float32).all()
    assert not holds(problem, rough, torch.float64).any()
    beyond = tensor([[0.7, 0.3, 1.0]])
    assert holds(problem, beyond, torch.float64).all()
    assert holds(problem, beyond, torch.float32).item() is (tensor([0.7]).float().double().item() <= 0.7)


def test_a_bound_that_a_precision_cannot_hold_is_stored_inside():
    """float32(0.1) is more than 0.1, and float32(0.3) more than 0.3: both would be unlawful in a file."""
    problem = make_problem([[1, 1, 1]], [1], [0, -0.3, 0], [0.1, 1, 1])
    z = tensor([[0.1, -0.3, 1.2], [0.1, 0.3, 0.6]])
    assert holds(problem, z, torch.float32).tolist() == [False, True]
    stored = problem.bounds.clip(z.float())
    assert stored[1, 0].double() < 0.1 < z[1, 0].float().double()
