"""One network for all media against a sampler that starts anew in each: prints a table.

    lawful run metabolic-flux --out RUN
    python docs/benchmark_flux.py RUN

For each kind of strain and air, in a medium that was in no data: 10,000 draws by the trained model, timed, against a
long chain of hit-and-run, in which a chain gives a draw every 15 steps a dimension. Fluxes that the medium pins are
left out.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.models import BaggedModel, sample_events
from lawful.core.polyhedra import HitAndRun
from lawful.data_recipes.metabolic_flux import KINDS, Medium, polyhedron, random_medium
from lawful.domains.metabolic_flux import CORE, DOMAIN
from lawful.pipeline.job import old_job
from lawful.pipeline.progress import Console

DRAWS, CHAINS, DRAWS_OF_A_CHAIN = 10_000, 1024, 20
FLUXES = len(CORE)
_PINNED = 1e-9


@dataclass(frozen=True)
class Found:
    """What one medium gave: distances of fluxes that are not pinned, seconds, and how exact the draws are."""

    kind: str
    free: int
    ks: np.ndarray
    ks_of_network: np.ndarray
    seconds: float
    seconds_of_sampler: float
    residual: float
    inside: bool

    def row(self) -> str:
        """A row of the table."""
        return (
            f"| {self.kind} | {self.free} | {np.median(self.ks):.3f} | {self.ks.max():.3f} | "
            f"{self.ks_of_network.max():.3f} | {self.seconds:.1f} | {self.seconds_of_sampler:.1f} | "
            f"{self.residual:.0e} | {'none' if self.inside else 'SOME'} |"
        )


def media(seed: int) -> list[tuple[str, Medium]]:
    """A new medium of each kind."""
    rng = np.random.default_rng([seed, 99])
    return [(_words(strain, air), random_medium(rng, strain, air)) for strain, air in KINDS]


def _words(strain: str | None, air: bool) -> str:
    return f"{'wild type' if strain is None else f'without {strain}'}, {'aerobic' if air else 'anaerobic'}"


def drawn(model: BaggedModel, chart: Chart, medium: Medium, count: int, seed: int) -> tuple[Tensor, float]:
    """States (count, variables) by the model, and seconds."""
    given = torch.tensor([medium.get(name, 0.0) for name in DOMAIN.names], dtype=torch.float64)
    began = time.perf_counter()
    context = torch.zeros(count, 0)
    z = sample_events(model, chart, context, given.expand(count, -1), torch.Generator().manual_seed(seed)).z
    return z, time.perf_counter() - began


def reference(medium: Medium, seed: int) -> tuple[Tensor, float]:
    """States of a long chain, and the seconds that it takes to give `DRAWS` of them, set-up included."""
    generator = torch.Generator().manual_seed(seed)
    began = time.perf_counter()
    sampler = HitAndRun(polyhedron(medium), chains=CHAINS, generator=generator)
    first = sampler.sample(DRAWS, generator)
    seconds = time.perf_counter() - began
    return torch.cat([first, sampler.sample(CHAINS * DRAWS_OF_A_CHAIN - DRAWS, generator)]), seconds


def distances(z: Tensor, truth: Tensor) -> np.ndarray:
    """Kolmogorov-Smirnov distance of each flux that is not pinned."""
    free = (truth[:, :FLUXES].std(0) > _PINNED).nonzero()[:, 0].tolist()
    return np.array([ks_2samp(z[:, i].numpy(), truth[:, i].numpy(), method="asymp").statistic for i in free])


def judged(model: BaggedModel, kind: str, medium: Medium, seed: int) -> Found:
    """One medium."""
    chart = model.chart
    raw = Chart(chart.problem, chart.states, chart.link, chart.ratios)
    z, seconds = drawn(model, chart, medium, DRAWS, seed)
    truth, of_sampler = reference(medium, seed + 1)
    ks = distances(z, truth)
    alone = distances(drawn(model, raw, medium, DRAWS // 4, seed)[0], truth)
    residual = float((z @ chart.problem.A.T - chart.problem.b).abs().max())
    inside = bool(((z >= chart.problem.lower) & (z <= chart.problem.upper)).all())
    inside &= bool((z @ chart.problem.C.T <= chart.problem.d).all())
    return Found(kind, len(ks), ks, alone, seconds, of_sampler, residual, inside)


HEAD = (
    "| medium never seen | fluxes not pinned | KS, median | KS, largest | largest by the network alone | "
    "seconds for 10,000 | seconds of a sampler | largest abs(S v) | bounds passed |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def main() -> None:
    """Judge a run in new media."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--kinds", type=int, nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = old_job(arguments.run, Console()).model()
    chosen = media(arguments.seed)
    found = []
    print(HEAD)
    for number in arguments.kinds or range(len(chosen)):
        found.append(judged(model, *chosen[number], arguments.seed))
        print(found[-1].row(), flush=True)
    if arguments.json:
        plain = [{**vars(f), "ks": f.ks.tolist(), "ks_of_network": f.ks_of_network.tolist()} for f in found]
        arguments.json.write_text(json.dumps(plain, indent=1))


if __name__ == "__main__":
    main()
