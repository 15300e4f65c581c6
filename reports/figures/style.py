"""One look for all figures: colours that the colour-blind can tell apart, light lines, no global settings."""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import LogFormatterSciNotation

# Okabe and Ito (2008), Color Universal Design.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
GREY, PALE = "#6B6B6B", "#C8C8C8"
DATA, ENSEMBLE, RIVAL = GREY, BLUE, ORANGE
DIVERGING = "PuOr_r"
DPI = 110
WIDTH = 11.0

_FONT = "DejaVu Sans"
_PAPER = RendererAgg(1, 1, DPI)
"""What says how wide letters are."""
_LABELS = 0.75
"""Inches of a panel's place that labels of its axis take."""
_LEAST = 6.0
"""Points that letters of a title have at least."""

_STYLE: dict[Any, Any] = {
    "font.family": _FONT,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.7,
    "axes.formatter.limits": (-3, 4),
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "figure.facecolor": "white",
    # Letters stay letters, which readers can select and search, and the same figure has the same ids each time.
    "svg.fonttype": "none",
    "svg.hashsalt": "lawful",
}


@dataclass(frozen=True)
class Plate:
    """A figure, as PNG and as SVG, with the words that go with it; `name` is its file name without ending."""

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    svg: bytes


@contextmanager
def style() -> Iterator[None]:
    """The common look, for figures made and saved inside."""
    with mpl.rc_context(_STYLE):
        yield


def panels(count: int, height: float = 1.9, columns: int = 4) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of `columns`, inches high each."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH, height * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, above them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))


class _Powers(LogFormatterSciNotation):
    """Labels such as 10⁻³ in plain letters, which take far less time than formulas do."""

    _superscripts = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos).removeprefix("$\\mathdefault{").removesuffix("}$").replace(r"\times", "×")
        return re.sub(r"\^\{(.+?)\}", lambda found: found[1].translate(self._superscripts), text)


def on_logarithms(axes: Axes, which: str) -> None:
    """Make axes "x", "y" or "xy" logarithmic."""
    for name in which:
        axes.set(**{f"{name}scale": "log"})
        getattr(axes, f"{name}axis").set_major_formatter(_Powers())
        getattr(axes, f"{name}axis").set_minor_formatter(_Powers())


def titled(axes: Axes, name: str, units: str) -> None:
    """The panel's variable and its units."""
    title(axes, f"{name}  [{units}]" if units not in ("", "1") else name)


def title(axes: Axes, text: str, size: float = 10.0) -> None:
    """A panel's title, in letters so small that it does not run into the next panel or off the figure."""
    place = axes.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    wide, _, _ = _PAPER.get_text_width_height_descent(text, FontProperties(family=_FONT, size=size), False)
    room = DPI * (WIDTH / columns - _LABELS)
    axes.set_title(text, fontsize=max(_LEAST, size * min(1.0, room / max(wide, 1.0))))


def finite(values: np.ndarray) -> np.ndarray:
    """The finite values, flat."""
    flat = values.ravel()
    return flat[np.isfinite(flat)]


def rendered(figure: Figure) -> bytes:
    """The figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def plate(name: str, title: str, caption: str, alt: str, figure: Figure) -> Plate:
    """The figure with its words, the same bytes for the same figure; inside `style()`."""
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    # The layout has been found, and finding it is half of the work.
    figure.set_layout_engine("none")
    return Plate(name, title, caption, alt, rendered(figure), svg.getvalue())
