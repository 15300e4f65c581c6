"""Figures of more variables than they have room for: the worst are shown, and the caption says so."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text
from reports_data import as_ensemble

from lawful.domains import Blocks, Domain, Law, Variable
from lawful.reports.figures import _over_climatology, draw_all
from lawful.reports.figures.shown import MOST, READABLE, distances, worst
from lawful.reports.figures.style import panels, style, title

COUNT = READABLE + 6


@pytest.fixture(scope="module")
def wide() -> Domain:
    names = [f"part{k}" for k in range(COUNT)]
    return Domain(
        name="wide",
        title="Many parts in pairs",
        event="event",
        event_dim="event",
        variables=tuple(Variable(name=name, units="1") for name in names),
        laws=tuple(Law(name=f"pair{k}", equation=f"part{k} + part{k + 1} = 1", units="1") for k in range(0, COUNT, 2)),
        blocks=Blocks(kind="order", length=10),
    )


def values(size: int, seed: int) -> np.ndarray:
    halves = np.random.default_rng(seed).random((size, COUNT // 2))
    return np.stack([halves, 1 - halves], axis=-1).reshape(size, COUNT)


def data(domain: Domain, array: np.ndarray) -> xr.Dataset:
    return xr.Dataset({name: ("event", array[:, k]) for k, name in enumerate(domain.names)})


def test_worst_are_the_largest_in_their_order():
    assert worst([1.0, 5.0, 3.0, 4.0], 3, 2) == [1, 3]
    assert worst([1.0, np.nan, 3.0], 2, 1) == [1]
    assert worst([2.0, 1.0, 3.0], 3, 2) == [0, 1, 2]


def test_distance_is_the_shift_over_the_spread():
    points = np.random.default_rng(0).normal(0, 2, (2000, 2))
    spread = points.std(axis=0)
    found = distances(points + np.array([0.0, 3.0]), points)
    np.testing.assert_allclose(found, [0.0, 3 / spread[1]], atol=1e-12)
    assert np.isinf(distances(np.full((3, 1), np.nan), points[:, :1]))


def test_the_variable_that_is_wrong_is_among_those_shown(wide: Domain):
    train, test = data(wide, values(300, 1)), data(wide, values(100, 2))
    made = np.stack([values(100, seed) for seed in (3, 4)])
    made[..., COUNT - 1] += 1
    plates = {plate.name: plate for plate in draw_all(as_ensemble(made, test, wide), train, test, wide)}
    for name in ("marginals", "quantiles"):
        assert f"Shown are {MOST} of {COUNT}, the variables farthest from the data" in plates[name].caption
        assert f">part{COUNT - 1}<".encode() in plates[name].svg
    assert f"Shown are 9 of {COUNT // 2}, the laws with the largest residuals" in plates["residuals"].alt
    assert f"pair{COUNT - 2}: ".encode() in plates["residuals"].svg
    assert "Shown are" not in plates["correlations"].caption


@pytest.mark.parametrize(
    ("model", "value", "score"), [(0.2, 0.9, 0.9), (0.0, 0.0, 0.0), (0.0, None, 0.0), (0.2, None, np.nan)]
)
def test_what_never_errs_is_not_among_the_worst(model, value, score):
    found = _over_climatology({"crps": {"model": model, "over_climatology": {"value": value}}})
    np.testing.assert_equal(found, score)


@pytest.mark.parametrize(("columns", "size"), [(4, 10.0), (3, 9.0), (1, 10.0)])
def test_long_titles_stay_in_their_panels(columns, size):
    with style():
        figure, axes = panels(columns, columns=columns)
        for panel in axes:
            title(panel, "SUCCt2_2 + Biomass_Ecoli_core  [mmol g-1 h-1]", size)
            panel.set_ylim(0, 1e-3)
        title(axes[-1], "W" * 20, size)
        figure.draw_without_rendering()
        texts = [panel.findobj(lambda x: isinstance(x, Text) and len(x.get_text()) > 18) for panel in axes]
        ends = [title.get_window_extent().x1 for (title,) in texts]
        starts = [panel.get_tightbbox().x0 for panel in axes[1:]] + [figure.bbox.x1]
    assert all(end <= start for end, start in zip(ends, starts, strict=True))
