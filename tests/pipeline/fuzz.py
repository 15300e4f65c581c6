"""Makes malformed domain and data files: each seed is one file, the same on every machine.

`python tests/pipeline/fuzz.py FOLDER` writes them all, to look at.
"""

import random
import sys
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from small import budget_data

DOMAINS = range(120)
DATA = range(60)

YAML = """\
name: budget
title: A water budget
event: hour
event_dim: time
density: 1000 kg m-3
dimensions: {layer: [top, middle, deep]}
variables:
  Rain: {units: mm h-1, lower: 0, standard_name: rainfall_rate}
  Evap: {units: mm h-1, lower: 0}
  RO: {units: mm h-1, lower: 0, upper: 50}
  Store: {units: mm h-1}
parameters:
  one: {units: '1', values: [1]}
laws:
  water:
    equation: Rain = Evap + one * (RO + Store)
    units: mm h-1
    tolerance: 1e-6
  runoff: {equation: RO <= Rain, units: mm h-1}
ratios:
  coefficient: {numerator: RO, denominator: Rain, units: '1', lower: 0, upper: 1}
context:
  hour: {kind: hour_of_day}
blocks: {kind: time, length_days: 7, gap_days: 1}
closure: strict
"""

ODD = [
    ":", "{", "}", "[", "]", "!!python/object/apply:os.system [ls]", "!!python/name:os.system", "&a", "*a", "\t",
    "\x00", "\u2028", "null", "-1", "1e999", ".inf", ".nan", "=", "==", "<", ">=", "**", "sum(", "diff(Rain)", "mean(",
    ")", "/", "__import__('os').system('ls')", "Rain * Evap", "lambda", "%", "|", ">", "'", '"', "#", "---", "...",
    "? ", "- ", "9" * 400, "W m-2", "kg", "furlong", "over", "\U0001d518", "\\", "@", "`", "<<: *a", "time", "label",
    "m**9**9**9", "[" * 3000,
]  # fmt: skip


def domain_file(seed: int) -> bytes:
    """A YAML domain with one to three faults."""
    rng = random.Random(seed)
    text = YAML
    for _ in range(rng.randint(1, 3)):
        text = rng.choice([_without_line, _twice, _swapped, _indented, _replaced, _inserted, _cut, _value])(text, rng)
    content = text.encode("utf-8", "surrogatepass")
    return rng.choice([_noise, *[lambda c, r: c] * 9])(content, rng)


def _without_line(text: str, rng: random.Random) -> str:
    lines = text.splitlines() or [""]
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _twice(text: str, rng: random.Random) -> str:
    lines = text.splitlines() or [""]
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def _swapped(text: str, rng: random.Random) -> str:
    lines = text.splitlines() or [""]
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def _indented(text: str, rng: random.Random) -> str:
    lines = text.splitlines() or [""]
    i = rng.randrange(len(lines))
    lines[i] = " " * rng.randint(0, 5) + lines[i].lstrip()
    return "\n".join(lines)


