"""Distributions whose every draw obeys the laws, and gradients of losses on their draws."""

from lawful.core.distributions.constrained_bernoulli import ConstrainedBernoulli
from lawful.core.distributions.constrained_normal import ConstrainedNormal, OnLaws
from lawful.core.distributions.constrained_poisson import ConstrainedPoisson
from lawful.core.distributions.gradients import Estimator, draw, expected_loss
from lawful.core.distributions.groups import CountsByGroup

__all__ = [
    "ConstrainedBernoulli",
    "ConstrainedNormal",
    "ConstrainedPoisson",
    "CountsByGroup",
    "Estimator",
    "OnLaws",
    "draw",
    "expected_loss",
]
