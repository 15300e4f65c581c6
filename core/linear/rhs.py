"""Right-hand sides together with how well they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.arrays import as_float64, batch_of
from lawful.core.linear.exact import half_spacing, matvec

CLASH_ULPS = 8.0
"""A dependent law clashes when it misses what the others imply by more than this many times their common rounding."""


@dataclass(frozen=True)
class RightHandSide:
    """`values` (..., m) with an absolute bound on their rounding and on the closure that the user grants them."""

    values: Tensor
    rounding: Tensor
    slack: Tensor

    def gap(self, Y: Tensor, own: Tensor, unit: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
        """|Y b| and how much of it is no clash, both (..., k), for dependencies Y (..., k, m).

        No clash is what rounding of b explains, what the user grants, and what a relative change of `tolerance` in the
        coefficients does: an entry of Y is known to `tolerance * own / unit`, with `unit` (..., m) the lengths of the
        rows and `own` (..., k) that of the row which the dependency is about.
        """
        values = self.values.detach()
        rounding = matvec(Y.abs(), CLASH_ULPS * self.rounding + self.slack)
        vague = tolerance * own * matvec((Y != 0).double(), values.abs() / unit)
        return matvec(Y, values).abs(), rounding + vague

    def flat(self, batch: Sequence[int]) -> "RightHandSide":
        """The samples of `batch` in one row: (N, m)."""
        parts = (self.values.detach(), self.rounding, self.slack)
        return RightHandSide(*(x.expand(*batch, x.shape[-1]).reshape(-1, x.shape[-1]) for x in parts))

    def part(self, start: int, stop: int) -> "RightHandSide":
        """Samples of a flat right-hand side."""
        return RightHandSide(self.values[start:stop], self.rounding[start:stop], self.slack[start:stop])

    def at(self, index: tuple[int, ...], batch: Sequence[int]) -> "RightHandSide":
        """The right-hand side (m,) of one sample of `batch`."""
        parts = (x.expand(*batch, x.shape[-1])[index] for x in (self.values, self.rounding, self.slack))
        return RightHandSide(*parts)

    def moved(self, residual: Tensor, rounding: Tensor, slack: Tensor) -> "RightHandSide":
        """The right-hand side left by given values with `A given - b = residual`, known to `rounding` (..., m)."""
        values = -residual
        # Where nothing was given, nothing was rounded.
        rounded = torch.where(values == self.values, 0.0, half_spacing(values, torch.float64))
        rounding = self.rounding + rounding + rounded
        return RightHandSide(values, rounding, slack)

    def repeated(self, copies: int) -> "RightHandSide":
        """The same (..., m) for each of `copies`, one after the other."""
        parts = (self.values, self.rounding, self.slack)
        return RightHandSide(*(x.repeat(*[1] * (x.dim() - 1), copies) for x in parts))

    @staticmethod
    def joined(parts: Sequence["RightHandSide"]) -> "RightHandSide":
        """Right-hand sides of several sets of laws, one after the other."""
        batch = batch_of(*(p.values.shape[:-1] for p in parts))
        values, rounding = (
            torch.cat([x.expand(*batch, x.shape[-1]) for x in xs], -1)
            for xs in ([p.values for p in parts], [p.rounding for p in parts])
        )
        return RightHandSide(values, rounding, torch.cat([p.slack for p in parts]))

    def to(self, device: torch.device | str) -> "RightHandSide":
        return RightHandSide(self.values.to(device), self.rounding.to(device), self.slack.to(device))


def law_slack(tolerance: Any, m: int, device: torch.device) -> Tensor:
    """An absolute tolerance, () or (m,), as (m,); ShapeError, InvalidValueError when it is none."""
    slack = as_float64(tolerance, device)
    if slack.dim() and slack.shape != (m,):
        raise ShapeError(f"Expected tolerance of shape () or ({m},), got {tuple(slack.shape)}.")
    if not (slack >= 0).all():
        raise InvalidValueError("Expected a tolerance of zero or more.")
    return slack.expand(m)
