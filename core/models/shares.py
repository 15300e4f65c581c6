"""Intercepts of a softmax, for which classes have the shares that they have in data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

_PRECISION = 0.01
_MOST = 20_000_000
"""As many numbers at most are held of logits, which limits memory and time; of more events some are taken."""


def spread_rows(events: int, classes: int) -> Tensor:
    """Numbers of the events, all or spread evenly over all, whose logits of so many `classes` can be held."""
    count = min(events, max(1, _MOST // classes))
    return torch.linspace(0, events - 1, count, dtype=torch.float64).round().long()


def fitted_intercepts(logits: Tensor, ids: Tensor, weight: Tensor) -> Tensor:
    """What to add to `logits` (N, S) float64, by class `(S,)`, so that the classes `ids` (N,) are likeliest.

    With likeliest intercepts the mean of a class's probabilities over all events, which count with their `weight` (N,),
    is its share of them (updating of an intercept, Steyerberg et al. 2004, doi:10.1002/sim.1844). A normal prior of
    standard deviation 10 keeps those finite that the events say nothing of.
    """
    rows, total = torch.arange(len(ids)), weight.sum()
    observed = torch.zeros(logits.shape[1], dtype=torch.float64).index_add_(0, ids, weight)

    def loss(b: Tensor) -> Tensor:
        picked = (logits[rows, ids] + b[ids]) * weight
        return (((logits + b).logsumexp(-1) * weight).sum() - picked.sum() + 0.5 * _PRECISION * b @ b) / total

    def gradient(b: Tensor) -> Tensor:
        return (weight @ (logits + b).softmax(-1) - observed + _PRECISION * b) / total

    def hessian(b: Tensor) -> Tensor:
        p = (logits + b).softmax(-1)
        weighted = weight[:, None] * p
        return (torch.diag(weighted.sum(0) + _PRECISION) - p.T @ weighted) / total

    found = minimize(
        _of_arrays(loss), np.zeros(len(observed)), method="trust-exact", jac=_of_arrays(gradient),
        hess=_of_arrays(hessian), options={"gtol": 1e-6},
    )  # fmt: skip
    return torch.from_numpy(found.x)


def _of_arrays(function: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda b: function(torch.from_numpy(b)).numpy()
