"""Triangular factors of banded laws: block bidiagonal R with `R^T R = A W A^T`, by QR along the band.

The weighted laws, as columns, come in N blocks of s; each variable takes part in at most two neighbouring blocks. A QR
step per block turns what earlier steps carried over, and the variables that begin in the block, into the next rows of
R. No Gram matrix is formed, so its condition number is not that of the laws squared, and least moves by
`A^T R^-1 R^-T residual` are as accurate as with orthogonal factors (Paige, Math. Comp. 27 (1973) 355). Cost is linear
in N. Derivatives of R are those of a block Cholesky factor, written with R itself (Murray, arXiv 1602.07527).
"""

from typing import Any

import torch
from torch import Tensor


def _stacked(V: Tensor, root: Tensor, keep: Tensor, i: int, carry: Tensor | None) -> Tensor:
    """Rows of QR step i (..., rows, s or 2s): carried over, variables, and ones for laws that are not kept."""
    last = i + 1 == keep.shape[-2]
    columns = keep[..., i, :] if last else torch.cat((keep[..., i, :], keep[..., i + 1, :]), -1)
    laws = V[..., i, :, : columns.shape[-1]] * columns.unsqueeze(-2) * root[..., i, :].unsqueeze(-1)
    rows = [laws]
    if carry is not None:
        rows.append(carry if last else torch.cat((carry, torch.zeros_like(carry)), -1))
    if not keep[..., i, :].all():
        ones = torch.diag_embed((~keep[..., i, :]).double())
        rows.append(ones if last else torch.cat((ones, torch.zeros_like(ones)), -1))
    missing = columns.shape[-1] - sum(r.shape[-2] for r in rows)
    if missing > 0:
        rows.append(laws.new_zeros(missing, columns.shape[-1]))
    lead = torch.broadcast_shapes(*(r.shape[:-2] for r in rows))
    return torch.cat([r.expand(*lead, *r.shape[-2:]) for r in rows], -2)


