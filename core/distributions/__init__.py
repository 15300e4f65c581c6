"""Distributions whose every draw obeys the laws, and gradients of losses on their draws."""

from lawful.core.distributions.constrained_bernoulli import ConstrainedBernoulli
from lawful.core.distributions.constrained_normal import ConstrainedNormal
from lawful.core.distributions.constrained_poisson import ConstrainedPoisson
from lawful.core.distributions.covariance import Covariance, Diagonal, Full, LowRank
from lawful.core.distributions.gradients import Estimator, draw, expected_loss
from lawful.core.distributions.groups import CountsByGroup
from lawful.core.distributions.support import OnLaws

__all__ = [
    "ConstrainedBernoulli",
    "ConstrainedNormal",
    "ConstrainedPoisson",
    "CountsByGroup",
    "Covariance",
    "Diagonal",
    "Estimator",
    "Full",
    "LowRank",
    "OnLaws",
    "draw",
    "expected_loss",
]
