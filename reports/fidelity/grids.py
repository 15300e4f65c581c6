"""Fields on a grid: power by wavelength, and statistics of blocks of cells."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lawful.domains.components import arrays
from lawful.domains.domain import Domain
from lawful.reports.fidelity.beside import entry, measured
from lawful.reports.fidelity.distances import cdf_distance
from lawful.reports.fidelity.protocol import Rows, Trial

BLOCKS = (2, 4)
"""Sides of blocks, in cells."""


def grid_figures(trial: Trial, domain: Domain) -> list[dict[str, Any]]:
    """Spectrum and block statistics of each array that lies on a grid of the domain, beside floor and ceiling.

    The ceiling is that of independent marginals: fields without any spatial structure.
    """
    found = []
    for array, shape in fields(domain).items():
        columns = [k for k, name in enumerate(domain.names) if name.startswith(f"{array}[")]
        found.append({"array": array, "grid": list(shape), **_figures(trial, columns, shape)})
    return found


def fields(domain: Domain) -> dict[str, tuple[int, int]]:
    """Arrays along a dimension that is laid out on a grid, and its (rows, columns)."""
    over = {name: next(v.over for v in domain.variables if v.name.startswith(f"{name}[")) for name in arrays(domain)}
    return {name: domain.grids[dim] for name, dim in over.items() if dim in domain.grids}


def radial_spectrum(values: np.ndarray) -> np.ndarray:
    """Radially averaged power of fields (..., y, x) less their means, (..., k), k from 1 to half the shorter side.

    `P(k) = mean over k - 1/2 <= |(k_y, k_x)| < k + 1/2 of |FFT|^2 / (cells)^2`, with wavenumbers in cycles over the
    longer side. Errico (1985), Mon. Weather Rev. 113, 1554-1562, doi:10.1175/1520-0493(1985)113<1554:SCFATD>2.0.CO;2,
    without its removal of a trend.
    """
    rows, columns = values.shape[-2:]
    power = np.abs(np.fft.fft2(values - values.mean(axis=(-2, -1), keepdims=True))) ** 2 / (rows * columns) ** 2
    longer = max(rows, columns)
    radius = np.hypot(np.fft.fftfreq(rows)[:, np.newaxis] * longer, np.fft.fftfreq(columns) * longer)
    ring = np.rint(radius).astype(int)
    rings = range(1, min(rows, columns) // 2 + 1)
    return np.stack([power[..., ring == k].mean(axis=-1) for k in rings], axis=-1)


def block_statistics(values: np.ndarray, side: int) -> np.ndarray:
    """Means and maxima of blocks of side x side cells of fields (..., y, x), (..., block, 2); the rest is cut."""
    rows, columns = (size // side for size in values.shape[-2:])
    cut = values[..., : rows * side, : columns * side]
    blocks = cut.reshape(*values.shape[:-2], rows, side, columns, side)
    found = np.stack([blocks.mean(axis=(-3, -1)), blocks.max(axis=(-3, -1))], axis=-1)
    return found.reshape(*values.shape[:-2], rows * columns, 2)


def spectrum_error(rows: Rows, trial: Trial, columns: list[int], shape: tuple[int, int]) -> np.ndarray:
    """Root mean square over wavenumbers of the difference of mean power in decibels, (1 + replicates,)."""
    ours, theirs = (_decibels(side, trial, columns, shape) for side in (rows, trial.test))
    return np.sqrt(np.nanmean((ours - theirs) ** 2, axis=1))


def block_error(rows: Rows, trial: Trial, columns: list[int], shape: tuple[int, int]) -> np.ndarray:
    """Wasserstein-1 distance of block means and of block maxima, over their standard deviation in the training data.

    Mean over both and over blocks of 2 x 2 and of 4 x 4 cells, as far as the grid has them; (1 + replicates,).
    """
    sides = [side for side in BLOCKS if side <= min(shape)]
    errors = [_block_distance(rows, trial, _of(columns, shape, side)) for side in sides]
    return np.mean(errors, axis=0) if errors else np.zeros(len(trial.counts))


def _of(columns: list[int], shape: tuple[int, int], side: int) -> Callable[[Rows], np.ndarray]:
    return lambda rows: block_statistics(rows.values[:, columns].reshape(-1, *shape), side)


def _block_distance(rows: Rows, trial: Trial, statistics: Callable[[Rows], np.ndarray]) -> np.ndarray:
    ours, theirs, learned = statistics(rows), statistics(trial.test), statistics(trial.train)
    blocks = ours.shape[1]
    signed = np.concatenate(
        [_repeated(trial.shares(rows), blocks), -_repeated(trial.shares(trial.test), blocks)], axis=1
    )
    found = []
    for kind in range(2):
        spread = learned[..., kind].std() or 1.0
        pooled = np.concatenate([ours[..., kind].ravel(), theirs[..., kind].ravel()])
        found.append(cdf_distance(pooled, signed)[:, 0] / spread)
    return np.mean(found, axis=0)


def _repeated(shares: np.ndarray, blocks: int) -> np.ndarray:
    return np.repeat(shares / blocks, blocks, axis=1)


def _decibels(rows: Rows, trial: Trial, columns: list[int], shape: tuple[int, int]) -> np.ndarray:
    power = trial.shares(rows) @ radial_spectrum(rows.values[:, columns].reshape(-1, *shape))
    return 10 * np.log10(np.where(power > 0, power, np.nan))


def _figures(trial: Trial, columns: list[int], shape: tuple[int, int]) -> dict[str, Any]:
    def judged(error: Callable[..., np.ndarray], purpose: int) -> dict[str, Any]:
        return entry(
            measured(trial, lambda rows: error(rows, trial, columns, shape), trial.shuffled).figures(trial.rng(purpose))
        )

    once = np.ones(len(trial.test))
    spectra = {"data": trial.test, "ensemble": trial.synthetic[0]}
    power = {
        name: (once @ radial_spectrum(rows.values[:, columns].reshape(-1, *shape)) / len(once)).tolist()
        for name, rows in spectra.items()
    }
    return {"spectrum": judged(spectrum_error, 29), "blocks": judged(block_error, 30), "power": power}
