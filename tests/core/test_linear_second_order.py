"""Derivatives of derivatives: gradients built with `create_graph` are the closed form's, which are true, as are theirs.

`gradgradcheck` compares a gradient with itself, and sees no gradient that is wrong at both orders.
"""

import numpy as np
import pytest
import torch
from linear_cases import KINDS, make

from lawful.core.distributions import ConstrainedNormal
from lawful.core.linear import LinearSystem
from lawful.core.linear.structure import solver

A = torch.tensor([[1.0, 1.0, 0.0, 0.5], [0.0, 1.0, 1.0, 2.0]], dtype=torch.float64)
B = torch.tensor([2.5, 4.0], dtype=torch.float64)
STEP = 1e-6


def positive(*shape):
    generator = torch.Generator().manual_seed(len(shape) + 3)
    return (torch.rand(*shape, generator=generator).double() + 0.5).requires_grad_()


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7)).double().requires_grad_()


def slopes(function, inputs, directions):
    """Of the loss and of its gradient along the directions, by central differences; the gradient by the closed form."""

    def values(step):
        moved = [(x + step * d).detach().requires_grad_() for x, d in zip(inputs, directions, strict=True)]
        loss = function(*moved).pow(3).sum()
        return [loss.detach(), *torch.autograd.grad(loss, moved)]

    return [(up - down) / (2 * STEP) for up, down in zip(values(STEP), values(-STEP), strict=True)]


def along(gradients, directions):
    return sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))


def holds(function, *inputs):
    loss = function(*inputs).pow(3).sum()
    once = torch.autograd.grad(loss, inputs, retain_graph=True)
    again = torch.autograd.grad(loss, inputs, create_graph=True)
    torch.testing.assert_close(again, once, rtol=1e-9, atol=1e-11)
    for only in range(len(inputs)):
        directions = [normal(*x.shape).detach() * (i == only) for i, x in enumerate(inputs)]
        change = along(again, directions)
        found = [change.detach(), *torch.autograd.grad(change, inputs, retain_graph=True)]
        for x, y in zip(found, slopes(function, inputs, directions), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6 * y.abs().max().item() + 1e-7)


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


@pytest.mark.parametrize("coefficients", [torch.zeros(2, 4), torch.zeros(2, 4).to_sparse(), torch.zeros(0, 4)])
def test_laws_that_say_nothing(coefficients):
    holds(LinearSystem(coefficients).project, normal(4), positive(3, 4))


def test_points_computed_from_right_hand_sides():
    M = normal(4, 2).detach()
    holds(lambda b, weights: LinearSystem(A, b).project(b @ M.mT, weights), normal(3, 2), positive(3, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_every_structure(kind, monkeypatch):
    monkeypatch.setattr(solver, "MOST_DENSE", 0 if kind == "sparse" else solver.MOST_DENSE)
    rng = np.random.default_rng(2)
    A = make(kind, rng, units=1.0).A
    right = torch.from_numpy(A @ rng.normal(size=A.shape[1]))

    def projected(z, weights, factor):
        system = LinearSystem(A, factor * right)
        assert system.structure == kind
        return system.project(z, weights)

    holds(projected, normal(2, A.shape[1]), positive(2, A.shape[1]), positive(1))
