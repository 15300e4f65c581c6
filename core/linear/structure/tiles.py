"""Groups that tile an array, as the blocks of a field do: sums and values for them without an index of every entry."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.linear.exact import pairwise_sum, two_product
from lawful.core.linear.structure.workspace import Workspace


@dataclass(frozen=True)
class Tiles:
    """Groups of `high` by `wide` entries each, `across` of them side by side in bands, in C order.

    Attributes:
        group: (bands, across), the number of each tile's group.
    """

    high: int
    wide: int
    group: Tensor

    @classmethod
    def of(cls, owner: Tensor, count: int, most: int) -> "Tiles | None":
        """The tiles whose groups are `owner` (N,), each of `count` groups one tile; None where they are no tiles or a
        band of them has more than `most` entries."""
        wide = _first(owner != owner[0])
        if len(owner) % wide:
            return None
        runs = owner.view(-1, wide)
        heads = runs[:, 0]
        again = _first(heads[1:] == heads[0])
        across = again + 1 if again < len(heads) - 1 else 1
        if len(heads) % across:
            return None
        rows = heads.view(-1, across)
        high = _first((rows != rows[0]).any(1))
        if len(rows) % high or high * across * wide > most:
            return None
        tiles = rows.view(-1, high, across)
        group = tiles[:, 0]
        if (runs != runs[:, :1]).any() or (tiles != tiles[:, :1]).any():
            return None
        return cls(high, wide, group) if len(group.unique()) == group.numel() == count else None

    @property
    def band(self) -> int:
        """Entries of a band."""
        return self.high * self.group.shape[1] * self.wide

    def bands(self, entries: int) -> Iterator[tuple[slice, Tensor]]:
        """Entries of some bands together, `entries` of them or one band, and their groups, flat."""
        some = max(entries // self.band, 1)
        for start in range(0, len(self.group), some):
            groups = self.group[start : start + some]
            yield slice(start * self.band, (start + len(groups)) * self.band), groups.flatten()

    def sums(self, x: Tensor) -> Tensor:
        """Sums over tiles (..., k) of whole bands x (..., N)."""
        across = self.group.shape[1]
        columns = x.unflatten(-1, (-1, self.high, across * self.wide)).sum(-2)
        return columns.unflatten(-1, (across, self.wide)).sum(-1).flatten(-2)

    def accurate_sums(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, taken pairwise, and what rounding lost on the way."""
        across = self.group.shape[1]
        columns, lost = pairwise_sum(x.unflatten(-1, (-1, self.high, across * self.wide)), -2)
        total, last = pairwise_sum(columns.unflatten(-1, (across, self.wide)))
        return total.flatten(-2), (last + lost.unflatten(-1, (across, self.wide)).sum(-1)).flatten(-2)

    def totals(self, x: Tensor, coefficient: Tensor | None, entries: int) -> Tensor:
        """Sums over groups (..., count) of `coefficient * x` (..., N) in float64, about so many `entries` at a time."""
        sums, work = self._empty(x), Workspace()
        for here, groups in self.bands(entries // _points(x)):
            sums[..., groups] = self.sums(work.times(x[..., here], _at(coefficient, here)))
        return sums

    def total_magnitudes(self, x: Tensor, coefficient: Tensor | None, entries: int) -> Tensor:
        """The same of `|coefficient * x|`."""
        sums, work = self._empty(x), Workspace()
        for here, groups in self.bands(entries // _points(x)):
            sums[..., groups] = self.sums(work.magnitude(work.times(x[..., here], _at(coefficient, here))))
        return sums

    def accurate_totals(self, x: Tensor, coefficient: Tensor | None, entries: int) -> tuple[Tensor, Tensor]:
        """`totals`, taken pairwise, and what rounding lost on the way."""
        sums, work = self._empty(x), Workspace()
        lost = torch.empty_like(sums)
        for here, groups in self.bands(entries // _points(x)):
            terms, errors = work.read(x[..., here]), None
            if coefficient is not None:
                terms, errors = two_product(coefficient[here], terms)
            sums[..., groups], rounded = self.accurate_sums(terms)
            lost[..., groups] = rounded if errors is None else rounded + self.sums(errors)
        return sums, lost

    def times(self, y: Tensor, x: Tensor) -> Tensor:
        """Whole bands x (..., N), multiplied in place by the values y (..., k) of their tiles."""
        across = self.group.shape[1]
        rows = y.repeat_interleave(self.wide, -1).unflatten(-1, (-1, 1, across * self.wide))
        x.unflatten(-1, (-1, self.high, across * self.wide)).mul_(rows)
        return x

    def _empty(self, x: Tensor) -> Tensor:
        return x.new_empty(*x.shape[:-1], self.group.numel(), dtype=torch.float64)


def _points(x: Tensor) -> int:
    return max(x[..., 0].numel(), 1)


def _at(coefficient: Tensor | None, here: slice) -> Tensor | None:
    return None if coefficient is None else coefficient[here]


def _first(mask: Tensor) -> int:
    """Where `mask` is first true, its length if nowhere."""
    return int(mask.to(torch.uint8).argmax()) if mask.any() else len(mask)
