"""Bounded, lawful sets: links onto each variable's own domain, the mirror map, and whether such a set is empty."""

from lawful.core.polyhedra.feasibility import InfeasibleError, require_feasible
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.mirror import MirrorSolution, mirror_map

__all__ = ["InfeasibleError", "Link", "MirrorSolution", "mirror_map", "require_feasible"]
