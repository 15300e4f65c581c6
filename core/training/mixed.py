"""Mixed precision of networks alone."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric.plugins import MixedPrecision


class NetworkPrecision(MixedPrecision):
    """Products of networks in bfloat16; what goes into a model stays as it is, for coordinates are float64.

    What must not be rounded so coarsely, regressions and laws, steps out of it by `full_precision`.
    """

    def __init__(self, device: str):
        super().__init__("bf16-mixed", device)

    def convert_input(self, data: Any) -> Any:
        """Unlike the base class, leave coordinates alone."""
        return data

    def convert_output(self, data: Any) -> Any:
        """A loss in single precision."""
        return data.float() if isinstance(data, torch.Tensor) else data
