"""Newton steps and derivatives of the mirror map, in the space of the laws or in that of the moves that keep them.

For slopes `h` (B, n) of a link and laws `A` in the units of the link, both give the move `du` in the row space of A
with `A (h du) = -residual`. In the law space that takes the Gram matrix `A diag(h) A'` (m, m), in the null space with
the orthonormal basis N it takes `N' diag(1 / h) N` (n - m, n - m): the smaller is the cheaper, and near bounds, where
most slopes vanish, the second is well scaled while the first is close to singular. Steps need few digits; derivatives
in the null space and all densities come from orthogonal factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor

from lawful.core.errors import RankError
from lawful.core.linear.exact import matvec
from lawful.core.linear.gram import gram

_RANK_TOLERANCE = 1e-11
_JITTER = 1e-15
_LEAST_SLOPE = 1e-200
_LEAST_SLOPE_IN_NULL_SPACE = 1e-13
"""Slopes are as good as zero below it: with them a Gram matrix would lose all that the others say."""

_LEAST_SLOPE_OF_MOVES = 1e-20
"""The same for orthogonal factors, in corners where hardly a slope is larger."""

_PIECE = 2**22
"""Entries of factors that are made at a time."""


class Space(Protocol):
    """Where the Newton steps of a mirror map are solved; slopes, moves and gradients are in the link's units."""

    def step(self, slope: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The move `du` (B, n), and the multipliers (B, m) that it is the image of, `du = A' multipliers`."""
        ...

    def nearest(self, y: Tensor, centre: Tensor) -> Tensor:
        """The point of `y + row space of A` nearest to `centre`, (B, n)."""
        ...

    def tangent(self, slope: Tensor, by_z: Tensor, by_u: Tensor | None = None) -> Tensor:
        """The derivative `H - H A' (A H A')^-1 A H` with `H = diag(slope)`, symmetric, applied to `by_z + H^-1 by_u`.

        Gradients (B, n) by z and u, whose slopes may be next to nothing.
        """
        ...

    def on_laws(self, slope: Tensor, by_z: Tensor, by_u: Tensor | None = None) -> Tensor:
        """The transposed derivative by right-hand sides `(A H A')^-1 A H`, applied to the same; (B, m)."""
        ...

    def log_det(self, log_slope: Tensor) -> Tensor:
        """Log determinant (B,) of `tangent` on the null space of A, for logarithms of slopes; differentiable."""
        ...


class LawSpace:
    """Steps by the Gram matrix of the laws `A`, (m, n) or one for each sample (B, m, n), of full row rank."""

    def __init__(self, A: Tensor):
        self.size = A.norm(dim=-1).clamp_min(torch.finfo(A.dtype).tiny)
        self.rows = A / self.size.unsqueeze(-1)
        if A.dim() == 2:
            _require_rank(torch.linalg.svdvals(self.rows))

    def __getitem__(self, samples: Tensor) -> LawSpace:
        """The space of some of the samples."""
        if self.rows.dim() == 2:
            return self
        some = object.__new__(LawSpace)
        some.size, some.rows = self.size[samples], self.rows[samples]
        return some

    def step(self, slope: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        multipliers = -self._solve(slope, residual / self.size)
        return self._image(multipliers), multipliers / self.size

    def nearest(self, y: Tensor, centre: Tensor) -> Tensor:
        return y + self._image(self._solve(torch.ones_like(y), matvec(self.rows, centre - y)))

    def tangent(self, slope: Tensor, by_z: Tensor, by_u: Tensor | None = None) -> Tensor:
        weighted = slope * by_z if by_u is None else slope * by_z + by_u
        return weighted - slope * self._image(self._solve(slope, matvec(self.rows, weighted)))

    def on_laws(self, slope: Tensor, by_z: Tensor, by_u: Tensor | None = None) -> Tensor:
        weighted = slope * by_z if by_u is None else slope * by_z + by_u
        return self._solve(slope, matvec(self.rows, weighted)) / self.size

    def log_det(self, log_slope: Tensor) -> Tensor:
        volumes = (_LogVolume.apply(weight, self.rows.mT)[0] for weight in (log_slope / 2, torch.zeros_like(log_slope)))
        own, even = volumes
        return log_slope.sum(-1) - own + even

    def _image(self, multipliers: Tensor) -> Tensor:
        return multipliers @ self.rows if self.rows.dim() == 2 else matvec(self.rows.mT, multipliers)

    def _solve(self, slope: Tensor, residual: Tensor) -> Tensor:
        # Far out a slope underflows, but a tiny one still tells the way back.
        return _solved(gram(self.rows, slope.clamp_min(_LEAST_SLOPE)), residual)


class NullSpace:
    """Steps by an orthonormal basis of the null space of the laws `A` (m, n), of full row rank."""

    def __init__(self, A: Tensor):
        size = A.norm(dim=-1).clamp_min(torch.finfo(A.dtype).tiny)
        left, sigma, right = torch.linalg.svd(A / size.unsqueeze(-1))
        _require_rank(sigma)
        self.basis = right[len(A) :].T.contiguous()
        self.inverse = right[: len(A)].T @ (left / sigma).T / size

    def __getitem__(self, samples: Tensor) -> NullSpace:
        """The space of some of the samples: the same."""
        return self

    def step(self, slope: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        slope = slope.clamp_min(_LEAST_SLOPE_IN_NULL_SPACE)
        least = -residual @ self.inverse.T
        move = (least - self._moves(slope, least / slope)) / slope
        move = move - move @ self.basis @ self.basis.T
        return move, move @ self.inverse

    def nearest(self, y: Tensor, centre: Tensor) -> Tensor:
        return centre + (y - centre) @ self.basis @ self.basis.T

    def tangent(self, slope: Tensor, by_z: Tensor, by_u: Tensor | None = None) -> Tensor:
        slope = slope.clamp_min(_LEAST_SLOPE_OF_MOVES)
        x = by_z if by_u is None else by_z + by_u / slope
        return torch.cat([self._tangent(*part) for part in self._pieces(slope, x)])

    def on_laws(self, slope: Tensor, by_z: Tensor, by_u: Tensor | None = None) -> Tensor:
        # Where slopes vanish nothing is known of laws but what others tell: more digits would be those of rounding.
        slope = slope.clamp_min(_LEAST_SLOPE_IN_NULL_SPACE)
        x = by_z if by_u is None else by_z + by_u / slope
        return torch.cat([self._on_laws(*part) for part in self._pieces(slope, x)])

    def log_det(self, log_slope: Tensor) -> Tensor:
        return torch.cat([-_LogVolume.apply(-half, self.basis)[0] for (half,) in self._pieces(log_slope / 2)])

    def _tangent(self, slope: Tensor, x: Tensor) -> Tensor:
        root = slope.sqrt()
        Q, R = _factors(1 / root, self.basis)
        seen = Q.mT @ (x * root).unsqueeze(-1)
        return torch.linalg.solve_triangular(R, seen, upper=True).squeeze(-1) @ self.basis.T

    def _on_laws(self, slope: Tensor, x: Tensor) -> Tensor:
        root = slope.sqrt()
        Q, _ = _factors(1 / root, self.basis)
        scaled = (x * root).unsqueeze(-1)
        return ((scaled - Q @ (Q.mT @ scaled)).squeeze(-1) / root) @ self.inverse

    def _pieces(self, *x: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Some samples at a time, so that factors of theirs stay small."""
        return zip(*(part.split(max(1, _PIECE // max(self.basis.numel(), 1))) for part in x), strict=True)

    def _moves(self, slope: Tensor, x: Tensor) -> Tensor:
        """`N (N' H^-1 N)^-1 N' x`."""
        return _solved(gram(self.basis.T.contiguous(), 1 / slope), x @ self.basis) @ self.basis.T


def _require_rank(sizes: Tensor) -> None:
    """Raise unless the singular values (m,) are of independent laws."""
    if len(sizes) and sizes[-1] <= _RANK_TOLERANCE * sizes[0]:
        raise RankError("Expected independent laws: leave redundant ones out (see LinearSystem.redundant).")


def _factors(weight: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Q (B, n, d) and R (B, d, d) of `columns` (n, d) or (B, n, d) in rows of `weight` (B, n), any factor apart.

    Heavy rows come first, or Householder's reflections lose the light ones (Powell & Reid 1969; Higham 2002, Accuracy
    and Stability of Numerical Algorithms, 19.4). A Gram matrix would have the square of its condition.
    """
    rows = weight.unsqueeze(-1) * columns
    order = weight.argsort(-1, descending=True).unsqueeze(-1).expand_as(rows)
    Q, R = torch.linalg.qr(rows.gather(-2, order))
    return torch.zeros_like(Q).scatter(-2, order, Q), R


class _LogVolume(torch.autograd.Function):
    """`log det(W' W)` (B,) of `W = diag(exp(x)) columns`, with derivative `2 |q_j|^2` by x_j for rows q of `_factors`.

    Returns those as well, (B, n).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        most = x.amax(-1, keepdim=True)
        Q, R = _factors((x - most).exp(), columns)
        lengths = R.diagonal(dim1=-2, dim2=-1).abs().log() + most
        return 2 * lengths.sum(-1), 2 * Q.square().sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, columns, slopes = ctx.saved_tensors
        if torch.is_grad_enabled():
            slopes = 2 * _factors((x - x.detach().amax(-1, keepdim=True)).exp(), columns)[0].square().sum(-1)
        return gradients[0].unsqueeze(-1) * slopes, None


def _solved(K: Tensor, right: Tensor) -> Tensor:
    """`K^-1 right` for positive definite K (B, m, m), scaled to a unit diagonal first; NaN where it is not definite."""
    scale = K.diagonal(dim1=-2, dim2=-1).clamp_min(torch.finfo(K.dtype).tiny).rsqrt()
    K = K * scale.unsqueeze(-1) * scale.unsqueeze(-2)
    K.diagonal(dim1=-2, dim2=-1).add_(_JITTER)
    factor, failed = torch.linalg.cholesky_ex(K)
    solved = torch.cholesky_solve((right * scale).unsqueeze(-1), factor).squeeze(-1) * scale
    return torch.where((failed == 0).unsqueeze(-1), solved, torch.nan)


def space_of(A: Tensor) -> LawSpace | NullSpace:
    """The cheaper space for laws `A` (m, n) of full row rank, or one matrix for each sample (B, m, n)."""
    m, n = A.shape[-2:]
    return NullSpace(A) if A.dim() == 2 and n - m < m else LawSpace(A)
