"""What the core needs to know of a domain: laws, inequalities, bounds, ratios, steps, and what is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear import LinearSystem
from lawful.core.polyhedra import Bounds, require_feasible

SAME = 1e-9
"""Relative distance within which two values count as one."""

_ROUNDING = 1.5e-15


@dataclass(frozen=True)
class Ratio:
    """`z[numerator] = rho * z[denominator]` with `lower < rho < upper`: a law whose coefficient is generated too."""

    name: str
    numerator: int
    denominator: int
    lower: float
    upper: float


@dataclass(frozen=True)
class Problem:
    """`A z = b`, `C z <= d`, `lower <= z <= upper` for n variables in physical units, all float64.

    `resolution` (n,) is the step of which a variable's values are multiples, 0 where there is none; `given` (n,) says
    which variables are fixed per event. `uniform` says that events spread evenly over what all this leaves open.
    `categories` holds for each variable the only values that it may have, none for one that varies continuously; where
    it is empty, all do. Such a variable stands in no law: it is part of an event's state.
    """

    A: Tensor
    b: Tensor
    C: Tensor
    d: Tensor
    lower: Tensor
    upper: Tensor
    resolution: Tensor
    given: Tensor
    ratios: tuple[Ratio, ...]
    names: tuple[str, ...]
    law_names: tuple[str, ...]
    inequality_names: tuple[str, ...]
    uniform: bool = False
    categories: tuple[tuple[float, ...], ...] = ()

    @property
    def n(self) -> int:
        return len(self.names)

    @property
    def lifted(self) -> int:
        """Number of variables with one slack for each inequality."""
        return self.n + len(self.d)

    @property
    def columns(self) -> int:
        """Number of variables, slacks and ratios together."""
        return self.lifted + len(self.ratios)

    @property
    def column_names(self) -> tuple[str, ...]:
        return (*self.names, *self.inequality_names, *(ratio.name for ratio in self.ratios))

    @cached_property
    def system(self) -> LinearSystem:
        """The laws, factorised."""
        return LinearSystem(self.A, self.b, names=self.law_names, columns=self.names)

    @cached_property
    def bounds(self) -> Bounds:
        """Bounds of the variables."""
        return Bounds(self.lower, self.upper)

    def require_feasible(self, given: Tensor | None = None, where: str = "") -> None:
        """Raise `InfeasibleError` when no event obeys it all, at the given values `(n,)` where there are any."""
        parts = (x.numpy() for x in (self.A, self.b, self.C, self.d, self.lower, self.upper))
        require_feasible(
            *parts,
            given=None if given is None else torch.where(self.given, given, torch.nan).numpy(),
            law_names=self.law_names,
            inequality_names=self.inequality_names,
            names=self.names,
            where=where,
        )

    def with_given(self, names: tuple[str, ...]) -> Problem:
        """The same with these variables fixed per event; a ratio of two given variables is no longer generated."""
        given = torch.tensor([name in names for name in self.names])
        ratios = tuple(r for r in self.ratios if not (given[r.numerator] and given[r.denominator]))
        return replace(self, given=given, ratios=ratios)

    def extend(self, z: Tensor) -> Tensor:
        """Variables `(N, n)` with their slacks and ratios, `(N, columns)`.

        An inequality that is broken (data have tolerances) or holds within rounding of its terms has no slack. A ratio
        of 0 to 0, or out of its range, is NaN: such events obey no law of that ratio.
        """
        terms = torch.cat([self.C * z[:, None, :], -self.d.expand(len(z), -1)[..., None]], -1)
        slack = -terms.sum(-1)
        slack = torch.where(slack <= _ROUNDING * terms.abs().sum(-1), 0.0, slack)
        rho = [_quotient(z[:, ratio.numerator], z[:, ratio.denominator], ratio) for ratio in self.ratios]
        return torch.cat([z, slack, *(r[:, None] for r in rho)], 1)

    def coefficients(self, rho: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and right-hand sides of laws, slacks and ratios over the lifted variables.

        `rho` `(B, q)`, NaN where undefined (that row is zero). Returns `(B, m + k + q, n + k)` and `(m + k + q,)`.
        """
        m, k, q = len(self.b), len(self.d), len(self.ratios)
        rows = torch.zeros(len(rho), m + k + q, self.lifted, dtype=torch.float64)
        rows[:, :m, : self.n] = self.A
        rows[:, m : m + k, : self.n] = self.C
        rows[:, m : m + k, self.n :] = torch.eye(k, dtype=torch.float64)
        for j, ratio in enumerate(self.ratios):
            defined = rho[:, j].isfinite()
            rows[defined, m + k + j, ratio.numerator] = 1.0
            rows[defined, m + k + j, ratio.denominator] = -rho[defined, j]
        return rows, torch.cat([self.b, self.d, torch.zeros(q, dtype=torch.float64)])

    @cached_property
    def column_bounds(self) -> tuple[Tensor, Tensor]:
        """Bounds of variables, slacks and ratios, two tensors `(columns,)`."""
        k = len(self.d)
        low = [self.lower, torch.zeros(k, dtype=torch.float64), _float64([r.lower for r in self.ratios])]
        high = [self.upper, torch.full((k,), torch.inf, dtype=torch.float64), _float64([r.upper for r in self.ratios])]
        return torch.cat(low), torch.cat(high)

    @cached_property
    def comparisons(self) -> Tensor:
        """Mask `(k,)` of inequalities that compare two variables, or one with zero: they take no arithmetic."""
        plus, minus, members = ((self.C == 1).sum(1), (self.C == -1).sum(1), (self.C != 0).sum(1))
        return (plus <= 1) & (minus <= 1) & (plus + minus == members) & (self.d == 0)

    @cached_property
    def quantised(self) -> Tensor:
        """Mask `(columns,)` of generated variables with a resolution."""
        rest = torch.zeros(self.columns - self.n, dtype=torch.bool)
        return torch.cat([(self.resolution > 0) & ~self.given, rest])

    @cached_property
    def given_columns(self) -> Tensor:
        """`given` padded to `(columns,)`."""
        return torch.cat([self.given, torch.zeros(self.columns - self.n, dtype=torch.bool)])


def _quotient(numerator: Tensor, denominator: Tensor, ratio: Ratio) -> Tensor:
    rho = numerator / denominator
    beyond = torch.maximum(ratio.lower - rho, rho - ratio.upper) > SAME * rho.abs()
    return torch.where(beyond | rho.isinf(), torch.nan, rho)


def _float64(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
