"""Projection, draws and the mirror map, for the metabolism of E. coli; writes its table of docs/benchmarks.md.

    python docs/benchmark_polyhedra.py [MODEL]

The core metabolism is in domains/e_coli_core.csv; its uniform draws are compared with long chains of hopsy, where that
is installed. `MODEL` is a larger one, as for `large_metabolism.py`.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from large_metabolism import model_of
from polyhedra_rivals import SAMPLERS, installed, long_chains
from scipy.stats import ks_2samp
from timing import machine, table, write_section

sys.path.append(str(Path(__file__).parents[1] / "tests" / "core"))
from polyhedra_cases import core_metabolism

from lawful.core.polyhedra import HitAndRun, InteriorMap, Link, MirrorMap, Polyhedron
from lawful.core.polyhedra.implied import relative_interior

THREADS = 2
DRAWS = 10_240
SEED = 0
PINNED = 1e-6
"""Standard deviation of a flux that bounds pin."""


def timed(case: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    """Median seconds by the clock, and the result."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = case()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[rounds // 2], result


def main(model: str | None) -> None:
    """Measure everything and exchange the section."""
    torch.set_num_threads(THREADS)
    P, generator = core_metabolism(), torch.Generator().manual_seed(SEED)
    reference = long_chains(P) if installed("hopsy") else None
    rows = [*uniform_rows(P, generator, reference), *projection_rows(P, generator), *mirror_rows(P, generator)]
    rows += small_mirror_rows(generator) + (model_rows(model) if model else [])
    intro = f"Written by `python docs/benchmark_polyhedra.py`; {THREADS} threads, seconds by the clock. {machine()}."
    write_section("polyhedra", f"{intro}\n\n{table(['what', 'figure'], rows)}")


