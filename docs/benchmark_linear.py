"""Times, memory and residuals of laws with structure, for docs/benchmarks.md.

python docs/benchmark_linear.py
"""

import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from timing import machine, medians, table, write_section
from torch import Tensor

from lawful.core import ConstrainedNormal, LinearSystem

SIDE, BLOCK = 1000, 10
DTYPES = {"float32": torch.float32, "float64": torch.float64}
STEPS = (30, 100, 300, 1000, 3000)
BATCH = 16


def main() -> None:
    parts = [field(), storage(), given(), residuals()]
    write_section("linear", "\n\n".join([f"`python docs/benchmark_linear.py`. {machine()}.", *parts]))


def block_means(total: bool) -> tuple[LinearSystem, Tensor]:
    """A field of a million values whose block means, and perhaps the grand mean, are given."""
    coarse = SIDE // BLOCK
    truth = 50 * torch.rand(SIDE, SIDE, dtype=torch.float64)
    means = truth.reshape(coarse, BLOCK, coarse, BLOCK).mean((1, 3)).flatten()
    b = torch.cat((means, means.mean()[None])) if total else means
    system = LinearSystem.block_means((SIDE, SIDE), (BLOCK, BLOCK), b, grand_mean=total)
    return system, truth.flatten()


def sampler(total: bool, dtype: torch.dtype) -> tuple[LinearSystem, Callable[[], Tensor], Callable[[], Tensor]]:
    """The system, the unconstrained draw and the constrained sample."""
    system, truth = block_means(total)
    loc, scale = (truth + torch.randn(len(truth))).to(dtype), torch.rand(len(truth), dtype=dtype) + 0.5
    normal = ConstrainedNormal(loc, scale, system, validate_args=False)
    return system, lambda: loc + scale * torch.randn(len(loc), dtype=dtype), normal.sample


def field() -> str:
    rows = []
    for total in (False, True):
        for name, dtype in DTYPES.items():
            system, draw, sample = sampler(total, dtype)
            times = medians({"draw": draw, "sample": sample})
            worst = float(system.ulps(sample()).max())
            laws = "10,000 means" + (" and their mean" if total else "")
            ratio = times["sample"] / times["draw"]
            memory = f"{in_child(peak, total, name):.1f}"
            cells = [f"{1e3 * t:.1f}" for t in times.values()]
            rows.append([f"{laws}, {name}", *cells, f"{ratio:.2f}", memory, f"{worst:.2f}"])
    head = ["laws over 1000 x 1000 values", "draw ms", "sample ms", "ratio", "memory", "ulps"]
    return "**A field under block means, 10 x 10 each.**\n\n" + table(head, rows)


def in_child(task: Callable[[bool, str], float], total: bool, name: str) -> float:
    """A fresh process whose allocator gives freed memory back, so that none of it is used again unseen."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(task, (total, name))


def peak(total: bool, name: str) -> float:
    """Peak resident memory of a sample above what was resident before, in units of the sample."""
    torch.set_num_threads(1)
    _, _, sample = sampler(total, DTYPES[name])
    size = sample().nbytes
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    sample()
    return (_status("VmHWM") - before) / size


def _status(entry: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(entry))
    return 1024 * int(line.split()[1])


def continuity(steps: int) -> sparse.csr_matrix:
    """`S_t - S_(t-1) - inflow_t + outflow_t + loss_t = b_t` for each step."""
    t = np.arange(steps)
    columns = [t + 1, t, steps + 1 + t, 2 * steps + 1 + t, 3 * steps + 1 + t]
    values = np.repeat([1.0, -1.0, -1.0, 1.0, 1.0], steps)
    return sparse.csr_matrix((values, (np.tile(t, 5), np.concatenate(columns))), shape=(steps, 4 * steps + 1))


def storage() -> str:
    rows, before = [], None
    for steps in STEPS:
        system = LinearSystem(continuity(steps))
        z = torch.randn(BATCH, system.n, dtype=torch.float64)
        scale = (torch.rand(BATCH, system.n, dtype=torch.float64) + 0.5).requires_grad_()
        times = medians(
            {"set-up": lambda s=steps: LinearSystem(continuity(s)), "step": _step(system, z, scale)}, rounds=5
        )
        cells = [f"{1e3 * t:.1f}" for t in times.values()]
        each = 1e3 * times["step"] / steps
        growth = "" if before is None else f"{each / before:.2f}"
        worst = float(system.ulps(system.project(z, scale.detach().square())).max())
        rows.append([f"{steps}", system.structure, *cells, f"{each:.3f}", growth, f"{worst:.2f}"])
        before = each
    head = ["steps", "structure", "set-up ms", "sample ms", "a step ms", "against the row above", "ulps"]
    what = f"**Continuity of a storage over time: {BATCH} samples, a scale of their own each, forward and backward.**"
    return what + "\n\n" + table(head, rows)


def _step(system: LinearSystem, loc: Tensor, scale: Tensor) -> Callable[[], object]:
    def step() -> object:
        sample = ConstrainedNormal(loc, scale, system, validate_args=False).rsample()
        return torch.autograd.grad(sample.square().sum(), scale)

    return step


def given() -> str:
    """Values given in 10,000 samples, by as many patterns as rows say."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(10_000, 20, generator=generator, dtype=torch.float64)
    A = torch.randn(4, 20, generator=generator, dtype=torch.float64)
    system, off = LinearSystem(A, z @ A.T), z + torch.randn(z.shape, generator=generator, dtype=torch.float64)
    each = torch.rand(z.shape, generator=generator) < 0.7
    each[:, :4] = True
    rows = []
    for name, free in (("one", each[0]), ("six", each[:6].repeat(1667, 1)[:10_000]), ("one a sample", each)):
        restricted = system.restrict(free, z)
        start = restricted.with_fixed(off)
        restrict, project = partial(system.restrict, free, z), partial(restricted.project, start)
        times = medians({"restrict": restrict, "project": project}, rounds=5)
        cells = [f"{1e3 * seconds:.1f}" for seconds in times.values()]
        rows.append([name, *cells, f"{float(restricted.ulps(project()).max()):.2f}"])
    title = "**Values given in 10,000 samples of 20 variables under 4 laws, about 5 in each.**\n\n"
    return title + table(["patterns of given values", "restrict ms", "project ms", "ulps"], rows)


