"""Bounded, lawful sets: polyhedra, projections, faces, the mirror map onto the interior, and draws."""

from lawful.core.polyhedra.bounds import Bounds, Inequalities
from lawful.core.polyhedra.feasibility import InfeasibleError, require_feasible
from lawful.core.polyhedra.implied import EmptyError
from lawful.core.polyhedra.interior import InteriorMap
from lawful.core.polyhedra.lagrangian import NotConvergedError
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.mirror import MirrorMap, MirrorSolution
from lawful.core.polyhedra.polyhedron import Polyhedron
from lawful.core.polyhedra.sampling import HitAndRun
from lawful.core.polyhedra.walk import UnboundedError

__all__ = [
    "Bounds",
    "EmptyError",
    "HitAndRun",
    "Inequalities",
    "InfeasibleError",
    "InteriorMap",
    "Link",
    "MirrorMap",
    "MirrorSolution",
    "NotConvergedError",
    "Polyhedron",
    "UnboundedError",
    "require_feasible",
]
