"""Mixtures of linear regressions by expectation maximisation: where the networks start from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RegressionMixture:
    """K experts: `weights` (K, d), `intercepts` (K,), standard deviations `scales` (K,) and `shares` (K,)."""

    weights: Tensor
    intercepts: Tensor
    scales: Tensor
    shares: Tensor


def fit_regression_mixture(
    X: Tensor, y: Tensor, experts: int, *, floor: float, prior: float = 10.0, rounds: int = 60
) -> RegressionMixture:
    """Maximum a posteriori mixture of linear regressions (Quandt & Ramsey 1978, doi:10.2307/2286266).

    `X` (N, d) and `y` (N,) float64 in standard units; coefficients have a normal prior of precision `prior` around the
    single ridge regression, and variances are corrected for the degrees of freedom that a fit uses up. Exact solves
    find relations that hold to a per cent, which gradient steps on correlated inputs do not.
    """
    N, d = X.shape
    if N < 2:
        zeros = X.new_zeros(experts)
        return RegressionMixture(X.new_zeros(experts, d), zeros, zeros + 1, zeros + 1 / experts)
    design = torch.cat([X, X.new_ones(N, 1)], 1)
    precision = prior * torch.eye(d + 1, dtype=X.dtype)
    precision[-1, -1] = 1e-6
    ridge = torch.linalg.solve(design.T @ design + precision, design.T @ y)
    spread = y.std().clamp_min(floor)
    rank = torch.argsort(torch.argsort(y - design @ ridge))
    memberships = 0.6 * torch.nn.functional.one_hot(rank * experts // N, experts).to(X.dtype) + 0.4 / experts
    beta, scales = ridge.expand(experts, -1).clone(), spread.expand(experts).clone()
    for _ in range(rounds):
        counts = memberships.sum(0)
        for k in range(experts):
            beta[k], scales[k] = _expert(design, y, memberships[:, k], scales[k], ridge, precision, spread)
        scales = scales.clamp_min(floor)
        shares = (counts + 2) / (counts + 2).sum()
        z = (y[:, None] - design @ beta.T) / scales
        memberships = (shares.log() - scales.log() - 0.5 * z**2).softmax(1)
    return RegressionMixture(beta[:, :-1], beta[:, -1], scales, shares)


def _expert(
    design: Tensor, y: Tensor, membership: Tensor, scale: Tensor, ridge: Tensor, precision: Tensor, spread: Tensor
) -> tuple[Tensor, Tensor]:
    """Coefficients and standard deviation of one expert, given how much each row belongs to it."""
    weighted = (membership / scale**2)[:, None] * design
    hessian = weighted.T @ design + precision
    beta = ridge + torch.linalg.solve(hessian, weighted.T @ (y - design @ ridge))
    used = torch.trace(torch.linalg.solve(hessian, weighted.T @ design))
    squares = (membership * (y - design @ beta) ** 2).sum() + 0.1 * spread**2
    return beta, (squares / ((membership.sum() - used).clamp_min(1.0) + 2.0)).sqrt()
