"""Laws of traces to rounding, where other laws have terms so large that a common solution misses them."""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear import compensated_residual
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra import Polyhedron
from lawful.core.polyhedra.laws import coefficients

_SMALLEST = torch.finfo(torch.float64).tiny
"""A weight of zero would say that the variable is given."""
_SETTLINGS = 4
_FAR = 1e-9


def with_traces(polyhedron: Polyhedron, z: Tensor, slopes_of: Callable[[Tensor], Tensor]) -> Tensor:
    """z (..., n), float64 and near the laws, on them and within the bounds; lawful samples stay.

    Moves are in proportion to `slopes_of(z)` (..., n), which vanish near bounds, where that will do. Values that are
    nearer to a bound than laws can be solved for are put on it where nothing else will.
    """
    missed = ~polyhedron.contains(z)
    if not missed.any():
        return z
    if polyhedron.system.batch_shape or not missed.dim():
        return polyhedron.project(torch.where(missed.unsqueeze(-1), _near(polyhedron, z, slopes_of(z)), z))
    some = z[missed]
    return z.index_put((missed,), polyhedron.project(_near(polyhedron, some, slopes_of(some))))


def _near(polyhedron: Polyhedron, z: Tensor, slopes: Tensor) -> Tensor:
    system, bounds = polyhedron.system, polyhedron.bounds
    settled = bounds.clip(system.project(z, weights=slopes.square().clamp_min(_SMALLEST)))
    # Between traces laws can be singular to all digits, and what solves them is then far away.
    far = (settled - z).abs() > _FAR * z.abs().amax(-1, keepdim=True)
    settled = torch.where(far.any(-1, keepdim=True), z, settled)
    for _ in range(_SETTLINGS):
        off = system.ulps(settled) > LAWFUL_ULPS
        if not off.any():
            break
        settled = _row_by_row(polyhedron, settled, off, slopes)
    return torch.where(settled.isfinite().all(-1, keepdim=True), settled, z)


def _row_by_row(polyhedron: Polyhedron, z: Tensor, off: Tensor, slopes: Tensor) -> Tensor:
    """z (..., n) with each law that is off (..., m) met by its freest variable.

    A law of traces whose variables stand in laws of large terms too is off by less than these can show.
    """
    system, z = polyhedron.system, z.clone()
    for law in off.reshape(-1, system.m).any(0).nonzero()[:, 0].tolist():
        row = coefficients(system)[law]
        freest = torch.where(system.free, row.abs() * slopes, 0.0).argmax(-1, keepdim=True)
        residual = compensated_residual(row.unsqueeze(0), z, system.b[..., law : law + 1])
        step = torch.where(off[..., law].unsqueeze(-1), residual, 0.0) / row[freest]
        z.scatter_add_(-1, freest, -step)
    return polyhedron.bounds.clip(z)
