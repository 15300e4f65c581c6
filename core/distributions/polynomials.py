"""Elementary symmetric polynomials of odds in log space, by recursion over variables, and what is made of them.

Tables (..., most + 1) hold `log e_j(exp(logits))` for j from 0 to `most`.
"""

import torch
from torch import Tensor

NEVER = -1e30
"""The logarithm of zero: finite, so that its gradient is zero and not NaN."""


def log_polynomials(logits: Tensor, most: int) -> list[Tensor]:
    """Tables for each prefix of the n variables, from none to all.

    Shapes (..., n) -> n + 1 times (..., most + 1). A logit of -1e30 takes no part.
    """
    table = logits.new_full((*logits.shape[:-1], most + 1), NEVER)
    table = table.index_fill(-1, torch.zeros(1, dtype=torch.long, device=logits.device), 0.0)
    tables = [table]
    for logit in logits.unbind(-1):
        table = either(table, with_one(table, logit))
        tables.append(table)
    return tables


def with_one(table: Tensor, logit: Tensor) -> Tensor:
    """The terms of one more variable's table in which it is one, of logit (...)."""
    return torch.nn.functional.pad(table[..., :-1], (1, 0), value=NEVER) + logit.unsqueeze(-1)


def either(one: Tensor, other: Tensor) -> Tensor:
    """`log(exp(one) + exp(other))`; not logaddexp, whose second derivative is NaN where a term is never."""
    return torch.logsumexp(torch.stack((one, other)), 0)


def at(table: Tensor, j: Tensor) -> Tensor:
    """Entries j (...) of a table (..., most + 1); never where j is negative."""
    found = table.gather(-1, j.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return torch.where(j >= 0, found, NEVER)


def joint(before: Tensor, after: Tensor, j: Tensor) -> Tensor:
    """`before_t + after_{j - t}` (..., most + 1) for each t, tables (..., most + 1) and j (...)."""
    t = torch.arange(before.shape[-1], device=j.device)
    other = j.unsqueeze(-1) - t
    return torch.where(other >= 0, before + after.gather(-1, other.clamp(min=0)), NEVER)


def joined(before: Tensor, after: Tensor, j: Tensor) -> Tensor:
    """Entries j (...) of the table of all variables before and after."""
    return torch.logsumexp(joint(before, after, j), -1)


def entropy_of_odds(log_odds: Tensor) -> Tensor:
    """Entropy in nats of a Bernoulli variable, with all its digits where that is nearly certain."""
    rarer = torch.where(log_odds > 0, -log_odds, log_odds)
    return torch.nn.functional.softplus(rarer) - rarer * rarer.sigmoid()
