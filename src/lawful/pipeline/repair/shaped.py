"""Repairs a file of graphs or fields, which is read whole."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lawful.core.linear.system import LAWFUL_ULPS
from lawful.data_recipes.rewrite import Copy, changed_copy
from lawful.data_recipes.shaped_ensemble import read_shaped_ensemble
from lawful.domains import InputError, ShapedDomain, Whole
from lawful.domains.declarations import component
from lawful.pipeline.repair.effect import Effect
from lawful.pipeline.repair.metric import metric_of
from lawful.pipeline.repair.nearest import Nearest
from lawful.pipeline.repair.one_sum import OneSum
from lawful.pipeline.repair.parts import Array, Scattered
from lawful.pipeline.repair.work import Found, Work, summary
from lawful.reports.physics.columns import Columns
from lawful.reports.shaped_validity import shaped_validity


def repair_shaped(
    path: Path,
    domain: ShapedDomain,
    out: Path,
    mapping: Mapping[str, str],
    sigmas: Mapping[str, float],
    command: str,
) -> dict[str, Any]:
    """`lawful.pipeline.repair.repair` for graphs and fields: what they are held to stays, their parts move.

    A sample is a graph, or a block of cells: of one variable, or of all where there are laws between them.
    """
    for name in sigmas:
        if name not in domain.names:
            raise InputError(f"domain {domain.name!r} moves no variable {name!r}; it moves {', '.join(domain.names)}")
    ds, notes = read_shaped_ensemble(path, domain, mapping)
    wholes = domain.wholes(ds)
    effects = {names: Effect(variables) for names, variables in _together(wholes).items()}
    laws = {_names(whole): _laws(whole) for whole in wholes}
    works = [_work(ds, whole, effects[_names(whole)]) for whole in wholes]
    for work in works:
        work.look()
    sigma = {
        name: float(value)
        for names, effect in effects.items()
        for name, value in zip(names, effect.sigmas(sigmas, laws[names]), strict=True)
    }
    with changed_copy(path, out, domain, mapping, command) as copy:
        _mend(ds, copy, domain, list(zip(wholes, works, strict=True)), sigma)
    after, _ = read_shaped_ensemble(out, domain, mapping)
    found = [effect.result() for effect in effects.values()]
    return {
        "notes": [
            *notes,
            *dict.fromkeys(note for work in works for note in work.columns.notes),
            *(note for effect in effects.values() for note in effect.absurdities()),
        ],
        **summary(works),
        "sigma": sigma,
        "variables": [row for one in found for row in one["variables"]],
        "correlation": found[0]["correlation"] if len(found) == 1 else None,
        "validity": shaped_validity(after, domain),
    }


def _names(whole: Whole) -> tuple[str, ...]:
    return tuple(v.name for v in whole.variables)


def _laws(whole: Whole) -> np.ndarray:
    """Coefficients (laws, variable) between the variables of a part; the one of a lone variable is alone."""
    if len(whole.variables) == 1:
        return np.ones((1, 1))
    domain = whole.view.domain
    first = [domain.names.index(f"{v.name}[1]") for v in whole.variables]
    return np.concatenate([domain.matrix()[0], domain.inequality_matrix()[0]])[:, first]


def _together(wholes: tuple[Whole, ...]) -> dict[tuple[str, ...], Any]:
    """Variables whose parts make up samples together, by their names."""
    return {_names(whole): whole.variables for whole in wholes}


def _work(ds: xr.Dataset, whole: Whole, effect: Effect) -> Work:
    parts, count = whole.parts, len(whole.variables)

    def rows(values: np.ndarray) -> np.ndarray:
        own = values[:, : parts * count].reshape(-1, count, parts)
        return np.moveaxis(own, 1, 2).reshape(-1, count)

    return Work(whole.view.of(ds), whole.view.domain, effect, rows, partial(whole.view.at, ds))


def _mend(
    ds: xr.Dataset, copy: Copy, domain: ShapedDomain, samples: list[tuple[Whole, Work]], sigma: Mapping[str, float]
) -> None:
    names = (*domain.names, *domain.held_to)
    arrays = {name: Array(copy, name) for name in names}
    for whole, work in samples:
        scattered = Scattered.of_view(ds, arrays, whole.view, work.columns)
        work.mend(_nearest(whole, work, sigma), scattered.of)
    for array in arrays.values():
        array.write()


def _nearest(whole: Whole, work: Work, sigma: Mapping[str, float]) -> Found:
    domain = whole.view.domain
    # What they are held to has no sigma, and stays.
    scales = np.array([sigma.get((component(name) or (name,))[0], 0.0) for name in domain.names])
    if len(domain.equalities) == 1:
        return OneSum(domain, scales == 0, work.slack)
    nearest = Nearest(domain, metric_of(scales, None), work.slack)
    return OnLawsOfCells(nearest, whole, work.columns)


class OnLawsOfCells:
    """Fields whose variables have laws between them, held to means that obey these laws to their own rounding alone.

    The laws of cells hold of means too. Where rounding has put means beside them, fields are moved to the nearest
    means on them, and the means of the file hold to rounding as well.
    """

    def __init__(self, nearest: Found, whole: Whole, columns: Columns):
        self._nearest, self._columns = nearest, columns
        names, count = whole.view.domain.names, len(whole.variables)
        self._means = np.arange(len(names) - count, len(names))
        first = [names.index(f"{v.name}[1]") for v in whole.variables]
        rows = whole.view.domain.matrix()[0][:, first]
        # Of the first cell, and not of a mean.
        of_means = (whole.view.domain.matrix()[0][:, self._means] != 0).any(axis=1)
        self._laws = np.unique(rows[~of_means & (rows != 0).any(axis=1)], axis=0)

    def __call__(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lawful states (samples, variable) of finite z (samples, variable), and where (samples,) there is one."""
        means, wanted = z[:, self._means], z.copy()
        off, spacing = means @ self._laws.T, self._spacing(means)
        wanted[:, self._means] = means - self._share(off, spacing)
        moved, found = self._nearest(wanted)
        moved[:, self._means] = means
        return moved, found & (np.abs(off) <= LAWFUL_ULPS * spacing @ np.abs(self._laws).T).all(axis=-1)

    def _share(self, off: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """What is off (samples, laws), taken from means (samples, variable) by the squares of their own rounding."""
        size = (spacing / np.maximum(spacing.max(axis=1, keepdims=True), np.finfo(float).tiny)) ** 2
        moving = size[:, :, None] * self._laws.T
        share: np.ndarray = (moving @ np.linalg.pinv(self._laws @ moving) @ off[:, :, None])[:, :, 0]
        return share

    def _spacing(self, means: np.ndarray) -> np.ndarray:
        """Half spacings of means (samples, variable) as they are stored."""
        columns = [self._columns.columns[j] for j in self._means]
        found = [
            np.broadcast_to(abs(column.factor) * column.storage.half_spacing(mean / column.factor), mean.shape)
            for column, mean in zip(columns, np.ascontiguousarray(means.T), strict=True)
        ]
        return np.stack(found, axis=-1)
