"""What every fidelity measure shares: rows in blocks, copies of training data, trivial rows, and a block bootstrap."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from lawful.domains.blocks import block_labels
from lawful.domains.calendar import time_name
from lawful.domains.domain import Domain

LEVEL = 0.95

STILL = 1e-9
"""Values whose range is less than this share of the largest are one number, and what they differ by is rounding."""

# A measure of some rows against the test rows, once for each row of block counts: (counts, ...).
Measure = Callable[["Rows"], np.ndarray]


def spreads(values: np.ndarray) -> np.ndarray:
    """Standard deviations (variable,) of values (row, variable); zero where these are one number but for rounding.

    The standard deviation of a constant is the rounding of its mean, and so is what laws leave of a flux that they pin.
    """
    still = np.ptp(values, axis=0) <= STILL * np.abs(values).max(axis=0)
    return np.where(still, 0.0, values.std(axis=0))


@dataclass(frozen=True)
class Rows:
    """Samples (row, variable), the block (row,) of each, and where there are times its time (row,), in any calendar."""

    values: np.ndarray
    blocks: np.ndarray
    times: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def with_values(self, values: np.ndarray) -> "Rows":
        """The same rows with other columns."""
        return replace(self, values=values)

    def chosen(self, index: np.ndarray) -> "Rows":
        """Some of the rows."""
        times = None if self.times is None else self.times[index]
        return Rows(self.values[index], self.blocks[index], times)

    def with_blocks(self, blocks: np.ndarray) -> "Rows":
        """The same rows with other numbers of blocks."""
        return replace(self, blocks=blocks)


def rows_of(values: np.ndarray, ds: xr.Dataset, domain: Domain) -> Rows:
    """Values (event, variable) of a dataset with its blocks and, where it has any, its times."""
    name = time_name(ds, domain.event_dim)
    times = None if name is None else ds[name].values
    return Rows(values, np.asarray(block_labels(ds, domain)), times)


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
    says how often each test block is drawn; its first row is the test set as it is. `shuffled` and `normal` are rows of
    trivial generators, the ceiling: training values of every variable drawn independently, and independent normal
    variables with the means and standard deviations of the training data.
    """

    test: Rows
    train: Rows
    synthetic: tuple[Rows, ...]
    copies: tuple[Rows, ...]
    shuffled: Rows
    normal: Rows
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
        spread = spreads(self.train.values)
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

    def shares(self, rows: Rows) -> np.ndarray:
        """The same as shares of all that is drawn, (1 + replicates, row)."""
        weights = self.weights(rows)
        return weights / weights.sum(axis=1, keepdims=True)

    def signed_shares(self, rows: Rows) -> np.ndarray:
        """Shares of rows, then minus those of the test rows, (1 + replicates, row)."""
        return np.concatenate([self.shares(rows), -self.shares(self.test)], axis=1)

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
    test, train = test.with_blocks(test_blocks), train.with_blocks(train_blocks)
    trivial = np.random.default_rng([seed, 20])
    chosen = rng.permutation(len(synthetic))[: effort.realizations]
    return Trial(
        test=test,
        train=train,
        synthetic=tuple(test.with_values(synthetic[k]) for k in sorted(chosen)),
        copies=tuple(block_copy(train, len(test), rng) for _ in range(effort.copies)),
        shuffled=test.with_values(shuffled(train.values, len(test), trivial)),
        normal=test.with_values(independent_normal(train.values, len(test), trivial)),
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
    return rows.chosen(np.concatenate(drawn)[:size])


def block_subset(rows: Rows, size: int, rng: np.random.Generator) -> Rows:
    """`size` rows in whole blocks drawn without replacement, the last one cut; all rows where there are no more."""
    order = rng.permutation(np.unique(rows.blocks))
    index = np.concatenate([np.flatnonzero(rows.blocks == block) for block in order])
    return rows.chosen(index[:size])


def shuffled(values: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Independent marginals: every variable of `values` (row, variable) drawn for itself, (size, variable)."""
    return np.stack([rng.choice(column, size) for column in values.T], axis=1)


def independent_normal(values: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Independent normal variables with the means and standard deviations of `values` (row, variable)."""
    return rng.normal(values.mean(axis=0), values.std(axis=0), (size, values.shape[1]))


def block_counts(blocks: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """How often each block is drawn (1 + replicates, blocks): once each in the first row, multinomial in the others."""
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
    return np.concatenate([np.ones((1, blocks)), drawn])
