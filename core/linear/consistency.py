"""Can the laws hold together? Right-hand sides are judged against their own rounding, and clashing laws are named."""

from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor

from lawful.core.errors import InconsistentSystemError
from lawful.core.linear.arrays import at_sample, batch_of
from lawful.core.linear.factor import Factor, law_dependencies
from lawful.core.linear.rhs import RightHandSide

_CHUNK = 2**22
"""Entries of dependencies that are looked at together."""


def clashing(factor: Factor, group: Tensor | None, rhs: RightHandSide, tolerance: float) -> Tensor:
    """(..., m), True where a dependent law misses what the others imply."""
    if not factor.has_dependent:
        return torch.zeros_like(rhs.values, dtype=torch.bool)
    if group is None:
        gap, allowed = rhs.gap(factor.dependent[0], factor.unit[0], factor.unit[0], tolerance)
        return gap > allowed
    batch = batch_of(rhs.values.shape[:-1], group.shape)
    flat, m = rhs.flat(batch), rhs.values.shape[-1]
    chunks = group.expand(batch).reshape(-1).split(max(_CHUNK // m**2, 1))
    broken, start = [], 0
    for chunk in chunks:
        unit = factor.unit[chunk]
        gap, allowed = flat.part(start, start + len(chunk)).gap(factor.dependent[chunk], unit, unit, tolerance)
        broken.append(gap > allowed)
        start += len(chunk)
    return torch.cat(broken).reshape(*batch, m)


def smallest_clash(A: Tensor, Y: Tensor, rhs: RightHandSide, tolerance: float) -> tuple[Tensor, float]:
    """The dependency (m,) with fewest laws that one right-hand side breaks, and by how much.

    Looks at the dependencies `Y` (m, m) of the factor and at those of m more bases of `A` (m, n), the i-th of which
    holds law i, so that a clashing pair is found as a pair.
    """
    m = A.shape[-2]
    *_, more, unit = law_dependencies(A.expand(m, *A.shape), tolerance, first=torch.arange(m, device=A.device))
    Y = torch.cat((Y, more.flatten(0, 1)))
    gap, allowed = rhs.gap(Y, unit[0].repeat(m + 1), unit[0], tolerance)
    best = int((Y != 0).sum(-1).masked_fill(gap <= allowed, m + 1).argmin())
    return Y[best], float(gap[best])


def raise_clash(
    A: Tensor,
    Y: Tensor,
    rhs: RightHandSide,
    broken: Tensor,
    tolerance: float,
    names: Sequence[str],
) -> NoReturn:
    """InconsistentSystemError for the first sample of `broken` (..., m); `A` (m, n), `Y` (m, m), `rhs` are its own."""
    raise_dependency(*smallest_clash(A, Y, rhs, tolerance), rhs, broken, names)


def raise_dependency(y: Tensor, clash: float, rhs: RightHandSide, broken: Tensor, names: Sequence[str]) -> NoReturn:
    """InconsistentSystemError for the laws of the dependency `y` (m,), which misses by `clash`; see `raise_clash`."""
    samples = [tuple(index) for index in broken.any(-1).nonzero().tolist()]
    involved = y.nonzero().flatten().tolist()
    last = next(i for i in reversed(involved) if y[i] == 1.0)
    rows = [names[i] for i in involved if i != last] + [names[last]]
    message = _alone(rows[0], rhs, last, samples[0]) if len(rows) == 1 else _together(rows, clash, samples[0])
    others = f" ({len(samples) - 1} more samples clash.)" if len(samples) > 1 else ""
    raise InconsistentSystemError(message + others, rows=rows, samples=samples, clash=clash)


def _alone(row: str, rhs: RightHandSide, i: int, sample: tuple[int, ...]) -> str:
    missing, rounding = float(rhs.values[i]), float(rhs.rounding[i])
    return (
        f"Law {row!r} has no free variable{at_sample(sample)} but {missing:.6g} of its right-hand side is left "
        f"(rounding explains {rounding:.1g}): free one of its variables, or give values that close."
    )


def _together(rows: Sequence[str], clash: float, sample: tuple[int, ...]) -> str:
    others = ", ".join(map(repr, rows[:-1]))
    return (
        f"Laws {others} and {rows[-1]!r} cannot hold together{at_sample(sample)}: {rows[-1]!r} misses what follows "
        f"from the others by {clash:.6g}: correct its right-hand side or leave one of these laws out."
    )
