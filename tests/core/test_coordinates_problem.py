"""`Problem` and `States`: slacks, ratios, recurring values, and what is given."""

import pytest
import torch
from coordinates_cases import INF, make_case, make_problem, tensor

from lawful.core.coordinates import Ratio
from lawful.core.coordinates.states import FREE, UNDEFINED, States
from lawful.core.polyhedra import InfeasibleError

NAN = float("nan")


def balance(**options):
    """a, b >= 0 with b <= a, c = a - b, and the share b / a."""
    options = {"ratios": [Ratio("share", 1, 0, 0.0, 1.0)], **options}
    return make_problem([[1, -1, -1]], [0], [0, 0, -INF], [INF] * 3, C=[[-1, 1, 0]], d=[0], **options)


def test_sizes_and_names():
    problem = balance()
    assert (problem.n, problem.lifted, problem.columns) == (3, 4, 5)
    assert problem.column_names == ("a", "b", "c", "limit0", "share")
    lower, upper = problem.column_bounds
    assert lower.tolist() == [0, 0, -INF, 0, 0]
    assert upper.tolist() == [INF, INF, INF, INF, 1]


def test_extend_by_hand():
    extended = balance().extend(tensor([[4, 1, 3], [2, 2, 0], [0, 0, 0]]))
    expected = tensor([[4, 1, 3, 3, 0.25], [2, 2, 0, 0, 1], [0, 0, 0, 0, NAN]])
    torch.testing.assert_close(extended, expected, rtol=0, atol=0, equal_nan=True)


def test_a_ratio_out_of_its_range_is_undefined():
    problem = balance(ratios=[Ratio("share", 1, 2, 0.0, 2.0)])
    z = tensor([[3, 1, 2], [1, 2, -1], [5, 4, 1], [3, 2, 1], [2, 2, 0]])
    share = problem.extend(z)[:, -1]
    torch.testing.assert_close(share, tensor([0.5, NAN, NAN, 2, NAN]), equal_nan=True)


def test_slack_within_rounding_is_none_at_any_scale():
    problem = make_problem([], [], [0, 0, 0], [INF] * 3, C=[[1, 1, -1]], d=[0])
    for scale in (1e-9, 1.0, 1e9):
        z = scale * tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3 + 1e-12], [0.1, 0.2, 0.31], [0.1, 0.2, 0.29]])
        slack = problem.extend(z)[:, -1]
        assert slack[0] == 0
        assert slack[1] > 0
        assert slack[2].item() == pytest.approx(0.01 * scale)
        assert slack[3] == 0, "data may break an inequality by their tolerance"


def test_coefficients_hold_for_the_events_they_come_from():
    problem, z = make_case("ratio")
    extended = problem.extend(z)
    rows, rhs = problem.coefficients(extended[:, problem.lifted :])
    residual = (rows @ extended[:, : problem.lifted, None]).squeeze(-1) - rhs
    assert residual.abs().max() < 1e-12
    undefined = extended[:, -1].isnan()
    assert undefined.any()
    assert (rows[undefined, -1] == 0).all()
    assert (rows[~undefined, -1, 0] == -extended[~undefined, -1]).all()


def test_given_variables():
    problem = balance(resolution=[0, 0.2, 0])
    assert problem.quantised.tolist() == [False, True, False, False, False]
    one = problem.with_given(("b",))
    assert one.given_columns.tolist() == [False, True, False, False, False]
    assert not one.quantised.any()
    assert [ratio.name for ratio in one.ratios] == ["share"]
    assert problem.with_given(("a", "b")).ratios == ()


def test_comparisons_are_told_from_sums():
    C = [[1, -1, 0], [0, 0, 1], [0, -1, 0], [1, 1, 0], [1, -2, 0], [1, -1, 1], [1, -1, 0]]
    problem = make_problem([], [], [0] * 3, [INF] * 3, C=C, d=[0, 0, 0, 0, 0, 0, 1])
    assert problem.comparisons.tolist() == [True, True, True, False, False, False, False]


