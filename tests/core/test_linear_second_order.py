"""Derivatives of derivatives: gradients built with `create_graph` are the closed form's, and their slopes are true.

`gradgradcheck` compares a gradient with itself, and sees no gradient that is wrong at both orders.
"""

import numpy as np
import pytest
import torch

from lawful.core.distributions import ConstrainedNormal
from lawful.core.linear import LinearSystem
from tests.core.linear_cases import KINDS, make

A = torch.tensor([[1.0, 1.0, 0.0, 0.5], [0.0, 1.0, 1.0, 2.0]], dtype=torch.float64)
B = torch.tensor([2.5, 4.0], dtype=torch.float64)
STEP = 1e-6


def positive(*shape):
    generator = torch.Generator().manual_seed(len(shape) + 3)
    return (torch.rand(*shape, generator=generator).double() + 0.5).requires_grad_()


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7)).double().requires_grad_()


def slope(function, inputs, directions):
    """Of the gradient of `function` along the directions, by central differences of the closed form."""

    def gradient(step):
        moved = [(x + step * d).detach().requires_grad_() for x, d in zip(inputs, directions, strict=True)]
        return torch.autograd.grad(function(*moved).pow(3).sum(), moved)

    return [(up - down) / (2 * STEP) for up, down in zip(gradient(STEP), gradient(-STEP), strict=True)]


def holds(function, *inputs):
    loss = function(*inputs).pow(3).sum()
    once = torch.autograd.grad(loss, inputs, retain_graph=True)
    again = torch.autograd.grad(loss, inputs, create_graph=True)
    torch.testing.assert_close(again, once, rtol=1e-9, atol=1e-11)
    directions = [normal(*x.shape).detach() for x in inputs]
    along = sum((g * d).sum() for g, d in zip(again, directions, strict=True))
    found = torch.autograd.grad(along, inputs)
    for x, y in zip(found, slope(function, inputs, directions), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6 * y.abs().max().item())


@pytest.mark.parametrize("shape", [(4,), (1, 4), (3, 4)])
@pytest.mark.parametrize("coefficients", [A, A * torch.tensor([1.0, 2.0, 0.5])[:, None, None]], ids=["one", "batch"])
def test_projections(coefficients, shape):
    system = LinearSystem(coefficients, B)
    holds(system.project, normal(4), positive(*shape))


@pytest.mark.parametrize("shape", [(4,), (1, 4), (3, 4)])
def test_draws(shape):
    """The raw draw descends from the scale as well, whose own part must not count twice."""
    system = LinearSystem(A, B)

    def drawn(loc, scale):
        torch.manual_seed(1)
        return ConstrainedNormal(loc, scale, system).rsample((5,))

    holds(drawn, normal(4), positive(*shape))


def test_points_computed_from_right_hand_sides():
    M = normal(4, 2).detach()
    holds(lambda b, weights: LinearSystem(A, b).project(b @ M.mT, weights), normal(3, 2), positive(3, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_every_structure(kind):
    rng = np.random.default_rng(2)
    case = make(kind, rng, units=1.0)
    m, n = case.A.shape
    z, weights = normal(2, n), positive(2, n)
    right = torch.from_numpy(case.A @ rng.normal(size=n))
    holds(lambda z, w, factor: LinearSystem(case.A, factor * right).project(z, w), z, weights, positive(1))
