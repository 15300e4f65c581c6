"""How redundant laws follow from the others, kept by component, and whether right-hand sides agree with that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lawful.core.linear.arrays import batch_of
from lawful.core.linear.consistency import clashing, raise_clash, raise_dependency
from lawful.core.linear.factor import Factor
from lawful.core.linear.rhs import CLASH_ULPS, RightHandSide
from lawful.core.linear.settle import shared_residual
from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.segments import Segments, pick


class Dependencies(Protocol):
    """The redundant laws of one part of a system. `m` counts the laws of the whole system."""

    def dropped(self) -> Tensor:
        """(..., m), True for laws that follow from the others."""

    def broken(self, rhs: RightHandSide) -> Tensor:
        """(..., m), True where a redundant law misses what the others imply."""

    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor:
        """`residual` (..., m) with contradictions of rounding shared out among the laws of this part."""

    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None:
        """InconsistentSystemError for the first sample of `broken` (..., m)."""

    def to(self, device: torch.device) -> "Dependencies": ...


def _scatter(values: Tensor, laws: Tensor, m: int) -> Tensor:
    out = values.new_zeros(*values.shape[:-1], m)
    out[..., laws] = values
    return out


@dataclass(frozen=True)
class BlockDependencies:
    """Dependencies within many small components, by the dense factor of each distinct one.

    Attributes:
        m: laws in all. laws: (C, k). A: (C, k, l). free: (..., C, l).
        group: (..., C), which of the matrices of `factor` each component of each sample has.
    """

    m: int
    laws: Tensor
    A: Tensor
    free: Tensor
    group: Tensor
    factor: Factor
    tolerance: float

    def dropped(self) -> Tensor:
        dependent = (self.factor.dependent != 0).any(-1)[self.group]
        return _scatter(dependent.flatten(-2), self.laws.flatten(), self.m)

    def _own(self, rhs: RightHandSide) -> RightHandSide:
        return RightHandSide(rhs.values[..., self.laws], rhs.rounding[..., self.laws], rhs.slack[self.laws])

    def broken(self, rhs: RightHandSide) -> Tensor:
        own = clashing(self.factor, self.group, self._own(rhs), self.tolerance)
        return _scatter(own.flatten(-2), self.laws.flatten(), self.m)

    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor:
        own = shared_residual(self.factor.listed[self.group], residual[..., self.laws], allowance[..., self.laws])
        out = residual.expand(*own.shape[:-2], self.m).clone()
        out[..., self.laws.flatten()] = own.flatten(-2)
        return out

    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None:
        sample = tuple(broken.any(-1).nonzero()[0].tolist())
        place = int(broken[sample][self.laws].any(-1).nonzero()[0, 0])
        count = len(self.laws)
        free = self.free.expand(*broken.shape[:-1], *self.free.shape[-2:])[sample][place]
        group = self.group.expand(*broken.shape[:-1], count)[sample][place]
        laws = self.laws[place].tolist()
        own = self._own(rhs.at(sample, broken.shape[:-1]))
        single = RightHandSide(own.values[place], own.rounding[place], own.slack[place])
        raise_clash(
            self.A[place] * free,
            self.factor.dependent[group],
            single,
            broken,
            self.tolerance,
            [names[i] for i in laws],
        )

    def to(self, device: torch.device) -> "BlockDependencies":
        return on_device(self, device)


@dataclass(frozen=True)
class ListedDependencies:
    """Dependencies of one large component, each the list of laws that take part.

    Attributes:
        law: (D,), the redundant laws. rows: entries -> D, the dependency of each entry.
        member, factor: (e,), its law and multiple; that of the redundant law is one.
        unit: (m,), lengths of the laws in balanced columns.
    """

    law: Tensor
    rows: Segments
    member: Tensor
    factor: Tensor
    unit: Tensor
    tolerance: float

    def dropped(self) -> Tensor:
        return _scatter(torch.ones_like(self.law, dtype=torch.bool), self.law, len(self.unit))

    def _gap(self, rhs: RightHandSide) -> tuple[Tensor, Tensor]:
        """As `RightHandSide.gap`, for sparse dependencies."""
        values, size = pick(rhs.values.detach(), self.member), self.factor.abs()
        known = pick(CLASH_ULPS * rhs.rounding + rhs.slack, self.member)
        vague = self.rows.sum(values.abs() / self.unit[self.member]) * self.tolerance * self.unit[self.law]
        return self.rows.sum(self.factor * values).abs(), self.rows.sum(size * known) + vague

    def broken(self, rhs: RightHandSide) -> Tensor:
        gap, allowed = self._gap(rhs)
        return _scatter(gap > allowed, self.law, len(self.unit))

    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor:
        rows = torch.zeros(len(self.law), residual.shape[-1], dtype=residual.dtype, device=residual.device)
        rows[self.rows.owner, self.member] = self.factor
        return shared_residual(rows, residual, allowance)

    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None:
        sample = tuple(broken.any(-1).nonzero()[0].tolist())
        own = rhs.at(sample, broken.shape[:-1])
        gap, allowed = self._gap(own)
        lengths = torch.bincount(self.rows.owner, minlength=len(self.law))
        worst = int(lengths.masked_fill(gap <= allowed, int(lengths.max()) + 1).argmin())
        mine = self.rows.owner == worst
        y = torch.zeros_like(self.unit)
        y[self.member[mine]] = self.factor[mine]
        raise_dependency(y, float(gap[worst]), own, broken, names)

    def to(self, device: torch.device) -> "ListedDependencies":
        return on_device(self, device)


@dataclass(frozen=True)
class PatternDependencies:
    """Dependencies of one large component that differ between patterns of free variables.

    Attributes:
        m: laws in all. group: (...), the pattern of each sample. patterns: dependencies of each.
    """

    m: int
    group: Tensor
    patterns: tuple[ListedDependencies, ...]

    def dropped(self) -> Tensor:
        return torch.stack([p.dropped() for p in self.patterns])[self.group]

    def broken(self, rhs: RightHandSide) -> Tensor:
        batch = batch_of(rhs.values.shape[:-1], self.group.shape)
        flat, group = rhs.flat(batch), self.group.expand(batch).reshape(-1)
        out = torch.zeros(len(group), self.m, dtype=torch.bool, device=group.device)
        for k, pattern in enumerate(self.patterns):
            mine = (group == k).nonzero().flatten()
            if len(pattern.law) and len(mine):
                rounding, values = flat.rounding[mine], flat.values[mine]
                out[mine] = pattern.broken(RightHandSide(values, rounding, flat.slack[0]))
        return out.reshape(*batch, self.m)

    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor:
        batch = batch_of(residual.shape[:-1], self.group.shape)
        residual, allowance = (x.expand(*batch, self.m).reshape(-1, self.m) for x in (residual, allowance))
        out, group = residual.clone(), self.group.expand(batch).reshape(-1)
        for k, pattern in enumerate(self.patterns):
            mine = (group == k).nonzero().flatten()
            if len(pattern.law) and len(mine):
                out[mine] = pattern.shared(residual[mine], allowance[mine])
        return out.reshape(*batch, self.m)

    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None:
        sample = tuple(broken.any(-1).nonzero()[0].tolist())
        self.patterns[int(self.group.expand(broken.shape[:-1])[sample])].explain(broken, rhs, names)

    def to(self, device: torch.device) -> "PatternDependencies":
        return on_device(self, device)
