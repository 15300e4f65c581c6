"""Windows taken apart into steps: the laws of one step, and when there are none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from coordinates_cases import INF, make_problem, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from lawful.core.coordinates import Steps
from lawful.core.errors import ShapeError

# Columns: inflow of three days, outflow of three days, storage at four midnights.
STEPS = Steps(torch.tensor([[6, 0, 3, 7], [7, 1, 4, 8], [8, 2, 5, 9]]), 1, ("s_before", "inflow", "outflow", "s"))


def window(**changes):
    """inflow_t - outflow_t = storage_t - storage_{t-1}, and storage below 9 at every midnight."""
    A = np.zeros((3, 10))
    for day in range(3):
        A[day, [day, 3 + day, 6 + day, 7 + day]] = 1, -1, 1, -1
    C = np.eye(10)[6:]
    problem = make_problem(A, [0, 0, 0], [0] * 10, [INF] * 10, C=C, d=[9] * 4)
    problem = replace(problem, law_names=tuple(f"water[{d}]" for d in range(3)))
    return replace(problem, **changes)


WINDOW = window()
STEP, START = STEPS.require(WINDOW)


def test_the_problem_of_one_step():
    step, start = STEP, START
    assert step.A.tolist() == [[1, 1, -1, -1]]
    assert step.C.tolist() == [[0, 0, 0, 1]]
    assert step.d.tolist() == [9]
    assert step.given.tolist() == [True, False, False, False]
    assert (step.names, step.law_names) == (STEPS.names, ("water",))
    assert (start.A.shape, start.C.tolist(), start.d.tolist(), start.n) == ((0, 1), [[1]], [9], 1)
    assert not start.given.any()


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=10, max_size=10))
def test_a_window_has_the_residuals_of_its_steps(values):
    z = tensor(values)[None]
    of_steps = STEPS.cut(z)[0] @ STEP.A.T - STEP.b
    torch.testing.assert_close(of_steps[:, 0], (z @ WINDOW.A.T - WINDOW.b)[0])


def test_given_variables_are_given_in_each_step():
    problem = window()
    rain = replace(problem, given=torch.tensor([True] * 3 + [False] * 7))
    assert STEPS.require(rain)[0].given.tolist() == [True, True, False, False]
    storage = replace(problem, given=torch.tensor([False] * 6 + [True] * 4))
    step, start = STEPS.require(storage)
    assert step.given.tolist() == [True, False, False, True]
    assert start.given.all()


def changed(name: str, index, value):
    numbers = getattr(window(), name).clone()
    numbers[index] = value
    return window(**{name: numbers})


@pytest.mark.parametrize(
    "problem",
    [
        changed("A", (1, 1), 2.0),
        changed("b", 2, 1.0),
        changed("d", 3, 8.0),
        changed("upper", 4, 5.0),
        changed("resolution", 0, 0.2),
        changed("given", 1, True),
        # A law that reaches over three midnights.
        changed("A", (2, 6), 1.0),
        # A law that one of the days lacks.
        window(A=window().A[:2], b=window().b[:2], law_names=("water[0]", "water[1]")),
    ],
    ids=["coefficient", "constant", "limit", "bound", "resolution", "given", "reach", "absent"],
)
def test_steps_that_differ_are_no_chain(problem):
    assert STEPS.split(problem) is None
    with pytest.raises(ShapeError, match="steps of these windows differ"):
        STEPS.require(problem)


def test_columns_that_do_not_chain_are_no_chain():
    loose = Steps(torch.tensor([[6, 0, 3, 7], [8, 1, 4, 9], [8, 2, 5, 9]]), 1, STEPS.names)
    assert loose.split(window()) is None