def _replaced(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    words[rng.randrange(len(words))] = rng.choice(ODD)
    return " ".join(words)


def _inserted(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(ODD) + text[at:]


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _value(text: str, rng: random.Random) -> str:
    lines = text.splitlines() or [""]
    i = rng.choice([k for k, line in enumerate(lines) if ":" in line] or [0])
    lines[i] = lines[i].split(":")[0] + ": " + rng.choice(ODD)
    return "\n".join(lines)


def _noise(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)] + rng.randbytes(20) + content[20:]


def data_file(seed: int, folder: Path) -> Path:
    """A data file with a fault of its bytes, of its form, or of what it says."""
    rng = random.Random(seed)
    return rng.choice([_damaged, _damaged, _meaning, _meaning, _csv, _hdf5, _nonsense])(rng, folder)


def _damaged(rng: random.Random, folder: Path) -> Path:
    """NetCDF with bytes gone, changed or zeroed, mostly near its head, where the structure is."""
    path = folder / "data.nc"
    budget_data().to_netcdf(path, engine="netcdf4", format=rng.choice(["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT"]))
    content = bytearray(path.read_bytes())
    kind, head = rng.randrange(3), min(len(content), 3000)
    if kind == 0:
        content = content[: rng.randrange(len(content) // 2)]
    for _ in range(rng.randint(1, 40) if kind == 1 else 0):
        content[rng.randrange(head)] = rng.randrange(256)
    if kind == 2:
        start = rng.randrange(head)
        content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    return path


def _meaning(rng: random.Random, folder: Path) -> Path:
    ds, name = budget_data(), rng.choice(["Rain", "Evap", "RO", "Store"])
    units = rng.choice(["K", "furlong", "m**9**9**9", "", "%", "W m-2"])
    moons = ("time", np.arange(360.0), {"units": rng.choice(["moons", "days since never", "K"])})
    faults = [
        lambda: ds.drop_vars(name),
        lambda: ds.rename({name: name * 2}),
        lambda: ds.assign({name: ds[name].assign_attrs(units=units)}),
        lambda: ds.assign({name: ds[name].astype(str)}),
        lambda: ds.assign({name: ds[name] * np.nan}),
        lambda: ds.assign({name: (ds[name] + np.inf).assign_attrs(units="mm h-1")}),
        lambda: ds.assign({name: (ds[name] * -3 - 1).assign_attrs(units="mm h-1")}),
        lambda: ds.assign({name: (ds[name] * 1.01 + 0.1).assign_attrs(units="mm h-1")}),
        lambda: ds.assign({name: ds[name].expand_dims(level=3)}),
        lambda: ds.assign({name: ds[name].mean().assign_attrs(units="mm h-1")}),
        lambda: ds.isel(time=slice(0, rng.randrange(40))),
        lambda: ds.drop_vars("time"),
        lambda: ds.assign_coords(time=moons),
        lambda: ds.assign_coords(time=np.full(360, "now")),
        lambda: ds.rename(time="moment", Rain="Rein"),
        lambda: xr.Dataset(),
    ]  # fmt: skip
    path = folder / "data.nc"
    rng.choice(faults)().to_netcdf(path, engine="netcdf4")
    return path


def _csv(rng: random.Random, folder: Path) -> Path:
    lines = budget_data().to_dataframe().reset_index().to_csv(index=False).splitlines()
    i = rng.randrange(1, len(lines))
    faults = [
        lambda: lines[1:],
        lambda: lines[:1],
        lambda: [*lines[:i], lines[i] + ",1,2", *lines[i:]],
        lambda: [*lines[:i], lines[i].replace(",", ",x", 2), *lines[i:]],
        lambda: [line.replace(",", "|") for line in lines],
        lambda: [*lines[:i], '"' + lines[i], *lines[i:]],
        lambda: [lines[0].replace("Rain", "Evap"), *lines[1:]],
        lambda: [line.replace(".", ",") for line in lines],
        lambda: ["", "", "\x00\x01"],
        lambda: [line.replace("-03-", "-13-") for line in lines],
    ]
    path = folder / "data.csv"
    path.write_text("\n".join(rng.choice(faults)()))
    return path


def _hdf5(rng: random.Random, folder: Path) -> Path:
    path, ds = folder / "data.h5", budget_data()
    with h5py.File(path, "w") as file:
        for name in ("Rain", "Evap", "RO", "Store"):
            kind = rng.randrange(6)
            if kind < 4:
                file[f"{'group/' * kind}{name}"] = ds[name].to_numpy()[: rng.choice([360, 360, 300])]
            elif kind == 4:
                file.create_group(name)
            else:
                file[name] = rng.choice(["words", 3.0, np.zeros((2, 2))])
    return path


def _nonsense(rng: random.Random, folder: Path) -> Path:
    magic = rng.choice(
        [b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n", b"PAR1", b"", b"\x89PNG", b"PK\x03\x04"]
    )
    path = folder / rng.choice(["data.nc", "data.csv", "data.h5", "data.parquet", "data"])
    path.write_bytes(magic + rng.randbytes(rng.choice([0, 4, 100, 5000])))
    return path


def main(folder: Path) -> None:
    """Write every file into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in DOMAINS:
        (folder / f"domain-{seed}.yaml").write_bytes(domain_file(seed))
    for seed in DATA:
        made = data_file(seed, folder)
        made.rename(folder / f"data-{seed}{made.suffix}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
