"""Regressions for the places in a block of cells, of which some blocks may lack some."""

import torch
from torch import Tensor

_RIDGE = 1e-3


def fit_places(x: Tensor, y: Tensor, inside: Tensor) -> Tensor:
    """Ridge regressions (k, C, cells): for each place in a block by the blocks that have a cell there.

    Args:
        x: (N, blocks, k), which is told. y: (N, blocks, C, cells). inside: (blocks, cells), whether there is a cell.
    """
    ridge = _RIDGE * torch.eye(x.shape[-1], dtype=x.dtype)
    found = x.new_zeros(x.shape[-1], *y.shape[-2:])
    # Places that the same blocks have share a factor.
    patterns, pattern = inside.unique(dim=1, return_inverse=True)
    for there, places in ((patterns[:, k], pattern == k) for k in range(patterns.shape[1])):
        if there.any():
            A, B = x[:, there].flatten(0, 1), y[:, there][..., places].flatten(2).flatten(0, 1)
            fitted = torch.linalg.solve(A.mT @ A / len(A) + ridge, A.mT @ B / len(A))
            found[..., places] = fitted.unflatten(1, (y.shape[-2], -1))
    return found
