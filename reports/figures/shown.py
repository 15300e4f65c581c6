"""Which of many panels a figure has room for: the worst ones, so that nothing bad hides."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lawful.reports.figures.style import Plate, finite

READABLE, MOST = 24, 16
"""Up to so many panels are all shown; of more, so many. A hundred can neither be read nor be drawn in seconds."""

_LEVELS = np.linspace(0.02, 0.98, 25)


def worst(measure: Iterable[float], readable: int = READABLE, most: int = MOST) -> list[int]:
    """Places of all values where there are at most `readable`, else of the `most` largest, in their order."""
    values = np.nan_to_num(np.asarray(list(measure), dtype=float), nan=np.inf)
    shown = len(values) if len(values) <= readable else most
    return sorted(np.argsort(-values, kind="stable")[:shown].tolist())


def distances(ensemble: np.ndarray, data: np.ndarray) -> list[float]:
    """How far each variable of an ensemble lies from data: mean distance of quantiles over the data's spread.

    Args:
        ensemble: (..., variable).
        data: (event, variable).
    """
    return [_distance(finite(ensemble[..., k]), finite(data[:, k])) for k in range(data.shape[1])]


def remarked(plate: Plate, shown: int, of: int, which: str) -> Plate:
    """The figure as it is, or with the remark that it shows only some panels, and which."""
    if shown == of:
        return plate
    remark = f"Shown are {shown} of {of}, {which}; report.json has all."
    return replace(plate, caption=f"{plate.caption} {remark}", alt=f"{plate.alt} {remark}")


def _distance(made: np.ndarray, data: np.ndarray) -> float:
    if not made.size or not data.size:
        return np.inf
    apart = float(np.abs(np.quantile(made, _LEVELS) - np.quantile(data, _LEVELS)).mean())
    return apart / (data.std() or 1.0)
