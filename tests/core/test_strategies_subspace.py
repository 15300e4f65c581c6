"""Densities and volumes on a null space: the side of few laws and the side of many say the same."""

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


@pytest.mark.parametrize("laws", [1, 3, 6])
def test_volume_is_the_determinant(laws):
    made, other = subspace(laws, 7), subspace(laws, 7, seed=5)
    weight = torch.from_numpy(np.exp(np.random.default_rng(2).normal(size=(4, 7))))
    whole = other.basis.mT @ torch.diag_embed(weight) @ made.basis
    torch.testing.assert_close(made.log_volume(weight, other), whole.det().abs().log())
