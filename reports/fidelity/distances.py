"""Distances between the distribution functions of two sets of numbers."""

import numpy as np


def cdf_distance(pooled: np.ndarray, signed: np.ndarray) -> np.ndarray:
    """W1 and KS of one column, (replicate, 2), of values (row,) that count positive in one set, negative in the other.

    Args:
        pooled: values of both sets.
        signed: shares of the rows of the first and minus those of the second, (replicate, row).
    """
    order = np.argsort(pooled, kind="stable")
    steps = np.diff(pooled[order])
    gap = np.abs(np.cumsum(signed[:, order], axis=1)[:, :-1])
    # Between equal values the distribution functions have not stepped yet.
    return np.stack([gap @ steps, np.max(gap * (steps > 0), axis=1)], axis=1)
