"""What is done to data before a training: rounding noise of a resolution, and blocks that judge."""

import numpy as np
import pytest
import xarray as xr
from small import save

from lawful.domains import Blocks, Context, Domain, Law, Variable
from lawful.pipeline.data import context, load, prepare, shifted_contexts, validation_mask
from lawful.pipeline.settings import RunSettings

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


@pytest.mark.parametrize("unit", [1e-30, 1e-9, 1.0, 1e9])
def test_a_model_sees_context_in_no_units(tmp_path, unit):
    """Numbers of a millionth would tell it nothing, and those of a million everything; hours and kinds stay."""
    ds = hours(0.2 * np.arange(480.0) % 4)
    rng, kind = np.random.default_rng(1), np.arange(480.0) % 2
    ds = ds.assign(level=("time", 3e5 + 20 * rng.normal(size=480)), kind=("time", kind), still=("time", 0 * kind + 1e7))
    ds = ds.assign({name: ds[name] * unit for name in ("level", "still")})
    known = (
        Context(name="hour", kind="hour_of_day"), Context(name="level", kind="variable"),
        Context(name="kind", kind="variable", categories=(0, 1)), Context(name="still", kind="variable"),
    )  # fmt: skip
    domain = DOMAIN.model_copy(update={"context": known})
    prepared = prepare(RunSettings(domain="gauge", out=tmp_path, data=save(ds, tmp_path / "data.nc")), 0, domain)
    found = context(prepared.train, prepared).double().numpy()
    *hour, level, off, on, still = found.T
    np.testing.assert_allclose([level.mean(), level.std()], [0, 1], atol=1e-5)
    raw = prepared.train.level.to_numpy() / unit
    np.testing.assert_allclose(level, (raw - raw.mean()) / raw.std(), rtol=1e-4, atol=1e-5)
    assert np.abs(still).max() < 1e-12 and set(off) == set(on) == {0.0, 1.0}
    assert np.abs(hour).max() == pytest.approx(1)
    first, *shifted = shifted_contexts(prepared, rng)
    assert all((version == first).all() for version in shifted) and (first.numpy() == found).all()
