"""Figures of variables together: correlations, and the cycle of the day."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from lawful.domains.calendar import hour_of_day, time_coordinate
from lawful.domains.declarations import Variable
from lawful.domains.domain import Domain
from lawful.reports.fidelity.protocol import spreads
from lawful.reports.figures.shown import READABLE
from lawful.reports.figures.style import (
    DATA,
    DIVERGING,
    ENSEMBLE,
    Plate,
    finite,
    legend_above,
    panels,
    plate,
    style,
    titled,
)


def correlations(ensemble: np.ndarray, test: np.ndarray, domain: Domain) -> Plate:
    """Correlation matrices of the data and of the ensemble, and their difference.

    Args:
        ensemble: (realization, event, variable).
        test: (event, variable).
        domain: names.
    """
    data, made = _matrix(test), _matrix(ensemble.reshape(-1, ensemble.shape[-1]))
    difference = made - data
    with style():
        figure, axes = panels(3, height=3.8, columns=3)
        for panel, matrix, title in zip(
            axes, (data, made, difference), ("held-out data", "ensemble", "difference"), strict=True
        ):
            limit = 1.0 if title != "difference" else max(0.1, float(np.nanmax(np.abs(matrix), initial=0.0)))
            image = _image(panel, matrix, limit, domain.names)
            panel.set_title(title)
            bar = figure.colorbar(image, ax=panel, shrink=0.75, pad=0.02, location="bottom")
            bar.locator = MaxNLocator(5)
            bar.update_ticks()
        return plate(
            "correlations",
            "Correlations",
            "Pearson correlations of all pairs of variables; the difference is ensemble minus held-out data, on a "
            "scale of its own.",
            f"Correlation matrices of {len(domain.names)} variables. {_largest(difference, domain)}",
            figure,
        )


def has_diurnal_cycle(domain: Domain) -> bool:
    """Whether the hour of the day is part of the domain's context."""
    return any(context.kind == "hour_of_day" for context in domain.context)


def hours_of(events: xr.Dataset, domain: Domain) -> np.ndarray:
    """The hour of the day of each event, (event,) whole numbers."""
    return np.floor(hour_of_day(time_coordinate(events, domain.event_dim))).astype(int)


def diurnal_cycle(ensemble: np.ndarray, test: np.ndarray, hours: np.ndarray, variables: Sequence[Variable]) -> Plate:
    """Mean and range of each variable by hour of the day (event,); the other arguments as above."""
    with style():
        figure, axes = panels(len(variables))
        for k, (panel, variable) in enumerate(zip(axes, variables, strict=True)):
            titled(panel, variable.name, variable.units)
            _cycle(panel, test[:, k], hours, DATA, "held-out data")
            _cycle(panel, ensemble[..., k], hours, ENSEMBLE, "ensemble")
            panel.set_xticks(range(0, 25, 6))
            panel.set_xlim(0, 23)
            panel.locator_params(axis="y", nbins=4)
        figure.supxlabel("hour of the day", fontsize=9)
        legend_above(figure, axes[0])
        return plate(
            "diurnal",
            "Cycle of the day",
            "Mean by hour of the day (lines) and the range of the middle 80 % (bands).",
            f"Diurnal cycles of {len(variables)} variables, held-out data against ensemble.",
            figure,
        )


def _matrix(values: np.ndarray) -> np.ndarray:
    present = values[np.isfinite(values).all(axis=1)]
    if len(present) < 2:
        return np.full((values.shape[1], values.shape[1]), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.atleast_2d(np.corrcoef(present, rowvar=False))
    still = spreads(present) == 0
    return np.where(still | still[:, np.newaxis], np.nan, found)


def _image(panel: Axes, matrix: np.ndarray, limit: float, names: tuple[str, ...]) -> AxesImage:
    panel.spines[:].set_visible(False)
    readable = len(names) <= READABLE
    panel.set_xticks(range(len(names)) if readable else [], names if readable else [], rotation=90, fontsize=7)
    panel.set_yticks(range(len(names)) if readable else [], names if readable else [], fontsize=7)
    panel.tick_params(length=0)
    return panel.imshow(matrix, cmap=DIVERGING, vmin=-limit, vmax=limit)


def _largest(difference: np.ndarray, domain: Domain) -> str:
    upper = np.triu(np.nan_to_num(np.abs(difference)), k=1)
    i, j = np.unravel_index(int(upper.argmax()), upper.shape)
    return f"The largest difference is {difference[i, j]:+.2f}, between {domain.names[i]} and {domain.names[j]}."


def _cycle(panel: Axes, values: np.ndarray, hours: np.ndarray, colour: str, label: str) -> None:
    known = np.unique(hours)
    columns = [finite(values[..., hours == hour]) for hour in known]
    filled = [column if column.size else np.array([np.nan]) for column in columns]
    low, high = (np.array([np.quantile(column, level) for column in filled]) for level in (0.1, 0.9))
    panel.fill_between(known, low, high, color=colour, alpha=0.2, linewidth=0)
    panel.plot(known, [column.mean() for column in filled], color=colour, label=label)
