"""One stage of sequential repair: a variable between what the earlier ones leave it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.strategies.elimination import Rows, Stage
from lawful.core.strategies.order import as_tensor

_TIGHT = 16 * torch.finfo(torch.float64).eps
"""Rounding of a limit, relative to its terms, within which a value counts as equal to it."""


class Clamp:
    """The raw value of `variable` stays, or moves to the nearer of its limits."""

    def __init__(self, stage: Stage, device: torch.device):
        self.variable = torch.tensor([stage.variable], device=device)
        self.lower, self.upper = (_Side.of(rows, stage.variable, device) for rows in (stage.lower, stage.upper))

    def __len__(self) -> int:
        """Number of limits."""
        return len(self.lower.M) + len(self.upper.M)

    def __call__(self, y: Tensor, z: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """The value (...), and which of the first inequalities (..., K) it makes tight.

        Args:
            y: raw values (..., n). z: (..., n) with those of earlier variables, zero elsewhere. q: limits (..., Q).
        """
        raw = y.index_select(-1, self.variable).squeeze(-1)
        # A lower limit bounds minus the value.
        low, high = self.lower.limits(z, q), self.upper.limits(z, q)
        least, most = _largest(-low), -_largest(-high)
        value = torch.where(raw < least, least, raw)
        value = torch.where(value > most, most, value)
        at = value.detach().unsqueeze(-1)
        return value, self.lower.tight(-at - low, z, q) | self.upper.tight(at - high, z, q)


@dataclass(frozen=True)
class _Side:
    """Limits `M q - G z` on a variable, which has no part in G (R, n); M (R, Q), and `made_of` (R, K)."""

    G: Tensor
    M: Tensor
    made_of: Tensor

    @classmethod
    def of(cls, rows: Rows, variable: int, device: torch.device) -> _Side:
        G = rows.G.copy()
        G[:, variable] = 0.0
        return cls(as_tensor(G, device), as_tensor(rows.M, device), as_tensor(rows.made_of.astype(float), device))

    def limits(self, z: Tensor, q: Tensor) -> Tensor:
        """(..., R)."""
        return q @ self.M.mT - z @ self.G.mT

    def tight(self, gap: Tensor, z: Tensor, q: Tensor) -> Tensor:
        """The first inequalities (..., K) that have a part in a limit that is met, to rounding: all of those are."""
        size = q.detach().abs() @ self.M.abs().mT + z.detach().abs() @ self.G.abs().mT
        return (gap.detach().abs() <= _TIGHT * size).double() @ self.made_of > 0


def _largest(values: Tensor) -> Tensor:
    """The largest of (..., R), minus infinity of none."""
    if values.shape[-1] == 0:
        return values.new_full(values.shape[:-1], -torch.inf)
    return values.amax(-1)
