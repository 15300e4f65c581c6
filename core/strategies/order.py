"""The order in which variables are taken, and the laws that count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, RankError
from lawful.core.linear import LinearSystem
from lawful.core.polyhedra.laws import coefficients
from lawful.core.strategies.elimination import Solved, solve_last


def ordered(system: LinearSystem, order: Sequence[str | int] | None) -> list[int]:
    """Numbers of all variables in `order`, which names or numbers each of them once; None is the system's order."""
    if order is None:
        return list(range(system.n))
    number = {name: i for i, name in enumerate(system.columns)} | {i: i for i in range(system.n)}
    numbers = [number.get(key, -1) for key in order]
    if sorted(numbers) != list(range(system.n)):
        raise InvalidValueError(f"Expected an order of all variables {', '.join(system.columns)}, each once.")
    return numbers


def laws_solved(system: LinearSystem, order: list[int]) -> tuple[Tensor, Solved]:
    """Numbers (r,) of the laws that do not follow from others, solved for the last free variables of `order`.

    Raises:
        RankError: laws count as independent by what elimination in float64 cannot tell from rounding.
    """
    rows = (~system.redundant_mask).nonzero()[:, 0]
    solution = solve_last(coefficients(system)[rows].cpu().numpy(), order, system.rank_tolerance)
    if len(solution.solved) < len(rows):
        raise RankError(
            f"Elimination tells only {len(solution.solved)} of {len(rows)} independent laws apart from rounding: leave "
            "out laws that nearly follow from others, or give `LinearSystem` a larger `rank_tolerance`."
        )
    return rows, solution


def as_tensor(matrix: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(matrix)).to(device)
