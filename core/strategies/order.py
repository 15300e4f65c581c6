"""The order in which variables are taken, and the laws that count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.polyhedra.laws import coefficients


def ordered(system: LinearSystem, order: Sequence[str | int] | None) -> list[int]:
    """Numbers of all variables in `order`, which names or numbers each of them once; None is the system's order."""
    if order is None:
        return list(range(system.n))
    number = {name: i for i, name in enumerate(system.columns)} | {i: i for i in range(system.n)}
    numbers = [number.get(key, -1) for key in order]
    if sorted(numbers) != list(range(system.n)):
        raise InvalidValueError(f"Expected an order of all variables {', '.join(system.columns)}, each once.")
    return numbers


def independent_laws(system: LinearSystem) -> tuple[Tensor, np.ndarray]:
    """Numbers (r,) of the laws that do not follow from others, and their coefficients (r, n) at free variables."""
    rows = (~system.redundant_mask).nonzero()[:, 0]
    return rows, coefficients(system)[rows].cpu().numpy()


def as_tensor(matrix: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(matrix)).to(device)
