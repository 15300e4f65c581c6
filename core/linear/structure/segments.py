"""Sums over groups of entries, and values handed back to the members of each group."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from lawful.core.linear.exact import pairwise_sum, two_product
from lawful.core.linear.structure.tiles import Tiles

CHUNK = 2**16
"""Numbers worked on together where there are many: what fits a cache."""


def pick(x: Tensor, index: Tensor) -> Tensor:
    """`x[..., index]` for x (..., N) and index (k,), by the fastest of torch's ways."""
    if x.dim() == 1:
        return x.index_select(0, index)
    return x.gather(-1, index.expand(*x.shape[:-1], len(index)))


class Segments:
    """Which group each of N entries belongs to; -1 for none.

    Args:
        owner: (N,) int64, the group of each entry, in 0..count-1 or -1.
        count: number of groups.

    Groups of one size are kept together, so that a sum is a gather and a row sum, in any order of entries.

    Attributes:
        place: (N,), the owner, or `count` for entries of none. longest: entries of the largest group.
    """

    def __init__(self, owner: Tensor, count: int):
        self.owner, self.count, self.size = owner, count, len(owner)
        self.partial = bool((owner < 0).any())
        self.place = owner.where(owner >= 0, count) if self.partial else owner
        order = torch.argsort(owner, stable=True)
        order = order[int((owner < 0).sum()) :]
        lengths = torch.bincount(owner[order], minlength=count)
        starts = lengths.cumsum(0) - lengths
        self.buckets: list[tuple[Tensor, Tensor]] = []
        for k in lengths.unique().tolist():
            if k:
                groups = (lengths == k).nonzero().flatten()
                members = order[starts[groups].unsqueeze(-1) + torch.arange(k, device=owner.device)]
                self.buckets.append((groups, members))
        self.longest = int(lengths.max()) if count else 0
        self.identity = not self.partial and torch.equal(owner, torch.arange(count, device=owner.device))

    def to(self, device: torch.device) -> "Segments":
        return Segments(self.owner.to(device), self.count)

    def sum(self, x: Tensor) -> Tensor:
        """(..., N) -> (..., count); differentiable, to any order."""
        return x if self.identity else _Sum.apply(x, self)

    def take(self, y: Tensor) -> Tensor:
        """(..., count) -> (..., N), each entry the value of its group, 0 for entries of none; differentiable."""
        return y if self.identity else _Take.apply(y, self)

    def _sum(self, x: Tensor) -> Tensor:
        return self._place([_rows(x, members).sum(-1) for _, members in self.buckets], x)

    def _place(self, sums: Sequence[Tensor], x: Tensor) -> Tensor:
        if len(sums) == 1 and sums[0].shape[-1] == self.count:
            return sums[0]
        out = x.new_zeros(*x.shape[:-1], self.count)
        for (groups, _), values in zip(self.buckets, sums, strict=True):
            out[..., groups] = values
        return out

    def _take(self, y: Tensor) -> Tensor:
        return pick(self.padded(y), self.place)

    def padded(self, y: Tensor) -> Tensor:
        """Values of groups (..., count), with a zero at the end where `place` asks for one."""
        return torch.cat((y, y.new_zeros(*y.shape[:-1], 1)), -1) if self.partial else y

    @cached_property
    def _tiles(self) -> Tiles | None:
        """Where there are so many entries that their index is dear."""
        return None if self.partial or self.size <= CHUNK else Tiles.of(self.owner, self.count, 4 * CHUNK)

    def times_in_chunks(self, y: Tensor) -> Iterator[tuple[slice, Callable[[Tensor], Tensor]]]:
        """Places of some entries, and what multiplies numbers for these in place by the values y (..., count) of their
        groups, by zero for entries of none."""
        batch = max(y[..., 0].numel(), 1)
        if self._tiles is not None:
            for here, groups in self._tiles.bands(CHUNK // batch):
                yield here, partial(self._tiles.times, pick(y, groups))
            return
        padded, width = self.padded(y), max(CHUNK // batch, 1)
        for start in range(0, self.size, width):
            here = slice(start, start + width)
            yield here, partial(_times, pick(padded, self.place[here]))

    def sums_in_chunks(
        self, x: Tensor, coefficient: Tensor | None, accurate: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Sums over groups of `coefficient * x` (..., N), what they lost in rounding if `accurate`, and sums of
        magnitudes but for tiles, which have `sizes_in_tiles`.

        All (..., count) in float64, without gradients.
        """
        if self._tiles is not None and accurate:
            return *self._tiles.accurate_totals(x, coefficient, 2 * CHUNK), None  # pairwise sums are many calls
        if self._tiles is not None:
            sums = self._tiles.totals(x, coefficient, CHUNK)
            return sums, torch.zeros_like(sums), None
        buckets = [self._chunked(x, members, coefficient, accurate) for _, members in self.buckets]
        like = x.new_empty(*x.shape[:-1], 0, dtype=torch.float64)
        sums, lost, sizes = (self._place([b[i] for b in buckets], like) for i in range(3))
        return sums, lost, sizes

    def sizes_in_tiles(self, x: Tensor, coefficient: Tensor | None) -> Tensor:
        """Sums over groups that are tiles of the magnitudes of `coefficient * x` (..., N): (..., count) in float64."""
        assert self._tiles is not None
        return self._tiles.total_magnitudes(x, coefficient, CHUNK)

    def _chunked(self, x: Tensor, members: Tensor, coefficient: Tensor | None, accurate: bool) -> list[Tensor]:
        rows = max(CHUNK // (max(x[..., 0].numel(), 1) * members.shape[-1]), 1)
        parts = [_sums(_rows(x, chunk), coefficient, chunk, accurate) for chunk in members.split(rows)]
        return [torch.cat([p[i] for p in parts], -1) for i in range(3)]


def _times(factor: Tensor, x: Tensor) -> Tensor:
    return x.mul_(factor)


def _rows(x: Tensor, members: Tensor) -> Tensor:
    return pick(x, members.flatten()).unflatten(-1, members.shape)


def _sums(terms: Tensor, coefficient: Tensor | None, members: Tensor, accurate: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of `terms` (..., k), which are overwritten."""
    terms = terms.double()
    if not accurate:
        terms = terms if coefficient is None else terms.mul_(coefficient[members])
        total = terms.sum(-1)
        return total, torch.zeros_like(total), terms.abs_().sum(-1)
    if coefficient is None:
        return *pairwise_sum(terms), terms.abs().sum(-1)
    terms, errors = two_product(coefficient[members], terms)
    total, lost = pairwise_sum(terms)
    return total, lost + errors.sum(-1), terms.abs().sum(-1)


class _Sum(torch.autograd.Function):
    """Sum over groups; its adjoint is `_Take`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, segments: Segments) -> Tensor:
        ctx.segments = segments
        return segments._sum(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Take.apply(gradients[0], ctx.segments), None


class _Take(torch.autograd.Function):
    """Hand each group's value to its members; its adjoint is `_Sum`."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, segments: Segments) -> Tensor:
        ctx.segments = segments
        return segments._take(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(gradients[0], ctx.segments), None
