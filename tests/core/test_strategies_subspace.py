"""Densities and volumes on a null space: the side of few laws and the side of many say the same."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from lawful.core.strategies.subspace import Subspace


def subspace(laws: int, n: int, seed: int = 0) -> Subspace:
    return Subspace(torch.from_numpy(null_space(np.random.default_rng(seed).normal(size=(laws, n)))))


@pytest.mark.parametrize("laws", [0, 1, 3, 6])
def test_density_is_that_of_the_coordinates(laws):
    made, rng = subspace(laws, 7), np.random.default_rng(1)
    assert made.thin is (laws <= 3)
    x, loc = rng.normal(size=(2, 5, 7))
    scale = np.exp(rng.normal(size=(5, 7)))
    N = made.basis.numpy()
    expected = [
        multivariate_normal(N.T @ m, N.T @ np.diag(s**2) @ N).logpdf(N.T @ y)
        for y, m, s in zip(x, loc, scale, strict=True)
    ]
    found = made.log_prob(*(torch.from_numpy(v) for v in (x, loc, scale)))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("laws", [2, 3, 5])
def test_density_of_scales_that_lie_far_apart(laws):
    """Against rational numbers: the squares of these scales lie further apart than float64 has digits."""
    made, rng = subspace(laws, 7), np.random.default_rng(3)
    scale = rng.uniform(0.5, 2.0, (4, 7))
    scale[np.arange(4), rng.integers(7, size=4)] *= np.exp2([30, -30, 33, -33])
    gap = scale * rng.normal(size=(4, 7))
    found = made.log_prob(*(torch.from_numpy(v) for v in (gap, np.zeros(7), scale)))
    expected = [exact_log_prob(made.basis.numpy(), g, s) for g, s in zip(gap, scale, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    inputs = [torch.from_numpy(v).requires_grad_() for v in (gap, scale)]
    made.log_prob(inputs[0], torch.zeros(7), inputs[1]).sum().backward()
    assert all(x.grad.isfinite().all() for x in inputs)


def exact_log_prob(basis: np.ndarray, gap: np.ndarray, scale: np.ndarray) -> float:
    """Elimination of `K = N' S N` beside `N' gap`, in fractions."""
    N = [[Fraction(x) for x in row] for row in basis.tolist()]
    S, g, f = [Fraction(s) ** 2 for s in scale.tolist()], [Fraction(x) for x in gap.tolist()], basis.shape[1]
    K = [[sum(n[i] * s * n[j] for n, s in zip(N, S, strict=True)) for j in range(f)] for i in range(f)]
    rest, square, log_det = [sum(n[i] * x for n, x in zip(N, g, strict=True)) for i in range(f)], 0.0, 0.0
    for k in range(f):
        square, log_det = square + float(rest[k] ** 2 / K[k][k]), log_det + math.log(K[k][k])
        for i in range(k + 1, f):
            share = K[i][k] / K[k][k]
            K[i] = [a - share * c for a, c in zip(K[i], K[k], strict=True)]
            rest[i] -= share * rest[k]
    return -0.5 * (square + log_det + f * math.log(2 * math.pi))
