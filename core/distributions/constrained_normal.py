"""The normal distribution of a vector, given that it obeys linear laws.

Conditioning by kriging: Rue & Held, Gaussian Markov Random Fields (2005), section 2.3.3. With K = A S A^T and
G = S A^T K^-1: mean mu + G (b - A mu), covariance (I - G A) S, sample z0 + G (b - A z0) of an unconditional z0, and the
log density with respect to Lebesgue measure on {A z = b}: log N(z; mu, S) - log N(b; A mu, K) - log det(A A^T) / 2.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import _standard_normal

from lawful.core.errors import OffSupportError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import as_float64, at_sample, batch_of, float_dtype, require_last
from lawful.core.linear.exact import half_spacing
from lawful.core.linear.system import LAWFUL_ULPS

_LOG_2PI = math.log(2 * math.pi)


class OnLaws(constraints.Constraint):
    """Points that obey every law to 8 ulps in their own precision, with fixed variables at their values.

    Args:
        system: laws with their free variables. fixed: (..., n), the values where not free.
    """

    event_dim = 1

    def __init__(self, system: LinearSystem, fixed: Tensor):
        self.system = system
        self.fixed = fixed

    def check(self, value: Tensor) -> Tensor:
        return self.system.holds(value) & ~self.moved(value).any(-1)

    def moved(self, value: Tensor) -> Tensor:
        """(..., n), True where a fixed variable is off its value."""
        allowed = LAWFUL_ULPS * half_spacing(self.fixed, value.dtype)
        return ~self.system.free & ~((value.double() - self.fixed).abs() <= allowed)


class ConstrainedNormal(Distribution):
    """Independent normal variables conditioned on `A z = b`: correlated, and lawful in every draw.

    Computed in float64 whatever the dtype of `loc`; samples are cast last. A variable is fixed where its scale is zero
    (at `loc`) and where `system` came from `restrict` (at the value given there); the density is then that of the free
    ones. With n_F = r no freedom is left and the log density is zero.

    Args:
        loc: means (..., n) before conditioning, float32 or float64.
        scale: standard deviations (..., n) before conditioning, zero or more.
        system: the laws; its batch shape broadcasts with those of `loc` and `scale`.
        validate_args: check arguments, and in `log_prob` that the value is on the laws.

    Raises:
        InconsistentSystemError: fixed variables break a law.
    """

    has_rsample = True
    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "scale": constraints.independent(constraints.nonnegative, 1),
    }

    def __init__(self, loc: Tensor, scale: Tensor, system: LinearSystem, validate_args: bool | None = None):
        loc, scale = (require_last(torch.as_tensor(x), system.n, "loc and scale", "variable") for x in (loc, scale))
        batch = batch_of(loc.shape[:-1], scale.shape[:-1], system.batch_shape)
        dtype = float_dtype(torch.promote_types(loc.dtype, scale.dtype))
        self.loc = loc.to(dtype).expand(*batch, system.n)
        self.scale = scale.to(dtype).expand(*batch, system.n)
        super().__init__(batch, torch.Size([system.n]), validate_args)
        # Unexpanded, so that one scale for many samples is factorised once.
        self.system = system.restrict(scale > 0, loc) if (scale == 0).any() else system
        self._metric = self.system.metric(self._root(scale))

    def _root(self, scale: Tensor) -> Tensor:
        return torch.where(self.system.free, as_float64(scale), 1.0)

    @property
    def _centre(self) -> Tensor:
        return self.system.with_fixed(self.loc.double())

    @property
    def _spread(self) -> Tensor:
        return torch.where(self.system.free, self.scale.double(), 0.0)

    @property
    def _mean(self) -> Tensor:
        return self.system.project_with(self._metric, self._centre)

    @property
    def mean(self) -> Tensor:
        """(..., n), on the laws."""
        return self._mean.to(self.loc.dtype)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        """(..., n); to an absolute accuracy of about 1e-16 of the unconditional variance."""
        variance = self._spread.square() - self._metric.explained
        return variance.clamp(min=0.0).to(self.loc.dtype)

    @property
    def covariance_matrix(self) -> Tensor:
        """(..., n, n), of rank n_F - r; for small n."""
        basis = self._metric.basis
        return (torch.diag_embed(self._spread.square()) - basis @ basis.mT).to(self.loc.dtype)

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> OnLaws:
        return OnLaws(self.system, self._centre.detach())

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ConstrainedNormal":
        new = self._get_checked_instance(ConstrainedNormal, _instance)
        shape = torch.Size(batch_shape) + self.event_shape
        new.loc, new.scale = self.loc.expand(shape), self.scale.expand(shape)
        new.system, new._metric = self.system, self._metric
        Distribution.__init__(new, torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws (*sample_shape, ..., n) on the laws, differentiable in `loc` and `scale`; fixed variables exact."""
        shape = self._extended_shape(torch.Size(sample_shape))
        noise = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        draw = self._centre + self._spread * noise.double()
        return self.system.project_with(self._metric, draw).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (...) with respect to Lebesgue measure on the free variables that obey the laws.

        Raises:
            OffSupportError: with `validate_args`, `value` breaks a law by more than 8 ulps of its dtype or moves a
                fixed variable (`system.project` brings data there). Without, no check is made and the quadratic form
                is evaluated as it stands.
        """
        if self._validate_args:
            self._validate_sample(value)
        gap = torch.where(self.system.free, value.double() - self._mean, 0.0) / self._root(self.scale)
        return (self._log_normaliser() - gap.square().sum(-1) / 2).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        """Differential entropy (...) on the same measure."""
        return (self._freedom() / 2 - self._log_normaliser()).to(self.loc.dtype)

    def _freedom(self) -> Tensor:
        return (self.system.free.sum(-1) - self.system.rank).double().expand(self.batch_shape)

    def _log_normaliser(self) -> Tensor:
        volume = (self._metric.log_det - self.system.unweighted.log_det) / 2
        return volume - self._root(self.scale).log().sum(-1) - self._freedom() * (_LOG_2PI / 2)

    def _validate_sample(self, value: Tensor) -> None:
        require_last(value, self.system.n, "value", "variable")
        batch_of(value.shape[:-1], self.batch_shape)
        moved = self.support.moved(value)
        if moved.any():
            first = moved.nonzero()[0].tolist()
            raise OffSupportError(
                f"Variable {self.system.columns[first[-1]]!r} is fixed, but the value differs from it"
                f"{at_sample(tuple(first[:-1]))}: give it the fixed value, or a scale above zero."
            )
        self._require_lawful(value)

    def _require_lawful(self, value: Tensor) -> None:
        broken = ~self.system.holds(value)
        if broken.any():
            first = tuple(broken.nonzero()[0].tolist())
            ulps = self.system.ulps(value)
            row = int(ulps[first].argmax())
            raise OffSupportError(
                f"Law {self.system.names[row]!r} is broken by {float(ulps[first][row]):.3g} ulps{at_sample(first)} "
                f"({LAWFUL_ULPS:g} are allowed; {int(broken.sum())} unlawful in all): project the value onto the laws "
                "first, or pass validate_args=False."
            )
