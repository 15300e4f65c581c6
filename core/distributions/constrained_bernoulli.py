"""Independent Bernoulli variables, given how many of them are one: the conditional Bernoulli law.

With odds w_i = exp(l_i) and e_j the elementary symmetric polynomials, p(x) = prod w_i^x_i / e_k(w) and
P(x_i = 1) = w_i e_{k-1}(w without i) / e_k(w). Recursions over prefixes and suffixes of the variables, and sampling one
variable after another: Chen, Dempster, Liu, Biometrika 81 (1994) 457, doi:10.1093/biomet/81.3.457; Chen & Liu,
Statistica Sinica 7 (1997) 875. As a layer with a gradient: Ahmed, Zeng, Niepert, Van den Broeck (SIMPLE), ICLR 2023.
All in log space, so that odds of e^50 and e^-50 may stand side by side.
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from lawful.core.distributions import polynomials
from lawful.core.distributions.groups import CountsByGroup, Groups
from lawful.core.errors import InvalidValueError
from lawful.core.linear.arrays import as_float64, at_sample, batch_of, float_dtype

_LARGEST_LOGIT = 1e6
"""Where rounding of the largest sum of logits, about n * 1e6 * 1e-16, is still small."""


class ConstrainedBernoulli(Distribution):
    """Zeros and ones conditioned on the number of ones in each of disjoint groups, exact in every draw.

    Computed in float64 whatever the dtype of `logits`; results are cast last. Time and memory are O(n k) a sample, with
    the widest group and the largest count of the batch; draws take one step a variable of the widest group.

    Args:
        logits: log odds (..., n) before conditioning, float32 or float64; only differences within a group count.
        count: whole numbers (..., G) from zero to the size of the group, or (...) where `groups` is None; batch shapes
            broadcast.
        groups: (n,) integers, the group of each variable; None when there is one group.
        validate_args: check in `log_prob` that the value has the right number of ones.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit, counts beyond the size of a group, logits that are not
            finite or beyond 1e6 (a variable that is certain is no variable: leave it out).
    """

    arg_constraints = {"logits": constraints.real_vector}  # noqa: RUF012

    def __init__(self, logits: Tensor, count: Any, groups: Any = None, validate_args: bool | None = None):
        logits = torch.atleast_1d(torch.as_tensor(logits))
        float_dtype(logits.dtype)
        _require_moderate(logits)
        n = logits.shape[-1]
        self.groups = Groups(groups, n, logits.device)
        counts = self.groups.counts(count, "count")
        _require_room(self.groups, counts)
        batch = batch_of(logits.shape[:-1], counts.shape[:-1])
        self.logits, self.counts = logits.expand(*batch, n), counts.expand(*batch, len(self.groups))
        super().__init__(batch, torch.Size([n]), validate_args=False)
        self._validate_args = Distribution._validate_args if validate_args is None else validate_args

    @property
    def count(self) -> Tensor:
        """(..., G), or (...) for one group without a dimension for it."""
        counts = self.counts.squeeze(-1) if self.groups.single else self.counts
        return counts.to(self.logits.dtype)

    @property
    def unconditional_mean(self) -> Tensor:
        """(..., n), before conditioning: `sigmoid(logits)`."""
        return self.logits.sigmoid()

    @property
    def mean(self) -> Tensor:
        """Exact marginals (..., n), the probability that each variable is one; differentiable in the logits."""
        return self._log_odds().sigmoid().to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        """(..., n), `p (1 - p)` of the marginals, with all its digits where they are near one."""
        log_odds = self._log_odds()
        return (log_odds.sigmoid() * (-log_odds).sigmoid()).to(self.logits.dtype)

    @property
    def mode(self) -> Tensor:
        """(..., n), ones at the largest logits of each group."""
        order = self.groups.split(self.logits.detach(), -torch.inf).argsort(-1, descending=True)
        rank = order.argsort(-1)
        return self.groups.join((rank < self.counts.unsqueeze(-1)).to(self.logits.dtype))

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> CountsByGroup:
        return CountsByGroup(self.groups, self.counts, most=1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ConstrainedBernoulli":
        new = self._get_checked_instance(ConstrainedBernoulli, _instance)
        batch = torch.Size(batch_shape)
        new.groups, new.logits = self.groups, self.logits.expand(*batch, *self.event_shape)
        new.counts = self.counts.expand(*batch, len(self.groups))
        Distribution.__init__(new, batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Exact draws (*sample_shape, ..., n): from the last variable to the first, each given those after it."""
        shape = torch.Size(sample_shape) + self.counts.shape
        logits = self._centred
        prefixes = polynomials.log_polynomials(logits, self._most)
        left = self.counts.long().expand(shape)
        draws = []
        for i in reversed(range(self.groups.width)):
            rest = prefixes[i].expand(*shape, -1)
            chance = logits[..., i] + polynomials.at(rest, left - 1) - polynomials.at(rest, left)
            one = torch.rand(shape, dtype=logits.dtype, device=logits.device) < chance.sigmoid()
            left = left - one.long()
            draws.append(one)
        return self.groups.join(torch.stack(draws[::-1], -1)).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability (...) of zeros and ones (..., n) given the counts; differentiable in the logits.

        Raises:
            OffSupportError: with `validate_args`, the value has another number of ones. Without, the formula.
        """
        if self._validate_args:
            self.support.require(value)
        logits, ones = self._centred, self.groups.split(value.double(), 0.0)
        # Zero where the value adds up, as it does on the support.
        too_many = (ones.sum(-1) - self.counts) * self._largest.squeeze(-1)
        whole = polynomials.at(polynomials.log_polynomials(logits, self._most)[-1], self.counts.long())
        return ((ones * logits).sum((-2, -1)) + (too_many - whole).sum(-1)).to(self.logits.dtype)

    def entropy(self) -> Tensor:
        """Entropy (...) in nats: that of each variable given the number of ones up to it, added up (chain rule).

        All terms are positive, so that nothing cancels: the relative error is about 1e-16 times the spread of logits.
        """
        logits, before, after = self._around()
        one = polynomials.with_one(before, logits)
        ones = torch.softmax(polynomials.joint(polynomials.either(before, one), after, self._count_of_each), -1)
        return (ones * polynomials.entropy_of_odds(one - before)).sum((-3, -2, -1)).to(self.logits.dtype)

    @property
    def _centred(self) -> Tensor:
        """Logits (..., G, W), less the largest of each group: the law stays the same, and rounding is less."""
        return self.groups.split(as_float64(self.logits), polynomials.NEVER) - self._largest

    @property
    def _largest(self) -> Tensor:
        """(..., G, 1), of the logits of each group, a constant."""
        return self.groups.split(as_float64(self.logits.detach()), polynomials.NEVER).amax(-1, keepdim=True)

    @property
    def _most(self) -> int:
        return int(self.counts.max()) if self.counts.numel() else 0

    @property
    def _count_of_each(self) -> Tensor:
        """(..., G, W), the count of its group for each variable."""
        return self.counts.long().unsqueeze(-1).expand(*self.counts.shape, self.groups.width)

    def _around(self) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (..., G, W), and tables (..., G, W, most + 1) of the variables before and of those after each."""
        logits = self._centred
        both = polynomials.log_polynomials(torch.stack((logits, logits.flip(-1))), self._most)[:-1]
        before = torch.stack([table[0] for table in both], -2)
        return logits, before, torch.stack([table[1] for table in reversed(both)], -2)

    def _log_odds(self) -> Tensor:
        """(..., n), of each variable being one: `l_i + log e_{k-1}(w without i) - log e_k(w without i)`."""
        logits, before, after = self._around()
        counts = self._count_of_each
        others = polynomials.joined(before, after, counts - 1) - polynomials.joined(before, after, counts)
        return self.groups.join(logits + others)


def _require_moderate(logits: Tensor) -> None:
    bad = ~(logits.detach().abs() <= _LARGEST_LOGIT)
    if bad.any():
        *sample, variable = bad.nonzero()[0].tolist()
        raise InvalidValueError(
            f"The logit of variable {variable} is {logits[(*sample, variable)].item():g}{at_sample(tuple(sample))}, "
            f"beyond {_LARGEST_LOGIT:g}: bound the logits (e^50 is certain enough), or leave out a variable that is "
            "certain and count without it."
        )


def _require_room(groups: Groups, counts: Tensor) -> None:
    full = counts > groups.sizes
    if full.any():
        where = tuple(full.nonzero()[0].tolist())
        raise InvalidValueError(
            f"Count {counts[where].item():g}{groups.at(where)} is more than the {int(groups.sizes[where[-1]])} "
            "variables there."
        )
