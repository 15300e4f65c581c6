"""Memory for parts of many numbers that is used again: to have new memory mapped costs more than a pass over it."""

import torch
from torch import Tensor


class Workspace:
    """Of float64 numbers; what a method returns lasts until the next call."""

    def __init__(self) -> None:
        self._held = torch.empty(0, dtype=torch.float64)

    def _like(self, part: Tensor) -> Tensor:
        if self._held.numel() < part.numel() or self._held.device != part.device:
            self._held = torch.empty(part.numel(), dtype=torch.float64, device=part.device)
        return self._held[: part.numel()].view(part.shape)

    def read(self, part: Tensor) -> Tensor:
        """`part` itself where it is float64: not to be written to."""
        return part if part.dtype == torch.float64 else self._like(part).copy_(part)

    def square(self, part: Tensor) -> Tensor:
        values = self.read(part)
        return torch.mul(values, values, out=self._like(part))

    def times(self, part: Tensor, factor: Tensor | None) -> Tensor:
        """`part` times a `factor` (k,), or for none as by `read`."""
        values = self.read(part)
        return values if factor is None else torch.mul(values, factor, out=self._like(part))

    def magnitude(self, part: Tensor) -> Tensor:
        return torch.abs(self.read(part), out=self._like(part))
