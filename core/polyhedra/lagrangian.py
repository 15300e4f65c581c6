"""The nearest point of a polyhedron in a weighted metric, batched: the active face, and the coordinates on it.

`min t'M t / 2 - linear't` subject to `low <= start + rows t <= high` in the coordinates t of the affine hull, by the
augmented Lagrangian method with semismooth Newton steps (Li, Sun & Toh 2018, doi:10.1137/18M1175453; for quadratic
programmes Hermans, Themelis & Patrinos 2019, doi:10.1109/CDC40024.2019.9030211). A step takes the matrix
`M + rows' diag(penalty * active) rows`. Once the active rows stay the same, more multiplier steps with the same factor
solve the equality-constrained problem on that face to rounding, redundant active rows included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.errors import LawfulError
from lawful.core.linear.gram import gram
from lawful.core.polyhedra.least_distance import least_move
from lawful.core.polyhedra.reduced import Reduced

_PENALTY = 1e4
"""How many times stiffer than the metric active rows are."""

_MAX_STEPS = 100
"""What has not come to rest by then hardly ever does, and is solved one by one."""

_HALVINGS = 12
"""How often a Newton step is halved."""

_SLOW = 0.5
_MOST_RAISES = 6
"""Penalties are raised, so often at most, where multipliers change by more than this part of their last change."""

_SAME = 1e-8
"""Relative change of multipliers at rest."""

_STILL = 1e-13
_NOISE = 1e-14
"""Relative rounding of steps, and of rows."""

_STIFFER = 1e3
_REFINEMENTS = 5
"""On the face that is found: by how much active rows are stiffer, and multiplier steps."""

_SETTLED = 1e-10
"""Part of the largest of these steps that the last one has at most; rows at a small angle take many more."""

_SINGULAR = 1e-10
"""Part of the largest singular value of active rows below which one says that they depend on each other."""


SINGULAR = (
    "The metric of the projection is singular but for rounding: variables of very different size need weights, such as "
    "the squares of their standard deviations."
)


class NotConvergedError(LawfulError, RuntimeError):
    """An iteration did not reach its end; `sample` is the number of one for which it did not, where that is known."""

    def __init__(self, message: str, sample: int | None = None):
        super().__init__(message)
        self.sample = sample


@dataclass(frozen=True)
class Face:
    """Active rows of B samples, their limits, and the factor of `M + rows' diag(penalty * active) rows`."""

    reduced: Reduced
    metric: Tensor
    active: Tensor
    limit: Tensor
    penalty: Tensor
    factor: Tensor

    @classmethod
    def of(cls, reduced: Reduced, metric: Tensor, penalty: Tensor, active: Tensor, limit: Tensor) -> Face:
        """The face of `active` rows (B, R) at `limit` (B, R) in the metric M (D, D) or (B, D, D)."""
        stiff = metric.expand(len(active), *metric.shape[-2:])
        if len(reduced.rows):
            stiff = stiff + gram(reduced.columns, penalty * active.double())
        return cls(reduced, metric, active, limit, penalty, torch.linalg.cholesky_ex(stiff)[0])

    def __getitem__(self, kept: Tensor) -> Face:
        metric = self.metric if self.metric.dim() == 2 else self.metric[kept]
        penalty = self.penalty if self.penalty.dim() == 1 else self.penalty[kept]
        return Face(self.reduced, metric, self.active[kept], self.limit[kept], penalty, self.factor[kept])

    def joined(self, rows: Tensor, values: Tensor) -> Face:
        """The face with more active `rows` (B, R), at the limit nearest to their `values` (B, R)."""
        low, high = self.reduced.low, self.reduced.high
        nearer = torch.where((values - low).abs() <= (high - values).abs(), low, high)
        limit = torch.where(rows & ~self.active, nearer, self.limit)
        return Face.of(self.reduced, self.metric, self.penalty, self.active | rows, limit)

    def solve(self, right: Tensor) -> Tensor:
        """`(M + penalty) t = right`, (B, D)."""
        return torch.cholesky_solve(right.unsqueeze(-1), self.factor).squeeze(-1)

    def least(self, linear: Tensor, goal: Tensor) -> Tensor:
        """t (B, D) with `rows t = goal` on the face and otherwise least `t'Mt / 2 - linear't`; goal (B, R)."""
        rows, columns, weight = self.reduced.rows, self.reduced.columns, self.penalty * self.active
        multipliers, t, most = torch.zeros_like(goal), torch.zeros_like(linear), linear.new_zeros(())
        for _ in range(_REFINEMENTS):
            gap = torch.where(self.active, goal - t @ columns, 0.0)
            move = self.solve(linear - _times(self.metric, t) + (weight * gap - multipliers) @ rows)
            t, multipliers = t + move, multipliers - weight * (gap - move @ columns)
            last = (move * _times(self.metric, move)).sum(-1)
            most = torch.maximum(most, last)
        slow = ~(last <= _SETTLED**2 * most)
        if slow.any():
            t[slow] = self[slow]._by_orthogonal_factors(linear[slow], goal[slow])
        return t

    def _by_orthogonal_factors(self, linear: Tensor, goal: Tensor) -> Tensor:
        """The same by singular values of the active rows in the metric, each of length one: for any angles.

        Not a number where the metric is singular but for rounding.
        """
        root, failed = torch.linalg.cholesky_ex(self.metric)
        across = torch.linalg.solve_triangular(root, self.reduced.columns.expand(len(goal), -1, -1), upper=False)
        failed = (failed > 0) | ~across.isfinite().flatten(1).all(1)
        across = torch.where(failed[:, None, None], 0.0, across)
        length = across.norm(dim=-2)
        length = torch.where(length > 0, length, 1.0)
        left, sizes, right = torch.linalg.svd((across / length.unsqueeze(-2)).mT * self.active.unsqueeze(-1), False)
        told = sizes > _SINGULAR * sizes[:, :1]
        pull = torch.linalg.solve_triangular(root, linear.unsqueeze(-1), upper=False)
        seen = (left.mT @ (torch.where(self.active, goal, 0.0) / length).unsqueeze(-1)).squeeze(-1)
        given = torch.where(told, seen / sizes - (right @ pull).squeeze(-1), 0.0)
        q = pull + right.mT @ given.unsqueeze(-1)
        t = torch.linalg.solve_triangular(root.mT, q, upper=True).squeeze(-1)
        return torch.where(failed.unsqueeze(-1), torch.nan, t)


def _penalty(reduced: Reduced, metric: Tensor) -> Tensor:
    """A stiffness for each row, (R,) or (B, R): the same multiple of what it has in the metric alone."""
    factor = torch.linalg.cholesky_ex(metric)[0]
    return _PENALTY / torch.linalg.solve_triangular(factor, reduced.columns, upper=False).square().sum(-2)


def metric_of(reduced: Reduced, weights: Tensor) -> Tensor:
    """`moves' diag(1 / weights) moves`: (D, D) for weights (n,), (B, D, D) for (B, n)."""
    if weights.dim() == 1:
        return (reduced.moves.T / weights) @ reduced.moves
    return gram(reduced.moves.T.contiguous(), 1 / weights)


class _Lagrangian:
    """The augmented Lagrangian of some samples: `t` (B, D) and multipliers (B, R), improved step by step."""

    def __init__(self, reduced: Reduced, metric: Tensor, start: Tensor, linear: Tensor):
        self.reduced, self.metric, self.start, self.linear = reduced, metric, start, linear
        self.penalty = _penalty(reduced, metric).expand_as(start)
        self.change = torch.full(start.shape[:1], torch.inf, dtype=start.dtype, device=start.device)
        self.raised = torch.zeros_like(self.change)
        self.t = torch.linalg.solve(metric, linear.unsqueeze(-1)).squeeze(-1)
        self.multipliers = torch.zeros_like(start)

    def __getitem__(self, kept: Tensor) -> _Lagrangian:
        part = object.__new__(_Lagrangian)
        part.reduced = self.reduced
        part.metric = self.metric if self.metric.dim() == 2 else self.metric[kept]
        for name in ("penalty", "change", "raised", "start", "linear", "t", "multipliers"):
            setattr(part, name, getattr(self, name)[kept])
        return part

    def excess(self, t: Tensor) -> Tensor:
        """By how much rows (B, R), shifted by their multipliers, are beyond their limits."""
        shifted = self.start + t @ self.reduced.columns + self.multipliers / self.penalty
        return shifted - shifted.maximum(self.reduced.low).minimum(self.reduced.high)

    def value(self, t: Tensor, excess: Tensor) -> Tensor:
        """(B,)."""
        inner = (t * (_times(self.metric, t) / 2 - self.linear)).sum(-1)
        return inner + (self.penalty * excess.square()).sum(-1) / 2

    def step(self) -> tuple[Tensor, Tensor]:
        """One Newton step and, where it stays among the same active rows, new multipliers.

        Returns:
            Active rows (B, R), and which samples (B,) have come to rest.
        """
        excess = self.excess(self.t)
        active = excess != 0
        gradient = _times(self.metric, self.t) - self.linear + (self.penalty * excess) @ self.reduced.rows
        move = -Face.of(self.reduced, self.metric, self.penalty, active, excess).solve(gradient)
        t, after, whole = self._search(move, gradient, excess)
        still = move.norm(dim=-1) <= _STILL * t.norm(dim=-1)
        settled = still | (whole & ((after != 0) == active).all(-1))
        multipliers = torch.where(settled.unsqueeze(-1), self.penalty * after, self.multipliers)
        # A multiplier is known to the rounding of its row times the penalty; terms of a row may be of other units.
        terms = self.start.abs() + t.abs() @ self.reduced.columns.abs()
        # In units of the rows, which may be far apart.
        size = self.penalty.sqrt()
        noise = _STILL * (size * terms * (after != 0)).norm(dim=-1)
        change = ((multipliers - self.multipliers) / size).norm(dim=-1)
        rest = settled & (change <= _SAME * (multipliers / size).norm(dim=-1) + noise)
        self.t, self.multipliers = t, multipliers
        self._stiffen(settled & (change > noise), change)
        return after != 0, rest

    def _stiffen(self, settled: Tensor, change: Tensor) -> None:
        """Raise penalties where multipliers drift, as they do while rows that nearly meet in a point give way."""
        drifting = settled & (change > _SLOW * self.change) & (self.raised < _MOST_RAISES)
        self.change = torch.where(settled, change, self.change)
        self.raised = self.raised + drifting
        self.penalty = torch.where(drifting.unsqueeze(-1), 10 * self.penalty, self.penalty)

    def _search(self, move: Tensor, gradient: Tensor, excess: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The step halved until the value falls, its excess, and which samples (B,) took it whole."""
        value, slope = self.value(self.t, excess), (gradient * move).sum(-1)
        rounding = _STILL * ((self.linear * self.t).abs().sum(-1) + value.abs())
        share = torch.ones_like(value)
        t = self.t + move
        after = self.excess(t)
        for _ in range(_HALVINGS):
            high = (self.value(t, after) > value + 0.1 * share * slope + rounding) & (-slope > rounding)
            if not high.any():
                break
            share = torch.where(high, 0.5 * share, share)
            t = self.t + share.unsqueeze(-1) * move
            after = self.excess(t)
        return t, after, share == 1


