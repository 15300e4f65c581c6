"""The mirror map: from unconstrained coordinates to the interior of `{z : A z = b, lower < z < upper}`.

`z = g(y + U A' nu)` with the multipliers nu that give `A z = b`, for a link g and its units U: the Bregman projection
of `g(y)` on the laws (Bregman 1967, doi:10.1016/0041-5553(67)90040-7), in which neither the units of a variable nor
those of a law count. `nu` minimises `sum_i G_i(u_i) - b' nu` with `G' = g / U`, a convex function.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.linear.exact import compensated_residual
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.newton import solved
from lawful.core.polyhedra.spaces import LawSpace, NullSpace, space_of


@dataclass(frozen=True)
class MirrorSolution:
    """`z` (B, n) on the laws and strictly inside the bounds, `u = g^-1(z)` (B, n), and which samples converged (B,).

    `u - y` is in the row space of `A U`. Where a sample has not converged, `z` breaks a law or is NaN: there may be no
    point strictly inside the bounds.
    """

    z: Tensor
    u: Tensor
    converged: Tensor


class MirrorMap:
    """The mirror map of laws `A` and a link.

    Args:
        A: (m, n), or (B, m, n) with one matrix for each sample; float64, of full row rank.
        link: increasing functions onto the variables' own domains.
        centre: (n,), a point on the laws strictly inside the bounds, from which steps may start; far fewer are needed
            where most of a polyhedron lies close to its bounds.

    Raises:
        RankError: laws that depend on each other.
    """

    def __init__(self, A: Tensor, link: Link, centre: Tensor | None = None):
        self.A, self.link = A, link
        self.space = space_of(A * link.unit)
        self.centre = None if centre is None else link.inverse(centre)

    def solve(self, y: Tensor, b: Tensor, *, tol: float = 1e-11, max_steps: int = 100) -> MirrorSolution:
        """The points of coordinates `y` (B, n) for right-hand sides `b` (m,) or (B, m).

        `z` and `u` are differentiable in y and b (implicit function theorem), in any order, not in A. A sample has
        converged when each law holds to `tol` of the size of its terms, the bounds that they are measured from
        included. One whose laws of traces stay off by rounding of the variables' units, and come no nearer, ends
        without: `finish` may do.
        """
        return MirrorSolution(*solved(self, y, b.expand(*y.shape[:-1], self.A.shape[-2]), tol, max_steps))

    def inverse(self, z: Tensor) -> Tensor:
        """Coordinates `g^-1(z)` (B, n); every y that differs from them by the row space of `A U` gives the same z."""
        return self.link.inverse(z)

    def log_det(self, z: Tensor) -> Tensor:
        """`log |dz / dy|` (B,) at points z (B, n): y in orthonormal coordinates of the null space of `A U`, z of A.

        `sum log D - log det(A D U A') + log det(A U^2 A')` for `D = g'`, from the units of the link to those of the
        variables by `sum log U + (log det(A A') - log det(A U^2 A')) / 2`; differentiable in z.
        """
        log_slope = self.link.log_slope(self.link.inverse(z))
        unit = self.link.unit
        change = unit.log().sum() + 0.5 * (_log_volume(self.A) - _log_volume(self.A * unit))
        return self.space.log_det(log_slope) + change

    def finish(self, z: Tensor, b: Tensor, steps: int = 2) -> Tensor:
        """z (B, n) with the laws to rounding, by least moves in proportion to `U g'`: nothing leaves its bounds."""
        slope = self.link.slope(self.link.inverse(z))
        for _ in range(steps):
            z = self.settled(z, slope, compensated_residual(self.A, z, b), self.space)
        return z

    def settled(self, z: Tensor, slope: Tensor, residual: Tensor, space: LawSpace | NullSpace) -> Tensor:
        """z (B, n) after one such move against a `residual` (B, m), for `slope = g'(g^-1(z)) / U`."""
        move = self.link.unit * slope * space.step(slope, residual)[0]
        return _strictly_inside(torch.where(move.isfinite(), z + move, z), self.link)


def _log_volume(A: Tensor) -> Tensor:
    """`log det(A A')`, (...)."""
    size = A.norm(dim=-1)
    sigma = torch.linalg.svdvals(A / size.unsqueeze(-1))
    return 2 * (sigma.log().sum(-1) + size.log().sum(-1))


def _strictly_inside(z: Tensor, link: Link) -> Tensor:
    infinity = torch.full_like(link.lower, torch.inf)
    inner_low, inner_high = torch.nextafter(link.lower, infinity), torch.nextafter(link.upper, -infinity)
    low = torch.where(link.lower.isfinite(), inner_low, -infinity)
    return torch.minimum(torch.maximum(z, low), torch.where(link.upper.isfinite(), inner_high, infinity))
