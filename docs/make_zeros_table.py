"""Rewrites the table of docs/models.md of shares of exact zeros, from the folders of runs over five folds.

for seed in 2026 1 2; do lawful run surface-balance --seed $seed --folds 5 --out RUN$seed; done
python docs/make_zeros_table.py RUN2026 RUN1 RUN2

Events are drawn for the hours of the training data too, of which no run keeps an ensemble.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from timing import table, write_section
from torch import Tensor

from lawful.core.models import BaggedModel, sample_events
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared
from lawful.pipeline.job import old_job
from lawful.pipeline.progress import Console

DRAWS = 5
"""Of each training event; as many more of the fewer held-out ones."""

_HEAD = [
    "zeros of",
    "share in training data",
    "draws for training hours, from it",
    "held-out data, from it",
    "draws for held-out hours, from it",
    "from held-out data",
]


@dataclass(frozen=True)
class Shares:
    """Shares of zeros (variable,) of one fold: in training and held-out data, and in draws for the hours of either."""

    training: np.ndarray
    held_out: np.ndarray
    of_training: np.ndarray
    of_held_out: np.ndarray


def main(runs: list[Path]) -> None:
    """Write the table of several runs of one domain."""
    folds = [folder for run in runs for folder in (run, *sorted((run / "folds").glob("[0-9]*")))]
    found, names = [], ()
    for folder in folds:
        job = old_job(folder, Console())
        names = job.prepared.domain.names
        found.append(shares(job.model(), job.prepared))
        print(folder, flush=True)
    shared = np.mean([fold.training for fold in found], axis=0)
    rows = [_row(name, i, found) for i, name in enumerate(names) if 0.005 < shared[i] < 0.995]
    intro = f"`python docs/make_zeros_table.py RUN …`: {len(runs)} seeds of five folds; largest difference of any fold."
    write_section("zeros", f"{intro}\n\n{table(_HEAD, rows)}", "models.md")


def shares(model: BaggedModel, prepared: Prepared) -> Shares:
    """Of one fold."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    for data, draws in ((prepared.train, DRAWS), (prepared.test, 5 * DRAWS)):
        z = prepared_data.values(data, prepared.domain)
        context = prepared_data.context(data, prepared)
        drawn = [_zeros(sample_events(model, model.chart, context, z, generator).z) for _ in range(draws)]
        parts += [_zeros(z), np.mean(drawn, axis=0)]
    return Shares(parts[0], parts[2], parts[1], parts[3])


def _zeros(z: Tensor) -> np.ndarray:
    return (z == 0).double().mean(0).numpy()


def _row(name: str, i: int, folds: list[Shares]) -> list[str]:
    of = [(f.training[i], f.of_training[i], f.held_out[i], f.of_held_out[i]) for f in folds]
    training, of_training, held_out, of_held_out = np.array(of).T
    differences = (
        of_training - training,
        held_out - training,
        of_held_out - training,
        of_held_out - held_out,
    )
    return [name, f"{training.mean():.3f}", *(f"{np.abs(each).max():.4f}" for each in differences)]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} RUN ...")
    main([Path(argument) for argument in sys.argv[1:]])
