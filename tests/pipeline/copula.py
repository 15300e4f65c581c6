"""A black box: a generator that knows marginals and rank correlations of data, and no law."""

import numpy as np
import xarray as xr
from scipy.stats import norm, rankdata


def gaussian_copula(ds: xr.Dataset, names: tuple[str, ...], members: int, events: int, seed: int) -> np.ndarray:
    """Draws (members, events, variable) with the marginals of data and the correlations of their normal scores."""
    data = np.stack([ds[name].to_numpy() for name in names], axis=-1)
    scores = norm.ppf(rankdata(data, axis=0) / (len(data) + 1))
    drawn = np.random.default_rng(seed).multivariate_normal(
        np.zeros(len(names)), np.corrcoef(scores.T), (members, events), method="eigh"
    )
    places = norm.cdf(drawn)
    columns = [np.quantile(data[:, j], places[..., j], method="inverted_cdf") for j in range(len(names))]
    return np.stack(columns, axis=-1)
