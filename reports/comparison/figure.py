"""The figure of a comparison: every seed of every strategy as a dot."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lawful.reports.comparison.table import MEASURES
from lawful.reports.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PALE,
    VERMILION,
    Plate,
    legend_above,
    panels,
    plate,
    style,
)

_SHOWN = ("auc", "energy_distance", "w1", "correlation", "zeros", "recall")
_COLOURS = (BLUE, ORANGE, GREEN, VERMILION)
_MARKERS = ("o", "s", "^", "D")


def dots(cells: list[dict[str, Any]], tables: list[dict[str, Any]]) -> Plate:
    """Strategies from top to bottom, a panel a measure; the mean as a bar, the floor as a line."""
    strategies = list(dict.fromkeys(row["strategy"] for table in tables for row in table["rows"]))
    measures = [name for name in _SHOWN if any(name in (cell.get("measures") or {}) for cell in cells)]
    with style():
        figure, axes = panels(max(len(measures), 1), height=0.3 * len(strategies) + 0.9, columns=3)
        for panel, measure in zip(axes, measures, strict=False):
            _panel(panel, measure, strategies, cells, tables)
        legend_above(figure, axes[0])
        models = ", ".join(table["model"] for table in tables)
        return plate(
            "compare",
            "Strategies compared",
            "Every seed is a mark, their mean a stroke. The dashed line is the floor: training data against held-out "
            "data. Smaller is better.",
            f"Dot plots of {len(measures)} measures for {len(strategies)} strategies and the models {models}.",
            figure,
        )


def _panel(
    panel: Axes, measure: str, strategies: list[str], cells: list[dict[str, Any]], tables: list[dict[str, Any]]
) -> None:
    panel.set_title(MEASURES[measure])
    for number, table in enumerate(tables):
        colour, shift = _COLOURS[number % 4], 0.18 * (number - (len(tables) - 1) / 2)
        points = _points(measure, table["model"], strategies, cells)
        values, places = np.array([value for _, value in points]), np.array([place + shift for place, _ in points])
        panel.plot(values, places, _MARKERS[number % 4], color=colour, markersize=3.5, alpha=0.7, label=table["model"])
        for place in sorted({place for place, _ in points}):
            mean = np.mean([value for other, value in points if other == place])
            panel.plot([mean, mean], [place + shift - 0.16, place + shift + 0.16], color=colour, linewidth=2)
    floor = tables[0]["floor"].get(measure)
    if floor is not None:
        panel.axvline(floor, color=BLACK, linewidth=0.8, linestyle=(0, (4, 3)))
    panel.set_yticks(range(len(strategies)), strategies)
    panel.set_ylim(len(strategies) - 0.5, -0.5)
    panel.grid(axis="y", color=PALE, linewidth=0.4)


def _points(measure: str, model: str, strategies: list[str], cells: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """Place of the strategy and value of each seed."""
    return [
        (strategies.index(cell["strategy"]), cell["measures"][measure]["model"])
        for cell in cells
        if cell["model"] == model and not cell["failed"] and measure in cell["measures"]
    ]