def nearest(reduced: Reduced, z: Tensor, weights: Tensor) -> tuple[Tensor, Face]:
    """Coordinates t (B, D) of the nearest points of z (B, n), and the faces they are on.

    Args:
        reduced: with the base (B, n) of each sample. weights: (n,) or (B, n), positive.

    Raises:
        NotConvergedError: some samples did not come to rest (the polyhedron may be empty).
    """
    metric, linear = metric_of(reduced, weights), ((z - reduced.base) / weights) @ reduced.moves
    start = reduced.start
    part = _Lagrangian(reduced, metric, start, linear)
    stiff = _STIFFER * part.penalty
    active, multipliers = torch.zeros_like(start, dtype=torch.bool), torch.zeros_like(start)
    todo = torch.arange(len(z), device=z.device)
    for _ in range(_MAX_STEPS):
        now, rest = part.step()
        active[todo], multipliers[todo] = now, part.multipliers
        todo = todo[~rest]
        if not len(todo):
            break
        if rest.any():
            part = part[~rest]
    else:
        active[todo], multipliers[todo] = _one_by_one(part, todo)
    limit = torch.where(active, torch.where(multipliers > 0, reduced.high, reduced.low), 0.0)
    face = Face.of(reduced, metric, stiff, active, limit)
    t = face.least(linear, limit - start)
    require_solved(t)
    return t, face