def test_require_feasible_with_given_values():
    problem = make_problem([[1, 1, 1]], [100], [0] * 3, [100] * 3, given=("a",))
    problem.require_feasible()
    problem.require_feasible(tensor([100, NAN, NAN]))
    with pytest.raises(InfeasibleError, match="a <= 100, given a = 101 together in event 7") as caught:
        problem.require_feasible(tensor([101, 0, 0]), where=" in event 7")
    assert set(caught.value.clash) == {"given a = 101", "a <= 100"}


def states_of(problem, z):
    return States.of_data(problem, problem.extend(z))


def test_bounds_are_atoms_even_when_rare_and_other_values_when_they_recur():
    problem = make_problem([], [], [0, -INF], [10, INF])
    z = torch.rand(3000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    z[0, 0], z[1, 0] = 0, 10
    z[:100, 1] = 1.25
    z[100:110, 1] = 1.75
    states, ids = states_of(problem, z)
    atoms = [row[row.isfinite()].tolist() for row in states.atoms]
    assert atoms == [[0, 10], [1.25]]
    values = states.values(ids)
    assert values[0].tolist() == [0, 1.25]
    assert values[1].tolist() == [10, 1.25]
    assert values[50, 1] == 1.25
    assert values[105].isnan().all()
    assert states.counts.sum() == 3000
    assert (states.counts == torch.bincount(ids)).all()


def test_every_event_has_the_state_of_its_own_zeros():
    problem, z = make_case("composition")
    states, ids = states_of(problem, z)
    fixed = states.values(ids)
    assert torch.equal(fixed == 0, z == 0)
    assert len(states.table) == len((z == 0).unique(dim=0))


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_recurring_values_are_one_to_a_billionth(scale):
    problem = make_problem([], [], [0], [INF])
    generator = torch.Generator().manual_seed(0)
    z = scale * (1 + torch.rand(1000, 1, generator=generator, dtype=torch.float64))
    z[:300] = scale * 1.5 * (1 + 1e-12 * torch.rand(300, 1, generator=generator, dtype=torch.float64))
    states, ids = states_of(problem, z)
    assert states.atoms[0, 0] == 0
    assert states.atoms[0, 1].item() == pytest.approx(1.5 * scale, rel=1e-11)
    assert (ids[:300] == ids[0]).all()
    assert (ids[300:] != ids[0]).all()


def test_entries_tell_free_and_undefined():
    problem, z = make_case("ratio")
    states, ids = states_of(problem, z)
    dark = z[:, 0] == 0
    entries = states.table[ids]
    assert (entries[dark, -1] == UNDEFINED).all()
    assert (entries[~dark, -1] != UNDEFINED).all()
    assert (entries[:, 2:4] == FREE).all()
    recurring = (z[:, 1] / z[:, 0] - 0.25).abs() < 1e-10
    torch.testing.assert_close(states.values(ids[recurring])[:, -1], torch.full_like(z[recurring, 0], 0.25))
    assert states.values(ids)[dark, -1].isnan().all()


def test_given_and_quantised_variables_have_only_their_bounds():
    problem = make_problem([], [], [0, 0, 0], [INF] * 3, resolution=[0, 0.5, 0], given=("a",))
    z = tensor([[1, 0.5, 2]]).repeat(200, 1)
    z[:40] = 0
    states, _ = states_of(problem, z)
    assert states.atoms[0].tolist()[:1] == [0]
    assert states.atoms[0].isfinite().sum() == states.atoms[1].isfinite().sum() == 1
    assert states.atoms[2].isfinite().sum() == 2


def test_mismatch_counts_given_variables_on_the_wrong_side():
    problem, z = make_case("given")
    states, ids = states_of(problem, z)
    wrong = states.mismatch(problem, z)
    assert wrong.shape == (len(z), len(states.table))
    assert (wrong.gather(1, ids[:, None]) == 0).all()
    given = z[:, problem.given] == 0
    pattern = states.values(torch.arange(len(states.table)))[:, problem.given] == 0
    assert torch.equal(wrong, (given[:, None] != pattern[None]).sum(-1))
