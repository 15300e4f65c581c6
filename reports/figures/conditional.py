"""Figures of an ensemble that was given something: rank histograms and scores beside the rivals'."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lawful.reports.figures.style import (
    BLACK,
    ENSEMBLE,
    PALE,
    RIVAL,
    WIDTH,
    Plate,
    legend_above,
    panels,
    plate,
    style,
    title,
)

_MOST_BARS = 21


def rank_histograms(variables: Sequence[dict[str, Any]]) -> Plate:
    """Rank histograms of generated variables, as the conditional part of the fidelity figures holds them."""
    with style():
        figure, axes = panels(len(variables))
        for panel, variable in zip(axes, variables, strict=True):
            shares = _merged(np.asarray(variable["ranks"]["counts"], dtype=float))
            title(panel, f"{variable['name']}: {'may be flat' if variable['ranks']['flat'] else 'not flat'}")
            panel.bar(np.linspace(0, 1, len(shares)), shares * len(shares), width=0.9 / len(shares), color=ENSEMBLE)
            panel.axhline(1, color=BLACK, linewidth=0.8, linestyle=(0, (4, 3)))
            panel.set_xticks([0, 1], ["below all", "above all"])
            panel.locator_params(axis="y", nbins=4)
        flat = [variable["name"] for variable in variables if variable["ranks"]["flat"]]
        return plate(
            "ranks",
            "Rank histograms",
            "Where the observation stands among its members, as a multiple of the flat share. A U is an ensemble too "
            "narrow, a dome one too wide, a slope one that is biased. Ties are broken at random.",
            f"Rank histograms of {len(variables)} variables; {len(flat)} may be flat, given how few blocks there are.",
            figure,
        )


def reliability_diagrams(variables: Sequence[dict[str, Any]], reliability: dict[str, float]) -> Plate:
    """Observed frequency against forecast probability of passing two thresholds, for generated variables as above.

    `reliability` holds the mean reliability term of the Brier score over all of them: "model" and "floor".
    """
    with style():
        figure, axes = panels(len(variables), height=2.3)
        for panel, variable in zip(axes, variables, strict=True):
            title(panel, variable["name"])
            panel.plot([0, 1], [0, 1], color=BLACK, linewidth=0.6, linestyle=(0, (4, 3)))
            for level, colour, marker in zip(variable["reliability"], (ENSEMBLE, RIVAL), ("o", "s"), strict=True):
                label = f"above the {100 * level['level']:g} % quantile"
                panel.plot(level["forecast"], level["observed"], f"{marker}-", color=colour, markersize=3, label=label)
            panel.set_xlim(-0.03, 1.03)
            panel.set_ylim(-0.03, 1.03)
            panel.locator_params(nbins=4)
        figure.supxlabel("forecast probability", fontsize=9)
        figure.supylabel("observed frequency", fontsize=9)
        legend_above(figure, axes[0])
        return plate(
            "reliability",
            "Reliability",
            "How often a value above the median, and above the 90 % quantile, of the training data was observed when "
            "the ensemble gave it that probability. On the diagonal, probabilities mean what they say.",
            f"Reliability diagrams of {len(variables)} variables; the mean reliability term of the Brier score is "
            f"{reliability['model']:.3g}, and {reliability['floor']:.3g} for analogs.",
            figure,
        )


def crps_bars(variables: Sequence[dict[str, Any]]) -> Plate:
    """Mean CRPS of the ensemble and of the analogs, over climatology's, with intervals; `variables` as above."""
    names = [variable["name"] for variable in variables]
    with style():
        figure = Figure(figsize=(WIDTH * 0.75, 0.42 * len(names) + 1.2), layout="constrained")
        axes = figure.subplots()
        place = np.arange(len(names))
        rivals = (
            ("over_climatology", ENSEMBLE, "ensemble", 0.19),
            ("analogs_over_climatology", RIVAL, "30 analogs", -0.19),
        )
        for key, colour, label, shift in rivals:
            values, errors = _bars([variable["crps"][key] for variable in variables])
            axes.barh(place - shift, values, height=0.36, color=colour, label=label, xerr=errors, ecolor=BLACK,
                      error_kw={"linewidth": 0.8})  # fmt: skip
        axes.axvline(1, color=PALE, linewidth=1)
        axes.set_yticks(place, names)
        axes.invert_yaxis()
        axes.set_xlabel("CRPS / CRPS of climatology (smaller is better)")
        figure.legend(loc="outside upper left", ncols=2)
        mean = np.nanmean([variable["crps"]["over_climatology"]["value"] or np.nan for variable in variables])
        return plate(
            "crps",
            "Scores given what is known",
            "Mean continuous ranked probability score over that of climatology, with 95 % intervals over blocks, for "
            "the ensemble and for 30 analogs.",
            f"Bars of CRPS over climatology for {len(names)} variables; the mean of the ensemble is {mean:.2f}.",
            figure,
        )


def _merged(counts: np.ndarray) -> np.ndarray:
    """Shares of ranks in at most 21 bars; bars of unequal numbers of ranks are made comparable."""
    bars = np.array_split(counts, min(len(counts), _MOST_BARS))
    heights = np.array([bar.mean() for bar in bars])
    return heights / heights.sum()


def _bars(figures: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([figure["value"] if figure["value"] is not None else np.nan for figure in figures], dtype=float)
    ends = np.array([figure["interval"] or [np.nan, np.nan] for figure in figures], dtype=float)
    return values, np.maximum(np.stack([values - ends[:, 0], ends[:, 1] - values]), 0.0)
