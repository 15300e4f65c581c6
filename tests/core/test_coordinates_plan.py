"""Plans: what the laws solve for, what is fixed, what remains, and how many there are of each."""

import pytest
import torch
from coordinates_cases import INF, MAKERS, make_case, make_problem, tensor

from lawful.core.coordinates import Chart
from lawful.core.coordinates.plan import make_plan, solve_order
from lawful.core.coordinates.states import FREE

everywhere = pytest.mark.parametrize("name", MAKERS)


@everywhere
def test_counts_add_up_in_every_state(name):
    problem, z = make_case(name)
    chart, _ = Chart.fit(problem, z)
    for plan, entries, rho in zip(chart.plans, chart.states.table, chart.ratios, strict=True):
        matrix = problem.coefficients(rho[None])[0][0]
        free = matrix[:, plan.moved]
        rank = int(torch.linalg.matrix_rank(free)) if free.numel() else 0
        assert len(plan.solved) == len(plan.rows) == rank
        square = matrix[plan.rows][:, plan.solved]
        assert int(torch.linalg.matrix_rank(square) if square.numel() else 0) == rank
        generated = int(plan.coordinate[: problem.lifted].sum())
        quantised = int((problem.quantised & (entries == FREE)).sum())
        assert generated - quantised == len(plan.moved) - rank


@everywhere
def test_given_fixed_and_quantised_variables_are_never_solved_for(name):
    problem, z = make_case(name)
    chart, _ = Chart.fit(problem, z)
    for plan, entries in zip(chart.plans, chart.states.table, strict=True):
        settled = (entries != FREE) | problem.given_columns | problem.quantised
        assert torch.equal(plan.fixed, settled[: problem.lifted])
        assert not plan.fixed[plan.solved].any()
        assert not plan.fixed[plan.moved].any()
        assert not plan.coordinate[plan.solved].any()
        assert not (plan.coordinate & ((entries != FREE) | problem.given_columns)).any()


def plan_of(problem, entries=None):
    entries = torch.full((problem.columns,), FREE) if entries is None else torch.tensor(entries)
    bounded = torch.tensor([abs(x) != INF or abs(y) != INF for x, y in zip(*problem.column_bounds, strict=True)])
    events = torch.randn(200, problem.columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = solve_order(problem, entries[None], bounded, events)
    return make_plan(problem, entries, order, tensor([0.5] * len(problem.ratios)))


def test_unbounded_variables_first_then_slacks_then_the_last_declared():
    problem = make_problem([[1, 1, 1, 1]], [1], [0, -INF, 0, 0], [INF] * 4)
    assert plan_of(problem).solved.tolist() == [1]
    problem = make_problem([], [], [0] * 3, [INF] * 3, C=[[1, 1, 1]], d=[5])
    assert plan_of(problem).solved.tolist() == [3]
    problem = make_problem([[1, 1, 1]], [1], [0] * 3, [INF] * 3)
    assert plan_of(problem).solved.tolist() == [2]


def test_variables_that_touch_bounds_come_last():
    problem = make_problem([[1, 1, 1]], [1], [0] * 3, [INF] * 3)
    table = torch.tensor([[FREE, FREE, FREE], [FREE, 0, 0]])
    assert solve_order(problem, table, torch.tensor([True] * 3), torch.rand(9, 3).double()) == [0, 2, 1]


def test_what_varies_little_beside_others_of_its_law_is_not_solved_for():
    """A small storage, declared last, would take the errors of two large fluxes; in a law of its own size it is as good
    as any, and of what is given no error comes."""
    generator = torch.Generator().manual_seed(0)
    spreads = torch.tensor([50.0, 30.0, 4.0, 5.0], dtype=torch.float64)
    events = spreads * torch.randn(300, 4, generator=generator, dtype=torch.float64)
    free, unbounded = torch.full((1, 4), FREE), torch.tensor([False] * 4)

    def first(A, given=()):
        problem = make_problem(A, [0] * len(A), [-INF] * 4, [INF] * 4, given=given)
        return solve_order(problem, free, unbounded, events)[0]

    assert first([[1, -1, -1, 0]]) == 1
    assert first([[1000, -1, -1, 0]]) == 0
    assert first([[1, -1, -1, 0], [0, 0, 1, -1]]) == 3
    assert first([[1, 0, -1, -1]], given=["a"]) == 3
    assert first([]) == 3


def test_a_trace_is_not_solved_for_in_a_composition():
    """All others move with what is solved for, in its units: with a trace for it their coordinates would all be
    the same number, and the least noise in them would take a part of a half to nothing."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([5e5, 3e5, 2e5, 50.0], dtype=torch.float64)
    parts = sizes * (0.4 * torch.randn(300, 4, generator=generator, dtype=torch.float64)).exp()
    parts = 1e6 * parts / parts.sum(1, keepdim=True)
    problem = make_problem([[1, 1, 1, 1]], [1e6], [0] * 4, [INF] * 4)
    chart, ids = Chart.fit(problem, parts)
    assert chart.plans[0].solved.tolist() == [2]
    w = chart.encode(parts, ids, generator)[:, chart.coordinate[0]]
    assert w.std(0).max() < 3
    assert torch.linalg.eigvalsh(w.T.corrcoef())[0] > 0.05


def test_dependent_laws_are_dropped():
    problem = make_problem([[1, 1, 1], [2, 2, 2], [1, 0, -1]], [1, 2, 0], [-INF] * 3, [INF] * 3)
    plan = plan_of(problem)
    assert (plan.rows.tolist(), len(plan.solved)) == ([0, 2], 2)
    assert plan.coordinate.sum() == 1


def test_laws_without_free_variables_are_dropped():
    problem = make_problem([[1, -1, 0], [0, 1, -1]], [0, 0], [0] * 3, [INF] * 3)
    plan = plan_of(problem, [0, 0, 0])
    assert (len(plan.rows), len(plan.solved), int(plan.coordinate.sum())) == (0, 0, 0)
    assert plan_of(problem, [0, FREE, FREE]).rows.tolist() == [0, 1]


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e9, 1e12])
def test_units_of_a_law_do_not_make_it_dependent(scale):
    problem = make_problem([[1, 1, 1], [scale, -scale, 0]], [3, 0], [0] * 3, [INF] * 3)
    plan = plan_of(problem)
    assert plan.rows.tolist() == [0, 1]
    assert len(plan.solved) == 2
