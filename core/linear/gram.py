"""Gram matrices `A diag(v) A'` of many weights at once, by matrix products of full size.

For laws that a batch shares, entry (i, j) of every Gram matrix is the dot product of `v` with `a_i * a_j`: products of
pairs of rows make all of them one matrix product, of which only the lower triangle is needed.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_CHUNK = 2**20
"""Numbers of a product with the laws that are made at a time."""

SMALL = 16
"""Up to so many laws no pair above the diagonal is made, at the price of a copy."""
_ROWS = 8
"""Rows of the Gram matrix that are made together: enough columns for a matrix product, few pairs above the diagonal."""


class _Gram(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, A: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(A, v)
        return mirrored(lower_gram(A, v)) if A.dim() == 2 else _by_sample(A, v)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        A, v = ctx.saved_tensors
        needs_A, needs_v = ctx.needs_input_grad
        grad_v = pair_sums(A, gradients[0]) if needs_v else None
        if not needs_A:
            return None, grad_v
        grad_A = [(G + G.mT) @ a * w.unsqueeze(-2) for a, w, G in _chunks(A, v, gradients[0])]
        return torch.stack([g.sum(0) for g in grad_A]).sum(0) if A.dim() == 2 else torch.cat(grad_A), grad_v


def gram(A: Tensor, v: Tensor) -> Tensor:
    """`A diag(v_k) A'` (B, m, m) for every sample k; differentiable in both, any order.

    Args:
        A: (m, n), the same for all samples, or (B, m, n).
        v: (B, n), of the dtype of A.
    """
    return _Gram.apply(A, v)


def lower_gram(A: Tensor, v: Tensor, pairs: Tensor | None = None) -> Tensor:
    """The lower triangles (B, m, m) of `A diag(v) A'` for A (m, n), v (B, n); what stands above them is no result.

    `pairs` are `row_pairs(A)` for up to `SMALL` laws, if they are at hand.
    """
    K = v.new_empty(len(v), len(A), len(A))
    if len(A) <= SMALL:
        pairs = row_pairs(A) if pairs is None else pairs
        for i, row in enumerate((v @ pairs.mT).split([*range(1, len(A) + 1)], -1)):
            K[:, i, : i + 1] = row
        return K
    for start, stop, products in _row_blocks(A):
        K[:, start:stop, :stop] = (v @ products.mT).view(len(v), stop - start, stop)
    return K


def row_pairs(A: Tensor) -> Tensor:
    """Products (r (r + 1) / 2, n) of each row of A (r, n) with those up to itself."""
    i, j = torch.tril_indices(len(A), len(A), device=A.device)
    return A[i] * A[j]


def pair_sums(A: Tensor, G: Tensor) -> Tensor:
    """`sum_ij G_ij a_i * a_j` (B, n), the diagonals of `A' G A`, for A (m, n) or (B, m, n) and G (B, m, m)."""
    if A.dim() > 2:
        return torch.cat([((part @ a) * a).sum(-2) for a, _, part in _chunks(A, G, G)])
    total = G.new_zeros(len(G), A.shape[-1])
    for start, stop, products in _row_blocks(A):
        both = G[:, start:stop, :stop] + G[:, :stop, start:stop].mT
        twice = torch.arange(stop, device=G.device) >= start
        total = total + torch.where(twice, both / 2, both).flatten(1) @ products
    return total


def _row_blocks(A: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """`start`, `stop` and the products of rows start to stop with rows 0 to stop, one pair a row."""
    step = max(1, min(_ROWS, _CHUNK // max(A.numel(), 1)))
    for start in range(0, len(A), step):
        stop = min(start + step, len(A))
        yield start, stop, (A[start:stop, None] * A[None, :stop]).reshape(-1, A.shape[-1])


def mirrored(K: Tensor) -> Tensor:
    """Copies the lower triangles of `K` (B, m, m) above the diagonal, in place."""
    for i in range(1, K.shape[-1]):
        K[:, :i, i] = K[:, i, :i]
    return K


def _by_sample(A: Tensor, v: Tensor) -> Tensor:
    return torch.cat([(a * w.unsqueeze(-2)) @ a.mT for a, w, _ in _chunks(A, v, v)])


def _chunks(A: Tensor, v: Tensor, G: Tensor) -> Any:
    """Samples of `A`, `v` and `G` in parts whose products with `A` stay small."""
    parts = max(1, len(v) * A.shape[-2] * A.shape[-1] // _CHUNK)
    split = [x.tensor_split(parts) for x in (v, G)]
    laws = [A] * parts if A.dim() == 2 else A.tensor_split(parts)
    return zip(laws, *split, strict=True)
