"""Gaussian random fields with a known spectrum, given their block means: the exact conditional distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class GaussianField:
    """Stationary normal field on a `side` by `side` grid without wrapping, of unit variance and exponential covariance,
    `exp(-distance / length)`; its means over `block` by `block` cells are what is given."""

    side: int = 16
    block: int = 4
    length: float = 4.0

    @cached_property
    def covariance(self) -> np.ndarray:
        """(side^2, side^2)."""
        cells = np.stack(np.meshgrid(np.arange(self.side), np.arange(self.side), indexing="ij"), -1).reshape(-1, 2)
        distance = np.linalg.norm(cells[:, None] - cells, axis=-1)
        return np.exp(-distance / self.length)

    @cached_property
    def averaging(self) -> np.ndarray:
        """(blocks, side^2), the block means of a field in C order."""
        coarse = self.side // self.block
        cells = np.arange(self.side**2)
        owner = (cells // self.side // self.block) * coarse + cells % self.side // self.block
        return (owner == np.arange(coarse**2)[:, None]) / self.block**2

    @cached_property
    def gain(self) -> np.ndarray:
        """(side^2, blocks), from block means to the conditional mean."""
        across = self.covariance @ self.averaging.T
        return across @ np.linalg.inv(self.averaging @ across)

    @cached_property
    def conditional(self) -> np.ndarray:
        """The covariance (side^2, side^2) given the block means."""
        return self.covariance - self.gain @ self.averaging @ self.covariance

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Fields (count, 1, side, side)."""
        root = np.linalg.cholesky(self.covariance)
        return (rng.standard_normal((count, self.side**2)) @ root.T).reshape(count, 1, self.side, self.side)

    def exact(self, coarse: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A draw (count, 1, side, side) for each coarse field, from the conditional distribution."""
        free = self.draw(len(coarse), rng).reshape(len(coarse), -1)
        moved = free + (coarse.reshape(len(coarse), -1) - free @ self.averaging.T) @ self.gain.T
        return moved.reshape(-1, 1, self.side, self.side)

    def mean(self, coarse: np.ndarray) -> np.ndarray:
        """Conditional means (count, 1, side, side)."""
        return (coarse.reshape(len(coarse), -1) @ self.gain.T).reshape(-1, 1, self.side, self.side)

    @cached_property
    def spectrum(self) -> np.ndarray:
        """Mean power of the conditional anomalies by ring of wave numbers, exact."""
        n = self.side
        wave = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
        F = np.kron(wave, wave)
        power = np.einsum("ki,ij,kj->k", F, self.conditional, F.conj()).real
        return self._rings(power.reshape(n, n))

    def powers(self, anomalies: np.ndarray) -> np.ndarray:
        """Mean power of anomalies (count, 1, side, side) by ring of wave numbers."""
        return self._rings((np.abs(np.fft.fft2(anomalies[:, 0])) ** 2).mean(0))

    def _rings(self, power: np.ndarray) -> np.ndarray:
        k = np.minimum(np.arange(self.side), self.side - np.arange(self.side))
        ring = np.hypot(k[:, None], k).round().astype(int)
        return np.array([power[ring == r].mean() for r in range(1, self.side // 2 + 1)])


@dataclass(frozen=True)
class FieldDistance:
    """Root mean square errors of conditional means (in conditional standard deviations) and of standard deviations
    (relative); of correlations between cells; the largest relative error of the spectrum of anomalies."""

    mean: float
    spread: float
    correlation: float
    spectrum: float


def field_distance(truth: GaussianField, coarse: np.ndarray, z: np.ndarray) -> FieldDistance:
    """For draws z (members, count, 1, side, side); chance included, which draws of the truth show.

    Means over members are compared for each coarse field; covariances over all, about the exact mean.
    """
    members = len(z)
    sd = np.sqrt(np.diag(truth.conditional)).reshape(truth.side, truth.side)
    anomalies = z - truth.mean(coarse)
    gap = np.sqrt(max(0.0, ((anomalies.mean(0) / sd) ** 2).mean() - 1 / members))
    flat = anomalies.reshape(-1, truth.side**2)
    covariance = flat.T @ flat / len(flat)
    found = np.sqrt(np.diag(covariance))
    off = covariance / np.outer(found, found) - truth.conditional / np.outer(sd.ravel(), sd.ravel())
    powers = truth.powers(anomalies.reshape(-1, 1, truth.side, truth.side))
    return FieldDistance(
        float(gap), float(np.sqrt(((found / sd.ravel() - 1) ** 2).mean())),
        float(np.sqrt((off[np.triu_indices(len(off), 1)] ** 2).mean())),
        float(np.abs(powers / truth.spectrum - 1).max()),
    )  # fmt: skip
