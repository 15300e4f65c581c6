"""Locations and scales of the normal draws that strategies start from, checked before they are used."""

from torch import Tensor

from lawful.core.errors import ShapeError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import batch_of, refuse_where, require_last


def require_moments(system: LinearSystem, loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """`loc` and `scale` (..., n) of draws; a single entry counts for all variables.

    Raises:
        ShapeError: another number of variables, or batches that do not broadcast.
        InvalidValueError: a negative scale.
    """
    loc, scale = _for_each(loc, system.n, "loc"), _for_each(scale, system.n, "scale")
    batch_of(loc.shape[:-1], scale.shape[:-1])
    refuse_where(scale < 0, scale, "The scale", system.columns, "zero or more")
    return loc, scale


def require_density(system: LinearSystem, z: Tensor, loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """`require_moments` for a density at z (..., n), which takes scales of free variables above zero."""
    loc, scale = require_moments(system, loc, scale)
    require_last(z, system.n, "z", "variable")
    batch_of(z.shape[:-1], loc.shape[:-1], scale.shape[:-1])
    bad = (scale == 0) & system.free
    refuse_where(bad, scale, "The scale", system.columns, "more than zero where there is a density")
    return loc, scale


def _for_each(x: Tensor, n: int, what: str) -> Tensor:
    if x.dim() and x.shape[-1] not in (1, n):
        raise ShapeError(f"Expected {what} of shape (..., {n}), one entry per variable, got {tuple(x.shape)}.")
    return x.expand(*x.shape[:-1], n)
