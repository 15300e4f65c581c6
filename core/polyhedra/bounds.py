"""Lower and upper bounds of variables, and linear inequalities among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.arrays import as_float64, float_dtype, labels, require_finite


@dataclass(frozen=True)
class Bounds:
    """`lower <= z <= upper`, float64 tensors (n,) in the units of the variables; infinite where there is no bound.

    Raises:
        ShapeError, InvalidValueError: other shapes, NaN, a lower bound above the upper one, or bounds between which
            there is no number.
    """

    lower: Tensor
    upper: Tensor

    def __post_init__(self) -> None:
        lower, upper = as_float64(self.lower), as_float64(self.upper)
        if lower.dim() != 1 or lower.shape != upper.shape:
            raise ShapeError(f"Expected two bounds of shape (n,), got {tuple(lower.shape)} and {tuple(upper.shape)}.")
        wrong = (~(lower <= upper)).nonzero()
        if len(wrong):
            i = int(wrong[0])
            raise InvalidValueError(f"Expected lower <= upper, got {lower[i]:g} and {upper[i]:g} for variable {i}.")
        empty = ((lower == torch.inf) | (upper == -torch.inf)).nonzero()
        if len(empty):
            i = int(empty[0])
            raise InvalidValueError(
                f"Bounds {lower[i]:g} and {upper[i]:g} of variable {i} leave no number: without a bound the lower one "
                "is -inf and the upper one inf."
            )
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @classmethod
    def none(cls, n: int) -> Bounds:
        """No bounds on n variables."""
        infinite = torch.full((n,), torch.inf, dtype=torch.float64)
        return cls(-infinite, infinite)

    def contains(self, z: Tensor) -> Tensor:
        """Mask (..., n) of values within their bounds, compared as they are stored; False for NaN."""
        return (z.double() >= self.lower) & (z.double() <= self.upper)

    def clip(self, z: Tensor) -> Tensor:
        """z (..., n) in its own dtype, with values beyond a bound at the nearest number within."""
        low, high = self.inward(z.dtype)
        return z.maximum(low).minimum(high)

    def inward(self, dtype: Any) -> tuple[Tensor, Tensor]:
        """Both bounds (n,) rounded to `dtype` towards the inside, since float32(0.1) is more than 0.1.

        Where no number of `dtype` is within (see `without_numbers`), both are rounded to the nearest one.
        """
        low, high = self._inner(dtype)
        none = low > high
        return torch.where(none, self.lower.to(low.dtype), low), torch.where(none, self.upper.to(low.dtype), high)

    def without_numbers(self, dtype: Any) -> Tensor:
        """Mask (n,) of variables within whose bounds there is no number of `dtype`: 0.1 to 0.1 in float32."""
        low, high = self._inner(dtype)
        return low > high

    def _inner(self, dtype: Any) -> tuple[Tensor, Tensor]:
        low, high = (bound.to(float_dtype(dtype)) for bound in (self.lower, self.upper))
        infinity = torch.full_like(low, torch.inf)
        low = torch.where(low.double() < self.lower, torch.nextafter(low, infinity), low)
        return low, torch.where(high.double() > self.upper, torch.nextafter(high, -infinity), high)


@dataclass(frozen=True)
class Inequalities:
    """`C z <= d` with C (k, n) and d (k,), finite, in the units of the variables and of each inequality.

    Raises:
        ShapeError, InvalidValueError: other shapes, or values that are not finite.
    """

    C: Tensor
    d: Tensor
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        C, d = as_float64(self.C), as_float64(self.d)
        if C.dim() != 2 or d.shape != C.shape[:1]:
            raise ShapeError(f"Expected C (k, n) and d (k,), got {tuple(C.shape)} and {tuple(d.shape)}.")
        names = labels(self.names, len(C), "inequality", "names of inequalities")
        require_finite(C.T, "The coefficient", names)
        require_finite(d, "The limit", names)
        for field, value in (("C", C), ("d", d), ("names", names)):
            object.__setattr__(self, field, value)

    @classmethod
    def none(cls, n: int) -> Inequalities:
        """No inequalities among n variables."""
        return cls(torch.zeros(0, n, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