def require_solved(t: Tensor) -> None:
    """NotConvergedError where a metric that is singular but for rounding left none."""
    if not t.isfinite().all():
        raise NotConvergedError(SINGULAR)


def _one_by_one(left: _Lagrangian, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Active rows (B, R) of samples that have not come to rest, and 1 or -1 where they are at their high or low ends.

    `numbers` (B,) are those of the samples among all.

    A row is known to rounding only, and in a corner more rows meet than rounding lets.
    """
    reduced = left.reduced
    metric, columns = left.metric.expand(len(left.start), -1, -1), reduced.columns
    best = torch.linalg.solve(metric, left.linear.unsqueeze(-1)).squeeze(-1)
    values, noise = left.start + best @ columns, _NOISE * (left.start.abs() + left.t.abs() @ columns.abs())
    factor, failed = torch.linalg.cholesky_ex(metric)
    rows = torch.linalg.solve_triangular(factor, columns.expand(len(metric), -1, -1), upper=False)
    room = torch.stack([reduced.high - values, values - reduced.low]) + noise
    ends = torch.zeros_like(values)
    for k in range(len(values)):
        limited = room[:, k].isfinite()
        sides = torch.cat([rows[k].T, -rows[k].T])[limited.flatten()]
        found = None if failed[k] else least_move(sides.numpy(), room[:, k][limited].numpy())
        if found is None:
            raise NotConvergedError("The projection did not come to rest.", int(numbers[k]))
        held = torch.zeros_like(room[:, k]).masked_scatter(limited, torch.from_numpy(found[1]).double())
        ends[k] = held[0] - held[1]
    return ends != 0, ends


def _times(metric: Tensor, t: Tensor) -> Tensor:
    return t @ metric if metric.dim() == 2 else (metric @ t.unsqueeze(-1)).squeeze(-1)
