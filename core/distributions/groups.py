"""Variables in disjoint groups, each with a count of its own."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from lawful.core.errors import InvalidValueError, OffSupportError, ShapeError
from lawful.core.linear.arrays import at_sample, batch_of, require_last


class Groups:
    """n variables in G disjoint groups, laid out as (..., G, W) with W the size of the widest group.

    Args:
        index: (n,) integers from 0 to G - 1, the group of each variable; every group has a member. None is one group,
            whose counts then have no dimension for groups.
        n: number of variables.
    """

    def __init__(self, index: Any, n: int, device: torch.device):
        self.single = index is None
        group = torch.zeros(n, dtype=torch.long) if index is None else torch.as_tensor(index)
        self.index = _require_groups(group, n).to(device)
        self.sizes = torch.bincount(self.index)
        order = self.index.argsort(stable=True)
        rank = torch.arange(n, device=device) - (self.sizes.cumsum(0) - self.sizes)[self.index[order]]
        self.width = int(self.sizes.max())
        self.place = torch.empty_like(order).scatter_(0, order, self.index[order] * self.width + rank)

    def __len__(self) -> int:
        return len(self.sizes)

    def split(self, x: Tensor, fill: float) -> Tensor:
        """(..., n) as (..., G, W); places without a variable hold `fill`."""
        padded = x.new_full((*x.shape[:-1], len(self) * self.width), fill)
        return padded.index_copy(-1, self.place, x).unflatten(-1, (len(self), self.width))

    def join(self, x: Tensor) -> Tensor:
        """(..., G, W) as (..., n)."""
        return x.flatten(-2).index_select(-1, self.place)

    def sums(self, x: Tensor) -> Tensor:
        """(..., n) added up by group, (..., G)."""
        return x.new_zeros(*x.shape[:-1], len(self)).index_add(-1, self.index, x)

    def counts(self, count: Any, what: str) -> Tensor:
        """Counts (...) of one group or (..., G) of several as float64 (..., G).

        Raises:
            ShapeError, InvalidValueError: they do not fit the groups, or are no whole numbers of zero or more.
        """
        values = torch.as_tensor(count, dtype=torch.float64, device=self.index.device)
        values = values.unsqueeze(-1) if self.single else require_last(values, len(self), what, "group")
        bad = ~((values >= 0) & (values == values.round()) & values.isfinite())
        if bad.any():
            where = tuple(bad.nonzero()[0].tolist())
            raise InvalidValueError(
                f"Expected {what} to be whole numbers of zero or more, got {values[where].item():g}{self.at(where)}."
            )
        return values

    def at(self, where: tuple[int, ...]) -> str:
        """`' in group 2 in sample 3'` for an index (*sample, group)."""
        group = "" if self.single else f" in group {where[-1]}"
        return group + at_sample(where[:-1])


class CountsByGroup(constraints.Constraint):
    """Whole numbers from zero to `most` of which each group's add up to its count.

    Args:
        groups: of n variables. counts: (..., G). most: the largest value of one variable, None for no limit.
    """

    is_discrete = True
    event_dim = 1

    def __init__(self, groups: Groups, counts: Tensor, most: int | None = None):
        self.groups, self.counts, self.most = groups, counts, most

    def check(self, value: Tensor) -> Tensor:
        exact = value.double()
        whole = (exact >= 0) & (exact == exact.round()) & (self.most is None or exact <= self.most)
        return whole.all(-1) & (self.groups.sums(exact) == self.counts).all(-1)

    def require(self, value: Tensor) -> None:
        """Raise when a value (..., n) is not of these.

        Raises:
            ShapeError: it does not fit the distribution.
            OffSupportError: says which group adds up to what.
        """
        require_last(value, len(self.groups.index), "value", "variable")
        batch_of(value.shape[:-1], self.counts.shape[:-1])
        bad = ~self.check(value)
        if not bad.any():
            return
        sums = self.groups.sums(value.double())
        off = (sums != self.counts).nonzero()
        allowed = "whole numbers of zero or more" if self.most is None else f"whole numbers from 0 to {self.most}"
        if not len(off):
            raise OffSupportError(f"Expected {allowed}{at_sample(tuple(bad.nonzero()[0].tolist()))}.")
        where = tuple(off[0].tolist())
        raise OffSupportError(
            f"Counts add up to {sums[where].item():g}{self.groups.at(where)}, not to "
            f"{self.counts.expand(sums.shape)[where].item():g} ({int(bad.sum())} values off their counts in all)."
        )


def _require_groups(index: Tensor, n: int) -> Tensor:
    if not n:
        raise ShapeError("Expected one variable at least, got none.")
    if index.shape != (n,):
        raise ShapeError(f"Expected groups of shape ({n},), one entry per variable, got {tuple(index.shape)}.")
    if index.is_floating_point() or index.dtype == torch.bool or (index < 0).any():
        raise InvalidValueError("Expected groups as whole numbers of zero or more, one per variable.")
    empty = (torch.bincount(index) == 0).nonzero()
    if len(empty):
        raise InvalidValueError(f"Group {int(empty[0])} has no variable: number the groups without gaps.")
    return index.long()
