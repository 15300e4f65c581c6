"""Training by maximum likelihood, with early stopping on whole blocks of events."""

from lawful.core.training.fit import Keeper, fit
from lawful.core.training.launch import is_main_process, launched, process_count
from lawful.core.training.schedule import Fitted, Progress, Schedule

__all__ = ["Fitted", "Keeper", "Progress", "Schedule", "fit", "is_main_process", "launched", "process_count"]
