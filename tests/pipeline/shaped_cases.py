"""A domain of graphs and one of fields, with data and settings of a second."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from small import install

from lawful.core.training import Schedule
from lawful.data_recipes import sample_path
from lawful.domains import Blocks, Law, ShapedDomain, Variable
from lawful.domains.field_domain import FieldDomain
from lawful.domains.partial_charge import DOMAIN as CHARGES

SHORT = Schedule(steps=8, batch_size=8, check_every=4)
RAIN = FieldDomain(
    name="rain",
    title="Rain of a day",
    event="day",
    dim="time",
    rows="y",
    columns="x",
    block=(2, 3),
    variables=(Variable(name="rain", units="mm d-1", lower=0),),
    covariates=("height",),
    weights="area",
    blocks=Blocks(kind="time"),
)
WIND = RAIN.model_copy(
    update={
        "name": "wind", "title": "Radiation", "weights": None,
        "variables": tuple(Variable(name=name, units="W m-2") for name in ("down", "up", "net")),
        "laws": (Law(name="net", equation="net = down - up", units="W m-2"),),
    }
)  # fmt: skip


def fields(days: int = 80, seed: int = 0) -> xr.Dataset:
    """Days of fields on 4 x 6 cells, for both domains; a third of the cells is dry."""
    rng = np.random.default_rng(seed)
    rain, down, up = rng.normal(size=(3, days, 4, 6))
    dims, time = ("time", "y", "x"), np.datetime64("2001-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    columns = {"rain": np.maximum(rain + 0.4, 0), "down": down, "up": up, "net": down - up}
    known = {"height": (("y", "x"), 1000 + 500 * rng.random((4, 6))), "area": ("y", [1.0, 2.0, 2.0, 1.0])}
    found = {name: (dims, values.astype(np.float32)) for name, values in columns.items()}
    return xr.Dataset({**found, **known}, {"time": time})


def molecules(count: int) -> xr.Dataset:
    """The first molecules of the sample."""
    with xr.open_dataset(sample_path(CHARGES)) as sample:
        return CHARGES.chosen(sample, np.arange(count)).load()


@dataclass(frozen=True)
class Case:
    """A domain, data of it, and a network of a second."""

    domain: ShapedDomain
    data: xr.Dataset
    settings: Any
    other: Any


def ensemble(members: int = 3, days: int = 5, dtype: str = "float64") -> xr.Dataset:
    """Lawful members of fields for both domains, with the means of their blocks of 2 x 3 cells in float64."""
    rng = np.random.default_rng(1)
    known = fields(days)
    weights = known.area.values[:, None] * np.ones((4, 6))
    dims = ("realization", "time", "y", "x")
    shape = (members, days, 4, 6)
    # Whole numbers of 2**-10 and sums of few of them are exact, in single precision too.
    rain, down, up = np.round(rng.gamma(2.0, 2.0, (3, *shape)) * 2**10) / 2**10
    rain *= rng.random(shape) < 0.6
    found = {"rain": rain, "down": down, "up": up, "net": down - up}
    fine = {
        name: (dims, x.astype(dtype), {"units": "mm d-1" if name == "rain" else "W m-2"}) for name, x in found.items()
    }
    means = {
        f"{name}_coarse": block_means(x, weights if name == "rain" else np.ones((4, 6))) for name, x in found.items()
    }
    ds = xr.Dataset({**fine, "area": known.area, "height": known.height}, {"time": known.time})
    return ds.assign({name: (("realization", "time", "yc", "xc"), x) for name, x in means.items()})


def block_means(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """By hand, block by block."""
    found = np.zeros((*x.shape[:2], 2, 2))
    for row in range(2):
        for column in range(2):
            cells = (slice(2 * row, 2 * row + 2), slice(3 * column, 3 * column + 3))
            total = (x[(..., *cells)] * weights[cells]).sum((-2, -1))
            found[..., row, column] = total / weights[cells].sum()
    return found


def graphs() -> xr.Dataset:
    """Molecules of four conformers, in float32 as they come; the kinds of one are none of the domain's."""
    ds = molecules(6)
    ds["element"] = ds.element.copy(data=np.where(np.arange(ds.sizes["atom"]) == 3, 26, ds.element))
    return ds.drop_vars("smiles").drop_encoding()


def field_file(name: str, title: str, rest: str) -> str:
    """The declaration of fields by day on a grid in blocks of 2 by 3; `rest` has variables and what else there is."""
    return f"""\
shape: fields
name: {name}
title: {title}
event: day
dim: time
rows: y
columns: x
block: [2, 3]
{rest}"""


RAINS = "variables:\n  rain: {units: mm d-1, lower: 0}\n"
RAIN_FILE = field_file("rain", "Rain of a day", f"{RAINS}weights: area\n")
WIND_FILE = field_file(
    "wind",
    "Radiation",
    """\
variables:
  down: {units: W m-2}
  up: {units: W m-2}
  net: {units: W m-2}
laws:
  net: {equation: net = down - up, units: W m-2}
""",
)


def declare(monkeypatch, folder: Path) -> Callable[[str], str]:
    """What the command line calls the domains "rain", "wind", "partial-charge", and "bounded" to 1.5 e."""
    bounds = CHARGES.value.model_copy(update={"lower": -1.5, "upper": 1.5})
    bounded = CHARGES.model_copy(update={"name": "bounded", "value": bounds})
    install(monkeypatch.setattr, **{"partial-charge": CHARGES, "bounded": bounded})
    for name, text in (("rain", RAIN_FILE), ("wind", WIND_FILE)):
        (folder / f"{name}.yaml").write_text(text)
    return lambda name: str(folder / f"{name}.yaml") if name in ("rain", "wind") else name
