"""What a step of a window remembers of the steps before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_DECAYS = (0.0, 0.6, 0.9)
_BEND = 0.05
_FAR = 8.0


class Memory(nn.Module):
    """Exponential moving averages of the earlier steps of a window, with fixed rates of decay.

    Of every variable three features are averaged: whether it sits on a bound, its value, and its value on a scale that
    is logarithmic for all but small ones. A decay of zero remembers the step before alone. A window begins without
    memory: averages start at the mean of the training data, and how far they have come is a feature too.
    """

    decays: Tensor
    lower: Tensor
    upper: Tensor
    scale: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, lower: Tensor, upper: Tensor):
        super().__init__()
        k = len(lower)
        self.size = len(_DECAYS) * (3 * k + 1)
        for name, value in (("decays", torch.tensor(_DECAYS)), ("lower", lower), ("upper", upper)):
            self.register_buffer(name, value.double(), persistent=False)
        self.register_buffer("scale", torch.ones(k, dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(3 * k, dtype=torch.float64))
        self.register_buffer("std", torch.ones(3 * k, dtype=torch.float64))

    def fit(self, z: Tensor) -> None:
        """Scales and moments of steps `(N, T, k)`."""
        spread = z.flatten(0, 1).std(0, correction=0)
        self.scale = torch.where(spread > 0, spread, 1.0)
        raw = self._raw(z).flatten(0, 1)
        self.mean, std = raw.mean(0), raw.std(0, correction=0)
        self.std = torch.where(std > 1e-12, std, 1.0)

    def begin(self, windows: int) -> Tensor:
        """The empty memory of windows, `(B, size)` float64."""
        return torch.zeros(windows, self.size, dtype=torch.float64)

    def after(self, memory: Tensor, z: Tensor) -> Tensor:
        """The memory `(B, size)` after a step `z` (B, k) more."""
        seen = ((self._raw(z) - self.mean) / self.std).clamp(-_FAR, _FAR)
        seen = torch.cat([seen, torch.ones_like(seen[:, :1])], 1)
        keep = self.decays[:, None]
        return (keep * memory.unflatten(1, (len(keep), -1)) + (1 - keep) * seen[:, None]).flatten(1)

    def before_each(self, z: Tensor) -> Tensor:
        """What each step `(N, T, k)` remembers, `(N, T, size)`."""
        memories = [self.begin(len(z))]
        for step in range(z.shape[1] - 1):
            memories.append(self.after(memories[-1], z[:, step]))
        return torch.stack(memories, 1)

    def _raw(self, z: Tensor) -> Tensor:
        on_bound = ((z == self.lower) | (z == self.upper)).double()
        return torch.cat([on_bound, z / self.scale, torch.asinh(z / (_BEND * self.scale))], -1)
