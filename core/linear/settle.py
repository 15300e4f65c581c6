"""Iterative refinement: from a point near the laws to one that obeys each of them to rounding.

Every step is a least move against the compensated residual, so it converges as long as kappa(A) eps < 1. Redundant laws
are not part of the solve, and rounded right-hand sides contradict each other by their rounding; where that is many ulps
of a small law, the contradiction is shared out in proportion to what rounding each law allows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lawful.core.linear.exact import length_of, ulp_ratio
from lawful.core.linear.judge import Judge

SETTLED_ULPS = 2.0
"""A point whose laws all hold to this many ulps is left as it came; others are brought to one."""

_SMALLEST_SHARE = 1e-15
"""Of the largest allowance of a sample: what others count as at least, or their laws would be solved to no digit."""

_MAX_STEPS = 6

_MAX_SIZES = 8
_MAX_IDLE = 2
"""Moves against what laws of ever smaller terms are off by, and those in succession that gain nothing."""

_QUICK_STEPS = 2
"""Moves of a point, with compensated residuals and with those of `Judge`; what needs more gains little by them."""

Residual = Callable[[Tensor], Tensor]
Allowance = Callable[[Tensor, torch.dtype], Tensor]
Move = Callable[[Tensor, Tensor, bool], Tensor]


def worst_ulps(residual: Tensor, allowance: Tensor) -> Tensor:
    """(...), the largest `|residual| / allowance` over laws; zero without laws."""
    if not residual.shape[-1]:
        return residual.new_zeros(residual.shape[:-1])
    return ulp_ratio(residual, allowance).amax(-1)


def shared_residual(dependencies: Tensor, residual: Tensor, allowance: Tensor) -> Tensor:
    """The residual (..., m) that laws can have, `y A = 0` for each y of the `dependencies` (..., D, m), nearest to
    `residual` (..., m) in units of `allowance` (..., m).

    Least squares `min |e / allowance|` subject to `y e = y residual`. Dependencies of zeros count for none.
    """
    share = allowance / allowance.amax(-1, keepdim=True).clamp(min=torch.finfo(allowance.dtype).tiny)
    share = share.clamp(min=_SMALLEST_SHARE)
    gap = (dependencies @ residual.unsqueeze(-1)).squeeze(-1)
    terms = share.unsqueeze(-1) * dependencies.mT
    none = torch.diag_embed((terms == 0).all(-2).to(terms.dtype))
    Q, R = torch.linalg.qr(torch.cat((terms, none), -2))
    least = Q[..., : terms.shape[-2], :] @ torch.linalg.solve_triangular(R.mT, gap.unsqueeze(-1), upper=False)
    return residual - share * least.squeeze(-1)


def settle(z: Tensor, stored: torch.dtype, residual_of: Residual, allowance_of: Allowance, move: Move) -> Tensor:
    """z (..., n) in float64 on the laws, or as it came where it obeys them as numbers of dtype `stored`.

    A step is kept where it lowers the worst ulps of a sample. `move(residual, allowance, share)` is the least move, for
    shared residuals from the second step on: the first one crosses the distance, for which sharing means nothing.
    """
    residual, allowance = residual_of(z), allowance_of(z, torch.float64)
    moving = worst_ulps(residual, allowance_of(z, stored)) > SETTLED_ULPS
    for step in range(_MAX_STEPS):
        if not moving.any():
            break
        moved = z - move(residual, allowance, step > 0)
        after = moved, residual_of(moved), allowance_of(moved, torch.float64)
        # Where the first step brings all terms of a law to nothing, so it does with the law's own allowance.
        room = torch.maximum(after[2], allowance) if step == 0 else after[2]
        better = moving & (worst_ulps(after[1], room) < worst_ulps(residual, allowance))
        pairs = zip(after, (z, residual, allowance), strict=True)
        z, residual, allowance = (torch.where(better.unsqueeze(-1), new, old) for new, old in pairs)
        moving = moving & (better | (step == 0)) & (worst_ulps(residual, allowance) > 1.0)
    return z


def settle_by_size(
    z: Tensor, stored: torch.dtype, residual_of: Residual, allowance_of: Allowance, move: Move
) -> Tensor:
    """z (..., n) with laws of small terms settled after those of large ones, in samples that gain by it.

    A move is right to the rounding of its largest entry, and so disturbs laws all of whose terms are far smaller. What
    is left of those laws alone needs far smaller moves, which laws of larger terms do not notice.
    """
    residual, allowance = residual_of(z), allowance_of(z, torch.float64)
    best, least = z, worst_ulps(residual, allowance)
    moving, idle = worst_ulps(residual, allowance_of(z, stored)) > SETTLED_ULPS, torch.zeros_like(least)
    for _ in range(_MAX_SIZES):
        if not moving.any():
            break
        off = torch.where(ulp_ratio(residual, allowance) > 1.0, residual, 0.0)
        z = torch.where(moving.unsqueeze(-1), z - move(off, allowance, True), z)
        residual, allowance = residual_of(z), allowance_of(z, torch.float64)
        worst = worst_ulps(residual, allowance)
        better = worst < least
        best, least = torch.where(better.unsqueeze(-1), z, best), torch.minimum(worst, least)
        idle = torch.where(better, 0.0, idle + 1)
        moving = moving & (worst > SETTLED_ULPS) & (idle < _MAX_IDLE)
    return best


def settle_quickly(z: Tensor, judge: Judge, metric: Any, A: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
    """Points (..., n) after a few least moves of z, the moves, and which points surely are lawful.

    Points that were lawful before stay as they came; nothing is known of those that are not marked. Points and moves
    have the dtype of z, moves being rounded last; no moves where the weights of the metric need no gradient.
    """
    start = z.double()
    residual, length = judge.residual(start), length_of(start)
    off, stay = judge.surely_off(residual, length), None
    if not off.all():
        stay, off = judge.decided(start, residual)
    value, done = _quick_moves(start, residual, length, off, judge, metric, A)
    if stay is not None:
        value, done = torch.where(stay.unsqueeze(-1), start, value), done | stay
    step = (start - value).to(z.dtype) if _needs_step(metric) else None
    return value.to(z.dtype), step, done


def _needs_step(metric: Any) -> bool:
    """Whether the gradient of a move by `metric` needs the move."""
    return hasattr(metric, "root") and metric.root.requires_grad


def _quick_moves(
    z: Tensor, residual: Tensor, length: Tensor, off: Tensor, judge: Judge, metric: Any, A: Tensor
) -> tuple[Tensor, Tensor]:
    """Where the metric bounds the error of its moves, the last residual need not be computed.

    In float64 a second move leaves the rounding of the point, one ulp, and little else.
    """
    if not off.any():
        return z, off
    if not hasattr(metric, "bounded_move") or A.dim() > 2:
        return _stepwise(z - metric.move(residual), judge, metric, off)
    move, left = metric.bounded_move(residual, A)
    z = torch.sub(z, move, out=move)
    if judge.stored == torch.float32:
        sure = judge.foreseen(z, length, left)
    else:
        residual, error, room = judge.precise(z)
        move, left = metric.bounded_move(residual, A)
        z, sure = z.sub_(move), (left + error <= room / 4).all(-1)
    return (z, off) if sure.all() else _stepwise(z, judge, metric, off)


def _stepwise(z: Tensor, judge: Judge, metric: Any, off: Tensor) -> tuple[Tensor, Tensor]:
    residual, sure = judge.judged(z)
    for _ in range(_QUICK_STEPS):
        if not (off & ~sure).any():
            break
        z = torch.where(sure.unsqueeze(-1), z, z - metric.move(residual))
        residual, sure = judge.judged(z)
    return z, off & sure
