"""Figures of fields on a grid."""

from typing import Any

import numpy as np
from matplotlib.ticker import NullLocator

from lawful.reports.figures.style import DATA, ENSEMBLE, Plate, legend_above, panels, plate, style

_WAVES = [digit * 10**power for power in range(5) for digit in (1, 2, 5)]


def power_spectra(grids: list[dict[str, Any]]) -> Plate:
    """Radially averaged power spectra of arrays on a grid; `grids` is that part of the fidelity figures."""
    with style():
        figure, axes = panels(len(grids), height=2.8, columns=min(3, max(2, len(grids))))
        for panel, grid in zip(axes, grids, strict=True):
            panel.set_title(grid["array"])
            for name, colour, label in (("data", DATA, "held-out data"), ("ensemble", ENSEMBLE, "ensemble")):
                power = np.asarray(grid["power"][name], dtype=float)
                panel.loglog(np.arange(1, len(power) + 1), power, ".-", color=colour, label=label)
            waves = [wave for wave in _WAVES if wave <= len(power)]
            panel.set_xticks(waves, [str(wave) for wave in waves])
            panel.xaxis.set_minor_locator(NullLocator())
            panel.set_xlabel("wavenumber (cycles over the longer side)")
        legend_above(figure, axes[0])
        names = ", ".join(grid["array"] for grid in grids)
        return plate(
            "spectrum",
            "Power spectra",
            "Radially averaged power of each field less its mean, in squared units; large patterns are on the left.",
            f"Power spectra of {names}, held-out data against ensemble.",
            figure,
        )
