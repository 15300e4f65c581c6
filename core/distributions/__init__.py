"""Distributions whose every draw obeys the laws, and gradients through their draws."""

from lawful.core.distributions.constrained_bernoulli import ConstrainedBernoulli
from lawful.core.distributions.constrained_normal import ConstrainedNormal, OnLaws
from lawful.core.distributions.constrained_poisson import ConstrainedPoisson
from lawful.core.distributions.groups import CountsByGroup

__all__ = ["ConstrainedBernoulli", "ConstrainedNormal", "ConstrainedPoisson", "CountsByGroup", "OnLaws"]
