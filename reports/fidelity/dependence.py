"""How variables go together: correlations, rank correlations, and dependence of their upper tails."""

import numpy as np

from lawful.reports.fidelity.protocol import Rows, Trial, spreads

_TAIL = 0.95


def correlation_errors(columns: np.ndarray, rows: Rows, trial: Trial, test: np.ndarray | None = None) -> np.ndarray:
    """Root mean square and largest |difference| of the pairwise correlations of rows and of test rows.

    `r_ij = cov_ij / sqrt(cov_ii cov_jj)` (Pearson), over pairs i < j of variables that vary in the test rows. One that
    does not vary in the rows is uncorrelated there, so that rows and their floor are held to the same pairs.

    Args:
        columns: what is correlated, (row, variable).
        rows: the rows that `columns` belongs to.
        trial: the test rows.
        test: what is correlated of the test rows; their values when not given.

    Returns:
        (1 + replicates, 2).
    """
    ours = _correlations(columns, trial.weights(rows))
    theirs = _correlations(trial.test.values if test is None else test, trial.weights(trial.test))
    return _pair_errors(ours, theirs)


def _pair_errors(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Root mean square and largest difference over pairs of (replicate, variable, variable), those known of `theirs`.

    NaN of `ours` is no dependence: else a constant would be without an error.
    """
    pairs = np.triu_indices(ours.shape[-1], k=1)
    difference = np.abs(np.nan_to_num(ours[:, *pairs]) - theirs[:, *pairs])
    known = np.isfinite(difference)
    squares = np.where(known, difference, 0.0) ** 2
    rms = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    return np.stack([rms, np.sqrt(squares.max(axis=1, initial=0.0))], axis=1)


def rank_correlation_errors(rows: Rows, trial: Trial) -> np.ndarray:
    """The same for rank correlations (Spearman 1904, doi:10.2307/1412159), with ranks among the training rows."""
    return correlation_errors(_ranks(rows.values, trial), rows, trial, _ranks(trial.test.values, trial))


def _ranks(values: np.ndarray, trial: Trial) -> np.ndarray:
    """Mid-rank of every value in the training data, 0 to 1."""
    ordered = np.sort(trial.train.values, axis=0)
    columns = [
        np.searchsorted(ordered[:, k], values[:, k], "left") + np.searchsorted(ordered[:, k], values[:, k], "right")
        for k in range(values.shape[1])
    ]
    return np.stack(columns, axis=1) / (2 * len(ordered))


def _correlations(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted Pearson correlations (replicate, variable, variable); NaN for a variable that does not vary."""
    # Centred and scaled first: moments of raw values would cancel.
    spread = spreads(values)
    z = (values - values.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    total = weights.sum(axis=1)
    mean = weights @ z / total[:, np.newaxis]
    n = z.shape[1]
    squares = (weights @ (z[:, :, np.newaxis] * z[:, np.newaxis, :]).reshape(len(z), n * n)).reshape(-1, n, n)
    covariance = squares / total[:, np.newaxis, np.newaxis] - mean[:, :, np.newaxis] * mean[:, np.newaxis, :]
    variance = np.einsum("bii->bi", covariance)
    varies = variance > 1e-12
    deviation = np.sqrt(np.where(varies, variance, np.nan))
    return covariance / (deviation[:, :, np.newaxis] * deviation[:, np.newaxis, :])


def tail_dependence_errors(rows: Rows, trial: Trial) -> np.ndarray:
    """Root mean square and largest |difference| of the tail dependence of rows and of test rows, over pairs i < j.

    `chi_ij = 2 P(i and j are high) / (P(i is high) + P(j is high))`, high being above the 95 % quantile that the
    variable has in the set it is in: what is left of dependence when both are extreme, at a finite level. Coles,
    Heffernan and Tawn (1999), Extremes 2, 339-365, doi:10.1023/A:1009963131610. Pairs are those of which test rows have
    such values; rows that have none of a pair are independent there.

    Returns:
        (1 + replicates, 2).
    """
    ours = _tail_dependence(rows.values, trial.weights(rows))
    return _pair_errors(ours, _tail_dependence(trial.test.values, trial.weights(trial.test)))


def _tail_dependence(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(replicate, variable, variable); NaN where neither variable has a tail."""
    n = values.shape[1]
    high = (values > np.quantile(values, _TAIL, axis=0)).astype(np.float64)
    both = (weights @ (high[:, :, np.newaxis] * high[:, np.newaxis, :]).reshape(len(high), n * n)).reshape(-1, n, n)
    single = np.einsum("bii->bi", both)
    single = np.where(single > 0, single, np.nan)
    return 2 * both / (single[:, :, np.newaxis] + single[:, np.newaxis, :])
