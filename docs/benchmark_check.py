"""Times `lawful check` beside reading and summing with xarray, and `lawful repair`, on files that it makes.

    python docs/benchmark_check.py FOLDER [MILLIONS OF STATES]

Writes the sections `check` and `repair` of docs/benchmarks.md. FOLDER needs 1 GB for the 7.7 million states (1e8
values) that are judged, 2.5 GB to repair 10 million. The second argument is how many million states are repaired, 1 if
it is not given.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import torch
import xarray as xr
from timing import table, write_section

from lawful.data_recipes import open_ensemble
from lawful.domains import get_domain
from lawful.pipeline.repair import repair
from lawful.reports.validity import validity

DOMAIN = get_domain("surface-balance")
_HOURS = 87_600
_LAWFUL = 10
"""Of so many members, one obeys all laws."""

_KINDS = {
    "float64, contiguous": ("f8", None),
    "float32, contiguous": ("f4", None),
    "float64, deflated, chunks of 1 x 43,800": ("f8", 43_800),
}


def hours(rng: np.random.Generator, count: int, noise: float) -> dict[str, np.ndarray]:
    """Lawful hours, and then noise of that many standard deviations on values that are not zero."""
    flux = {name: rng.gamma(2, 100, count) for name in ("Kdown", "Ldown", "Lup", "QF")}
    flux["Kdown"] *= rng.random(count) < 0.6
    flux["Kup"] = flux["Kdown"] * rng.uniform(0.1, 0.3, count)
    flux["QN"] = flux["Kdown"] - flux["Kup"] + flux["Ldown"] - flux["Lup"]
    flux["QE"], flux["QH"] = rng.normal(50, 30, (2, count))
    flux["QS"] = flux["QN"] + flux["QF"] - flux["QE"] - flux["QH"]
    flux["Rain"] = rng.gamma(1, 1, count) * (rng.random(count) < 0.15)
    flux["Evap"], flux["RO"] = rng.normal(0.05, 0.02, count), flux["Rain"] * 0.3
    flux["TotCh"] = flux["Rain"] - flux["Evap"] - flux["RO"]
    if noise:
        for values in flux.values():
            values += noise * values.std() * rng.normal(size=count) * (values != 0)
    return flux


def write(path: Path, members: int, dtype: str, chunk: int | None, noise: float = 0.0) -> None:
    """A file of `members` times ten years of hours; every tenth member is without noise."""
    rng = np.random.default_rng(0)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("realization", members)
        file.createDimension("time", _HOURS)
        when = file.createVariable("time", "f8", ("time",))
        when.units = "hours since 2001-01-01"
        when[:] = np.arange(_HOURS)
        storage = {"zlib": True, "chunksizes": (1, chunk)} if chunk else {"contiguous": True}
        for v in DOMAIN.variables:
            file.createVariable(v.name, dtype, ("realization", "time"), **storage).units = v.units
        for member in range(members):
            for name, values in hours(rng, _HOURS, noise if member % _LAWFUL else 0.0).items():
                file[name][member] = values.astype(dtype)


def summed(path: Path) -> float:
    """The rival: read every variable and add it up."""
    with xr.open_dataset(path) as ds:
        return sum(float(ds[name].sum()) for name in DOMAIN.names)


def judged(path: Path) -> dict[str, object]:
    """What `lawful check` does with the file."""
    with open_ensemble(path, DOMAIN) as (ds, _, _):
        return validity(ds, DOMAIN)


def seconds(case: Callable[[Path], object], path: Path) -> float:
    """Seconds of one call, by the clock: a file is read while what was read before is judged."""
    start = time.perf_counter()
    case(path)
    return time.perf_counter() - start


def memory(path: Path) -> float:
    """Peak GiB of `lawful check`, in a process of its own."""
    code = (
        "import atexit, pathlib; from lawful.cli import main\n"
        "atexit.register(lambda: print(pathlib.Path('/proc/self/status').read_text()))\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "check", str(path), "--domain", DOMAIN.name]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # What a process has at most, which the usage that the parent is told of mixes with its own.
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("VmHWM:")) / 2**20


def checks(folder: Path, rounds: int = 3) -> list[list[str]]:
    """One row a kind of file: medians over rounds that take both in turn."""
    rows = []
    for name, (dtype, chunk) in _KINDS.items():
        path = folder / "check.nc"
        write(path, 88, dtype, chunk)
        peak = memory(path)
        judged(path)
        summed(path)
        pairs = [(seconds(summed, path), seconds(judged, path)) for _ in range(rounds)]
        base, ours = (sorted(times)[rounds // 2] for times in zip(*pairs, strict=True))
        rows.append([name, f"{base:.2f}", f"{ours:.2f}", f"{ours / base:.1f}", f"{peak:.2f}"])
        path.unlink()
    return rows


def repaired(folder: Path, millions: float) -> list[str]:
    """One row: a noisy float64 file, in which every hour of nine members in ten is unlawful."""
    path, out = folder / "noisy.nc", folder / "repaired.nc"
    write(path, max(1, round(millions * 1e6 / _HOURS)), "f8", 43_800, noise=0.1)
    start, before = time.perf_counter(), time.process_time()
    found = repair(path, DOMAIN, out)
    wall, cpu = time.perf_counter() - start, time.process_time() - before
    # What this process has had at most: nothing before it took as much.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    same, states = "yes" if lawful_as_before(path, out) else "no", found["samples"]
    path.unlink()
    out.unlink()
    holds = "yes" if found["validity"]["holds"] else "no"
    return [f"{states:,}", f"{found['repaired']:,}", f"{wall:.0f}", f"{cpu:.0f}", f"{peak:.2f}", holds, same]


def lawful_as_before(path: Path, out: Path) -> bool:
    """Whether members without noise that are lawful in the file came out bit for bit."""
    with xr.open_dataset(path) as before, xr.open_dataset(out) as after:
        return all(
            np.array_equal(before[name][member].values, after[name][member].values)
            for name in DOMAIN.names
            for member in range(0, before.sizes["realization"], _LAWFUL)
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[1])
    head = ["states", "repaired", "s, wall", "s, CPU", "peak memory, GiB", "holds after", "lawful ones as they were"]
    write_section("repair", table(head, [repaired(place, float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)]))
    head = ["1e8 values", "read and sum, s", "check, s", "ratio", "peak memory, GiB"]
    write_section("check", table(head, checks(place)))
