"""Figures of fields: one panel a law, whatever the weights of its blocks, and wavenumbers as whole numbers."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from lawful.domains import Variable
from lawful.domains.field_domain import FieldDomain
from lawful.reports.figures.grids import power_spectra
from lawful.reports.figures.laws import law_residuals

RAIN = FieldDomain(
    name="rain", title="Rain", event="day", dim="time", rows="y", columns="x", block=(2, 2), weights="area",
    variables=(Variable(name="rain", units="mm d-1", lower=0),),
)  # fmt: skip


def test_blocks_of_other_weights_are_shown_as_one_law():
    fine, coarse = np.ones((5, 6, 2)), np.ones((5, 3, 1))
    coarse[0, 2] += 1e-12
    ds = xr.Dataset(
        {"rain": (("time", "y", "x"), fine), "rain_coarse": (("time", "yc", "xc"), coarse), "area": ("y", range(1, 7))}
    )
    views = RAIN.views(ds).laws
    assert len(views) == 3
    parts = [(view.of(ds), view.of(ds), view.domain) for view in views]
    plate = law_residuals(parts, 8.0, [view.law for view in views], RAIN.equations)
    assert plate.alt.count("rain means") == 1 and "rain means 4.5e+03" in plate.alt
    assert law_residuals(parts, 8.0).alt.count("rain means") == 3


def test_wavenumbers_are_whole_numbers(monkeypatch):
    seen = []
    set_xticks = Axes.set_xticks
    monkeypatch.setattr(Axes, "set_xticks", lambda self, *ticks: seen.append(ticks) or set_xticks(self, *ticks))
    power = list(range(12, 0, -1))
    power_spectra([{"array": "rain", "power": {"data": power, "ensemble": power}}])
    assert [list(part) for part in seen[0]] == [[1, 2, 5, 10], ["1", "2", "5", "10"]]
