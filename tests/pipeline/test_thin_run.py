"""A thin polyhedron through the command line: steady states of a small network in wide bounds, not uniform."""

import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import load_file
from small import save

BOUND = 1000.0
FLUXES = "feed growth waste loop back leak"
NETWORK = f"""\
name: network
title: Steady states of a network
event: state
event_dim: sample
variables:
  feed: {{units: mmol h-1, lower: 0, upper: 10}}
  growth: {{units: mmol h-1, lower: 0, upper: {BOUND}}}
  waste: {{units: mmol h-1, lower: 0, upper: {BOUND}}}
  loop: {{units: mmol h-1, lower: -{BOUND}, upper: {BOUND}}}
  back: {{units: mmol h-1, lower: -{BOUND}, upper: {BOUND}}}
  leak: {{units: mmol h-1, lower: 0, upper: {BOUND}}}
laws:
  substrate: {{equation: feed = growth + waste + leak, units: mmol h-1, tolerance: 1e-9}}
  cycle: {{equation: loop + back = 0.001 * leak, units: mmol h-1, tolerance: 1e-9}}
  cell: {{equation: leak <= 0.0001 * feed, units: mmol h-1}}
blocks: {{kind: order, length: 6}}
"""


def states(count=360, seed=0):
    """Growth takes most of the feed; leaks are next to nothing; half of the states have no waste."""
    rng = np.random.default_rng(seed)
    feed, share = 10 * rng.beta(5, 2, count), rng.beta(8, 2, count)
    leak = 1e-4 * feed * rng.beta(2, 2, count)
    growth = np.where(rng.random(count) < 0.5, feed - leak, share * (feed - leak))
    waste = np.where(growth == feed - leak, 0.0, feed - leak - growth)
    loop = 300 * np.tanh(rng.normal(0, 1, count))
    columns = dict(zip(FLUXES.split(), (feed, growth, waste, loop, 0.001 * leak - loop, leak), strict=True))
    return xr.Dataset({name: ("sample", values, {"units": "mmol h-1"}) for name, values in columns.items()})


@pytest.mark.parametrize("model", ["autoregressive", "vae"])
def test_the_whole_way(lawful, tmp_path, model):
    domain, out = tmp_path / "network.yaml", tmp_path / "run"
    domain.write_text(NETWORK)
    data = save(states(), tmp_path / "states.nc")
    said = lawful("run", domain, "--data", data, "--out", out, "--members", 4, "--fast", "--model", model)
    assert said.code == 0, said
    # These coordinates are those of rooms, and come back from the file.
    assert "sharpness" in {name.rpartition(".")[2] for name in load_file(next(out.glob("model/*.safetensors")))}
    made, true = xr.load_dataset(out / "ensemble.nc"), states()
    assert lawful("check", out / "ensemble.nc", "--domain", domain).code == 0
    # What is a ten-thousandth as wide as the rest is generated as well as the rest.
    share, expected = (ds.leak.values / ds.feed.values for ds in (made, true))
    assert abs(share.mean() / expected.mean() - 1) < 0.3
    assert 0.5 < share.std() / expected.std() < 2
    assert abs((made.waste.values == 0).mean() - 0.5) < 0.15
