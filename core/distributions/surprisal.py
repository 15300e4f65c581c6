"""Surprisals of Poisson counts, `-log Poisson(x; m)`, without cancellation at any size of count.

`log x! - x log m + m` is a small difference of numbers as large as x log x. Loader (2000), "Fast and accurate
computation of binomial probabilities", adds up what is left, Stirling's correction and the deviance. Multinomials are
made of surprisals: `log p(x) = surprisal(k; k) - sum_i surprisal(x_i; k p_i)`.
"""

import math

import torch
from torch import Tensor

_FEW = 100
"""Up to here cancellation costs 1e-13; beyond, the first term left out of Stirling's series is below 1e-17."""
_CLOSE = 0.02
"""To where the first term of the series of atanh that is left out is below 1e-16 of the deviance."""
_HALF = 64
"""Nodes of an expectation to each side of the mean: nine deviations and ten, in steps that alias below 1e-30."""


def surprisal(x: Tensor, away: Tensor, mean: Tensor, log_factorial: Tensor) -> Tensor:
    """`-log Poisson(x; mean)` of counts x >= 0 at a distance `away` from the mean; not for differentiation.

    `log_factorial` is `log x!`; where counts are many it is not looked at, as it would cancel.
    """
    few = log_factorial - torch.xlogy(x, mean) + mean
    if (x <= _FEW).all():
        return few
    square = (x * x).reciprocal()
    stirling = ((square / 1260 - 1 / 360) * square + 1 / 12) / x
    return torch.where(x <= _FEW, few, 0.5 * (2 * math.pi * x).log() + stirling + _deviance(x, away, mean))


def _deviance(x: Tensor, away: Tensor, mean: Tensor) -> Tensor:
    """`x log(x / m) - x + m`, which is `(x - m) v + 2 x (atanh v - v)` with v = (x - m) / (x + m)."""
    v = away / (x + mean)
    square = v * v
    cubic = (((square / 9 + 1 / 7) * square + 1 / 5) * square + 1 / 3) * square * v
    return torch.where(v.abs() < _CLOSE, away * v + 2 * x * cubic, x * (x / mean).log() - away)


def expected_surprisal(trials: Tensor, share: Tensor, rest: Tensor) -> Tensor:
    """`E[-log Poisson(x; k p)]` (...) of binomial counts x with k trials; differentiable in the shares, to any order.

    The sum is one over up to 129 counts, evenly spaced: the same to rounding, as masses are smooth (Trefethen, Weideman
    2014, SIAM Review 56, 385). Where the share or the rest is zero, the law of x is certain and has no derivative.

    Args:
        trials: k (...). share: probabilities p (...). rest: 1 - p (...), with all its digits.
    """
    away, log_mass, value = _at_nodes(*(x.detach().unsqueeze(-1) for x in (trials, share, rest)))
    growth = _change_of_log(share)
    odds = (growth - _change_of_log(rest)).unsqueeze(-1)
    expected = (torch.softmax(log_mass + away * odds, -1) * value).sum(-1)
    # Surprisals were held at this mean m: at a mean m' their expectation is less by m' log(m' / m) - m' + m.
    return expected - (trials * share).detach() * ((growth - 1) * growth.exp() + 1)


def _at_nodes(trials: Tensor, share: Tensor, rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distances from the mean, logarithms of masses up to a constant, and surprisals; zero where the mass is."""
    mean, others = trials * share, trials * rest
    x = _nodes(trials, mean, others, (mean * rest).sqrt())
    left = trials - x
    away = torch.where(share > 0.5, others - left, x - mean)
    value = _of_whole(x, away, mean)
    log_mass = torch.where(left >= 0, -(value + _of_whole(left, -away, others)), -torch.inf)
    return away, log_mass, torch.where(log_mass > -torch.inf, value, 0.0)


def _of_whole(x: Tensor, away: Tensor, mean: Tensor) -> Tensor:
    """`surprisal` of whole numbers: a table is much faster than the gamma function."""
    table = torch.arange(1, _FEW + 2, dtype=x.dtype, device=x.device).lgamma()
    return surprisal(x, away, mean, table[x.clamp(0, _FEW).long()])


def _nodes(trials: Tensor, mean: Tensor, others: Tensor, deviation: Tensor) -> Tensor:
    """Evenly spaced whole numbers (..., N) around means (..., 1), every one where there are few."""
    number = min(int(trials.max()) if trials.numel() else 0, 2 * _HALF) + 1
    step = ((9 * deviation + 10) / _HALF).ceil()
    centre = torch.where(mean > others, trials - others.round(), mean.round())
    first = (centre - _HALF * step).clamp(min=0.0)
    return first + step * torch.arange(number, dtype=mean.dtype, device=mean.device)


def _change_of_log(x: Tensor) -> Tensor:
    """`log x` less its own value: zero, with the derivatives of the logarithm, and none where x is zero."""
    log = torch.where(x > 0, x, 1.0).log()
    return log - log.detach()
