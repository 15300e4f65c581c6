"""Linear laws `A z = b`: rank, consistency, restriction to free variables, projection, and how exactly they hold."""

from lawful.core.linear.exact import compensated_residual, half_spacing, ulps
from lawful.core.linear.system import LinearSystem

__all__ = ["LinearSystem", "compensated_residual", "half_spacing", "ulps"]
