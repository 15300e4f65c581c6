"""Energy distance of generated rocks to held-out references, beside customary models of compositions.

    lawful run rock-composition --folds 5 --out RUN     (or rock-oxides)
    python docs/compare_rocks.py RUN

Every model learns from the training rocks of a fold and is asked for as many rocks as its held-out references have, 20
times over; distances are in variables standardised by the training rocks and are means over draws. Writes a table of
means over the folds of the run to docs/rock-composition.md; `--json FILE` keeps all numbers.

- ilr Gaussian: a normal distribution of the isometric log-ratios of all tables together (Egozcue et al. 2003,
  doi:10.1023/A:1023818214614), zeros replaced multiplicatively (Martin-Fernandez et al. 2003).
- KDE on log-ratios: a normal kernel on the same coordinates, its covariance that of the training rocks by Scott's
  factor n^(-1 / (d + 4)) squared (Scott 1992).
- SMOTE: between a training rock and one of its five nearest neighbours in standardised variables (Chawla et al. 2002,
  doi:10.1613/jair.953). It keeps linear laws; it mixes minerals that exclude each other.
- training rocks: as many of them in whole references, drawn with replacement.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from make_tables import command
from scipy.linalg import helmert
from scipy.spatial import cKDTree
from timing import table, write_section

from lawful.data_recipes import read, read_ensemble, sample_path
from lawful.domains import Domain, get_domain
from lawful.domains.blocks import block_labels, fold_masks
from lawful.domains.rock_composition import OXIDES
from lawful.reports.arrays import events, realizations
from lawful.reports.fidelity.compositions import without_zeros
from lawful.reports.fidelity.joint import EnergyDistance
from lawful.reports.fidelity.protocol import Effort, Rows, Trial, make_trial

DRAWS, NEIGHBOURS = 20, 5
TABLES = {"rock-composition": ("oxides", "minerals"), "rock-oxides": ("oxides",)}
"""Parts of a rock that sum to 100, each table for itself."""

Draw = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


class LogRatios:
    """Isometric log-ratios of rocks whose `sizes` parts each sum to 100, and back."""

    def __init__(self, sizes: list[int]):
        self.ends = np.cumsum(sizes)[:-1]
        self.bases = [helmert(size) for size in sizes]

    def of(self, rocks: np.ndarray) -> np.ndarray:
        """Coordinates (rock, coordinate) of rocks (rock, part); zeros are replaced."""
        parts = [np.log(without_zeros(table)) for table in np.split(rocks, self.ends, axis=1)]
        return np.concatenate([part @ basis.T for part, basis in zip(parts, self.bases, strict=True)], axis=1)

    def closed(self, coordinates: np.ndarray) -> np.ndarray:
        """Rocks of such coordinates."""
        parts = np.split(coordinates, self.ends - np.arange(1, len(self.ends) + 1), axis=1)
        logs = [part @ basis for part, basis in zip(parts, self.bases, strict=True)]
        sizes = [np.exp(log - log.max(axis=1, keepdims=True)) for log in logs]
        return np.concatenate([100 * size / size.sum(axis=1, keepdims=True) for size in sizes], axis=1)

    def gaussian(self, train: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (size, part) of a normal distribution of log-ratios."""
        y = self.of(train)
        return self.closed(rng.multivariate_normal(y.mean(axis=0), np.cov(y, rowvar=False), size, method="eigh"))

    def kernel_density(self, train: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (size, part) of a kernel density of log-ratios."""
        y = self.of(train)
        width = len(y) ** (-1 / (y.shape[1] + 4))
        noise = rng.multivariate_normal(np.zeros(y.shape[1]), np.cov(y, rowvar=False), size, method="eigh")
        return self.closed(y[rng.integers(len(y), size=size)] + width * noise)


def smote(train: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws (size, variable) between neighbours."""
    spread = train.std(axis=0)
    standard = train / np.where(spread > 0, spread, 1)
    neighbours = cKDTree(standard).query(standard, NEIGHBOURS + 1)[1][:, 1:]
    chosen = rng.integers(len(train), size=size)
    other = neighbours[chosen, rng.integers(NEIGHBOURS, size=size)]
    return train[chosen] + rng.random((size, 1)) * (train[other] - train[chosen])


def rivals(domain: Domain) -> dict[str, Draw]:
    """Models to compare with, by name."""
    oxides = len(OXIDES) if len(TABLES[domain.name]) == 2 else len(domain.names)
    ratios = LogRatios([size for size in (oxides, len(domain.names) - oxides) if size])
    return {"ilr Gaussian": ratios.gaussian, "KDE on log-ratios": ratios.kernel_density, "SMOTE": smote}


def distances(folder: Path, domain: Domain, fold: int, seed: int) -> dict[str, float]:
    """Mean energy distance of each model in one fold."""
    ds = read(sample_path(domain), domain).dataset
    rocks, references = events(ds, domain), block_labels(ds, domain)
    train, test = (Rows(rocks[mask], references[mask]) for mask in fold_masks(ds, domain, fold, seed=seed))
    made = realizations(read_ensemble(folder / "ensemble.nc", domain).dataset, domain)[:DRAWS]
    trial = make_trial(made, test, train, Effort(realizations=DRAWS, copies=DRAWS, replicates=1), seed)
    measure, rng = EnergyDistance(trial), np.random.default_rng([seed, fold])
    result = {"lawful": _mean(measure, [rows.values for rows in trial.synthetic], trial)}
    for name, draw in rivals(domain).items():
        result[name] = _mean(measure, [draw(train.values, len(test), rng) for _ in range(DRAWS)], trial)
    return result | {"training rocks": float(np.mean([measure(rows)[0] for rows in trial.copies]))}


def _mean(measure: EnergyDistance, draws: list[np.ndarray], trial: Trial) -> float:
    return float(np.mean([measure(trial.test.with_values(values))[0] for values in draws]))


def _row(name: str, each: list[float]) -> list[str]:
    return [name, f"{np.mean(each):.3f}", f"{min(each):.3f} to {max(each):.3f}"]


def main() -> None:
    """Compare the folds of a run, and write the table of its domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    settings = yaml.safe_load((arguments.run / "run.yaml").read_text())["settings"]
    folders = [arguments.run, *sorted((arguments.run / "folds").glob("*"))]
    domain = get_domain(settings["domain"])
    found = [distances(folder, domain, fold, settings["seed"]) for fold, folder in enumerate(folders)]
    head = ["model", "energy distance, mean over folds", "lowest to highest fold"]
    rows = [_row(name, [fold[name] for fold in found]) for name in found[0]]
    write_section(domain.name, f"`{command(arguments.run)}`:\n\n{table(head, rows)}", "rock-composition.md")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
