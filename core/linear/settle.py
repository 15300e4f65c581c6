"""Iterative refinement: from a point near the laws to one that obeys each of them to rounding.

Every step is a least move against the compensated residual, so it converges as long as kappa(A) eps < 1. Redundant laws
are not part of the solve, and rounded right-hand sides contradict each other by their rounding; where that is many ulps
of a small law, the contradiction is shared out in proportion to what rounding each law allows.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.exact import ulp_ratio
from lawful.core.linear.factor import Factor
from lawful.core.linear.sliced import SlicedLaws, power_above

SETTLED_ULPS = 2.0
"""A point whose laws all hold to this many ulps is left as it came; others are brought to one."""

_MAX_STEPS = 6
_QUICK_STEPS = 3
_QUICK_ULPS = {torch.float32: 0.5, torch.float64: 2.0}
"""Rounding to float32 adds one more."""

_HALF = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}
"""Half spacings of numbers just below one; those of smaller numbers are at least half of it, relatively."""

_SMALLEST_SHARE = 1e-15


def worst_ulps(residual: Tensor, allowance: Tensor) -> Tensor:
    """(...), the largest `|residual| / allowance` over laws; zero without laws."""
    if not residual.shape[-1]:
        return residual.new_zeros(residual.shape[:-1])
    return ulp_ratio(residual, allowance).amax(-1)


def shared_residual(factor: Factor, residual: Tensor, allowance: Tensor) -> Tensor:
    """The residual of the independent laws (..., m) that best explains that of all laws, in units of `allowance`.

    Least squares `min_t |(residual - X t) / allowance|`, where `A = X A_independent`; zero at redundant laws.
    """
    chosen = (factor.pick != 0).double()
    follows = torch.eye(residual.shape[-1], dtype=residual.dtype, device=residual.device) - factor.dependent
    share = allowance / allowance.amax(-1, keepdim=True).clamp(min=torch.finfo(allowance.dtype).tiny)
    weight = 1 / share.clamp(min=_SMALLEST_SHARE)
    # Heavy rows first, or Householder QR loses the light ones (Powell & Reid 1969).
    order = weight.argsort(-1, descending=True)
    weighted, target = weight.unsqueeze(-1) * (follows @ chosen.mT), weight * residual
    weighted = weighted.gather(-2, order.unsqueeze(-1).expand_as(weighted))
    padding = torch.diag_embed((~factor.valid).double()).expand(*weighted.shape[:-2], -1, -1)
    Q, R = torch.linalg.qr(torch.cat((weighted, padding), -2))
    rotated = Q[..., : target.shape[-1], :].mT @ target.gather(-1, order).unsqueeze(-1)
    return (chosen.mT @ torch.linalg.solve_triangular(R, rotated, upper=True)).squeeze(-1)


def settle(
    z: Tensor,
    stored: torch.dtype,
    residual_of: Callable[[Tensor], Tensor],
    allowance_of: Callable[[Tensor, torch.dtype], Tensor],
    move: Callable[[Tensor, Tensor, bool], Tensor],
) -> Tensor:
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
        better = moving & (worst_ulps(*after[1:]) < worst_ulps(residual, allowance))
        pairs = zip(after, (z, residual, allowance), strict=True)
        z, residual, allowance = (torch.where(better.unsqueeze(-1), new, old) for new, old in pairs)
        moving = moving & (better | (step == 0)) & (worst_ulps(residual, allowance) > 1.0)
    return z


def settle_quickly(
    z: Tensor, b: Tensor, rounding: Tensor, laws: SlicedLaws, move: Callable[[Tensor], Tensor], stored: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Points (..., n) after a few least moves of z, and which of them (...) surely stand on the laws (..., m).

    Sure means: they were surely off by more than `SETTLED_ULPS`, and their residual and the bound on its error
    are together within what `stored` allows. Nothing is known of the others.
    """
    half = _HALF[stored]
    residual, error = laws.plain(z, b)
    largest = SETTLED_ULPS * (half * laws.one_norms * power_above(z) + rounding) + error
    off = (residual.abs() > largest).any(-1)
    sure = torch.zeros_like(off)
    for _ in range(_QUICK_STEPS):
        if not off.any() or (sure | ~off).all():
            break
        z = z - move(residual)
        residual, error = laws.plain(z, b) if stored == torch.float32 else laws.accurate(z, b)
        sure = (residual.abs() + error <= _QUICK_ULPS[stored] * (half / 2 * laws.size(z) + rounding)).all(-1)
    return z, off & sure
