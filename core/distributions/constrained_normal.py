"""The normal distribution of a vector, given that it obeys linear laws.

Conditioning by kriging: Rue & Held, Gaussian Markov Random Fields (2005), section 2.3.3. With K = A S A^T and
G = S A^T K^-1: mean mu + G (b - A mu), covariance (I - G A) S, sample z0 + G (b - A z0) of an unconditional z0, and the
log density with respect to Lebesgue measure on {A z = b}: log N(z; mu, S) - log N(b; A mu, K) - log det(A A^T) / 2.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.kl import register_kl
from torch.distributions.utils import _standard_normal

from lawful.core.distributions.covariance import Covariance, Diagonal
from lawful.core.distributions.support import OnLaws
from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import batch_of, float_dtype, refuse_where, require_finite, require_last

_LOG_2PI = math.log(2 * math.pi)


class ConstrainedNormal(Distribution):
    """Normal variables conditioned on `A z = b`: correlated, and lawful in every draw.

    Moves onto the laws are computed in float64 whatever the dtype of `loc`; samples are cast last. A variable is fixed
    where its scale is zero (at `loc`) and where `system` came from `restrict` (at the value given there, on which
    correlated variables are conditioned); the density is then that of the free ones. With n_F = r no freedom is left
    and the log density is zero.

    Args:
        loc: means (..., n) before conditioning, float32 or float64.
        scale: standard deviations (..., n) before conditioning, zero or more; or a `Covariance`: `LowRank`, `Full`.
        system: the laws; its batch shape broadcasts with those of `loc` and `scale`.
        validate_args: check arguments, and in `log_prob` that the value is on the laws.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit; with `validate_args`, means or scales that are not
            finite, or negative scales.
        InconsistentSystemError: fixed variables break a law.
    """

    has_rsample = True
    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "scale": constraints.independent(constraints.nonnegative, 1),
    }

    def __init__(
        self, loc: Tensor, scale: Tensor | Covariance, system: LinearSystem, validate_args: bool | None = None
    ):
        loc = require_last(torch.as_tensor(loc), system.n, "loc and scale", "variable")
        covariance = scale if isinstance(scale, Covariance) else Diagonal(torch.as_tensor(scale))
        deviations = require_last(covariance.deviations, system.n, "loc and scale", "variable")
        batch = batch_of(loc.shape[:-1], deviations.shape[:-1], system.batch_shape)
        dtype = float_dtype(torch.promote_types(loc.dtype, deviations.dtype))
        self.loc = loc.to(dtype).expand(*batch, system.n)
        self.scale = deviations.to(dtype).expand(*batch, system.n)
        # torch's own checks fail where a batch is empty, and name no variable.
        super().__init__(batch, torch.Size([system.n]), validate_args=False)
        self._validate_args = Distribution._validate_args if validate_args is None else validate_args
        if self._validate_args:
            _require_moments(loc, deviations, system.columns)
        all_vary = not deviations.numel() or bool(deviations.amin() > 0)
        self.system = system if all_vary else system.restrict(deviations > 0, loc)
        self._condition(loc, covariance)

    def _condition(self, loc: Tensor, covariance: Covariance) -> None:
        """Centre, covariance and metric of the free variables: unexpanded, so that one scale is factorised once."""
        self._centre, self._covariance = loc, covariance
        if not self.system.free.all():
            placed = self.system.with_fixed(loc.double())
            shift, self._covariance = covariance.given(self.system.free, placed - loc)
            self._centre = placed + shift
        self._metric = self._covariance.metric(self.system)

    @property
    def _mean(self) -> Tensor:
        return self.system.project_with(self._metric, self._centre.double())

    @property
    def mean(self) -> Tensor:
        """(..., n), on the laws."""
        return self._mean.to(self.loc.dtype).expand(self.loc.shape)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        """(..., n); to an absolute accuracy of about 1e-16 of the unconditional variance."""
        return self.precise_variance.to(self.loc.dtype).expand(self.loc.shape)

    @property
    def precise_variance(self) -> Tensor:
        """`variance` in float64; shapes broadcast."""
        return (self._covariance.deviations.double().square() - self._metric.explained).clamp(min=0.0)

    @property
    def covariance_matrix(self) -> Tensor:
        """(..., n, n), of rank n_F - r; for small n."""
        return self.precise_covariance_matrix.to(self.loc.dtype).expand(*self.loc.shape, self.loc.shape[-1])

    @property
    def precise_covariance_matrix(self) -> Tensor:
        """`covariance_matrix` in float64; shapes broadcast."""
        before = self._covariance.matrix
        explained = self._metric.move(_product(self.system.A, before).movedim(-1, 0)).movedim(0, -1)
        return before - (explained + explained.mT) / 2

    @constraints.dependent_property(is_discrete=False, event_dim=1)
    def support(self) -> OnLaws:
        return OnLaws(self.system, self._centre.detach().double())

    def expand(self, batch_shape: Any, _instance: Any = None) -> "ConstrainedNormal":
        new = self._get_checked_instance(ConstrainedNormal, _instance)
        shape = torch.Size(batch_shape) + self.event_shape
        new.loc, new.scale = self.loc.expand(shape), self.scale.expand(shape)
        for name in ("system", "_centre", "_covariance", "_metric"):
            setattr(new, name, getattr(self, name))
        Distribution.__init__(new, torch.Size(batch_shape), self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws (*sample_shape, ..., n) on the laws, differentiable in `loc` and `scale`; fixed variables exact."""
        shape = torch.Size(sample_shape) + self.batch_shape + (self._covariance.noise_size,)
        noise = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        draw = self._covariance.around(self._centre, noise)
        return self.system.project_with(self._metric, draw.to(self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (...) with respect to Lebesgue measure on the free variables that obey the laws.

        Raises:
            OffSupportError: with `validate_args`, `value` breaks a law by more than 8 ulps of its dtype or moves a
                fixed variable (`system.project` brings data there). Without, no check is made and the quadratic form
                is evaluated as it stands.
        """
        if self._validate_args:
            require_last(value, self.system.n, "value", "variable")
            batch_of(value.shape[:-1], self.batch_shape)
            self.support.require(value)
        gap = torch.where(self.system.free, value.double() - self._mean, 0.0)
        return (self._log_normaliser() - self._covariance.quadratic(gap) / 2).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        """Differential entropy (...) on the same measure."""
        return (self._freedom() / 2 - self._log_normaliser()).to(self.loc.dtype)

    def _freedom(self) -> Tensor:
        return (self.system.free.sum(-1) - self.system.rank).double().expand(self.batch_shape)

    def _log_normaliser(self) -> Tensor:
        volume = self._metric.log_det - self.system.unweighted.log_det - self._covariance.log_det
        return volume / 2 - self._freedom() * (_LOG_2PI / 2)


def _require_moments(loc: Tensor, scale: Tensor, columns: Sequence[str]) -> None:
    require_finite(loc, "The mean", columns)
    require_finite(scale, "The scale", columns)
    refuse_where(scale < 0, scale, "The scale", columns, "zero or more")


@register_kl(ConstrainedNormal, ConstrainedNormal)
def _kl_constrained_normal(p: ConstrainedNormal, q: ConstrainedNormal) -> Tensor:
    """`sum (log p - log q) p` (...) for distributions on the same laws with the same fixed variables.

    With `E_p[(z - mu_q)^T S_q^-1 (z - mu_q)] = (mu_p - mu_q)^T S_q^-1 (mu_p - mu_q) + tr(S_q^-1 cov p)`.
    """
    _require_same_laws(p, q)
    gap = torch.where(p.system.free, p._mean - q._mean, 0.0)
    spread = q._covariance.expected_quadratic(p)
    entropy = p._freedom() / 2 - p._log_normaliser()
    cross = (q._covariance.quadratic(gap) + spread) / 2 - q._log_normaliser()
    return (cross - entropy).to(p.loc.dtype)


def _require_same_laws(p: ConstrainedNormal, q: ConstrainedNormal) -> None:
    batch_of(p.batch_shape, q.batch_shape)
    if p.system is not q.system and not _same(p.system, q.system):
        raise InvalidValueError(
            "The KL divergence is infinite, or has no meaning, between distributions on different laws or with "
            "different fixed variables: build both on one LinearSystem."
        )


def _same(x: LinearSystem, y: LinearSystem) -> bool:
    if (x.m, x.n) != (y.m, y.n) or not _equal(x.A, y.A):
        return False
    return all(_equal(getattr(x, name), getattr(y, name)) for name in ("b", "free", "fixed"))


def _equal(x: Tensor, y: Tensor) -> bool:
    if x.layout == y.layout == torch.strided:
        return bool((x == y).all())
    if x.shape != y.shape:
        return False
    x, y = (part.to_sparse_coo().coalesce() for part in (x, y))
    return torch.equal(x.indices(), y.indices()) and torch.equal(x.values(), y.values())


def _product(A: Tensor, X: Tensor) -> Tensor:
    """`A X` (..., m, k) for X (..., n, k); A may be a sparse tensor (m, n)."""
    if A.layout == torch.strided:
        return A @ X
    rows = A @ X.movedim(-2, 0).flatten(1)
    return rows.reshape(len(A), *X.shape[:-2], X.shape[-1]).movedim(0, -2)
