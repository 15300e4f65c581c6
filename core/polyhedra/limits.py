"""The mirror map of a bounded polyhedron by links of its distances from all limits.

`x` are the distances from bounds and inequalities in units of those at a centre, `x = 1 + L s` at points s. Each has
the link `h(x) = (1 - exp(-c)) (x + log(1 - exp(-c x)) / c)`, an inverse of softplus: a logarithm up to `x = 1 / c`,
with the `sharpness` c, and linear from there; its slope at the centre is one. `w = L' h(x)` is the gradient of a
Legendre function (Bauschke & Borwein 1997, J. Convex Anal. 4, 27-67), so that it takes the inside of `x > 0` onto all
of R^D, one to one and smoothly. No linear change of the variables changes it, however thin it makes a polyhedron; and
around the analytic centre, in coordinates in which the log barrier has unit curvature there, w is s to first order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lawful.core.linear.gram import gram

_CHUNK = 2**22
"""Numbers worked on at a time."""

_STEPS = 100
_HALVINGS = 6
"""Newton steps at most, and how often one is halved."""

_SHARE = 0.9
"""A step goes so far to the nearest limit at most."""

_FAR = 0.5
"""A step is long if it changes a distance by more than this part of it."""

_CLOSE = 1e-7
"""Steps that change every distance by less than this part of it are the last."""

_NOTHING = 1e-13
"""Of its distance at the centre: what a limit is nearer than counts as reached."""


class LimitsMap:
    """Between points `s` (B, D) with `low < start + rows s < high` and coordinates `w` (B, D), which are all of R^D.

    Args:
        rows: (R, D). start: (R,), strictly between `low` and `high` (R,), some of which may be infinite; the set has
        an end in every direction.
        sharpness: positive; small where most of the set is close to its limits on many scales.
    """

    def __init__(self, rows: Tensor, start: Tensor, low: Tensor, high: Tensor, sharpness: float = 1.0):
        self._below, self._above = low.isfinite(), high.isfinite()
        self._low, self._high = low[self._below], high[self._above]
        self._from_low, self._from_high = start[self._below] - self._low, self._high - start[self._above]
        self._changes = torch.cat(
            [rows[self._below] / self._from_low[:, None], -rows[self._above] / self._from_high[:, None]]
        )
        self._by_limit = self._changes.T.contiguous()
        self._sharpness, self._slope = sharpness, -math.expm1(-sharpness)

    def inverse(self, values: Tensor) -> Tensor:
        """Coordinates (B, D) of the rows' values (B, R); a value on its limit or beyond counts as just inside."""
        return self._link(self._distances(values)) @ self._changes

    def log_det(self, values: Tensor) -> Tensor:
        """`log |dw / ds|` (B,) at the rows' values (B, R)."""
        return torch.logdet(gram(self._by_limit, self._slopes(self._distances(values))))

    def solve(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Points s (B, D) of coordinates w (B, D), always inside, and which of them (B,) converged."""
        if not w.shape[1]:
            return torch.zeros_like(w), torch.ones(len(w), dtype=torch.bool)
        parts = [self._solved(part) for part in w.split(max(1, _CHUNK // self._changes.numel()))]
        points, converged = zip(*parts, strict=True)
        return torch.cat(points), torch.cat(converged)

    def _distances(self, values: Tensor) -> Tensor:
        below = (values[:, self._below] - self._low) / self._from_low
        above = (self._high - values[:, self._above]) / self._from_high
        return torch.cat([below, above], 1).clamp_min(_NOTHING)

    def _link(self, x: Tensor) -> Tensor:
        c = self._sharpness
        return self._slope * (x + torch.log(-torch.expm1(-c * x)) / c)

    def _slopes(self, x: Tensor) -> Tensor:
        return -self._slope / torch.expm1(-self._sharpness * x)

    def _solved(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Newton's method on the convex function of which `L' h(x) - w` is the gradient; samples leave it as they
        converge."""
        s, converged = torch.zeros_like(w), torch.zeros(len(w), dtype=torch.bool)
        todo = w.isfinite().all(1).nonzero()[:, 0]
        x = w.new_ones(len(todo), self._changes.shape[0])
        for _ in range(_STEPS):
            if not len(todo):
                break
            move, change, x, lost = self._stepped(w[todo], x)
            s[todo] += move
            done = (change.abs() <= _CLOSE * x + _NOTHING).all(1)
            converged[todo[done & ~lost]] = True
            todo, x = todo[~(done | lost)], x[~(done | lost)]
        return s, converged

    def _stepped(self, w: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The move (B, D), the change of distances (B, K), the distances after it, and which samples (B,) are so close
        to several limits that no step can be told: they stay."""
        short = w - self._link(x) @ self._changes
        factor, failed = torch.linalg.cholesky_ex(gram(self._by_limit, self._slopes(x)))
        move = torch.cholesky_solve(short[..., None], factor).squeeze(-1)
        lost = (failed > 0) | ~move.isfinite().all(1)
        move = torch.where(lost[:, None], 0.0, move)
        change = move @ self._by_limit
        reach = torch.where(change < 0, -x / change, torch.inf).amin(1, keepdim=True)
        share = (_SHARE * reach).clamp_max(1.0)
        # A long step goes on for as long as it leads down; a short one is as good as its model.
        far = (change.abs() > _FAR * x).any(1)
        for _ in range(_HALVINGS):
            beyond = far & (((w - self._link(x + share * change) @ self._changes) * move).sum(1) < 0)
            if not beyond.any():
                break
            share = torch.where(beyond[:, None], share / 2, share)
        return share * move, share * change, x + share * change, lost
