"""Gram matrices `A diag(v) A'` of many weights at once, by matrix products of full size.

For laws that a batch shares, entry (i, j) of every Gram matrix is the dot product of `v` with `a_i * a_j`: products of
pairs of rows make all of them one matrix product, of which only the lower triangle is needed.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_CHUNK = 2**20
_PIECE = 2**19
_FEW_LAWS = 4
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


def lower_gram(A: Tensor, v: Tensor) -> Tensor:
    """The lower triangles (B, m, m) of `A diag(v) A'` for A (m, n), v (B, n); what stands above them is no result."""
    K = v.new_empty(len(v), len(A), len(A))
    for start, stop, products in _row_blocks(A):
        K[:, start:stop, :stop] = (v @ products.mT).view(len(v), stop - start, stop)
    return K


def factored(K: Tensor) -> Tensor:
    """Lower Cholesky factors in place of K (B, m, m); meaningless where it is not positive definite.

    Columns are what LAPACK wants contiguous: upper factors of the transposed matrices need no copies.
    """
    if K.shape[-1] <= _FEW_LAWS:
        return _factored_together(K)
    for part in _pieces(K):
        info = torch.empty(len(part), dtype=torch.int32, device=K.device)
        torch.linalg.cholesky_ex(part.mT, upper=True, out=(part.mT, info))
    return K


def solved(lower: Tensor, x: Tensor) -> Tensor:
    """`K^-1 x` (B, m, k) of Cholesky factors (B, m, m) and x (B, m, k)."""
    if lower.shape[-1] <= _FEW_LAWS:
        return _solved_together(lower, x)
    pieces = _pieces(lower)
    if len(pieces) == 1:
        return torch.cholesky_solve(x, lower.mT, upper=True)
    parts = zip(x.split(len(pieces[0])), pieces, strict=True)
    return torch.cat([torch.cholesky_solve(part, factor.mT, upper=True) for part, factor in parts])


def _factored_together(K: Tensor) -> Tensor:
    """`factored`, an entry of all matrices at a time: for a few laws LAPACK would take longer to be called."""
    for j in range(K.shape[-1]):
        for i in range(j, K.shape[-1]):
            for k in range(j):
                K[:, i, j].addcmul_(K[:, i, k], K[:, j, k], value=-1)
            K[:, i, j].div_(K[:, j, j]) if i > j else K[:, j, j].sqrt_()
    return K


def _solved_together(lower: Tensor, x: Tensor) -> Tensor:
    rows, every = list(x.unbind(-2)), range(x.shape[-2])
    for factor, order in ((lower, every), (lower.mT, reversed(every))):
        done: list[int] = []
        for i in order:
            for j in done:
                rows[i] = torch.addcmul(rows[i], factor[:, i, j, None], rows[j], value=-1)
            rows[i] = rows[i] / factor[:, i, i, None]
            done.append(i)
    return torch.stack(rows, -2)


def _pieces(K: Tensor) -> tuple[Tensor, ...]:
    """Few enough matrices at a time that the copies which LAPACK works on stay in cache."""
    return K.split(max(1, _PIECE // max(K[0].numel(), 1))) if len(K) else (K,)


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
