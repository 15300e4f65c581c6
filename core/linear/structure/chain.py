"""Laws in a band, and small dense components (a band of one block): factorised by `bidiagonal`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor

from lawful.core.linear.exact import with_gradient_of
from lawful.core.linear.structure.bidiagonal import bidiagonal, leverages, smooth_leverages, solve
from lawful.core.linear.structure.components import Block, Component
from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.part import Prepared

_LEAST_BLOCK = 8
"""Laws of a block at least: smaller ones take longer to be called than to be worked on."""


@dataclass(frozen=True)
class Chain:
    """C chains of N blocks of s laws, with g variables that begin in each block.

    Attributes:
        kind: "repeated", "components", "dense" or "banded".
        laws: flat (C N s), classes: flat (C N g), with -1 for padding.
        V: (C or 1, N, g, 2s), or (C or 1, 1, g, s) for one block.
        shape: C, N, s, g.
    """

    kind: str
    laws: Tensor
    classes: Tensor
    V: Tensor
    shape: tuple[int, int, int, int]

    def prepare(self, weights: Tensor, keep: Tensor) -> Prepared:
        C, N, s, g = self.shape
        weights, keep = weights.unflatten(-1, (C, N, g)), (keep & (self.laws >= 0)).unflatten(-1, (C, N, s))
        return _Factored(self, weights, keep, *bidiagonal(weights, self.V, keep))

    def to(self, device: torch.device) -> "Chain":
        return on_device(self, device)


@dataclass(frozen=True)
class _Factored:
    part: Chain
    weights: Tensor
    keep: Tensor
    D: Tensor
    E: Tensor

    def solve(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        C, N, s, _ = self.part.shape
        r = torch.where(self.keep, residual.unflatten(-1, (C, N, s)), 0.0)
        lead = self.D.shape[:-4]
        if lead or r.dim() == 3:
            x = solve(self.D, self.E, r.unsqueeze(-1)).squeeze(-1)
        else:  # One factor for many residuals: they are columns.
            x = solve(self.D, self.E, r.flatten(0, -4).movedim(0, -1)).movedim(-1, 0).unflatten(0, r.shape[:-3])
        x = torch.where(self.keep, x, 0.0)
        return self._transposed(x).flatten(-3), x.flatten(-3)

    def _transposed(self, x: Tensor) -> Tensor:
        """`A^T x`, (..., C, N, s) -> (..., C, N, g)."""
        V, s = self.part.V, self.part.shape[2]
        own = (V[..., :s] @ x.unsqueeze(-1)).squeeze(-1)
        if V.shape[-1] == s:
            return own
        further = (V[..., :-1, :, s:] @ x[..., 1:, :].unsqueeze(-1)).squeeze(-1)
        return own + torch.cat((further, torch.zeros_like(own[..., :1, :])), -2)

    @property
    def log_det(self) -> Tensor:
        return 2 * self.D.diagonal(dim1=-2, dim2=-1).abs().log().flatten(-3).sum(-1)

    @property
    def leverage(self) -> Tensor:
        weights, V = self.weights, self.part.V
        value = leverages(weights.detach(), V, self.keep)
        if weights.requires_grad:
            value = with_gradient_of(smooth_leverages(weights, V, self.keep, self.D, self.E), value)
        return value.flatten(-3)


def from_block(block: Block, device: torch.device) -> Chain:
    """Small dense components of one shape; one matrix is kept when all are alike."""
    first = block.A[:1]
    alike = bool(np.equal(block.A, first).all())
    count, laws_each, classes_each = block.A.shape
    V = np.ascontiguousarray(np.swapaxes(first if alike else block.A, -1, -2)[:, None])
    kind = "dense" if count == 1 else "repeated" if alike else "components"
    shape = count, 1, laws_each, classes_each
    return Chain(kind, _flat(block.laws, device), _flat(block.classes, device), torch.from_numpy(V).to(device), shape)


def _flat(x: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(x.ravel()).to(device)


@dataclass(frozen=True)
class Band:
    """A large component with its laws in the order of least bandwidth, or one dense block if `size` covers it."""

    part: Component
    order: np.ndarray
    size: int

    @property
    def blocks(self) -> int:
        return -(-len(self.order) // self.size)


def as_band(part: Component) -> Band:
    """Reverse Cuthill-McKee order (Cuthill & McKee 1969), or the order given where that is as narrow."""
    pattern = (part.A != 0).astype(np.int64)
    given = np.arange(pattern.shape[0])
    found = csgraph.reverse_cuthill_mckee((pattern @ pattern.T).tocsr(), symmetric_mode=True)
    order = min((given, np.asarray(found)), key=lambda o: _bandwidth(pattern, o))
    return Band(part, order, max(_bandwidth(pattern, order), _LEAST_BLOCK))


def _bandwidth(pattern: sparse.csr_matrix, order: np.ndarray) -> int:
    """The largest distance between two laws of one variable."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    entries = pattern.tocoo()
    first, last = np.full(pattern.shape[1], len(order)), np.zeros(pattern.shape[1], np.int64)
    np.minimum.at(first, entries.col, place[entries.row])
    np.maximum.at(last, entries.col, place[entries.row])
    return int((last - first).max(initial=0))


def from_bands(bands: Sequence[Band], device: torch.device) -> Chain:
    """Chains of components with equal coefficients in the same order."""
    first = bands[0]
    entries = first.part.A[first.order].tocoo()
    s, count = first.size, first.blocks
    begins = np.full(first.part.A.shape[1], len(first.order))
    np.minimum.at(begins, entries.col, entries.row // s)
    g, place = _places(begins, count)
    V = np.zeros((count, g, 2 * s if count > 1 else s))
    block = begins[entries.col]
    V[block, place[entries.col], entries.row - block * s] = entries.data
    laws, classes = np.full((len(bands), count * s), -1), np.full((len(bands), count, g), -1)
    for i, band in enumerate(bands):
        laws[i, : len(band.order)] = band.part.laws[band.order]
        classes[i, begins, place] = band.part.classes
    kind = "banded" if count > 1 else "dense"
    shape = len(bands), count, s, g
    return Chain(kind, _flat(laws, device), _flat(classes, device), torch.from_numpy(V[None]).to(device), shape)


def _places(begins: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """The largest number of variables that begin in one block, and the place of each within its block."""
    order = np.argsort(begins, kind="stable")
    counts = np.bincount(begins, minlength=count)
    place = np.empty(len(begins), np.int64)
    place[order] = np.arange(len(begins)) - (np.cumsum(counts) - counts)[begins[order]]
    return int(counts.max()), place
