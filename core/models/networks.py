"""Networks that families share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


class ResidualNetwork(nn.Module):
    """Linear in, `depth` residual blocks of two layers (He et al. 2016, doi:10.1109/CVPR.2016.90), linear out.

    (..., inputs) -> (..., outputs). Does not start at zero: symmetric mixtures are a saddle there.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, dropout: float):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                nn.Dropout(dropout), nn.Linear(width, width),
            )
            for _ in range(depth)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return self.last(silu(h)).to(x.dtype)


def fourier_features(t: Tensor, count: int = 8) -> Tensor:
    """Sines and cosines of a time in [0, 1]: (..., 1) -> (..., 2 count)."""
    frequencies = 2.0 ** torch.arange(count, device=t.device) * (torch.pi / 2)
    return torch.cat([(t * frequencies).sin(), (t * frequencies).cos()], -1)
