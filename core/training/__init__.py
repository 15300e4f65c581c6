"""Training by maximum likelihood, with early stopping on whole blocks of events."""

from lawful.core.training.fit import Fitted, Schedule, fit

__all__ = ["Fitted", "Schedule", "fit"]
