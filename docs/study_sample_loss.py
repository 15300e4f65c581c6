"""A variational autoencoder that learns by a loss on lawful draws, with each gradient estimator, beside one that learns
by likelihood.

    python docs/study_sample_loss.py

Rewrites a table of `docs/models.md`; a few minutes.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import get_args

import numpy as np
import torch
from ground_truth import Truth, distance, truths
from study_ground_truth import EVENTS, NETWORKS, SCHEDULE, SEEDS, cells, floor
from timing import table, write_section

from lawful.core.coordinates import Chart
from lawful.core.distributions.gradients import Estimator
from lawful.core.models import Batch, sample_events
from lawful.core.models.face import FaceModel
from lawful.core.models.sample_loss import SampleLoss, SampleLossVAE, energy_score, squared_error
from lawful.core.models.vae import VAEModel
from lawful.core.training import fit

LOSSES: dict[str, SampleLoss] = {"energy score": energy_score, "squared error": squared_error}


def scores(truth: Truth, estimator: Estimator | None, sample_loss: SampleLoss, seed: int) -> tuple[float, ...]:
    """Distances of draws, in the order of `Distance` without faces; None stands for likelihood."""
    generator = torch.Generator().manual_seed(seed)
    z, none = torch.from_numpy(truth.draw(EVENTS, np.random.default_rng(seed))), torch.zeros(EVENTS, 0)
    chart, ids = Chart.fit(truth.problem, z)
    torch.manual_seed(seed)
    model: FaceModel = VAEModel(chart, 0, NETWORKS)
    if estimator is not None:
        model = SampleLossVAE(chart, NETWORKS, estimator=estimator, sample_loss=sample_loss)
    batch = Batch(ids, chart.encode(z, ids, generator), none, z)
    fit(model, [batch], torch.arange(EVENTS) % 8 == 0, SCHEDULE, generator)
    drawn = sample_events(model, chart, none, z, generator).z.numpy()
    return astuple(distance(truth, drawn))[:-1]


def main() -> None:
    """Train everything; write the table."""
    truth = next(t for t in truths() if t.name.startswith("Gaussian process"))
    rows = [["exact draws", "–", *cells([floor(truth, seed)[:4] for seed in SEEDS])]]
    rows.append(["likelihood", "–", *cells([scores(truth, None, energy_score, seed) for seed in SEEDS])])
    for name, sample_loss in LOSSES.items():
        for estimator in get_args(Estimator):
            found = [scores(truth, estimator, sample_loss, seed) for seed in SEEDS]
            rows.append([name, estimator, *cells(found)])
            print(rows[-1], flush=True)
    write_section(
        "sample-loss",
        HEAD + table(["loss", "estimator", "mean / sd", "spread", "correlation", "W1 / sd"], rows),
        "models.md",
    )


HEAD = """`python docs/study_sample_loss.py`: the Gaussian process with a fixed integral, as above.

"""

if __name__ == "__main__":
    main()
