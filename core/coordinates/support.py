"""The link of a chart: between which values each column is generated, and where its scale turns logarithmic."""

from __future__ import annotations

import torch
from torch import Tensor

from lawful.core.coordinates.problem import SAME, Problem, Ratio
from lawful.core.coordinates.states import States

SOLVED_SLOPE = 1e4
"""Slope of an unbounded variable that the laws solve for, in standard deviations: others hardly move instead of it."""

_NEAR = 0.1


def support(problem: Problem, states: States, extended: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds `(columns,)` of what is generated.

    Those of the problem, or a recurring value that no event goes beyond; none where a ratio implies them anyway.
    """
    lower, upper = (bound.clone() for bound in problem.column_bounds)
    for i, values in enumerate(states.atoms):
        data = extended[:, i][extended[:, i].isfinite()]
        for edge in values[values.isfinite()] if len(data) else ():
            if (data >= edge * (1 - SAME * edge.sign())).all():
                lower[i] = torch.maximum(lower[i], edge)
            if (data <= edge * (1 + SAME * edge.sign())).all():
                upper[i] = torch.minimum(upper[i], edge)
    # One value alone leaves nothing to generate: the state fixes it.
    alone = lower >= upper
    lower[alone], upper[alone] = (bound[alone] for bound in problem.column_bounds)
    for ratio in problem.ratios:
        for column in _implied(problem, ratio):
            lower[column] = -torch.inf
    return lower, upper


def _implied(problem: Problem, ratio: Ratio) -> list[int]:
    """Columns whose only bound is zero from below, which `z_num = rho z_den` with `z_den >= 0` implies.

    They are the numerator when rho is not negative, and the slack of an inequality between the two, such as
    `Kup <= Kdown` with an albedo of at most one.
    """
    if problem.lower[ratio.denominator] < 0:
        return []
    columns = []
    if ratio.lower >= 0 and problem.lower[ratio.numerator] == 0 and problem.upper[ratio.numerator] == torch.inf:
        columns.append(ratio.numerator)
    for k, (row, d) in enumerate(zip(problem.C, problem.d, strict=True)):
        between = set(row.nonzero()[:, 0].tolist()) == {ratio.numerator, ratio.denominator}
        if between and d == 0 and ratio.upper < torch.inf and ratio.lower > -torch.inf:
            ends = torch.tensor([ratio.lower, ratio.upper], dtype=row.dtype)
            if (row[ratio.numerator] * ends + row[ratio.denominator] <= 0).all():
                columns.append(problem.n + k)
    return columns


def scales(extended: Tensor, lower: Tensor, upper: Tensor, solved: set[int]) -> Tensor:
    """Scales `(columns,)` of the links, in the units of the columns.

    A bounded column that comes near its bound is logarithmic below its median distance from it; one that stays away is
    linear, so that linear relations in the data stay linear.
    """
    found = []
    for i, values in enumerate(extended.T):
        values = values[values.isfinite()]
        spread = values.std(correction=0).item() if len(values) else 0.0
        if lower[i].isfinite() or upper[i].isfinite():
            scale = _bounded_scale((values - (lower[i] if lower[i].isfinite() else upper[i])).abs(), spread)
        else:
            scale = spread * (SOLVED_SLOPE if i in solved else 1.0)
        found.append(scale or 1.0)
    return torch.tensor(found, dtype=torch.float64)


def _bounded_scale(distance: Tensor, spread: float) -> float:
    distance = distance[distance > 0]
    if not len(distance):
        return 0.0
    median = distance.median().item()
    near = distance.quantile(0.05).item() < _NEAR * median
    return median if near else 0.05 * spread
