"""What is around cells, and what goes on where there is nothing."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

_SMOOTHINGS = 4


def around(x: Tensor) -> Tensor:
    """Means over a cell and its eight neighbours, of (B, C, H, W)."""
    return avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def carried_on(x: Tensor, known: Tensor) -> Tensor:
    """x (B, C, H, W) where it is `known`, and elsewhere what is around that, from ring to ring; zero in bare fields."""
    weight = known.double()
    filled = x.where(known, 0.0)
    for _ in range(max(x.shape[-2:])):
        near = around(weight)
        new = (weight == 0) & (near > 0)
        if not new.any():
            break
        filled = torch.where(new, around(filled) / near.where(new, 1.0), filled)
        weight = torch.where(new, 1.0, weight)
    for _ in range(_SMOOTHINGS):
        filled = filled.where(known, around(filled))
    return filled
