"""One network for all media against a sampler that starts anew in each; writes the table of docs/metabolic-flux.md.

    lawful run metabolic-flux --out RUN
    python docs/benchmark_flux.py RUN

For each kind of strain and air, in a medium that was in no data: 10,000 draws by the trained model, in seconds
of processor time, against 20,480 by `HitAndRun`, in which a chain gives a draw every 15 steps a dimension. The floor
is what 10,000 more draws by that sampler give. Fluxes that the medium pins are left out.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ks_2samp
from timing import table, write_section
from torch import Tensor

from lawful.core.models import BaggedModel, sample_events
from lawful.core.polyhedra import HitAndRun
from lawful.data_recipes.metabolic_flux import KINDS, Medium, polyhedron, random_medium
from lawful.domains.metabolic_flux import CORE, DOMAIN
from lawful.pipeline.job import old_job
from lawful.pipeline.progress import Console

DRAWS, CHAINS, DRAWS_OF_A_CHAIN = 10_000, 1024, 20
FLUXES = len(CORE)
PAGE = "metabolic-flux.md"
HEAD = [
    "medium never seen",
    "fluxes not pinned",
    "KS, median",
    "KS, largest",
    "floor, largest",
    "network alone, median",
    "seconds for 10,000",
    "seconds of a sampler",
    "largest abs(S v)",
    "bounds passed",
]
_PINNED = 1e-9


@dataclass(frozen=True)
class Found:
    """What one medium gave: distances (median, largest) of fluxes that are not pinned, processor seconds, exactness."""

    kind: str
    free: int
    ks: tuple[float, float]
    floor: tuple[float, float]
    network: tuple[float, float]
    seconds: float
    seconds_of_sampler: float
    residual: float
    passed: int

    def row(self) -> list[str]:
        """A row of the table."""
        ks = [f"{x:.3f}" for x in (*self.ks, self.floor[1], self.network[0])]
        seconds = [f"{x:.1f}" for x in (self.seconds, self.seconds_of_sampler)]
        return [self.kind, str(self.free), *ks, *seconds, f"{self.residual:.0e}", str(self.passed)]


def media(seed: int) -> list[tuple[str, Medium]]:
    """A new medium of each kind."""
    rng = np.random.default_rng([seed, 99])
    return [(_words(strain, air), random_medium(rng, strain, air)) for strain, air in KINDS]


def _words(strain: str | None, air: bool) -> str:
    return f"{'wild type' if strain is None else f'without {strain}'}, {'aerobic' if air else 'anaerobic'}"


def drawn(model: BaggedModel, medium: Medium, seed: int) -> tuple[Tensor, float]:
    """`DRAWS` states (count, variables) by the model, and seconds."""
    generator, began = torch.Generator().manual_seed(seed), time.process_time()
    z = sample_events(model, model.chart, torch.zeros(DRAWS, 0), given(medium), generator).z
    return z, time.process_time() - began


def by_network(model: BaggedModel, medium: Medium, seed: int) -> Tensor:
    """`DRAWS` states of the network before any step, those outside drawn in."""
    ids, w = model.sample(torch.zeros(DRAWS, 0), given(medium), torch.Generator().manual_seed(seed))
    return model.chart.decode(w, ids, given(medium)).z


def given(medium: Medium) -> Tensor:
    """Values (`DRAWS`, variables) of a medium, zero where nothing is given."""
    return torch.tensor([medium.get(name, 0.0) for name in DOMAIN.names], dtype=torch.float64).expand(DRAWS, -1)


def reference(medium: Medium, seed: int) -> tuple[Tensor, Tensor, float]:
    """`DRAWS` states by a sampler, more by the same one, and the seconds of the first, set-up included."""
    generator, began = torch.Generator().manual_seed(seed), time.process_time()
    sampler = HitAndRun(polyhedron(medium), chains=CHAINS, generator=generator)
    first = sampler.sample(DRAWS, generator)
    seconds = time.process_time() - began
    return first, sampler.sample(CHAINS * DRAWS_OF_A_CHAIN, generator), seconds


def distances(z: Tensor, truth: Tensor) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance over the fluxes that are not pinned, median and largest."""
    found = [ks_2samp(z[:, i].numpy(), truth[:, i].numpy(), method="asymp").statistic for i in not_pinned(truth)]
    return float(np.median(found)), float(max(found))


def not_pinned(truth: Tensor) -> list[int]:
    """Numbers of the fluxes that vary."""
    return (truth[:, :FLUXES].std(0) > _PINNED).nonzero()[:, 0].tolist()


def judged(model: BaggedModel, kind: str, medium: Medium, seed: int) -> Found:
    """One medium."""
    problem = model.chart.problem
    z, seconds = drawn(model, medium, seed)
    first, truth, of_sampler = reference(medium, seed + 1)
    alone = distances(by_network(model, medium, seed), truth)
    residual = float((z @ problem.A.T - problem.b).abs().max())
    passed = int((z < problem.lower).sum() + (z > problem.upper).sum() + (z @ problem.C.T > problem.d).sum())
    counts = len(not_pinned(truth)), distances(z, truth), distances(first, truth)
    return Found(kind, *counts, alone, seconds, of_sampler, residual, passed)


def main() -> None:
    """Judge a run in new media."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = old_job(arguments.run, Console()).model()
    found = []
    for kind, medium in media(arguments.seed):
        found.append(judged(model, kind, medium, arguments.seed))
        print(*found[-1].row(), sep=" | ", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(f) for f in found], indent=1), encoding="utf-8")
    write_section("flux", table(HEAD, [f.row() for f in found]), PAGE)


if __name__ == "__main__":
    main()
