"""Events as (state, coordinates): which variables sit on recurring values, and free real numbers for the rest."""

from lawful.core.coordinates.chart import Chart, Decoded
from lawful.core.coordinates.problem import Problem, Ratio
from lawful.core.coordinates.states import States
from lawful.core.coordinates.steps import Steps

__all__ = ["Chart", "Decoded", "Problem", "Ratio", "States", "Steps"]
