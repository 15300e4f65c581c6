"""Cells of a grid without values, such as those of the sea: fields are what the others hold."""

from pathlib import Path

import numpy as np
import xarray as xr

from lawful.domains import InputError
from lawful.domains.field_blocks import split
from lawful.domains.field_domain import FieldDomain


def of_cells(
    ds: xr.Dataset, names: list[str], domain: FieldDomain, path: Path, notes: list[str], like: xr.Dataset | None
) -> xr.Dataset:
    """Samples without a missing value in the cells, or blocks, that are of the field; NaN in all others.

    Args:
        names: the fine fields, or the coarse ones. like: what a model was trained on, whose cells these are then.

    Raises:
        InputError: a field or a covariate is missing in a cell, or a field in every sample.
    """
    fine = names[0] == domain.names[0]
    inside = domain.inside(ds) if like is None else domain.inside(like)
    if fine or domain.covariates:
        require_covariates(ds, inside, domain, path)
    asked = inside if fine else np.asarray(split(inside, domain).any(axis=-1))
    if fine or like is not None:
        notes.extend(left_out(inside, domain))
        ds = ds.assign({name: ds[name].where(xr.DataArray(asked, dims=ds[name].dims[-2:])) for name in names})
    return _whole(ds, names, asked, domain, path, notes)


def left_out(inside: np.ndarray, domain: FieldDomain) -> list[str]:
    """A note on cells that are not of the field, where there are such."""
    if inside.all():
        return []
    empty = int((~split(inside, domain).any(axis=-1)).sum())
    weightless = f", or {domain.weights} is zero" if domain.weights else ""
    blocks = f"; {empty} blocks have no cell" if empty else ""
    return [
        f"{int((~inside).sum())} of {inside.size} cells are not of the field: {', '.join(domain.names)} missing in "
        f"every {domain.event}{weightless}; block means are those of the others{blocks}"
    ]


def require_covariates(ds: xr.Dataset, inside: np.ndarray, domain: FieldDomain, path: Path) -> None:
    """Raise InputError where a covariate is not finite in a cell of the field."""
    for name in domain.covariates:
        here = xr.DataArray(inside, dims=(domain.rows, domain.columns))
        if not (np.isfinite(ds[name].astype(np.float64)) | ~here).all():
            raise InputError(f"{path}: {name!r} is not finite everywhere")


def _whole(
    ds: xr.Dataset, names: list[str], asked: np.ndarray, domain: FieldDomain, path: Path, notes: list[str]
) -> xr.Dataset:
    """Samples with all values `asked` for (rows, columns); a note counts the others."""
    finite = {name: np.isfinite(ds[name].to_numpy()) for name in names}
    there = np.logical_and.reduce([(found | ~asked).all(axis=(1, 2)) for found in finite.values()])
    if there.all():
        return ds
    for name, found in finite.items():
        never = ~found.any(axis=0) & asked
        if never.any():
            raise InputError(
                f"{path}: {name} is missing in {never.sum()} of {asked.sum()} cells in every {domain.event}; fields "
                "need a number in each: fill in what is right there, such as 0 for no rain"
            )
    notes.append(f"{int((~there).sum())} of {there.size} {domain.event}s left out for missing values")
    return ds.isel({domain.dim: there})
