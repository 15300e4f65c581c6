"""Distributions whose every draw obeys the laws."""

from lawful.core.distributions.constrained_normal import ConstrainedNormal
from lawful.core.distributions.covariance import Covariance, Diagonal, Full, LowRank
from lawful.core.distributions.support import OnLaws

__all__ = ["ConstrainedNormal", "Covariance", "Diagonal", "Full", "LowRank", "OnLaws"]
