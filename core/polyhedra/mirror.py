"""The mirror map: from unconstrained coordinates to the interior of `{z : A z = b, lower < z < upper}`.

`z = g(y + U A' nu)` with the multipliers nu that give `A z = b`, for a link g and its units U: the Bregman projection
of `g(y)` on the laws (Bregman 1967, doi:10.1016/0041-5553(67)90040-7), in which neither the units of a variable nor
those of a law count. `nu` minimises `sum_i G_i(u_i) - b' nu` with `G' = g / U`, a convex function.

Newton's method on it is made safe by `|d log g' / du| <= 1`, which holds for every link: along a move of largest entry
M the curvature grows by `exp(M)` at most, so that the objective falls along the whole of the first `log(1 + M) / M` of
a step (generalised self-concordance: Bach 2010, doi:10.1214/09-EJS521; Sun & Tran-Dinh 2019,
doi:10.1007/s10107-018-1282-4). As its slope increases along a step, a slope that is still negative at a point says
that it falls up to there: no value of the objective is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lawful.core.linear.exact import compensated_residual, matvec
from lawful.core.polyhedra.links import Link
from lawful.core.polyhedra.spaces import LawSpace, NullSpace, space_of

_SEARCHES = 4
_CHUNK = 2**17
_NEGLIGIBLE = 1e-14
"""Of the units of its variables: what rounding in other laws may leave of a law of traces, step after step."""


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

        `z` is differentiable in y and b (implicit function theorem), not in A. A sample has converged when each law
        holds to `tol` of the size of its terms, the bounds that they are measured from included; or, where all terms
        of a law are traces, when it holds to rounding of the variables' units and steps bring it no further.
        """
        return MirrorSolution(*_Solve.apply(y, b.expand(*y.shape[:-1], self.A.shape[-2]), self, tol, max_steps))

    def inverse(self, z: Tensor) -> Tensor:
        """Coordinates `g^-1(z)` (B, n); every y that differs from them by the row space of `A U` gives the same z."""
        return self.link.inverse(z)

    def log_det(self, z: Tensor) -> Tensor:
        """`log |dz / dy|` (B,) at points z (B, n): y in orthonormal coordinates of the null space of `A U`, z of A.

        `sum log D - log det(A D U A') + log det(A U^2 A')` for `D = g'`, from the units of the link to those of the
        variables by `sum log U + (log det(A A') - log det(A U^2 A')) / 2`; differentiable in z.
        """
        slope = self.link.log_slope(self.link.inverse(z)).exp()
        unit = self.link.unit
        change = unit.log().sum() + 0.5 * (_log_volume(self.A) - _log_volume(self.A * unit))
        return self.space.log_det(slope) + change

    def finish(self, z: Tensor, b: Tensor, steps: int = 2) -> Tensor:
        """z (B, n) with the laws to rounding, by least moves in proportion to `U g'`: nothing leaves its bounds."""
        slope = self.link.slope(self.link.inverse(z))
        for _ in range(steps):
            z = self._settled(z, slope, compensated_residual(self.A, z, b), self.space)
        return z

    def _settled(self, z: Tensor, slope: Tensor, residual: Tensor, space: LawSpace | NullSpace) -> Tensor:
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


