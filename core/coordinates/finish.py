"""The last step of decoding: laws to rounding, in float64 and physical units; and whether an event is lawful."""

from __future__ import annotations

import torch
from torch import Tensor

from lawful.core.coordinates.problem import Problem
from lawful.core.linear import LinearSystem, compensated_residual, half_spacing

_FINISHED_ULPS = 4.0
_MARGIN_ULPS = 6.0
"""More than a settled law, 2 ulps from its target, is off when the target itself is known to 2 ulps."""


def finish(problem: Problem, fixed: Tensor, held: Tensor, lifted: Tensor, rho: Tensor) -> tuple[Tensor, Tensor]:
    """Events `(B, n)` with laws to rounding, and which of them `(B,)` obey everything.

    Free variables of `lifted` (B, n + k) move in proportion to their distance from bounds; `fixed` is (n + k,), or
    (B, n + k) for events of several states in which the same inequalities are `held` at a fixed slack. Where the laws
    can do without them, members of ratios stay, the numerator at `rho` (B, q) times the denominator exactly.
    """
    z = lifted[:, : problem.n]
    usable = z.isfinite().all(-1) & ((z >= problem.lower) & (z <= problem.upper)).all(-1)
    z = torch.where(usable[:, None], z, 0.0)
    free, laws = ~fixed[..., : problem.n], _laws(problem, held, lifted)
    # Ratios apply to some events only; without them all have the same free variables, and one factorisation.
    free = free.expand(z.shape) if problem.ratios else free
    quotients, members = _exact_ratios(problem, z, rho, free)
    # Newton's method leaves most events lawful to rounding. Not so inside of inequalities that hold with equality.
    fine = holds(problem, quotients, torch.float64) if not len(held) else torch.zeros_like(usable)
    if (fine | ~usable).all():
        return quotients, fine & usable
    done = torch.where(fine[:, None], quotients, _projected(problem, laws, quotients, free & ~members))
    held = holds(problem, done, torch.float64)
    again = usable & ~held & members.any(-1)
    if again.any():
        done = torch.where(again[:, None], _projected(problem, laws, z, free), done)
        held = holds(problem, done, torch.float64)
    return done, usable & held


def _exact_ratios(problem: Problem, z: Tensor, rho: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Events with free numerators as products, and a mask `(B, n)` of the members of those ratios."""
    z, members = z.clone(), torch.zeros_like(free)
    for j, ratio in enumerate(problem.ratios):
        applies = rho[:, j].isfinite() & free[:, ratio.numerator]
        product = rho[:, j] * z[:, ratio.denominator]
        z[:, ratio.numerator] = torch.where(applies, product, z[:, ratio.numerator])
        members[:, ratio.numerator] |= applies
        members[:, ratio.denominator] |= applies
    return z, members


def _projected(problem: Problem, laws: LinearSystem, z: Tensor, free: Tensor) -> Tensor:
    if not free.any():
        return z
    restricted = laws.restrict(free, z, check=False)
    room = torch.minimum(z - problem.lower, problem.upper - z)
    reach = torch.minimum(room, z.abs()).clamp_min(1e-150)
    return torch.where(free, restricted.project_with(restricted.metric(reach), z), z)


def _laws(problem: Problem, held: Tensor, lifted: Tensor) -> LinearSystem:
    """The laws, and the inequalities `held` with a fixed slack."""
    if not len(held):
        return problem.system
    C, d = problem.C[held], problem.d[held]
    # A little inside, or rounding breaks half of the inequalities that hold with equality.
    margin = _MARGIN_ULPS * _rounding(C, lifted[:, : problem.n], d, torch.float64)
    d = d - lifted[:, problem.n + held] - margin
    return LinearSystem(torch.cat([problem.A, C]), torch.cat([problem.b.expand(len(d), -1), d], 1), check=False)


def holds(problem: Problem, z: Tensor, dtype: torch.dtype, ulps: float = _FINISHED_ULPS) -> Tensor:
    """Which events `(B,)` obey laws (to `ulps` of `dtype`), bounds and inequalities, once stored as `dtype`.

    Values on a bound that `dtype` cannot hold are stored as the nearest number within. Bounds and plain comparisons of
    variables hold exactly; other inequalities take sums, which round as laws do.
    """
    stored = problem.bounds.clip(z.to(dtype))
    exact = stored.double()
    inside = problem.bounds.contains(z).all(-1)
    allowed = torch.where(problem.comparisons, 0.0, ulps * _rounding(problem.C, exact, problem.d, dtype))
    inequalities = (compensated_residual(problem.C, exact, problem.d) <= allowed).all(-1)
    return inside & inequalities & (problem.system.ulps(exact, dtype) <= ulps).all(-1)


def _rounding(C: Tensor, z: Tensor, d: Tensor, dtype: torch.dtype) -> Tensor:
    """One ulp `(B, k)` of each of `C z <= d`."""
    return half_spacing(z, dtype) @ C.abs().T + half_spacing(d, torch.float64)
