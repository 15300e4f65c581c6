"""Repairs a file block by block."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lawful.data_recipes import open_ensemble
from lawful.data_recipes.rewrite import Copy, changed_copy
from lawful.data_recipes.windows import CUT
from lawful.domains import Domain, InputError, ShapedDomain
from lawful.pipeline.repair.effect import Effect
from lawful.pipeline.repair.metric import metric_of
from lawful.pipeline.repair.nearest import Nearest
from lawful.pipeline.repair.parts import OfBlock
from lawful.pipeline.repair.series import Series, cut_from_series
from lawful.pipeline.repair.shaped import repair_shaped
from lawful.pipeline.repair.work import Work, summary
from lawful.reports.arrays import plain
from lawful.reports.validity import validity

COVARIANCE = "covariance"
"""What `--sigma` says when variables are to move together."""


def repair(
    path: Path,
    domain: Domain | ShapedDomain,
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
        path: NetCDF or HDF5 file; not loaded whole, unless it holds graphs or fields.
        domain: laws, inequalities and bounds.
        out: file to write; it appears when it is complete.
        mapping: name in the domain -> name in the file, where they differ.
        sigmas: sigma by variable or array in the domain's units, 0 for one that is not to move; else its standard
            deviation in the file.
        correlated: whether variables move together as they go together in the file; not for graphs and fields.

    Returns:
        A JSON-ready dict: counts of "samples", those "lawful" before, "repaired", with "missing" values, and "left"
        (the first of them and why in "unrepaired"), "variables" and "correlation" (what changed), "validity" of `out`.

    Raises:
        InputError: the file cannot be read or written, `out` is the file itself, or a sigma names no variable or is
            none.
    """
    if out.exists() and path.exists() and out.samefile(path):
        raise InputError(f"{out} is the file that is repaired, which stays as it is; give another name for the result")
    for name, sigma in (sigmas or {}).items():
        if not 0 <= sigma < np.inf:
            raise InputError(f"--sigma {name}={sigma:g}: expected a number of zero or more")
    command = _command(path, domain.name, out, mapping or {}, sigmas or {}, correlated)
    if not isinstance(domain, ShapedDomain):
        found = _repair_events(path, domain, out, mapping or {}, sigmas or {}, correlated, command)
    elif correlated:
        raise InputError(f"--sigma {COVARIANCE}: the parts of graphs and fields move independently; give VAR=SD")
    else:
        found = repair_shaped(path, domain, out, mapping or {}, sigmas or {}, command)
    return plain({"file": str(path), "out": str(out), "domain": domain.name, **found})


def _repair_events(
    path: Path, domain: Domain, out: Path, mapping: Mapping[str, str], sigmas: Mapping[str, float], correlated: bool,
    command: str,
) -> dict[str, Any]:  # fmt: skip
    by_variable = {single: sigma for name, sigma in sigmas.items() for single in domain.expanded([name])}
    with open_ensemble(path, domain, mapping, in_place=True) as (ds, bound, notes):
        if not set(domain.stack) <= set(ds.dims):
            # An ensemble that was generated has events, stacked as they are.
            unstacked = domain.model_copy(update={"stack": ()})
            return _repair_events(path, unstacked, out, mapping, sigmas, correlated, command)
        _require_whole_series(ds, bound, path)
        effect = Effect(bound.variables)
        work = (Series if cut_from_series(ds, bound) else Work)(ds, bound, effect)
        work.look()
        sigma = effect.sigmas(by_variable, _laws(bound))
        nearest = _nearest(bound, sigma, effect.covariance() if correlated else None, work.slack)
        with changed_copy(path, out, domain, mapping, command) as copy:
            _mend(work, copy, bound, nearest)
        notes = [*notes, *work.columns.notes, *effect.absurdities()]
    with open_ensemble(out, domain, mapping, in_place=True) as (ds, bound, _):
        after = validity(ds, bound)
    named = dict(zip(bound.names, sigma.tolist(), strict=True))
    return {"notes": notes, **summary([work]), "sigma": named, **effect.result(), "validity": after}


def _laws(domain: Domain) -> np.ndarray:
    """Coefficients (laws, variable) of equations and inequalities."""
    return np.concatenate([domain.matrix()[0], domain.inequality_matrix()[0]])


def _nearest(
    domain: Domain, sigma: np.ndarray, covariance: np.ndarray | None, slack: np.ndarray
) -> Callable[[tuple[int, ...]], Nearest]:
    """Finds nearest states with variables at some positions held, beside those that have no sigma."""

    @cache
    def holding(held: tuple[int, ...]) -> Nearest:
        kept = sigma.copy()
        kept[list(held)] = 0.0
        return Nearest(domain, metric_of(kept, covariance), slack)

    return holding


def _mend(work: Work, copy: Copy, domain: Domain, nearest: Callable[[tuple[int, ...]], Nearest]) -> None:
    if isinstance(work, Series):
        work.mend_in_turn(copy, nearest)
    else:
        work.mend(nearest(()), lambda block: OfBlock(copy, work.columns, domain.names, block))


def _require_whole_series(ds: xr.Dataset, domain: Domain, path: Path) -> None:
    """Numbers are written back to where they came from: all of a window to series, or none."""
    cut = [name for name in domain.names if CUT in ds[name].encoding]
    if cut and not cut_from_series(ds, domain):
        whole = next(name for name in domain.names if name not in cut)
        raise InputError(
            f"{path}: {whole} has one value for a window of {domain.window}s and cannot be repaired with them"
        )


def _command(
    path: Path, domain: str, out: Path, mapping: Mapping[str, str], sigmas: Mapping[str, float], correlated: bool
) -> str:
    words = ["lawful", "repair", path.name, "--domain", domain, "-o", out.name, *_options(mapping, sigmas)]
    return shlex.join([*words, *(["--sigma", COVARIANCE] if correlated else [])])


def _options(mapping: Mapping[str, str], sigmas: Mapping[str, float]) -> Iterator[str]:
    for name, source in mapping.items():
        yield from ("--map", f"{name}={source}")
    for name, sigma in sigmas.items():
        yield from ("--sigma", f"{name}={sigma:g}")