class _Solve(torch.autograd.Function):
    """Forward by Newton's method, backward by the implicit function theorem: `dz = T dy + (...) db`."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, b: Tensor, mirror: MirrorMap, tol: float, max_steps: int) -> tuple[Tensor, ...]:
        chunk = max(1, _CHUNK // max(y.shape[-1], 1))
        parts = [
            _Newton(mirror, y[k : k + chunk], b[k : k + chunk], slice(k, k + chunk), tol).run(max_steps)
            for k in range(0, max(len(y), 1), chunk)
        ]
        z, u, converged = (torch.cat(part) for part in zip(*parts, strict=True))
        ctx.mirror = mirror
        ctx.save_for_backward(u)
        ctx.mark_non_differentiable(u, converged)
        return z, u, converged

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        (u,), link, space = ctx.saved_tensors, ctx.mirror.link, ctx.mirror.space
        slope, gradient = link.slope(u), gradients[0] * link.unit
        by_y = space.tangent(slope, gradient) if ctx.needs_input_grad[0] else None
        by_b = space.on_laws(slope, gradient) if ctx.needs_input_grad[1] else None
        return by_y, by_b, None, None, None


class _Newton:
    """Newton's method for a batch; samples leave it as they converge."""

    def __init__(self, mirror: MirrorMap, y: Tensor, b: Tensor, samples: slice, tol: float):
        self.mirror, self.link, self.b, self.tol = mirror, mirror.link, b, tol
        self.A = mirror.A if mirror.A.dim() == 2 else mirror.A[samples]
        self.space = mirror.space if mirror.A.dim() == 2 else space_of(self.A * mirror.link.unit)
        self.u = y.clone() if mirror.centre is None else self.space.nearest(y, mirror.centre)

    def run(self, max_steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """`z` and `u = g^-1(z)` (B, n), and which samples converged (B,)."""
        converged = torch.zeros(len(self.u), dtype=torch.bool, device=self.u.device)
        todo = torch.arange(len(self.u), device=self.u.device)
        part = _Part(self, todo, self.u)
        for _ in range(max_steps):
            part, done = part.improved()
            self.u[todo] = part.u
            converged[todo[done]] = True
            go_on = ~done & part.residual.isfinite().all(-1)
            if not go_on.any():
                break
            if not go_on.all():
                todo, part = todo[go_on], part[go_on]
        end = _Part(self, torch.arange(len(self.u), device=self.u.device), self.u)
        return self.mirror._settled(end.z, end.slope, end.residual, self.space), self.u, converged


class _Part:
    """Some samples at `u`: their values, slopes and residuals."""

    def __init__(self, newton: _Newton, samples: Tensor, u: Tensor):
        self.newton, self.samples, self.u = newton, samples, u
        whole = len(samples) == len(newton.u)
        self.A = newton.A if newton.A.dim() == 2 or whole else newton.A[samples]
        self.b = newton.b if whole else newton.b[samples]
        self.z, self.slope = newton.link.value_and_slope(u)
        self.residual = _apply(self.A, self.z) - self.b

    def __getitem__(self, kept: Tensor) -> _Part:
        part = object.__new__(_Part)
        part.newton, part.samples, part.A = self.newton, self.samples[kept], self.A
        part.A = self.A if self.A.dim() == 2 else self.A[kept]
        part.u, part.z, part.slope, part.b, part.residual = (
            x[kept] for x in (self.u, self.z, self.slope, self.b, self.residual)
        )
        return part

    def missed(self) -> Tensor:
        """(B, m), the laws that do not hold to the tolerance."""
        link = self.newton.link
        size = self.z.abs() + link.origin + link.unit * self.slope * self.u.abs()
        return ~(self.residual.abs() <= self.newton.tol * (_apply(self.A.abs(), size) + self.b.abs()))

    def improved(self) -> tuple[_Part, Tensor]:
        """One step on, and which samples are done: close enough before it, as close to the end a step squares the
        error, or stuck."""
        missed = self.missed()
        space = self.newton.space if self.A.dim() == 2 else self.newton.space[self.samples]
        move, multipliers = space.step(self.slope, self.residual)
        trial = _Part(self.newton, self.samples, self.u + move)
        reach = move.abs().amax(-1)
        too_far = ~((reach <= 1) | ((multipliers * trial.residual).sum(-1) <= 0))
        if too_far.any():
            share = torch.ones_like(reach)
            share[too_far] = self[too_far]._share(move[too_far], multipliers[too_far], reach[too_far])
            trial = _Part(self.newton, self.samples, self.u + share.unsqueeze(-1) * move)
        done = ~missed.any(-1) | self._stuck(missed, trial)
        worse = done & ~(trial.residual.abs() <= self.residual.abs()).all(-1)
        if worse.any():
            trial = _Part(self.newton, self.samples, torch.where(worse.unsqueeze(-1), self.u, trial.u))
        return trial, done

    def _stuck(self, missed: Tensor, trial: _Part) -> Tensor:
        """(B,), samples that `trial` brings nearer to none of the laws missed (B, m), by little as they are missed."""
        before, after = self.residual.abs(), trial.residual.abs()
        much = _NEGLIGIBLE * _apply(self.A.abs(), self.newton.link.unit.expand_as(self.u))
        return ~(missed & (~(before <= much) | (after <= before / 2))).any(-1)

    def _share(self, move: Tensor, multipliers: Tensor, reach: Tensor) -> Tensor:
        """How much of a step (B,) to take: as much as a few bisections show to be downhill throughout."""
        low, high = torch.log1p(reach) / reach, torch.ones_like(reach)
        for _ in range(_SEARCHES):
            middle = (low * high).sqrt()
            z = self.newton.link.forward(self.u + middle.unsqueeze(-1) * move)
            falling = (multipliers * (_apply(self.A, z) - self.b)).sum(-1) <= 0
            low, high = torch.where(falling, middle, low), torch.where(falling, high, middle)
        return low


def _apply(A: Tensor, z: Tensor) -> Tensor:
    return z @ A.T if A.dim() == 2 else matvec(A, z)
