"""The mirror map: from unconstrained coordinates to the interior of `{z : A z = b, lower < z < upper}`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.polyhedra.links import Link

_LEAST_SLOPE = 1e-200


@dataclass(frozen=True)
class MirrorSolution:
    """`z` (B, n) on the laws and inside the bounds, the multipliers `nu` (B, m), and which samples converged (B,).

    Where a sample has not converged, `z` breaks a law or is NaN: there may be no point strictly inside the bounds.
    """

    z: Tensor
    nu: Tensor
    converged: Tensor


def mirror_map(
    A: Tensor, y: Tensor, b: Tensor, link: Link, *, tol: float = 1e-11, max_steps: int = 100
) -> MirrorSolution:
    """`z = g(y + A' nu)` with `nu` such that `A z = b`: the Bregman projection of `g(y)` on the laws.

    `nu` minimises the convex `sum_i G_i(y_i + (A' nu)_i) - b' nu` with `G_i' = g_i`, by Newton's method; the Hessian is
    `A diag(g') A'`. The line search looks at the objective's slope only, which increases along a step and so bounds
    the objective: no antiderivative `G` is needed.

    `A` `(m, n)` or `(B, m, n)` of full row rank, `y` `(B, n)`, `b` `(B, m)`, all float64. A sample has converged when
    `|A z - b| <= tol * (|A| |z| + |b|)` holds for each law.
    """
    A = A.expand(len(y), *A.shape[-2:]) if A.dim() == 2 else A
    nu = y.new_zeros(b.shape)
    done = torch.zeros(len(y), dtype=torch.bool)
    todo = torch.arange(len(y))
    for _ in range(max_steps):
        Ai, yi, bi = A[todo], y[todo], b[todo]
        u = yi + _mv(Ai.mT, nu[todo])
        z = link.forward(u)
        gradient = _mv(Ai, z) - bi
        small = (gradient.abs() <= tol * (_mv(Ai.abs(), z.abs()) + bi.abs())).all(-1)
        done[todo[small]] = True
        go_on = ~small & gradient.isfinite().all(-1)
        todo, Ai, bi, u, gradient = (x[go_on] for x in (todo, Ai, bi, u, gradient))
        if len(todo) == 0:
            break
        # Far out g' underflows, but a tiny one still tells the way back.
        step = _newton_direction(Ai, link.derivative(u).clamp_min(_LEAST_SLOPE), gradient)
        nu[todo] += _step_length(Ai, u, bi, link, step, gradient)[:, None] * step
    nu = _polished(A, y, b, link, nu)
    return MirrorSolution(link.forward(y + _mv(A.mT, nu)), nu, done)


def _polished(A: Tensor, y: Tensor, b: Tensor, link: Link, nu: Tensor) -> Tensor:
    """One more step where it helps: close to the end a step squares the error, down to rounding."""
    u = y + _mv(A.mT, nu)
    gradient = _mv(A, link.forward(u)) - b
    further = nu + _newton_direction(A, link.derivative(u).clamp_min(_LEAST_SLOPE), gradient)
    after = _mv(A, link.forward(y + _mv(A.mT, further))) - b
    return torch.where((after.abs() <= gradient.abs()).all(-1, keepdim=True), further, nu)


def _newton_direction(A: Tensor, D: Tensor, gradient: Tensor) -> Tensor:
    """`-(A D A')^-1 gradient`, with rows scaled to a unit diagonal first."""
    K = (A * D[:, None, :]) @ A.mT
    scale = K.diagonal(dim1=-2, dim2=-1).clamp_min(torch.finfo(K.dtype).tiny).rsqrt()
    K = K * scale[:, :, None] * scale[:, None, :]
    K = K + 1e-15 * torch.eye(K.shape[-1], dtype=K.dtype)
    return -torch.linalg.solve_ex(K, (gradient * scale)[..., None])[0].squeeze(-1) * scale


def _step_length(A: Tensor, u: Tensor, b: Tensor, link: Link, step: Tensor, gradient: Tensor) -> Tensor:
    """Halve the step until the objective has fallen by a tenth of what its slope promised.

    As the slope increases along the step, `t / 2 (slope(t / 2) + slope(t))` is never less than the change of the
    objective. A first step that leaves the region where `g'` was looked at many times over is cut short.
    """
    move = _mv(A.mT, step)
    t = ((10 + 3 * u.abs().amax(-1)) / move.abs().amax(-1)).clamp_max(1.0)
    enough = 0.2 * (step * gradient).sum(-1)

    def slope(t: Tensor) -> Tensor:
        return (step * (_mv(A, link.forward(u + t[:, None] * move)) - b)).sum(-1)

    full = slope(t)
    for _ in range(60):
        half = slope(0.5 * t)
        too_far = half + full > enough
        if not too_far.any():
            break
        t, full = torch.where(too_far, 0.5 * t, t), torch.where(too_far, half, full)
    return t


def _mv(M: Tensor, v: Tensor) -> Tensor:
    return (M @ v[..., None]).squeeze(-1)
