"""How the steps of windows follow one another: autocorrelation, spells, and totals by season."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lawful.reports.figures.style import DATA, ENSEMBLE, Plate, legend_above, panels, plate, style, titled


def time_plates(windows: dict[str, Any]) -> list[Plate]:
    """Figures of what `window_figures` found."""
    plates = [_persistence(windows["persistence"])]
    plates += [_spells(windows["spells"])] if windows["spells"] else []
    return plates + ([_seasons(windows["seasons"])] if windows["seasons"] else [])


def _persistence(figures: dict[str, Any]) -> Plate:
    each = figures["each"]
    with style():
        figure, axes = panels(len(each))
        for panel, variable in zip(axes, each, strict=True):
            lags = np.arange(1, len(variable["data"]) + 1)
            _pair(panel, lags, variable)
            panel.set_title(variable["name"])
            panel.axhline(0, color=DATA, linewidth=0.5)
            panel.set_xlabel("lag, steps")
        legend_above(figure, axes[0])
        return plate(
            "autocorrelation",
            "Autocorrelation",
            "Correlation between steps of a window that lie so many steps apart, held-out data and ensemble.",
            f"Autocorrelation of {len(each)} variables, held-out data against ensemble.",
            figure,
        )


def _spells(figures: dict[str, Any]) -> Plate:
    each = figures["each"]
    with style():
        figure, axes = panels(len(each))
        for panel, kind in zip(axes, each, strict=True):
            longer = {
                name: np.clip(np.array(shares, dtype=float), 0, 1) for name, shares in kind["longer_than"].items()
            }
            _pair(
                panel, np.arange(len(longer["data"])), {name: np.where(y > 0, y, np.nan) for name, y in longer.items()}
            )
            panel.set_title(f"{kind['name']}: spells {kind['spells']}")
            panel.set_yscale("log")
            panel.set_xlabel("length, steps")
        legend_above(figure, axes[0])
        return plate(
            "spells",
            "Spells",
            "Share of spells longer than so many steps; one without is a run of exact zeros. Windows cut long ones.",
            f"Distribution of the lengths of {len(each)} kinds of spell, held-out data against ensemble.",
            figure,
        )


def _seasons(figures: dict[str, Any]) -> Plate:
    each = figures["each"]
    with style():
        figure, axes = panels(len(each))
        for panel, variable in zip(axes, each, strict=True):
            totals = variable["totals"]
            places = np.arange(len(totals))
            for shift, name, colour in ((-0.2, "data", DATA), (0.2, "ensemble", ENSEMBLE)):
                heights = [np.nan if total[name] is None else total[name] for total in totals]
                panel.bar(places + shift, heights, 0.4, color=colour, label=name)
            panel.set_xticks(places, [total["season"] for total in totals])
            titled(panel, variable["name"], variable["units"])
        legend_above(figure, axes[0])
        return plate(
            "seasons",
            "Totals by season",
            "Mean total of a window by the season in which its middle lies, held-out data and ensemble.",
            f"Mean totals of {len(each)} variables in four seasons, held-out data against ensemble.",
            figure,
        )


def _pair(panel: Axes, x: np.ndarray, y: dict[str, Any]) -> None:
    panel.plot(x, y["data"], color=DATA, label="data")
    panel.plot(x, y["ensemble"], color=ENSEMBLE, label="ensemble")
