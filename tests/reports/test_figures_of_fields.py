"""Figures of fields: one panel a law, whatever the weights of its blocks; wavenumbers are whole; maps of one sample."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from lawful.domains import Variable
from lawful.domains.field_domain import FieldDomain
from lawful.reports.figures.grids import power_spectra
from lawful.reports.figures.laws import law_residuals
from lawful.reports.figures.maps import field_maps

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


def test_maps_show_one_sample_on_one_scale(monkeypatch):
    shown = []
    imshow = Axes.imshow
    monkeypatch.setattr(Axes, "imshow", lambda self, x, **how: shown.append((x, how)) or imshow(self, x, **how))
    rng = np.random.default_rng(0)
    days, rows = np.arange(11), np.array([3.0, 2.0, 1.0, 0.0])
    # Day k varies k times as much; of 11 days nine tenths vary less than day 9.
    fine = (1 + days[:, None, None]) * rng.random((4, 4))
    fine[:, 0, 3] = np.nan
    members = np.stack([fine + k for k in range(5)])
    means = fine[:, ::2, ::2]
    known = {"area": ("y", np.ones(4)), "rain_coarse": (("time", "yc", "xc"), means)}
    time = np.datetime64("2001-01-01", "ns") + days * np.timedelta64(1, "D")
    at = {"time": time, "y": rows}
    test = xr.Dataset({"rain": (("time", "y", "x"), fine), **known}, at)
    ensemble = xr.Dataset({"rain": (("realization", "time", "y", "x"), members), **known}, at)
    plate = field_maps(ensemble, test, RAIN)
    assert "2001-01-10" in plate.caption and "Grey cells" in plate.caption and "3 members" in plate.alt
    blocks = means[9].repeat(2, 0).repeat(2, 1)
    blocks[0, 3] = np.nan
    for (found, how), wanted in zip(shown, [blocks, fine[9], *members[:3, 9]], strict=True):
        assert np.array_equal(found, wanted, equal_nan=True)
        assert how["vmin"] == 0 and how["vmax"] == shown[0][1]["vmax"] and how["origin"] == "upper"
