"""How much wider or narrower conditionals should be, learned from blocks of events that did not train them."""

from __future__ import annotations

import torch
from torch import Tensor

STRETCHES = 0.05 * torch.arange(-12, 13)
"""Logarithms of the factors that are tried, zero among them."""

_EVIDENCE = 1.0


def stretch_of(log_prob: Tensor) -> Tensor:
    """Logarithms of the factors (d,) for `log_prob` (blocks, d, stretches), sums over the events of each block.

    The likeliest factor is taken where there is evidence for it: where those that are likeliest for all blocks but one
    make that one likelier too, by more than a standard error of the sum over blocks. A temperature (Guo et al. 2017,
    arXiv:1706.04599) for densities; leave-one-out as in Geisser (1975), doi:10.1080/01621459.1975.10479865.
    """
    same = int(STRETCHES.abs().argmin())
    gain = (log_prob - log_prob[..., same, None]).double()
    total = gain.sum(0)
    without = (total - gain).argmax(-1, keepdim=True)
    gained = gain.gather(-1, without).squeeze(-1)
    proven = gained.sum(0) > _EVIDENCE * gained.square().sum(0).sqrt()
    return torch.where(proven, STRETCHES[total.argmax(-1)], 0.0)
