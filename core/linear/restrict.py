"""Samples with the same free variables share one factor."""

import torch
from torch import Tensor

from lawful.core.linear.arrays import batch_of
from lawful.core.linear.factor import Factor, factorise

_BITS = 62
"""Of a mask that go into one int64 word."""


def _words(free: Tensor) -> Tensor:
    """Boolean masks (N, n) packed into int64 words (N, ceil(n / 62)), which sort faster than columns."""
    chunks = free.long().split(_BITS, dim=-1)
    return torch.stack([(c << torch.arange(c.shape[-1], device=c.device)).sum(-1) for c in chunks], -1)


def _unique(keys: Tensor) -> tuple[Tensor, int]:
    if keys.shape[-1] == 1:
        values, inverse = torch.unique(keys[:, 0], return_inverse=True)
    else:
        values, inverse = torch.unique(keys, dim=0, return_inverse=True)
    return inverse, len(values)


def refactorise(A: Tensor, free: Tensor, group: Tensor | None, tolerance: float) -> tuple[Tensor | None, Factor]:
    """One factor per pattern of `free` (..., n) and matrix of `A` (..., m, n), and the pattern of each sample.

    `group` tells which samples had the same matrix so far; None when all do.
    """
    if free.dim() == 1 and group is None:
        return None, factorise((A * free).unsqueeze(0), free.unsqueeze(0), tolerance)
    batch = batch_of(free.shape[:-1], A.shape[:-2])
    masks = free.expand(*batch, free.shape[-1])
    group, chosen = group_patterns(masks, group)
    masks = masks.flatten(0, -2)[chosen]
    matrices = A.expand(*batch, *A.shape[-2:])[torch.unravel_index(chosen, batch)]
    return group, factorise(matrices * masks.unsqueeze(-2), masks, tolerance)


def group_patterns(free: Tensor, group: Tensor | None) -> tuple[Tensor, Tensor]:
    """Samples with the same old group and the same free columns.

    Args:
        free: (..., n) bool. group: (...) index of each sample's matrix so far, or None when there is one.

    Returns:
        The new group (...), and for each new group the flat index (P,) of one of its samples.
    """
    shape = free.shape[:-1]
    keys = _words(free.flatten(0, -2))
    if group is not None:
        keys = torch.cat((keys, group.expand(shape).reshape(-1, 1)), -1)
    inverse, count = _unique(keys)
    samples = torch.arange(len(inverse), device=free.device)
    representative = samples.new_zeros(count).scatter_(0, inverse, samples)
    return inverse.reshape(shape), representative
