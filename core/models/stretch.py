"""How much wider or narrower conditionals should be, learned from blocks of events that did not train them."""

from __future__ import annotations

import torch
from torch import Tensor

STRETCHES = 0.05 * torch.arange(-12, 13)
"""Logarithms of the factors that are tried, zero among them."""


def stretch_of(log_prob: Tensor) -> Tensor:
    """Logarithms of the factors (d,) for `log_prob` (blocks, d, stretches), sums over the events of each block.

    A temperature (Guo et al. 2017, arXiv:1706.04599) for densities: the likeliest factor, shrunk towards one by the
    evidence for it. That is t, what factors that are likeliest for all blocks but one gain for that one (leave-one-out,
    Geisser 1975, doi:10.1080/01621459.1975.10479865), in standard errors of the sum over blocks; the logarithm counts
    for `1 - 1 / t^2` of itself, and for nothing where t is below one (the positive part of James & Stein 1961).
    """
    same = int(STRETCHES.abs().argmin())
    gain = (log_prob - log_prob[..., same, None]).double()
    total = gain.sum(0)
    gained = gain.gather(-1, (total - gain).argmax(-1, keepdim=True)).squeeze(-1)
    tiny = torch.finfo(gained.dtype).tiny
    t = (gained.sum(0) / gained.square().sum(0).sqrt().clamp_min(tiny)).clamp_min(1.0)
    return STRETCHES[total.argmax(-1)] * (1 - t**-2).float()