def uniform_rows(P: Polyhedron, generator: torch.Generator, reference: torch.Tensor | None) -> list[list[str]]:
    """Uniform draws on the core, by lawful and by samplers from PyPI: rates, and distance from a reference."""
    torch.set_num_threads(1)
    setup, walk = timed(lambda: HitAndRun(P, generator=generator))
    one, _ = timed(lambda: walk.sample(20 * 1024, generator))
    torch.set_num_threads(THREADS)
    seconds, z = timed(lambda: walk.sample(20 * 1024, generator))
    rows = [
        ["core metabolism: set-up of uniform draws on one thread, s", f"{setup:.2g}"],
        *draw_rows(P, "uniform draws", seconds, z.reshape(20, 1024, -1), reference),
        ["the same on one thread, a second", f"{len(z) / one:.0f}"],
    ]
    for name in SAMPLERS:
        rows += rival_rows(P, name, reference)
    if reference is not None:
        free = reference.std(0) > PINNED
        half = distances(reference[: len(reference) // 2], reference[len(reference) // 2 :], free)
        rows.append(["KS of one half of the reference to the other, median / largest", half])
    return rows


def rival_rows(P: Polyhedron, name: str, reference: torch.Tensor | None) -> list[list[str]]:
    """Uniform draws by a sampler from PyPI on one thread."""
    if not installed(name):
        return [[name, "not installed"]]
    torch.set_num_threads(1)
    before, seconds, draws = SAMPLERS[name](P)
    torch.set_num_threads(THREADS)
    rows = draw_rows(P, f"{name}: draws, every 100th,", seconds, draws, reference)
    return [[f"{name}: set-up on one thread, s", f"{before:.2g}"], *rows]


def draw_rows(
    P: Polyhedron, what: str, seconds: float, z: torch.Tensor, reference: torch.Tensor | None
) -> list[list[str]]:
    """For draws z (T, chains, n) that took so many seconds."""
    flat = z.flatten(0, 1)
    free = flat.std(0) > PINNED
    tau = autocorrelation_time(z[..., free])
    rows = [
        [f"{what} a second", f"{len(flat) / seconds:.0f}"],
        ["effective draws a second, worst flux", f"{len(flat) / seconds / tau:.0f}"],
        ["largest misfit of a law, ulps", f"{float(P.system.ulps(flat).max()):.2g}"],
        ["draws beyond a bound", f"{int((~P.bounds.contains(flat)).any(-1).sum())}"],
    ]
    if reference is not None:
        rows += [["KS to the reference, median / largest", distances(flat, reference[: len(reference) // 2], free)]]
    return rows


def distances(draws: torch.Tensor, others: torch.Tensor, free: torch.Tensor) -> str:
    """Median and largest Kolmogorov-Smirnov distance of as many draws as there are of others, over free fluxes."""
    draws = draws[: len(others)]
    found = [ks_2samp(draws[:, i].numpy(), others[:, i].numpy()).statistic for i in free.nonzero()[:, 0].tolist()]
    return f"{np.median(found):.3f} / {max(found):.3f}"


def autocorrelation_time(z: torch.Tensor) -> float:
    """Of draws (T, chains, n), in draws: the largest over variables of `1 + 2 sum of positive correlations`."""
    z = z - z.mean((0, 1))
    variance = z.square().mean((0, 1))
    lags = [((z[:-k] * z[k:]).mean((0, 1)) / variance).clamp_min(0) for k in range(1, 8)]
    return float((1 + 2 * torch.stack(lags).sum(0)).max())


def projection_rows(P: Polyhedron, generator: torch.Generator) -> list[list[str]]:
    """Projection of draws of the normal distribution fitted to uniform draws in the null space of the laws."""
    z = HitAndRun(P, generator=generator).sample(4096, generator)
    moves = P.system.nullspace()
    t = z @ moves
    values, vectors = torch.linalg.eigh(torch.cov(t.T))
    noise = torch.randn(DRAWS, len(values), generator=generator, dtype=torch.float64)
    x = (t.mean(0) + noise * values.clamp_min(0).sqrt() @ vectors.T) @ moves.T
    outside = int((~P.bounds.contains(x)).any(-1).sum())
    seconds, projected = timed(lambda: P.project(x))
    return [
        [f"projection of {DRAWS} normal draws, {outside} of them outside, s", f"{seconds:.2g}"],
        ["largest abs(S v)", f"{float((projected @ P.system.A.T).abs().max()):.1e}"],
        ["projected points beyond a bound", f"{int((~P.bounds.contains(projected)).any(-1).sum())}"],
    ]


def mirror_rows(P: Polyhedron, generator: torch.Generator) -> list[list[str]]:
    """The mirror map on the core with y three times unit normal."""
    mirror = InteriorMap(P)
    y = 3 * torch.randn(DRAWS, mirror.mirror.A.shape[1], generator=generator, dtype=torch.float64)
    solution = mirror.mirror.solve(y, mirror.b)
    seconds, z = timed(lambda: mirror(y))
    worst = float(P.system.ulps(mirror.finish(z)).max())
    return [
        [f"mirror map of {DRAWS} y, three times unit normal: not converged", f"{int((~solution.converged).sum())}"],
        ["samples a second", f"{len(y) / seconds:.0f}"],
        ["largest misfit of a law after the finish, ulps", f"{worst:.2g}"],
    ]


def small_mirror_rows(generator: torch.Generator) -> list[list[str]]:
    """The mirror map of 50 variables and three laws."""
    A = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    zero, one = torch.zeros(50, dtype=torch.float64), torch.ones(50, dtype=torch.float64)
    rows = []
    for what, upper in (("two bounds", one), ("one bound", one * torch.inf)):
        link = Link(zero, upper, one)
        b = link.forward(torch.randn(100_000, 50, generator=generator, dtype=torch.float64)) @ A.T
        y = torch.randn(100_000, 50, generator=generator, dtype=torch.float64)
        mirror = MirrorMap(A, link)
        seconds, converged = timed(lambda m=mirror, y=y, b=b: m.solve(y, b).converged)
        rows.append([f"mirror map, 50 variables with {what}, 3 laws: samples a second", f"{len(y) / seconds:.0f}"])
        rows.append(["not converged", f"{int((~converged).sum())}"])
    return rows


def model_rows(model: str) -> list[list[str]]:
    """Implied equalities of a large model."""
    S, lower, upper = model_of(model)
    n = S.shape[1]
    start = time.perf_counter()
    inside = relative_interior(S, np.zeros(len(S)), np.zeros((0, n)), np.zeros(0), lower, upper)
    seconds = time.perf_counter() - start
    free = ~(inside.at_lower | inside.at_upper)
    dimension = int(free.sum()) - int(np.linalg.matrix_rank(S[:, free]))
    return [
        [f"{n} fluxes: dimensions by rank / within bounds", f"{n - int(np.linalg.matrix_rank(S))} / {dimension}"],
        ["seconds for it", f"{seconds:.2g}"],
    ]


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
