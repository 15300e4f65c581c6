"""A U-Net: what a field looks like at every cell, told by its neighbourhoods near and far.

Ronneberger, Fischer & Brox (2015), arXiv:1505.04597; residual blocks that are told the time as in Ho, Jain & Abbeel
(2020), arXiv:2006.11239.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu


class UNet(nn.Module):
    """(B, inputs, H, W) and features (B, f) -> (B, outputs, H, W); `levels` halvings of the grid, rounded up.

    With `periodic` columns the last neighbours the first, as longitudes do.
    """

    def __init__(self, inputs: int, outputs: int, features: int, width: int, levels: int, *, periodic: bool = False):
        super().__init__()
        widths = [width * min(2**level, 4) for level in range(levels + 1)]
        self.first, self.last = Conv(inputs, width, periodic), Conv(width, outputs, periodic)
        self.down = nn.ModuleList(Block(a, b, features, periodic) for a, b in pairwise(widths))
        self.middle = Block(widths[-1], widths[-1], features, periodic)
        self.up = nn.ModuleList(
            Block(a + b, b, features, periodic) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.norm = nn.GroupNorm(_groups(width), width)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        h, kept = self.first(x), []
        for block in self.down:
            kept.append(h)
            h = block(nn.functional.avg_pool2d(h, 2, ceil_mode=True), features)
        h = self.middle(h, features)
        for block in self.up:
            skip = kept.pop()
            h = block(torch.cat([interpolate(h, size=skip.shape[-2:]), skip], 1), features)
        return self.last(silu(self.norm(h)))


class Block(nn.Module):
    """Two convolutions around a shift and a scale by the features, beside a straight path."""

    def __init__(self, inputs: int, outputs: int, features: int, periodic: bool):
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(_groups(size), size) for size in (inputs, outputs))
        self.convs = nn.ModuleList([Conv(inputs, outputs, periodic), Conv(outputs, outputs, periodic)])
        self.told, self.straight = nn.Linear(features, 2 * outputs), nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        scale, shift = self.told(features)[..., None, None].chunk(2, 1)
        h = self.convs[0](silu(self.norms[0](x)))
        h = self.convs[1](silu(self.norms[1](h) * (1 + scale) + shift))
        return self.straight(x) + h


class Conv(nn.Module):
    """A convolution of three by three; beyond an edge the field goes on as it is at the edge."""

    def __init__(self, inputs: int, outputs: int, periodic: bool):
        super().__init__()
        self.conv, self.across = nn.Conv2d(inputs, outputs, 3), "circular" if periodic else "replicate"

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, (1, 1, 0, 0), mode=self.across)
        return self.conv(nn.functional.pad(x, (0, 0, 1, 1), mode="replicate"))


def _groups(width: int) -> int:
    return next(groups for groups in (8, 4, 2, 1) if width % groups == 0)
