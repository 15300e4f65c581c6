"""Independent Poisson counts, given the total of each group: multinomials.

Given that independent Poisson counts with rates `lambda` add up to `k`, they are multinomial with `k` trials and
probabilities `lambda / sum(lambda)` (Steel 1953, Biometrika 40, 246-251).
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from lawful.core.distributions.groups import CountsByGroup, Groups
from lawful.core.errors import InvalidValueError
from lawful.core.linear.arrays import as_float64, at_sample, batch_of, float_dtype


class ConstrainedPoisson(Distribution):
    """Poisson counts conditioned on the totals of disjoint groups; every draw adds up exactly.

    Computed in float64 whatever the dtype of `rate`; results are cast last. Storage is padded to the widest group.

    Args:
        rate: rates (..., n) before conditioning, zero or more, float32 or float64; only ratios within a group count.
        total: whole numbers (..., G), or (...) where `groups` is None; batch shapes broadcast.
        groups: (n,) integers, the group of each variable; None when there is one group.
        validate_args: check in `log_prob` that the value adds up.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit, rates that are negative or not finite, a total above
            zero of a group whose rates are all zero, a total that the dtype cannot count to.
    """

    arg_constraints = {"rate": constraints.independent(constraints.nonnegative, 1)}  # noqa: RUF012

    def __init__(self, rate: Tensor, total: Any, groups: Any = None, validate_args: bool | None = None):
        rate = torch.atleast_1d(torch.as_tensor(rate))
        n, dtype = rate.shape[-1], float_dtype(rate.dtype)
        _require_rates_of_counts(rate)
        self.groups = Groups(groups, n, rate.device)
        counts = self.groups.counts(total, "total")
        batch = batch_of(rate.shape[:-1], counts.shape[:-1])
        self.rate, self.counts = rate.expand(*batch, n), counts.expand(*batch, len(self.groups))
        super().__init__(batch, torch.Size([n]), validate_args=False)
        self._validate_args = Distribution._validate_args if validate_args is None else validate_args
        self._require_countable(dtype)
        self._require_rates()

    def _require_countable(self, dtype: torch.dtype) -> None:
        most = 2 / torch.finfo(dtype).eps
        if (self.counts > most).any():
            raise InvalidValueError(
                f"Total {self.counts.max().item():.0f} is beyond {most:.0f}, to which {str(dtype)[6:]} can count: "
                "give rates in float64, or smaller totals."
            )

    def _require_rates(self) -> None:
        sums = self.groups.sums(self.rate.detach().double())
        if sums.isinf().any():
            where = tuple(sums.isinf().nonzero()[0].tolist())
            raise InvalidValueError(
                f"Rates add up to more than a number can be{self.groups.at(where)}: divide them, as only ratios count."
            )
        impossible = (sums == 0) & (self.counts > 0)
        if impossible.any():
            where = tuple(impossible.nonzero()[0].tolist())
            raise InvalidValueError(
                f"All rates are zero{self.groups.at(where)}, but the total is {self.counts[where].item():g}: give one "
                "a rate above zero."
            )

    @property
    def total(self) -> Tensor:
        """(..., G), or (...) for one group without a dimension for it."""
        counts = self.counts.squeeze(-1) if self.groups.single else self.counts
        return counts.to(self.rate.dtype)

    @property
    def probs(self) -> Tensor:
        """(..., n), the share of each rate in its group, zero where all are zero."""
        return self._probs.to(self.rate.dtype)

    @property
    def _probs(self) -> Tensor:
        rate = as_float64(self.rate)
        sums = self.groups.sums(rate)
        return rate / torch.where(sums > 0, sums, 1.0).index_select(-1, self.groups.index)

    @property
    def _trials(self) -> Tensor:
        return self.counts.index_select(-1, self.groups.index)

    @property
    def unconditional_mean(self) -> Tensor:
        """(..., n), before conditioning: the rates."""
        return self.rate

    @property
    def mean(self) -> Tensor:
        """(..., n), `k lambda / sum(lambda)`; differentiable in the rates."""
        return (self._trials * self._probs).to(self.rate.dtype)

    @property
    def variance(self) -> Tensor:
        probs = self._probs
        return (self._trials * probs * (1 - probs)).to(self.rate.dtype)

    @property
    def covariance_matrix(self) -> Tensor:
        """(..., n, n): `k (diag(p) - p p^T)` within a group, zero between groups."""
        probs, index = self._probs, self.groups.index
        together = probs.unsqueeze(-1) * probs.unsqueeze(-2) * (index.unsqueeze(-1) == index)
        return (self._trials.unsqueeze(-1) * (torch.diag_embed(probs) - together)).to(self.rate.dtype)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> CountsByGroup:
        return CountsByGroup(self.groups, self.counts)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ConstrainedPoisson":
        new = self._get_checked_instance(ConstrainedPoisson, _instance)
        batch = torch.Size(batch_shape)
        new.groups, new.rate = self.groups, self.rate.expand(*batch, *self.event_shape)
        new.counts = self.counts.expand(*batch, len(self.groups))
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws (*sample_shape, ..., n): totals are halved down a binary tree by binomial draws."""
        batch = torch.Size(sample_shape) + self.batch_shape
        width = 1 << (self.groups.width - 1).bit_length()
        rates = self.groups.split(self._probs, 0.0)
        rates = torch.nn.functional.pad(rates, (0, width - self.groups.width))
        levels = [rates]
        while levels[-1].shape[-1] > 1:
            levels.append(levels[-1].unflatten(-1, (-1, 2)).sum(-1))
        counts = self.counts.expand(*batch, -1).unsqueeze(-1)
        for level in reversed(levels[:-1]):
            counts = _halved(counts, level)
        return self.groups.join(counts[..., : self.groups.width]).to(self.rate.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability (...) of counts (..., n) given the totals; differentiable in the rates.

        Raises:
            OffSupportError: with `validate_args`, the value does not add up. Without, the formula as it stands.
        """
        if self._validate_args:
            self.support.require(value)
        value, rate = value.double(), as_float64(self.rate)
        drawn = value > 0
        terms = torch.where(drawn, value * torch.where(drawn, rate, 1.0).log(), 0.0) - torch.lgamma(value + 1)
        sums = self.groups.sums(rate)
        some = self.counts > 0
        whole = torch.lgamma(self.counts + 1) - self.counts * torch.where(some, sums, 1.0).log()
        return (terms.sum(-1) + whole.sum(-1)).to(self.rate.dtype)

    def entropy(self) -> Tensor:
        """Entropy (...) in nats; memory is that of n times the largest total numbers a sample."""
        probs, trials = self._probs, self._trials
        logs = torch.where(probs > 0, probs, 1.0).log()
        counts = -torch.lgamma(self.counts + 1).sum(-1)
        return (counts - (trials * probs * logs).sum(-1) + self._log_factorials().sum(-1)).to(self.rate.dtype)

    def _log_factorials(self) -> Tensor:
        """Expected `log x!` (..., n), by the binomial law of each count."""
        trials, probs = self._trials.unsqueeze(-1), self._probs.unsqueeze(-1)
        most = int(self.counts.max()) if self.counts.numel() else 0
        x = torch.arange(2, max(most, 2) + 1, dtype=probs.dtype, device=probs.device)
        possible = (x <= trials) & (probs > 0) & (probs < 1)
        inside = torch.where((probs > 0) & (probs < 1), probs, 0.5)
        rest = (trials - x).clamp(min=0.0)
        log_choose = torch.lgamma(trials + 1) - torch.lgamma(x + 1) - torch.lgamma(rest + 1)
        log_mass = log_choose + x * inside.log() + rest * torch.log1p(-inside)
        spread = torch.where(possible, log_mass.exp() * torch.lgamma(x + 1), 0.0).sum(-1)
        return torch.where(probs.squeeze(-1) == 1, torch.lgamma(self._trials + 1), spread)


def _require_rates_of_counts(rate: Tensor) -> None:
    bad = ~((rate >= 0) & rate.isfinite()).detach()
    if bad.any():
        *sample, i = bad.nonzero()[0].tolist()
        raise InvalidValueError(
            f"Expected finite rates of zero or more, got {rate[(*sample, i)].item():g} of variable {i}"
            f"{at_sample(tuple(sample))}."
        )


def _halved(counts: Tensor, rates: Tensor) -> Tensor:
    """Counts (..., N) of nodes dealt out to their children, whose rates are (..., 2 N)."""
    left, right = rates.unflatten(-1, (-1, 2)).unbind(-1)
    share = left / torch.where(left > 0, left + right, 1.0)
    drawn = torch.binomial(counts, share.expand(counts.shape))
    return torch.stack((drawn, counts - drawn), -1).flatten(-2)
