"""How the steps of windows follow one another: autocorrelation, spells, and totals by season."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lawful.reports.figures.style import (
    DATA,
    ENSEMBLE,
    Plate,
    legend_above,
    on_logarithms,
    panels,
    plate,
    style,
    titled,
)


def time_plates(windows: dict[str, Any]) -> list[Plate]:
    """Figures of what `window_figures` found."""
    plates = [_persistence(windows["persistence"]["each"])]
    plates += [_spells(windows["spells"]["each"])] if windows["spells"] else []
    return plates + ([_seasons(windows["seasons"]["each"])] if windows["seasons"] else [])


def _persistence(each: list[dict[str, Any]]) -> Plate:
    return _sheet(
        each,
        _correlations,
        "autocorrelation",
        "Autocorrelation",
        "Correlation between steps of a window that lie so many steps apart, held-out data and ensemble.",
        f"Autocorrelation of {len(each)} variables, held-out data against ensemble.",
    )


def _spells(each: list[dict[str, Any]]) -> Plate:
    return _sheet(
        each,
        _lengths,
        "spells",
        "Spells",
        "Share of spells longer than so many steps; one without is a run of exact zeros. Windows cut long ones.",
        f"Distribution of the lengths of {len(each)} kinds of spell, held-out data against ensemble.",
    )


def _seasons(each: list[dict[str, Any]]) -> Plate:
    return _sheet(
        each,
        _totals,
        "seasons",
        "Totals by season",
        "Mean total of a window by the season in which its middle lies, held-out data and ensemble.",
        f"Mean totals of {len(each)} variables in four seasons, held-out data against ensemble.",
    )


def _sheet(
    each: list[dict[str, Any]],
    draw: Callable[[Axes, dict[str, Any]], None],
    name: str,
    title: str,
    caption: str,
    alternative: str,
) -> Plate:
    """A panel for each of what there is, drawn by `draw`."""
    with style():
        figure, axes = panels(len(each))
        for panel, found in zip(axes, each, strict=True):
            draw(panel, found)
        legend_above(figure, axes[0])
        return plate(name, title, caption, alternative, figure)


def _correlations(panel: Axes, variable: dict[str, Any]) -> None:
    _pair(panel, np.arange(1, len(variable["data"]) + 1), variable)
    panel.set_title(variable["name"])
    panel.axhline(0, color=DATA, linewidth=0.5)
    panel.set_xlabel("lag, steps")


def _lengths(panel: Axes, kind: dict[str, Any]) -> None:
    longer = {name: np.clip(np.array(shares, dtype=float), 0, 1) for name, shares in kind["longer_than"].items()}
    shown = {name: np.where(shares > 0, shares, np.nan) for name, shares in longer.items()}
    _pair(panel, np.arange(len(longer["data"])), shown)
    panel.set_title(f"{kind['name']}: spells {kind['spells']}")
    on_logarithms(panel, "y")
    panel.set_xlabel("length, steps")


def _totals(panel: Axes, variable: dict[str, Any]) -> None:
    totals = variable["totals"]
    places = np.arange(len(totals))
    for shift, name, colour in ((-0.2, "data", DATA), (0.2, "ensemble", ENSEMBLE)):
        heights = [np.nan if total[name] is None else total[name] for total in totals]
        panel.bar(places + shift, heights, 0.4, color=colour, label=name)
    panel.set_xticks(places, [total["season"] for total in totals])
    titled(panel, variable["name"], variable["units"])


def _pair(panel: Axes, x: np.ndarray, y: dict[str, Any]) -> None:
    panel.plot(x, y["data"], color=DATA, label="data")
    panel.plot(x, y["ensemble"], color=ENSEMBLE, label="ensemble")
