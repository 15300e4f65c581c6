"""Few events: what weights for alike events of one block do, and where `kernel` is the better family of models.

    python docs/study_few_events.py FOLDER

Rewrites a table of `docs/models.md`. Splits are of seeds other than that of the published folds. Models are kept in
FOLDER, and one that is finished is used again; about half an hour on one core.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.distance import cdist
from timing import table, write_section

from lawful.core.models.kernel import block_weights
from lawful.data_recipes import read, read_ensemble, sample_path
from lawful.domains import get_domain
from lawful.domains.blocks import block_labels, fold_masks
from lawful.pipeline import stage_generate, stage_train
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import FOLDS, RunSettings
from lawful.reports.arrays import events, realizations

TABLES = ("rock-composition", "rock-oxides")
FAMILIES = ("kernel", "autoregressive")
SPLITS, SEEDS = range(20), range(1, 7)


def energy(train: np.ndarray, weight: np.ndarray, test: np.ndarray, made: np.ndarray | None = None) -> float:
    """Energy distance to held-out rocks (rock, variable) of weighted training rocks, or of rocks that were `made`.

    All are in standard deviations of the training rocks.
    """
    spread = train.std(axis=0)
    rocks, weight = (train, weight) if made is None else (made, np.ones(len(made)))
    x, y = (each / np.where(spread > 0, spread, 1.0) for each in (rocks, test))
    w, v = weight / weight.sum(), np.full(len(y), 1 / len(y))
    return float(2 * w @ cdist(x, y) @ v - w @ cdist(x, x) @ w - v @ cdist(y, y) @ v)


def of_split(name: str, seed: int) -> tuple[float, float]:
    """Means over five folds: each block weighted as the kernel does, and each rock by itself."""
    domain = get_domain(name)
    ds = read(sample_path(domain), domain).dataset
    rocks, references = events(ds, domain), block_labels(ds, domain)
    found = []
    for fold in range(FOLDS):
        train, test = fold_masks(ds, domain, fold, seed=seed)
        weight = block_weights(torch.from_numpy(references[train])).numpy()
        parts = (rocks[train], rocks[test])
        found.append([energy(parts[0], each, parts[1]) for each in (weight, np.ones_like(weight))])
    weighted, plain = np.mean(found, axis=0)
    return float(weighted), float(plain)


def of_family(folder: Path, name: str, family: str, seed: int) -> tuple[float, float]:
    """Mean over realizations of a family's draws for the first fold of a seed, and the training rocks themselves."""
    out, domain = folder / f"{name}-{family}-{seed}", get_domain(name)
    settings = RunSettings.checked(domain=name, out=out, model=family, seed=seed)
    stage_train(settings, Console())
    made = realizations(read_ensemble(stage_generate(out, Console()), domain).dataset, domain)
    ds = read(sample_path(domain), domain).dataset
    rocks = events(ds, domain)
    train, test = (rocks[mask] for mask in fold_masks(ds, domain, 0, seed=seed))
    drawn = [energy(train, np.ones(len(train)), test, member) for member in made]
    return float(np.mean(drawn)), energy(train, np.ones(len(train)), test)


def weights_table() -> str:
    """Weighted against unweighted training rocks."""
    rows = []
    for name in TABLES:
        each = np.array([of_split(name, seed) for seed in SPLITS])
        nearer = int((each[:, 0] < each[:, 1]).sum())
        rows.append([name, *(f"{mean:.3f}" for mean in each.mean(axis=0)), f"{nearer} of {len(each)}"])
    return table(["table", "weighted by block", "each rock by itself", "weighted is nearer"], rows)


def families_table(folder: Path) -> str:
    """Both families beside training rocks."""
    rows = []
    for name in TABLES:
        found = np.array([[of_family(folder, name, family, seed) for seed in SEEDS] for family in FAMILIES])
        nearer = int((found[1, :, 0] < found[0, :, 0]).sum())
        means = [f"{each:.3f}" for each in found[..., 0].mean(axis=1)]
        rows.append([name, *means, f"{nearer} of {len(SEEDS)}", f"{found[0, :, 1].mean():.3f}"])
    families = [f"`{family}`" for family in FAMILIES]
    return table(["table", *families, f"{families[1]} is nearer", "all training rocks"], rows)


def main(folder: Path) -> None:
    """Both tables."""
    text = (
        "`python docs/study_few_events.py FOLDER`: energy distance to held-out rocks, in standardised variables.\n\n"
        f"Training rocks themselves, means over {len(SPLITS)} splits into {FOLDS} folds:\n\n{weights_table()}\n\n"
        "Draws of two families, as many as there are held-out rocks, means over the first folds of "
        f"{len(SEEDS)} splits. Training rocks\nare four times as many, and nearer for that alone:\n\n"
        f"{families_table(folder)}"
    )
    write_section("few-events", text, "models.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
