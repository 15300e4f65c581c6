"""How much wider or narrower conditionals should be, learned from blocks of events that did not train them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lawful.core.models.autoregressive import AutoregressiveModel
    from lawful.core.models.base import Batch

_FARTHEST = math.log(20)
_ROWS = 8192


def fitted_stretch(members: Sequence[AutoregressiveModel], events: Batch, judged: Sequence[Tensor]) -> Tensor:
    """Logarithms of one factor a coordinate (d,) for all `members`, by which draws of their mixture spread as they err.

    Each is asked for the blocks of `events` that did not train it, `judged` (N,), without a stretch. Of K members with
    means m_k the mixture's mean has an error of `E - D` in the square and its draws a variance of `s^2 V + D`, where E
    and V are means of the members' own and D is the variance of the m_k (ambiguity, Krogh & Vedelsby 1995, Adv. Neural
    Inf. Process. Syst. 7). Both agree (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1) for `s^2 = (E - 2 D) / V`.
    """
    blocks, number = events.block.unique(return_inverse=True)
    squares = torch.zeros(len(blocks), len(members[0].order), dtype=torch.float64)
    variances, apart = torch.zeros_like(squares), 1 - 1 / len(members)
    for rows in torch.arange(len(events)).split(_ROWS):
        batch, found = events[rows], [member.moments(events[rows]) for member in members]
        means = torch.stack([mean for mean, _ in found])
        for (mean, variance), mask in zip(found, judged, strict=True):
            # Half the mean square of what two members differ by is the variance of one; others were trained on these.
            others = (means - mean).square().sum(0) / max(1, len(members) - 1)
            on = members[0].active.cpu()[batch.ids] & mask[rows, None]
            square = (batch.w[:, members[0].order] - mean).square() - apart * others
            squares.index_add_(0, number[rows], square * on)
            variances.index_add_(0, number[rows], variance * on)
    return stretch_of(squares, variances)


def stretch_of(squares: Tensor, variances: Tensor) -> Tensor:
    """Logarithms of the factors (d,), by sums over the events of each block (blocks, d) of what they are the ratio of.

    Each is shrunk towards zero by its standard error e, a jackknife over blocks, beside the variance v of those of all
    coordinates, to `v / (v + e^2)` of itself (empirical Bayes, Morris 1983, doi:10.1080/01621459.1983.10477920). Of a
    single coordinate that is the positive part of James & Stein (1961).
    """
    told = (variances > 0).any(1)
    squares, variances = squares[told], variances[told]
    if len(squares) < 2:
        return torch.zeros(squares.shape[1])
    factor = _log_factor(squares.sum(0), variances.sum(0))
    without = _log_factor(squares.sum(0) - squares, variances.sum(0) - variances)
    error = (len(squares) - 1) * (without - without.mean(0)).square().mean(0)
    known = variances.sum(0) > 0
    spread = (factor.square() - error)[known].mean().clamp_min(0.0)
    share = torch.where(known & (spread > 0), spread / (spread + error), 0.0)
    return (share * factor).float()


def _log_factor(square: Tensor, variance: Tensor) -> Tensor:
    """Half the logarithm of a ratio, within that of 20; zero where there is no variance."""
    tiny = torch.finfo(variance.dtype).tiny
    ratio = torch.where(variance > 0, square.clamp_min(tiny) / variance.clamp_min(tiny), 1.0)
    return 0.5 * ratio.log().clamp(-_FARTHEST, _FARTHEST)