def residuals() -> str:
    """The worst law of projections in equal weights and weights over six decades, by size and condition."""
    rows = []
    for name, dtype in DTYPES.items():
        for kind, make in KINDS.items():
            cells = [f"{max(_worst(make, n, dtype, scale) for scale in (1e-9, 1.0, 1e9)):.1f}" for n in (64, 512, 4096)]
            rows.append([f"{kind}, {name}", *cells])
    head = ["laws, type", "n = 64", "n = 512", "n = 4096"]
    what = "**Largest misfit in ulps**, neighbouring laws alike to 1e-4 (float32) and 1e-8 (float64), values of size "
    return what + "1e-9, 1 and 1e9 (8 are allowed).\n\n" + table(head, rows)


def _alike(A: sparse.csr_matrix, kappa: float) -> sparse.csr_matrix:
    """Each second law is the one before, and its own share divided by `kappa`."""
    m = A.shape[0]
    odd = np.arange(1, m, 2)
    own = np.ones(m)
    own[odd] = 1 / kappa
    mix = sparse.diags(own) + sparse.csr_matrix((np.ones(len(odd)), (odd, odd - 1)), shape=(m, m))
    return (mix @ A).tocsr()


def _dense(n: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.random.default_rng(n).normal(size=(max(n // 16, 2), n)))


def _repeated(n: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(
        sparse.kron(sparse.eye(n // 8), [[1, -1, 1, -1, -1, 0, 0, 0], [0, 0, 0, 0, 1, -1, -1, -1]])
    )


def _ring(n: int) -> sparse.csr_matrix:
    """Balances of a network open to the outside: a ring of n / 3 nodes with a chord from each."""
    nodes, rng = n // 3, np.random.default_rng(n)
    ring = np.arange(nodes)
    edges = np.stack((np.tile(ring, 2), np.concatenate(((ring + 1) % nodes, rng.integers(0, nodes, nodes)))), -1)
    open_ends = np.stack((np.full(nodes, -1), ring), -1)
    edges = edges[edges[:, 0] != edges[:, 1]]
    return sparse.csr_matrix(LinearSystem.incidence(np.concatenate((edges, open_ends)), nodes).A.to_dense().numpy())


KINDS: dict[str, Callable[[int], sparse.csr_matrix]] = {
    "dense": _dense,
    "repeated": _repeated,
    "banded": lambda n: continuity(n // 4),
    "network": _ring,
}


def _worst(make: Callable[[int], sparse.csr_matrix], n: int, dtype: torch.dtype, scale: float) -> float:
    A = _alike(make(n), 1e4 if dtype == torch.float32 else 1e8)
    generator = torch.Generator().manual_seed(n)
    system = LinearSystem(A, check=False)
    point, z = scale * torch.randn(2, 4, system.n, generator=generator, dtype=torch.float64)
    system = LinearSystem(A, system.residual(point), check=False)
    weights = 10 ** (6 * torch.rand(4, system.n, generator=generator, dtype=torch.float64) - 3)
    points = system.project(z.to(dtype)), system.project(z.to(dtype), weights)
    return max(float(system.ulps(p).max()) for p in points)


if __name__ == "__main__":
    main()
