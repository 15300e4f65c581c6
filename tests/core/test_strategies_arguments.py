"""Arguments that do not fit draws and densities of strategies: one line that says which."""

import numpy as np
import pytest
import torch
from strategy_cases import double, polyhedron

from lawful.core import InvalidValueError, LinearSystem, ShapeError
from lawful.core.strategies import STRATEGIES, strategy

DENSITIES = tuple(name for name in STRATEGIES if name != "sequential")
Z, ZERO, ONE = double([0.2, 0.3, 0.5]), torch.zeros(3).double(), torch.ones(3).double()


def made(name):
    return strategy(name, polyhedron(LinearSystem(np.ones((1, 3)), [1.0], columns=["a", "b", "c"]), lower=0))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("draw", ["sample", "rsample"])
def test_draws(name, draw):
    drawn = getattr(made(name), draw)
    with pytest.raises(ShapeError, match=r"Expected loc of shape \(..., 3\).*got \(4,\)"):
        drawn(torch.zeros(4), torch.ones(3))
    with pytest.raises(ShapeError, match=r"Expected scale of shape \(..., 3\).*got \(2,\)"):
        drawn(torch.zeros(3), torch.ones(2))
    with pytest.raises(ShapeError, match="do not broadcast"):
        drawn(torch.zeros(2, 3), torch.ones(4, 3))
    with pytest.raises(InvalidValueError, match="The scale of 'b' is -1 in sample 1: expected zero or more"):
        drawn(ZERO, double([[1, 1, 1], [1, -1, 1]]))
    assert drawn(ZERO, double(1.0)).shape == drawn(ZERO, double([1.0])).shape == (3,)


@pytest.mark.parametrize("name", DENSITIES)
def test_densities(name):
    log_prob = made(name).log_prob
    with pytest.raises(ShapeError, match=r"of shape \(..., 3\), one entry per variable, got \(4,\)"):
        log_prob(torch.full((4,), 0.25), ZERO, ONE)
    with pytest.raises(ShapeError, match="Expected loc of shape"):
        log_prob(Z, torch.zeros(4), ONE)
    with pytest.raises(ShapeError, match="Expected scale of shape"):
        log_prob(Z, ZERO, torch.ones(2))
    with pytest.raises(ShapeError, match="do not broadcast"):
        log_prob(Z.expand(3, 3), ZERO.expand(2, 3), ONE)
    with pytest.raises(InvalidValueError, match="The scale of 'b' is -1: expected zero or more"):
        log_prob(Z, ZERO, double([1, -1, 1]))
    torch.testing.assert_close(log_prob(Z, ZERO, double(1.0)), log_prob(Z, ZERO, ONE))


@pytest.mark.parametrize("name", [name for name in DENSITIES if name != "conditional"])
def test_no_density_without_a_scale(name):
    with pytest.raises(InvalidValueError, match="The scale of 'c' is 0: expected more than zero where there is a den"):
        made(name).log_prob(Z, ZERO, double([1, 1, 0]))


@pytest.mark.parametrize("name", DENSITIES)
def test_a_given_variable_needs_no_scale(name):
    system = LinearSystem(np.ones((1, 4)), [2.0]).restrict(
        torch.tensor([True, True, True, False]), double([0, 0, 0, 1])
    )
    given = strategy(name, polyhedron(system))
    assert given.log_prob(double([0.2, 0.3, 0.5, 1]), double([0, 0, 0, 1]), double([1, 1, 1, 0])).isfinite()
