"""Residuals of one linear law over many samples: signed, beside the gross flux, and in units of storage rounding."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from lawful.core.linear.exact import UNIT, two_product, two_sum
from lawful.domains.domain import Domain
from lawful.reports.physics.columns import Columns
from lawful.reports.stored import float64_half_spacing

_DECIDED = 2.0**-20
"""Of an ulp of a law: errors of a sum below this do not count."""
_SMALLEST = 2.0**-1074
"""The smallest number above zero."""


@dataclass(frozen=True)
class Misfit:
    """One law in some samples, arrays (samples,) of float64.

    Attributes:
        residual: `a.z - b`, signed, in units of the law.
        gross: `sum_j |a_j z_j| + |b|`, in units of the law.
        ulps: `|a.z - b| / (sum_j |a_j| h(z_j) + h(b))`, without unit.
    """

    residual: np.ndarray
    gross: np.ndarray
    ulps: np.ndarray


def misfit(row: np.ndarray, constant: float, values: list[np.ndarray], spacing: list[np.ndarray | float]) -> Misfit:
    """Judge a law `row . z = constant` on finite values.

    Plain float64 sums of k products err by at most `2 k u gross`, u = 2^-53 (Higham 2002, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., section 3.1). Where this is less than a millionth of an ulp of the law, as for
    float32 and packed files, they stand; else the sum is done again in twice the precision (Ogita, Rump and Oishi
    2005, doi:10.1137/030601818), so that its own rounding does not count.

    Args:
        row: coefficients (variable,).
        constant: right-hand side.
        values: (samples,) for each variable.
        spacing: half spacing of the stored representation, an array or one number for each variable.
    """
    members = np.flatnonzero(row)
    coefficients, columns = [float(row[j]) for j in members], [values[j] for j in members]
    gross, allowance = _sizes(coefficients, columns, constant), _allowance(row, members, spacing, constant)
    residual = _plain(coefficients, columns, constant)
    unsure = 2 * (len(members) + 1) * UNIT / _DECIDED
    if not (unsure * gross <= allowance).all():
        residual = _compensated(coefficients, columns, constant)
    # Nothing over nothing is nothing.
    ulps = np.abs(residual)
    ulps /= np.maximum(allowance, _SMALLEST)
    return Misfit(residual, gross, ulps)


def law_ulps(ds: xr.Dataset, domain: Domain) -> list[np.ndarray]:
    """For each equality of a domain, the residual in ulps of all samples that are finite, flat."""
    matrix, constants, _ = domain.matrix()
    columns = Columns(ds, domain)
    found: list[list[np.ndarray]] = [[] for _ in constants]
    for block in columns.blocks():
        for piece in columns.pieces(block):
            there = piece.of_finite()
            for parts, row, constant in zip(found, matrix, constants, strict=True):
                parts.append(misfit(row, float(constant), there.values, there.spacing).ulps)
    return [np.concatenate(parts) if parts else np.zeros(0) for parts in found]


def _sizes(coefficients: list[float], columns: list[np.ndarray], constant: float) -> np.ndarray:
    gross = np.full(columns[0].shape, abs(constant))
    for a, z in zip(coefficients, columns, strict=True):
        size = np.abs(z)
        if abs(a) != 1:
            size *= abs(a)
        gross += size
    return gross


def _allowance(row: np.ndarray, members: np.ndarray, spacing: list[np.ndarray | float], constant: float) -> np.ndarray:
    total: np.ndarray | float = float64_half_spacing(constant)
    for j in members:
        total = total + (spacing[j] if abs(row[j]) == 1 else spacing[j] * abs(float(row[j])))
    return np.asarray(total)


def _plain(coefficients: list[float], columns: list[np.ndarray], constant: float) -> np.ndarray:
    total = np.full(columns[0].shape, -constant)
    for a, z in zip(coefficients, columns, strict=True):
        if a == 1:
            total += z
        elif a == -1:
            total -= z
        else:
            total += a * z
    return total


def _compensated(coefficients: list[float], columns: list[np.ndarray], constant: float) -> np.ndarray:
    """The same in twice float64's precision, rounded once; a column of samples at a time, which is quick."""
    total, error = torch.full(columns[0].shape, -constant, dtype=torch.float64), None
    for a, z in zip(coefficients, columns, strict=True):
        term, lost = _product(a, torch.from_numpy(z))
        total, rounding = two_sum(total, term) if error is not None or constant else (term, torch.zeros_like(term))
        if lost is not None:
            rounding += lost
        error = rounding if error is None else error.add_(rounding)
    return (total if error is None else total + error).numpy()


def _product(a: float, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    if abs(a) == 1:
        return (z if a > 0 else -z), None
    return two_product(torch.tensor(a, dtype=torch.float64), z)
