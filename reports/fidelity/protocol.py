"""What every fidelity measure shares: rows in blocks, copies of the training data as a floor, and a block bootstrap."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.95

# A measure of some rows against the test rows, once for each row of block counts: (counts, ...).
Measure = Callable[["Rows"], np.ndarray]


@dataclass(frozen=True)
class Rows:
    """Samples (row, variable) and the block (row,) that each belongs to."""

    values: np.ndarray
    blocks: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def with_values(self, values: np.ndarray) -> "Rows":
        """The same rows with other columns."""
        return Rows(values, self.blocks)


@dataclass(frozen=True)
class Effort:
    """How many realizations, copies of the training data, sets of analogs and bootstrap replicates a run spends."""

    realizations: int = 5
    copies: int = 10
    analog_sets: int = 5
    replicates: int = 200

    @classmethod
    def of(cls, fast: bool) -> "Effort":
        """The full effort, or that of a smoke run."""
        return cls(realizations=2, copies=3, analog_sets=2, replicates=50) if fast else cls()


@dataclass(frozen=True)
class Trial:
    """One judgement: synthetic rows against test rows, with copies of the training rows as the floor.

    Test blocks are numbered 0 to `test_blocks - 1`. A synthetic row carries the block of the test event it was made
    for; training rows and their copies carry numbers from `test_blocks` on. `counts` (1 + replicates, test_blocks)
    says how often each test block is drawn; its first row is the test set as it is.
    """

    test: Rows
    train: Rows
    synthetic: tuple[Rows, ...]
    copies: tuple[Rows, ...]
    counts: np.ndarray
    effort: Effort
    seed: int

    @property
    def test_blocks(self) -> int:
        """Number of test blocks."""
        return self.counts.shape[1]

    @property
    def scale(self) -> np.ndarray:
        """Standard deviation of the training data (variable,), 1 for a variable that does not vary."""
        spread = self.train.values.std(axis=0)
        return np.where(spread > 0, spread, 1.0)

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Values (..., variable) with the training data's mean and standard deviation taken out."""
        return (values - self.train.values.mean(axis=0)) / self.scale

    def weights(self, rows: Rows) -> np.ndarray:
        """How often each row is drawn, (1 + replicates, row): with its test block, or once for a training row."""
        drawn = np.ones((len(self.counts), int(rows.blocks.max()) + 1))
        shared = min(self.test_blocks, drawn.shape[1])
        drawn[:, :shared] = self.counts[:, :shared]
        return drawn[:, rows.blocks]

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of its own for each purpose, so that one measure's draws do not move another's."""
        return np.random.default_rng([self.seed, purpose])


def make_trial(synthetic: np.ndarray, test: Rows, train: Rows, effort: Effort, seed: int) -> Trial:
    """Choose realizations, copy training blocks and draw test blocks.

    Args:
        synthetic: (realization, event, variable), event by event those of `test`.
        test: the held-out rows.
        train: the rows the generator learned from.
        effort: how many of each.
        seed: decides every draw.
    """
    rng = np.random.default_rng([seed, 0])
    test_ids, test_blocks = np.unique(test.blocks, return_inverse=True)
    train_blocks = np.unique(train.blocks, return_inverse=True)[1] + len(test_ids)
    test, train = Rows(test.values, test_blocks), Rows(train.values, train_blocks)
    chosen = rng.permutation(len(synthetic))[: effort.realizations]
    return Trial(
        test=test,
        train=train,
        synthetic=tuple(Rows(synthetic[k], test_blocks) for k in sorted(chosen)),
        copies=tuple(block_copy(train, len(test), rng) for _ in range(effort.copies)),
        counts=block_counts(len(test_ids), effort.replicates, rng),
        effort=effort,
        seed=seed,
    )


def block_copy(rows: Rows, size: int, rng: np.random.Generator) -> Rows:
    """Block bootstrap: `size` rows in whole blocks drawn with replacement, the last one cut (Kuensch 1989).

    Kuensch (1989), Ann. Statist. 17, 1217-1241, doi:10.1214/aos/1176347265.
    """
    members = [np.flatnonzero(rows.blocks == block) for block in np.unique(rows.blocks)]
    drawn: list[np.ndarray] = []
    while sum(map(len, drawn)) < size:
        drawn.append(members[rng.integers(len(members))])
    index = np.concatenate(drawn)[:size]
    return Rows(rows.values[index], rows.blocks[index])


def block_counts(blocks: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """How often each block is drawn (1 + replicates, blocks): once each in the first row, multinomial in the others."""
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
    return np.concatenate([np.ones((1, blocks)), drawn])


def beside_floor(model: Sequence[np.ndarray], floor: Sequence[np.ndarray], rng: np.random.Generator) -> dict[str, Any]:
    """A measure beside its floor: {model, floor, excess, interval}, each a float or an array.

    The interval is that of excess = model - floor at level 0.95, from a bootstrap of test blocks, realizations and
    copies. A distance between resampled sets is larger than between the sets themselves, so the replicates' spread
    about their own mean is used, put about the excess that was measured.

    Args:
        model: one array (1 + replicates, ...) a realization; its first entry is the measure itself.
        floor: the same, one a copy of the training data.
        rng: chooses realizations and copies in each replicate.
    """
    above, below = np.stack(model), np.stack(floor)
    excess = above[:, 0].mean(axis=0) - below[:, 0].mean(axis=0)
    replicates = _resampled(above, rng) - _resampled(below, rng)
    interval = excess + np.quantile(replicates - replicates.mean(axis=0), _tails(), axis=0)
    return {
        "model": above[:, 0].mean(axis=0),
        "floor": below[:, 0].mean(axis=0),
        "excess": excess,
        "interval": interval,
    }


@dataclass(frozen=True)
class Measured:
    """One measure of every realization and of every copy, each (1 + replicates, ...)."""

    model: tuple[np.ndarray, ...]
    floor: tuple[np.ndarray, ...]

    def mean_over(self, columns: Sequence[int]) -> "Measured":
        """The mean over some entries of the second axis."""
        chosen = list(columns)
        return Measured(
            tuple(array[:, chosen].mean(axis=1) for array in self.model),
            tuple(array[:, chosen].mean(axis=1) for array in self.floor),
        )

    def part(self, index: int) -> "Measured":
        """One entry of the last axis."""
        return Measured(tuple(a[..., index] for a in self.model), tuple(a[..., index] for a in self.floor))

    def figures(self, rng: np.random.Generator) -> dict[str, Any]:
        """The measure beside its floor; see `beside_floor`."""
        return beside_floor(self.model, self.floor, rng)


def measured(trial: Trial, measure: Measure) -> Measured:
    """A measure of the synthetic rows and of the copies of the training rows."""
    return Measured(tuple(map(measure, trial.synthetic)), tuple(map(measure, trial.copies)))


def entry(figures: dict[str, Any], *index: int) -> dict[str, Any]:
    """One variable's figures out of `beside_floor`'s arrays."""
    low, high = (float(side[index]) for side in figures["interval"])
    single = {name: float(np.asarray(figures[name])[index]) for name in ("model", "floor", "excess")}
    return {**single, "interval": [low, high]}


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2


def _resampled(measured: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mean over a fresh draw of members in every replicate: (member, 1 + replicates, ...) to (replicates, ...)."""
    members, replicates = measured.shape[0], measured.shape[1] - 1
    drawn = rng.integers(members, size=(members, replicates))
    return measured[drawn, np.arange(1, replicates + 1)].mean(axis=0)
