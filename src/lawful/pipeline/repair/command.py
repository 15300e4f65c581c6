"""Repairs a file block by block."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from lawful.data_recipes import open_ensemble
from lawful.data_recipes.rewrite import Copy, changed_copy
from lawful.data_recipes.windows import CUT
from lawful.domains import Domain, InputError
from lawful.pipeline.repair.effect import Effect
from lawful.pipeline.repair.metric import Correlated, Independent, Metric
from lawful.pipeline.repair.nearest import Nearest
from lawful.pipeline.repair.parts import Array, Part
from lawful.pipeline.repair.storing import Storing
from lawful.reports.arrays import plain
from lawful.reports.physics.columns import Block, Columns
from lawful.reports.physics.judges import Judges
from lawful.reports.physics.place import Where
from lawful.reports.physics.tolerance import LAWFUL_ULPS, Tolerance
from lawful.reports.validity import validity

COVARIANCE = "covariance"
"""What `--sigma` says when variables are to move together."""

_LEAST_SIGMA = 1e-6
_NAMED = 20


def repair(
    path: Path,
    domain: Domain,
    out: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    sigmas: Mapping[str, float] | None = None,
    correlated: bool = False,
) -> dict[str, Any]:
    """Write a copy of a file in which every sample is lawful as stored, moved by as little as can be.

    The move of a sample is measured by `sum((z' - z)^2 / sigma^2)`, or when `correlated` by `(z' - z)^T S^-1 (z' - z)`
    with the correlations of the file in S, so that what goes together moves together. Values that are zero or on a
    bound stay there where the laws allow it. Samples that were lawful, and whatever else is in the file, stay as they
    are bit for bit.

    Args:
        path: NetCDF or HDF5 file; not loaded whole.
        domain: laws, inequalities and bounds.
        out: file to write; it appears when it is complete.
        mapping: name in the domain -> name in the file, where they differ.
        sigmas: sigma by variable or array in the domain's units, 0 for one that is not to move; else its standard
            deviation in the file.
        correlated: whether variables move together as they go together in the file.

    Returns:
        A JSON-ready dict: counts of "samples", those "lawful" before, "repaired", with "missing" values, and "left"
        (the first of them and why in "unrepaired"), "variables" and "correlation" (what changed), "validity" of `out`.

    Raises:
        InputError: the file cannot be read or written, or a sigma names no variable or is none.
    """
    by_variable = _by_variable(sigmas or {}, domain)
    with open_ensemble(path, domain, mapping, in_place=True) as (ds, bound, notes):
        _require_variables_of_file(ds, bound, path, mapping or {})
        work = _Work(Columns(ds, bound), Where(ds, bound, tuple(map(str, ds[bound.names[0]].dims))), bound)
        sigma = work.look(by_variable)
        command = _command(path, domain, out, mapping or {}, sigmas or {}, correlated)
        with changed_copy(path, out, domain, mapping or {}, command) as copy:
            work.mend(copy, work.metric(sigma, correlated))
        notes = [*notes, *work.columns.notes]
    with open_ensemble(out, domain, mapping, in_place=True) as (ds, bound, _):
        after = validity(ds, bound)
    found = {"file": str(path), "out": str(out), "domain": domain.name, "notes": notes, **work.result(sigma)}
    return plain({**found, "validity": after})


class _Work:
    """One file that is being repaired: what was seen of it, what was done to it."""

    def __init__(self, columns: Columns, where: Where, domain: Domain):
        self.columns, self._where, self._domain = columns, where, domain
        self._judges = Judges(columns, domain, where, Tolerance("ulps", LAWFUL_ULPS))
        self._effect = Effect(domain)
        self._repaired, self._missing, self._broken = 0, 0, 0
        self._left: list[dict[str, Any]] = []

    def look(self, sigmas: Mapping[str, float]) -> np.ndarray:
        """Take in all finite samples; gives sigma (variable,) of the metric."""
        for block in self.columns.blocks():
            for piece in self.columns.pieces(block):
                finite = piece.of_finite()
                if finite.size:
                    self._effect.see(np.stack(finite.values, axis=-1))
        spread = self._effect.deviations()
        # What never varies moves last.
        spread = np.maximum(spread, _LEAST_SIGMA * (spread.max(initial=0.0) or 1.0))
        return np.array([sigmas.get(name, spread[j]) for j, name in enumerate(self._domain.names)])

    def metric(self, sigma: np.ndarray, correlated: bool) -> Metric:
        """The metric of sigmas (variable,), with the correlations that were seen or without."""
        if not correlated:
            return Independent(torch.from_numpy(sigma**2))
        own = self._effect.covariance()
        spread = np.sqrt(np.diagonal(own))
        scale = np.where(spread > 0, spread, 1.0)
        correlations = own / (scale[:, None] * scale)
        np.fill_diagonal(correlations, 1.0)
        return Correlated(torch.from_numpy(correlations * sigma[:, None] * sigma))

    def mend(self, copy: Copy, metric: Metric) -> None:
        """Write lawful numbers over unlawful ones."""
        columns = self.columns.columns
        slack = np.array([column.slack_at(0.0) for column in columns])
        nearest = Nearest(self._domain, metric, slack)
        storing = Storing(self.columns, self._judges, self._domain)
        for block in self.columns.blocks():
            samples, before = self._unlawful(block)
            if samples.size:
                self._mend_block(block, copy, nearest, storing, samples, before)

    def _unlawful(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Flat positions in the block of finite samples that break something, and their values (samples, variable)."""
        positions, values = [], []
        for piece in self.columns.pieces(block):
            finite = piece.of_finite()
            self._missing += piece.size - finite.size
            if finite.size:
                broken = np.flatnonzero(self._judges.broken(finite))
                positions += [finite.flat(int(sample)) for sample in broken]
                values.append(np.stack(finite.only(broken).values, axis=-1))
        return np.array(positions, dtype=np.int64), np.concatenate(values) if values else np.zeros((0, 0))

    def _mend_block(
        self, block: Block, copy: Copy, nearest: Nearest, storing: Storing, samples: np.ndarray, before: np.ndarray
    ) -> None:
        after, found = nearest(before)
        arrays: dict[str, Array] = {}
        files = [Part(copy, name, self.columns, block, arrays) for name in self._domain.names]
        numbers, values, lawful = storing([part.numbers[samples] for part in files], before, after)
        done = found & lawful
        self._broken += len(samples)
        self._repaired += int(done.sum())
        self._effect.change(before[done], values[done])
        self._name(block, samples, found, lawful)
        for part, new in zip(files, numbers, strict=True):
            part.put(samples[done], new[done])
        for array in arrays.values():
            array.write()

    def _name(self, block: Block, samples: np.ndarray, found: np.ndarray, lawful: np.ndarray) -> None:
        for position in np.flatnonzero(~(found & lawful))[: _NAMED - len(self._left)]:
            reason = (
                "its numbers are too coarse, or do not reach far enough, to hold a lawful state"
                if found[position]
                else "no values satisfy its laws, bounds and what is held together"
            )
            self._left.append({**self._where.at(block.index, int(samples[position])), "reason": reason})

    def result(self, sigma: np.ndarray) -> dict[str, Any]:
        """Counts, what changed, and what is left."""
        samples = self.columns.samples
        return {
            "samples": samples,
            "lawful": samples - self._broken - self._missing,
            "repaired": self._repaired,
            "left": self._broken - self._repaired,
            "missing": self._missing,
            "unrepaired": self._left,
            "sigma": dict(zip(self._domain.names, sigma.tolist(), strict=True)),
            **self._effect.result(),
        }


