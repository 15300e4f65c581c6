"""Bounded, lawful sets: polyhedra, projections on them, links and the mirror map onto their interior, draws from them."""

from lawful.core.polyhedra.bounds import Bounds, Inequalities
from lawful.core.polyhedra.feasibility import InfeasibleError, require_feasible
from lawful.core.polyhedra.lagrangian import NotConvergedError
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.mirror import MirrorMap, MirrorSolution
from lawful.core.polyhedra.polyhedron import Polyhedron

__all__ = [
    "Bounds",
    "Inequalities",
    "InfeasibleError",
    "Link",
    "MirrorMap",
    "MirrorSolution",
    "NotConvergedError",
    "Polyhedron",
    "require_feasible",
]
