"""What is done to data before a training: rounding noise of a resolution, and blocks that judge."""

import numpy as np
import pytest
import xarray as xr
from small import save

from lawful.domains import Blocks, Domain, Law, Variable
from lawful.pipeline.data import load, validation_mask

DOMAIN = Domain(
    name="gauge", title="Gauge", event="hour", event_dim="time", blocks=Blocks(kind="time", length_days=1),
    variables=(
        Variable(name="rain", units="mm", lower=0, resolution=0.2),
        Variable(name="runoff", units="mm"), Variable(name="store", units="mm"),
    ),
    laws=(Law(name="water", equation="rain = runoff + store", units="mm", tolerance=1e-3),),
)  # fmt: skip


def hours(rain):
    rng = np.random.default_rng(0)
    runoff = rng.random(len(rain))
    time = np.datetime64("2001-01-01", "ns") + np.arange(len(rain)) * np.timedelta64(1, "h")
    columns = {"rain": rain, "runoff": runoff, "store": rain - runoff}
    return xr.Dataset({name: ("time", x, {"units": "mm"}) for name, x in columns.items()}, {"time": time})


def test_rounding_noise_is_taken_from_what_has_a_resolution(tmp_path):
    rain = 0.2 * np.arange(100.0)
    rain[3] += 0.5e-6 * 0.2
    found = load(save(hours(rain), tmp_path / "noise.nc"), DOMAIN, {})
    assert found.dataset.rain.values[3] == np.round(rain[3] / 0.2) * 0.2
    # Beside the multiples that floating point itself does not hit.
    assert any("values moved to multiples of 0.2 mm, by 1.0e-07 at most" in note for note in found.notes)
    rain[3] += 2e-6 * 0.2
    off = load(save(hours(rain), tmp_path / "off.nc"), DOMAIN, {})
    assert off.dataset.rain.values[3] == rain[3]


@pytest.mark.parametrize("days", [3, 16, 40])
def test_an_eighth_of_the_blocks_judges(days):
    ds = hours(np.zeros(24 * days))
    mask = validation_mask(ds, DOMAIN, np.random.default_rng(0)).numpy().reshape(days, 24)
    assert (mask.all(1) == mask.any(1)).all()
    assert mask.any(1).sum() == max(1, round(days / 8))
