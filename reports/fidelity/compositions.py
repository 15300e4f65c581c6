"""Compositional data: what a Gaussian in log-ratio coordinates would have made of them."""

import numpy as np
from scipy.linalg import helmert

from lawful.domains.domain import Domain

_REPLACED = 0.65


def is_composition(domain: Domain) -> bool:
    """Whether all variables are non-negative parts of one constant sum."""
    matrix, constants, _ = domain.matrix()
    return matrix.shape[0] == 1 and bool(np.all(matrix == 1) and constants[0] > 0 and np.all(domain.lower == 0))


def ilr_gaussian(train: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a Gaussian fitted to isometric log-ratios, the customary model of compositions; (size, part).

    Zeros are replaced multiplicatively at 0.65 of each part's smallest positive value (Martin-Fernandez, Barcelo-Vidal
    and Pawlowsky-Glahn 2003, Math. Geol. 35, 253-278, doi:10.1023/A:1023866030544); `ilr(x) = V log x` with V the
    Helmert basis (Egozcue et al. 2003, Math. Geol. 35, 279-300, doi:10.1023/A:1023818214614). Every draw sums to the
    mean total of the training rows and has no zero.

    Args:
        train: (row, part), non-negative.
        size: number of draws.
        rng: the source of randomness.
    """
    total = train.sum(axis=1).mean()
    basis = helmert(train.shape[1])
    coordinates = np.log(without_zeros(train)) @ basis.T
    covariance = np.cov(coordinates, rowvar=False)
    drawn = rng.multivariate_normal(coordinates.mean(axis=0), np.atleast_2d(covariance), size, method="eigh")
    logs = drawn @ basis
    parts = np.exp(logs - logs.max(axis=1, keepdims=True))
    return total * parts / parts.sum(axis=1, keepdims=True)


def without_zeros(parts: np.ndarray) -> np.ndarray:
    """Multiplicative replacement of zeros: `x_j = d_j` where zero, else `x_j (1 - sum of the d_j used / total)`.

    Args:
        parts: (row, part), non-negative; a part that is zero throughout is replaced at the smallest value of all.
    """
    positive = np.where(parts > 0, parts, np.inf)
    smallest = positive.min(axis=0)
    detection = _REPLACED * np.where(np.isfinite(smallest), smallest, positive.min())
    added = np.where(parts > 0, 0.0, detection)
    kept = 1 - added.sum(axis=1, keepdims=True) / parts.sum(axis=1, keepdims=True)
    return np.where(parts > 0, parts * kept, added)