def _factor(weights: Tensor, V: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    s, count = keep.shape[-1], keep.shape[-2]
    root, carry, diagonal, coupling = weights.sqrt(), None, [], []
    for i in range(count):
        R = torch.linalg.qr(_stacked(V, root, keep, i, carry), mode="r").R
        diagonal.append(R[..., :s, :s])
        if i + 1 < count:
            coupling.append(R[..., :s, s:])
            carry = R[..., s : 2 * s, s:]
    D = torch.stack(diagonal, -3)
    return D, torch.stack(coupling, -3) if coupling else D.new_zeros(*D.shape[:-3], 0, s, s)


def solve_upper(R: Tensor, x: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(R, x, upper=True)


def solve_lower(R: Tensor, x: Tensor) -> Tensor:
    """`R^-T x` for upper triangular R."""
    return torch.linalg.solve_triangular(R.mT, x, upper=False)


def _cholesky_adjoint(R: Tensor, gradient: Tensor) -> Tensor:
    """Gradient with respect to symmetric P of a function of R, `R^T R = P`."""
    lower = (R @ gradient.mT).tril()
    lower = lower - lower.diagonal(dim1=-2, dim2=-1).diag_embed() / 2
    half = solve_upper(R, solve_upper(R, lower.mT).mT)
    return (half + half.mT) / 2


class _Bidiagonal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, V: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        diagonal, coupling = _factor(weights, V, keep)
        ctx.save_for_backward(diagonal, coupling, V, keep)
        ctx.shape = weights.shape
        return diagonal, coupling

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        diagonal, coupling, V, keep = ctx.saved_tensors
        gram, beside = _gram_gradients(diagonal, coupling, *gradients)
        gradient = _quadratic(V, keep, gram, beside)
        return gradient.sum_to_size(ctx.shape), None, None


def _quadratic(V: Tensor, keep: Tensor, diagonal: Tensor, upper: Tensor) -> Tensor:
    """`sum_ij v_i M_ij v_j` (..., N, g) for each variable, with M given by its blocks; those above count once."""
    s, kept = keep.shape[-1], keep.unsqueeze(-2)
    left = V[..., :s] * kept
    own = ((left @ diagonal) * left).sum(-1)
    if V.shape[-1] == s:
        return own
    right = V[..., :-1, :, s:] * kept[..., 1:, :, :]
    further = ((right @ diagonal[..., 1:, :, :] + left[..., :-1, :, :] @ upper) * right).sum(-1)
    return own + torch.cat((further, torch.zeros_like(own[..., :1, :])), -2)


def _gram_gradients(D: Tensor, E: Tensor, dD: Tensor, dE: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the diagonal and upper blocks of `K = R^T R` from those of R's blocks, from the last one back."""
    count = D.shape[-3]
    gram: list[Tensor] = [torch.empty(0)] * count
    beside: list[Tensor] = [torch.empty(0)] * (count - 1)
    for i in reversed(range(count)):
        own = dD[..., i, :, :].triu()
        if i + 1 < count:
            off = E[..., i, :, :]
            along = dE[..., i, :, :] - 2 * off @ gram[i + 1]
            beside[i] = solve_upper(D[..., i, :, :], along)
            own = own - (off @ beside[i].mT).triu()
        gram[i] = _cholesky_adjoint(D[..., i, :, :], own)
    blocks = torch.stack(gram, -3)
    return blocks, torch.stack(beside, -3) if beside else torch.zeros_like(E)


def bidiagonal(weights: Tensor, V: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """R of the weighted laws, differentiable in the weights to any order.

    Args:
        weights: (..., N, g), zero or more.
        V: (..., N, g, 2s), coefficients of the variables that begin in block i in the laws of blocks i and i + 1.
        keep: (..., N, s) bool; a law that is not kept gets a one on R's diagonal and nothing else.

    Returns:
        Diagonal blocks (..., N, s, s) and those above them (..., N - 1, s, s).
    """
    return _Bidiagonal.apply(weights, V, keep)


def solve(D: Tensor, E: Tensor, x: Tensor) -> Tensor:
    """`(R^T R)^-1 x` for x (..., N, s, c)."""
    count = D.shape[-3]
    forward = [solve_lower(D[..., 0, :, :], x[..., 0, :, :])]
    for i in range(1, count):
        forward.append(solve_lower(D[..., i, :, :], x[..., i, :, :] - E[..., i - 1, :, :].mT @ forward[-1]))
    back = [solve_upper(D[..., -1, :, :], forward[-1])]
    for i in reversed(range(count - 1)):
        back.append(solve_upper(D[..., i, :, :], forward[i] - E[..., i, :, :] @ back[-1]))
    return torch.stack(back[::-1], -3)


def inverse_band(D: Tensor, E: Tensor) -> tuple[Tensor, Tensor]:
    """Diagonal (..., N, s, s) and upper (..., N - 1, s, s) blocks of `(R^T R)^-1`.

    Erisman & Tinney, Comm. ACM 18 (1975) 177.
    """
    count, eye = D.shape[-3], torch.eye(D.shape[-1], dtype=D.dtype, device=D.device)
    half = solve_upper(D[..., -1, :, :], eye)
    diagonal, upper = [half @ half.mT], []
    for i in reversed(range(count - 1)):
        half = solve_upper(D[..., i, :, :], eye)
        along = solve_upper(D[..., i, :, :], E[..., i, :, :])
        upper.append(-along @ diagonal[-1])
        diagonal.append(half @ half.mT + along @ diagonal[-1] @ along.mT)
    blocks = torch.stack(diagonal[::-1], -3)
    return blocks, torch.stack(upper[::-1], -3) if upper else torch.zeros_like(E)


def smooth_leverages(weights: Tensor, V: Tensor, keep: Tensor, D: Tensor, E: Tensor) -> Tensor:
    """`leverages` from the inverse of the Gram matrix within the band: less accurate, but differentiable."""
    diagonal, upper = inverse_band(D, E)
    return weights * _quadratic(V, keep, diagonal, 2 * upper)


@torch.no_grad()
def leverages(weights: Tensor, V: Tensor, keep: Tensor) -> Tensor:
    """Squared lengths (..., N, g) of the rows of the orthogonal factor, one per variable.

    A row of step i has a finished part and a part that later steps rotate on; the length of that one is a quadratic
    form, found from the last step back. Everything is a sum of squares, whatever the condition of the laws.
    """
    s, count, g = keep.shape[-1], keep.shape[-2], V.shape[-2]
    root, carry, steps = weights.sqrt(), None, []
    for i in range(count):
        Q, R = torch.linalg.qr(_stacked(V, root, keep, i, carry))
        steps.append(Q[..., : g + (0 if carry is None else s), :])
        carry = R[..., s : 2 * s, s:] if i + 1 < count else None
    lengths: list[Tensor] = []
    later: Tensor | None = None
    for Q in reversed(steps):
        squares = Q[..., :s] @ Q[..., :s].mT
        if later is not None:
            squares = squares + Q[..., s:] @ later @ Q[..., s:].mT
        lengths.append(squares.diagonal(dim1=-2, dim2=-1)[..., :g])
        later = squares[..., g:, g:]
    return torch.stack(lengths[::-1], -2)
