"""Figures of categories."""

from typing import Any

import numpy as np

from lawful.reports.figures.style import DATA, ENSEMBLE, PALE, Plate, legend_above, panels, plate, style


def category_shares(categories: list[dict[str, Any]]) -> Plate:
    """Shares of the kinds of each category; `categories` is that part of the fidelity figures."""
    with style():
        most = max(len(category["kinds"]) for category in categories)
        figure, axes = panels(len(categories), height=0.8 + 0.34 * most, columns=min(2, max(1, len(categories))))
        for panel, category in zip(axes, categories, strict=True):
            panel.set_title(category["variable"])
            places = np.arange(len(category["kinds"]))
            for shift, side, colour, label in (
                (-0.2, "data", PALE, "held-out data"), (0.2, "ensemble", ENSEMBLE, "ensemble")
            ):  # fmt: skip
                shares = [kind["share"][side] for kind in category["kinds"]]
                panel.barh(places + shift, shares, height=0.36, color=colour, label=label)
                for place, share in zip(places, shares, strict=True):
                    panel.text(share, place + shift, f" {100 * share:.1f} %", va="center", fontsize=7, color=DATA)
            panel.set_yticks(places, [kind["kind"] for kind in category["kinds"]])
            panel.invert_yaxis()
            panel.set_xlim(right=panel.get_xlim()[1] * 1.1)
            panel.xaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        legend_above(figure, axes[0])
        names = ", ".join(category["variable"] for category in categories)
        return plate(
            "categories",
            "Shares of kinds",
            "How often each kind comes, in held-out data and in the ensemble.",
            f"Bars of the shares of kinds of {names}, held-out data against ensemble.",
            figure,
        )