def _require_variables_of_file(ds: xr.Dataset, domain: Domain, path: Path, mapping: Mapping[str, str]) -> None:
    """Numbers are written back to where they came from, which must be the place of one event alone."""
    if any(CUT in ds[name].encoding for name in domain.names):
        raise InputError(
            f"{path}: its series are cut into windows, of which neighbours share a state; repair a file of windows, "
            f"with {domain.window} as a dimension of its own, or the steps with a domain of one step"
        )
    for variable in domain.variables:
        if variable.source and variable.name not in mapping:
            raise InputError(f"{path}: say where {variable.name} is: --map {variable.name}={variable.source}")


def _by_variable(sigmas: Mapping[str, float], domain: Domain) -> dict[str, float]:
    """Sigmas of single variables, where an array may stand for all its components."""
    for name, sigma in sigmas.items():
        if not 0 <= sigma < np.inf:
            raise InputError(f"--sigma {name}={sigma:g}: expected a number of zero or more")
    return {single: sigma for name, sigma in sigmas.items() for single in domain.expanded([name])}


def _command(
    path: Path, domain: Domain, out: Path, mapping: Mapping[str, str], sigmas: Mapping[str, float], correlated: bool
) -> str:
    words = ["lawful", "repair", path.name, "--domain", domain.name, "-o", out.name, *_options(mapping, sigmas)]
    return shlex.join([*words, *(["--sigma", COVARIANCE] if correlated else [])])


def _options(mapping: Mapping[str, str], sigmas: Mapping[str, float]) -> Iterator[str]:
    for name, source in mapping.items():
        yield from ("--map", f"{name}={source}")
    for name, sigma in sigmas.items():
        yield from ("--sigma", f"{name}={sigma:g}")
