"""Independent Poisson counts, given the total of each group: multinomials.

Given that independent Poisson counts with rates `lambda` add up to `k`, they are multinomial with `k` trials and
probabilities `lambda / sum(lambda)` (Steel 1953, Biometrika 40, 246-251).
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from lawful.core.distributions.groups import CountsByGroup, Groups
from lawful.core.distributions.surprisal import expected_surprisal, surprisal
from lawful.core.errors import InvalidValueError
from lawful.core.linear.arrays import as_float64, at_sample, batch_of, float_dtype
from lawful.core.linear.exact import with_gradient_of

_LEAST_SHARE = 1e-290
"""Smaller ones are rounded to few digits, or to zero."""


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

    def _rest(self, probs: Tensor) -> Tensor:
        """`1 - p` (..., n), the share of the others: added up where a rate is most of its group, to keep its digits."""
        most = probs > 0.5
        others = self.groups.sums(torch.where(most, 0.0, probs)).index_select(-1, self.groups.index)
        return torch.where(most, others, 1 - probs)

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
        """(..., n), `k p (1 - p)`, with all its digits where p is near one."""
        probs = self._probs
        return (self._trials * probs * self._rest(probs)).to(self.rate.dtype)

    @property
    def covariance_matrix(self) -> Tensor:
        """(..., n, n): `k (diag(p) - p p^T)` within a group, zero between groups."""
        probs, index = self._probs, self.groups.index
        together = probs.unsqueeze(-1) * probs.unsqueeze(-2) * (index.unsqueeze(-1) == index)
        shares = (-together).diagonal_scatter(probs * self._rest(probs), dim1=-2, dim2=-1)
        return (self._trials.unsqueeze(-1) * shares).to(self.rate.dtype)

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

        The error is that of shares rounded once: 1e-13 and, for likely counts, about 1e-16 times the root of the total.

        Raises:
            OffSupportError: with `validate_args`, the value does not add up. Without, the formula as it stands.
        """
        if self._validate_args:
            self.support.require(value)
        value = value.double()
        log_factorial = torch.lgamma(value + 1)
        plain = self._plain_log_prob(value, log_factorial)
        with torch.no_grad():
            probs = self._probs
            mean = self._trials * probs
            surprisals = surprisal(value, value - mean, mean, log_factorial).sum(-1)
            # The sum of surprisals is another where values do not add up, and of no use where a share underflows.
            kept = ((value == 0) | (probs >= _LEAST_SHARE)).all(-1) & (self.groups.sums(value) == self.counts).all(-1)
            exact = torch.where(kept, self._whole_surprisal - surprisals, plain)
        return with_gradient_of(plain, exact).to(self.rate.dtype)

    def _plain_log_prob(self, value: Tensor, log_factorial: Tensor) -> Tensor:
        """The formula in rates (...), which loses digits where totals are large."""
        rate = as_float64(self.rate)
        terms = value * torch.where(value > 0, rate, 1.0).log() - log_factorial
        sums = torch.where(self.counts > 0, self.groups.sums(rate), 1.0)
        whole = torch.lgamma(self.counts + 1) - self.counts * sums.log()
        return terms.sum(-1) + whole.sum(-1)

    def entropy(self) -> Tensor:
        """Entropy (...) in nats, to about 1e-13 for any total; differentiable in the rates that are not zero.

        First derivatives are as good to totals of 1e12, second ones to about 1e-15 times the total.

        Time and memory are those of n times the largest total numbers a sample, or n times 129 if that is less.
        """
        probs = self._probs
        expected = expected_surprisal(self._trials, probs, self._rest(probs)).sum(-1)
        return (expected - self._whole_surprisal).to(self.rate.dtype)

    @property
    def _whole_surprisal(self) -> Tensor:
        """The surprisal (...) of the totals as counts of their own mean: what conditioning on them takes away."""
        counts = self.counts
        return surprisal(counts, torch.zeros_like(counts), counts, torch.lgamma(counts + 1)).sum(-1)


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
