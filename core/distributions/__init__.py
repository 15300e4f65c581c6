"""Distributions whose every draw obeys the laws."""

from lawful.core.distributions.constrained_normal import ConstrainedNormal, OnLaws

__all__ = ["ConstrainedNormal", "OnLaws"]
