"""Newton's method for the mirror map.

It is made safe by `|d log g' / du| <= 1`, which holds for every link: along a move of largest entry M the curvature
grows by `exp(M)` at most, so that the objective (see `mirror.py`) falls along the whole of the first `log(1 + M) / M`
of a step (generalised self-concordance: Bach 2010, doi:10.1214/09-EJS521; Sun & Tran-Dinh 2019,
doi:10.1007/s10107-018-1282-4). As its slope increases along a step, a slope that is still negative at a point says
that it falls up to there: no value of the objective is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lawful.core.linear.exact import matvec
from lawful.core.polyhedra.spaces import space_of

if TYPE_CHECKING:
    from lawful.core.polyhedra.mirror import MirrorMap

_SEARCHES = 4
_CHUNK = 2**17
_NEGLIGIBLE = 1e-14
"""Of the units of its variables: what rounding in other laws may leave of a law of traces, step after step."""


def solved(mirror: MirrorMap, y: Tensor, b: Tensor, tol: float, max_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """`z` and `u` (B, n), and which samples converged (B,), for y (B, n) and b (B, m); differentiable in both."""
    return _Solve.apply(y, b, mirror, tol, max_steps)


class _Solve(torch.autograd.Function):
    """Forward by Newton's method, backward by the implicit function theorem: `dz = U H du`, `du = H^-1 T dy + ...`.

    Derivatives are functions of u, which has its own: so they exist in any order.
    """

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
        ctx.mark_non_differentiable(converged)
        ctx.set_materialize_grads(False)
        return z, u, converged

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        (u,), (by_z, by_u, _), link, space = ctx.saved_tensors, gradients, ctx.mirror.link, ctx.mirror.space
        slope = link.slope(u)
        by_z = torch.zeros_like(u) if by_z is None else by_z * link.unit
        by_y = space.tangent(slope, by_z, by_u) if ctx.needs_input_grad[0] else None
        by_b = space.on_laws(slope, by_z, by_u) if ctx.needs_input_grad[1] else None
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
            part, small, stuck = part.improved()
            self.u[todo] = part.u
            converged[todo[small]] = True
            go_on = ~(small | stuck) & part.residual.isfinite().all(-1)
            if not go_on.any():
                break
            if not go_on.all():
                todo, part = todo[go_on], part[go_on]
        end = _Part(self, torch.arange(len(self.u), device=self.u.device), self.u)
        return self.mirror.settled(end.z, end.slope, end.residual, self.space), self.u, converged


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

    def improved(self) -> tuple[_Part, Tensor, Tensor]:
        """One step on, and which samples were close enough before it: close to the end a step squares the error.

        Also those that are stuck.
        """
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
        small, stuck = ~missed.any(-1), self._stuck(missed, trial)
        worse = (small | stuck) & ~(trial.residual.abs() <= self.residual.abs()).all(-1)
        if worse.any():
            trial = _Part(self.newton, self.samples, torch.where(worse.unsqueeze(-1), self.u, trial.u))
        return trial, small, stuck

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
