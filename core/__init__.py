"""Linear systems, constrained distributions, polyhedra, models and training: torch tensors in, torch tensors out."""

if __name__ != "lawful.core":
    raise ImportError(f"this folder is the package 'lawful.core', not '{__name__}': import lawful.core")

from lawful.core.distributions import ConstrainedBernoulli, ConstrainedNormal, ConstrainedPoisson, Full, LowRank
from lawful.core.errors import (
    InconsistentSystemError,
    InvalidValueError,
    LawfulError,
    OffSupportError,
    RankError,
    ShapeError,
)
from lawful.core.linear import LinearSystem

__all__ = [
    "ConstrainedBernoulli",
    "ConstrainedNormal",
    "ConstrainedPoisson",
    "Full",
    "InconsistentSystemError",
    "InvalidValueError",
    "LawfulError",
    "LinearSystem",
    "LowRank",
    "OffSupportError",
    "RankError",
    "ShapeError",
]
