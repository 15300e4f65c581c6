"""Splits data by blocks that belong together: weeks, or all analyses of one study, never neighbouring rows."""

import numpy as np
import xarray as xr

from lawful.domains.calendar import days, time_coordinate
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.shaped import ShapedDomain

# Times in floating-point days are good to a few microseconds.
_SECOND = 1 / 86400


def block_labels(ds: xr.Dataset, domain: Domain | ShapedDomain) -> np.ndarray:
    """Number of the block of each event, int64 (events,), 0, 1, ... in order of time or of label.

    Blocks of time are counted from a Monday, so that two files of one site agree on where blocks begin.
    An event without a label is a block of its own.

    Raises:
        InputError: the data have no times, or not the label that the domain names.
    """
    blocks = {"time": _time_blocks, "label": _label_blocks, "order": _order_blocks}
    keys = blocks[domain.blocks.kind](ds, domain)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64).reshape(-1)


def _time_blocks(ds: xr.Dataset, domain: Domain | ShapedDomain) -> np.ndarray:
    since_monday = days(time_coordinate(ds, domain.event_dim))
    return np.floor((since_monday + _SECOND / 2) / domain.blocks.length_days)


def _order_blocks(ds: xr.Dataset, domain: Domain | ShapedDomain) -> np.ndarray:
    return np.arange(ds.sizes[domain.event_dim]) // domain.blocks.length


def _label_blocks(ds: xr.Dataset, domain: Domain | ShapedDomain) -> np.ndarray:
    name = str(domain.blocks.label)
    if name not in ds.variables:
        raise InputError(f"no variable {name!r}: domain {domain.name!r} keeps events of one {name} together")
    if ds[name].dims != (domain.event_dim,):
        raise InputError(f"label {name!r} has dimensions {ds[name].dims}; it needs ({domain.event_dim!r},)")
    words = [_text(value) for value in ds[name].to_numpy()]
    # Real labels start with "=" so that none can be taken for the number of an unlabelled event.
    return np.array([f"={word}" if word else f"#{event}" for event, word in enumerate(words)])


def _text(value: object) -> str:
    if isinstance(value, float) and np.isnan(value):
        return ""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


def fold_masks(
    ds: xr.Dataset, domain: Domain | ShapedDomain, fold: int, folds: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Which events train and which test in one fold, two boolean arrays (events,).

    Whole blocks go to one fold. Consecutive blocks of time are dealt out a group at a time in shuffled order, so
    that every fold sees the whole year; labelled blocks are dealt out from the largest down, so that folds are
    of one size. Events within `gap_days` of a test event train nothing.

    Raises:
        InputError: there is no such fold, there are fewer blocks than folds, or nothing is left to train on.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise InputError(f"no fold {fold} of {folds}: folds are counted from 0, and there are two at least")
    labels = block_labels(ds, domain)
    test = _assign(labels, domain, folds, seed)[labels] == fold
    train = ~test & ~_near(ds, domain, test)
    if not train.any():
        raise InputError(f"fold {fold} of {folds} leaves nothing to train on; use more data or shorter gaps")
    return train, test


def _assign(labels: np.ndarray, domain: Domain | ShapedDomain, folds: int, seed: int) -> np.ndarray:
    sizes = np.bincount(labels) if labels.size else np.empty(0, dtype=np.int64)
    if sizes.size < folds:
        raise InputError(f"{sizes.size} blocks do not make {folds} folds; use more data, fewer folds or shorter blocks")
    generator = np.random.default_rng(seed)
    if domain.blocks.kind != "label":
        return _deal(sizes.size, folds, generator)
    return _balance(sizes, folds, generator)


def _deal(blocks: int, folds: int, generator: np.random.Generator) -> np.ndarray:
    rounds = [generator.permutation(folds) for _ in range(-(-blocks // folds))]
    return np.concatenate(rounds)[:blocks]


def _balance(sizes: np.ndarray, folds: int, generator: np.random.Generator) -> np.ndarray:
    shuffled = generator.permutation(sizes.size)
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    assigned, filled = np.empty(sizes.size, dtype=np.int64), np.zeros(folds)
    for block in largest_first:
        assigned[block] = filled.argmin()
        filled[assigned[block]] += sizes[block]
    return assigned


def _near(ds: xr.Dataset, domain: Domain | ShapedDomain, test: np.ndarray) -> np.ndarray:
    if domain.blocks.kind != "time" or domain.blocks.gap_days == 0:
        return np.zeros(test.size, dtype=bool)
    when = days(time_coordinate(ds, domain.event_dim))
    tested = np.sort(when[test])
    after = np.searchsorted(tested, when).clip(1, max(tested.size - 1, 1))
    nearest = np.minimum(np.abs(when - tested[after - 1]), np.abs(when - tested[after.clip(max=tested.size - 1)]))
    return nearest <= domain.blocks.gap_days + _SECOND
