"""How exactly the laws hold, as a figure."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from lawful.domains.domain import Domain
from lawful.reports.figures.shown import remarked, worst
from lawful.reports.figures.style import (
    DATA,
    ENSEMBLE,
    VERMILION,
    Plate,
    legend_above,
    on_logarithms,
    panels,
    plate,
    style,
    title,
)
from lawful.reports.physics.residuals import law_ulps

_READABLE, _MOST = 12, 9


def law_residuals(
    parts: list[tuple[xr.Dataset, xr.Dataset, Domain]],
    tolerance: float,
    names: Sequence[str] = (),
    equations: Mapping[str, str] | None = None,
) -> Plate:
    """Share of samples whose residual exceeds a number of ulps, for every equality.

    `parts` are ensembles and data, each with the domain whose laws they are held to. Those of one law have its name
    among `names`, which are empty for others, and are shown together; `equations` says how to write laws.
    """
    pooled: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    said: dict[str, str] = {}
    for (ensemble, data, domain), whole in zip(parts, names or [""] * len(parts), strict=True):
        for law, *both in zip(domain.equalities, law_ulps(ensemble, domain), law_ulps(data, domain), strict=True):
            called = whole or law.name
            pooled.setdefault(called, []).append((both[0].ravel(), both[1].ravel()))
            said[called] = (equations or {}).get(called, law.equation)
    made, given = ([np.concatenate([pair[k] for pair in pairs]) for pairs in pooled.values()] for k in (0, 1))
    laws = list(said)
    shown = worst(map(_largest, made), _READABLE, _MOST)
    with style():
        figure, axes = panels(len(shown), height=2.6, columns=min(3, max(2, len(shown))))
        for panel, k in zip(axes, shown, strict=True):
            name, ours, theirs = laws[k], made[k], given[k]
            title(panel, _short(f"{name}: {said[name]}"), 9)
            _exceedance(panel, theirs, DATA, "held-out data")
            _exceedance(panel, ours, ENSEMBLE, "ensemble")
            panel.axvline(
                tolerance, color=VERMILION, linewidth=1, linestyle=(0, (4, 3)), label=f"allowed: {tolerance:g}"
            )
            _axes(panel, tolerance, max(_largest(ours), _largest(theirs)))
        legend_above(figure, axes[0])
        largest = "; ".join(f"{laws[k]} {_largest(made[k]):.3g}" for k in shown)
        sheet = plate(
            "residuals",
            "Law residuals",
            "Share of samples whose residual is larger than so many ulps. One ulp is what rounding to the stored type "
            "alone can do. Data that close to a solver's tolerance or an instrument's accuracy lie far to the right.",
            f"Exceedance curves of law residuals in ulps. Largest in the ensemble: {largest}.",
            figure,
        )
        return remarked(sheet, len(shown), len(made), "the laws with the largest residuals")


def _exceedance(panel: Axes, ulps: np.ndarray, colour: str, label: str) -> None:
    if not ulps.size:
        return
    ordered, counts = np.unique(ulps, return_counts=True)
    beyond = 1 - np.cumsum(counts) / counts.sum()
    start = np.concatenate([[1e-3], np.maximum(ordered, 1e-3)])
    share = np.concatenate([[1.0], np.maximum(beyond, 0.3 / ulps.size)])
    panel.step(start, share, where="post", color=colour, label=label)


def _axes(panel: Axes, tolerance: float, largest: float) -> None:
    on_logarithms(panel, "xy")
    panel.minorticks_off()
    panel.set_xlim(0.03, max(3 * tolerance, 3 * largest))
    panel.set_ylim(top=1.5)
    panel.set_xlabel("ulps")
    panel.set_ylabel("share beyond")


def _largest(ulps: np.ndarray) -> float:
    return float(ulps.max(initial=0.0))


def _short(text: str, width: int = 44) -> str:
    return text if len(text) <= width else f"{text[: width - 12]} … {text[-9:]}"
