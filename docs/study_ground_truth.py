"""Every family of models against distributions that are known in closed form.

    python docs/study_ground_truth.py

Rewrites the table of `docs/models.md`; about ten minutes of CPU time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import torch
from ground_truth import Truth, distance, divergence, truths
from timing import table, write_section

from lawful.core.coordinates import Chart
from lawful.core.models import FAMILIES, Batch, Settings, sample_events
from lawful.core.models.face import FaceModel
from lawful.core.training import Schedule, fit

EVENTS, FRESH, SEEDS = 3000, 1000, (0, 1, 2)
SCHEDULE = Schedule(steps=300, batch_size=256, check_every=100)
NETWORKS = Settings(width=32, joint_width=64, depth=2, dropout=0.0, joint_dropout=0.0)
STEPS = (2, 5, 10, 20, 100)
DENSITIES = ("autoregressive", "normalizing-flow")
"""Families whose loss is the exact negative log-likelihood."""


@dataclass(frozen=True)
class Learned:
    """A trained model, the events it has learned from with their states, and where its random numbers come from."""

    model: FaceModel
    known: np.ndarray
    ids: torch.Tensor
    generator: torch.Generator

    def draws(self) -> np.ndarray:
        """As many as there were events."""
        none = torch.zeros(len(self.known), 0)
        given = torch.from_numpy(self.known)
        return sample_events(self.model, self.model.chart, none, given, self.generator).z.numpy()


def learned(truth: Truth, family: str, seed: int) -> Learned:
    """A model of one family that has learned from exact draws."""
    known = truth.draw(EVENTS, np.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    z = torch.from_numpy(known)
    chart, ids = Chart.fit(truth.problem, z)
    batch = Batch(ids, chart.encode(z, ids, generator), torch.zeros(EVENTS, 0), z)
    torch.manual_seed(seed)
    model = FAMILIES[family](chart, 0, NETWORKS)
    fit(model, [batch], torch.arange(EVENTS) % 8 == 0, SCHEDULE, generator)
    return Learned(model, known, ids, generator)


def scores(truth: Truth, family: str, seed: int) -> tuple[float, ...]:
    """Distances of draws of a trained model, in the order of `Distance`, and its divergence in nats (NaN: none)."""
    made = learned(truth, family, seed)
    fresh = truth.draw(FRESH, np.random.default_rng(1000 + seed))
    told = family in DENSITIES and truth.log_density is not None
    nats = divergence(truth, made.model, made.known, made.ids, fresh) if told else float("nan")
    return *astuple(distance(truth, made.draws())), nats


def few_steps(truth: Truth, seed: int) -> dict[int, tuple[float, ...]]:
    """Distances of draws of one flow-matching model by the number of steps that it takes in sampling."""
    made = learned(truth, "flow-matching", seed)
    found = {}
    for steps in STEPS:
        made.model.settings = replace(NETWORKS, steps=steps)
        found[steps] = astuple(distance(truth, made.draws()))
    return found


def floor(truth: Truth, seed: int) -> tuple[float, ...]:
    """Distances of as many exact draws as a model learns from."""
    nats = float("nan") if truth.log_density is None else 0.0
    return *astuple(distance(truth, truth.draw(EVENTS, np.random.default_rng(seed)))), nats


def cells(rows: Sequence[tuple[float, ...]]) -> list[str]:
    """Means over seeds, with the largest."""
    found = np.array(rows)
    return [
        "–" if np.isnan(column).any() else f"{column.mean():.3f} ({column.max():.3f})".replace("-", "−")
        for column in found.T
    ]


def main() -> None:
    """Train everything; write the table."""
    rows = []
    for truth in truths():
        rows.append([truth.name, "exact draws", *cells([floor(truth, seed) for seed in SEEDS])])
        for family in FAMILIES:
            rows.append(["", family, *cells([scores(truth, family, seed) for seed in SEEDS])])
            print(rows[-1], flush=True)
    head = ["truth", "family", "mean / sd", "spread", "correlation", "W1 / sd", "faces", "KL, nats"]
    write_section("ground-truth", HEAD + "\n" + table(head, rows), "models.md")
    write_section("few-steps", table(["truth", "steps", *head[2:-1]], steps_rows()), "models.md")


def steps_rows() -> list[list[str]]:
    """The table of few steps."""
    rows = []
    for truth in (t for t in truths() if t.name.startswith(("mixture", "zero"))):
        found = [few_steps(truth, seed) for seed in SEEDS]
        rows += [[truth.name, str(steps), *cells([by_steps[steps] for by_steps in found])] for steps in STEPS]
    return rows


HEAD = f"""`python docs/study_ground_truth.py`. {EVENTS:,} events to learn from and as many draws,
{SCHEDULE.steps} steps of {SCHEDULE.batch_size}, small networks. Means over {len(SEEDS)} seeds, in brackets the largest.
Mean, spread (relative error of standard deviations), correlation and faces (probability of a pattern of zeros) are the
largest errors over variables or faces; W1 is the mean over variables. KL is the divergence of the model's density from
the truth's, for families whose density is exact.
"""

if __name__ == "__main__":
    main()
