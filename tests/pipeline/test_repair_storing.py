"""What `lawful repair` stores is within bounds as the numbers of the file are."""

import numpy as np
import xarray as xr
from small import install, save

from lawful.domains import Blocks, Domain, Law, Variable

BETWEEN = Domain(
    name="between",
    title="A part between bounds",
    event="sample",
    event_dim="sample",
    variables=(
        Variable(name="a", units="1", lower=-0.1, upper=0.1),
        Variable(name="b", units="1"),
        Variable(name="c", units="1"),
    ),
    laws=(Law(name="total", equation="a + b = c", units="1", tolerance=1e-6),),
    blocks=Blocks(kind="order"),
)


def test_bounds_that_single_precision_rounds_outward_are_not_passed(lawful, tmp_path, monkeypatch):
    """0.1 rounds up in float32: a value put on it as stored would be beyond."""
    assert float(np.float32(0.1)) > 0.1
    install(monkeypatch.setattr, between=BETWEEN)
    a, b = np.array([0.2, -0.2, 0.05], np.float32), np.ones(3, np.float32)
    ds = xr.Dataset({"a": ("sample", a), "b": ("sample", b), "c": ("sample", a + b)})
    path = save(ds, tmp_path / "in.nc")
    assert lawful("repair", path, "--domain", "between", "-o", tmp_path / "out.nc").code == 0
    stored = xr.load_dataset(tmp_path / "out.nc")["a"].to_numpy()
    inward = np.nextafter(np.float32(0.1), np.float32(0))
    assert stored.dtype == np.float32 and stored.tolist() == [inward, -inward, a[2]]
