"""The mirror map of a bounded polyhedron by the entropy of its distances from all limits.

With distances `x` from bounds and inequalities, in units of those at a centre, and the entropy
`phi(s) = sum_i x_i log x_i - x_i`, the gradient `w = L' log x` takes the inside of `x = 1 + L s > 0` onto all of R^D:
it is smooth, strictly monotone, and grows without end towards every limit (a Legendre function; Rockafellar 1970,
section 26). At the centre it is the identity where the log barrier `-sum_i log x_i` has unit curvature, which makes it
the same for all shapes of a polyhedron that a linear map takes into each other, however thin.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lawful.core.linear.gram import gram

_CHUNK = 2**22
_STEPS = 100
_HALVINGS = 6
_SHARE = 0.9
_FAR = 0.5
_CLOSE = 1e-7
_NOTHING = 1e-13
"""Of its distance at the centre: what a limit is nearer than counts as reached."""


class EntropyMap:
    """Between points `s` (B, D) with `low < start + rows s < high` and coordinates `w` (B, D), all of them.

    Args:
        rows: (R, D). start: (R,), strictly between `low` and `high` (R,), some of which may be infinite; the set has
        an end in every direction.
    """

    def __init__(self, rows: Tensor, start: Tensor, low: Tensor, high: Tensor):
        self._below, self._above = low.isfinite(), high.isfinite()
        self._low, self._high = low[self._below], high[self._above]
        self._from_low, self._from_high = start[self._below] - self._low, self._high - start[self._above]
        self._changes = torch.cat(
            [rows[self._below] / self._from_low[:, None], -rows[self._above] / self._from_high[:, None]]
        )
        self._by_limit = self._changes.T.contiguous()

    def inverse(self, values: Tensor) -> Tensor:
        """Coordinates (B, D) of the rows' values (B, R); a value on its limit or beyond counts as just inside."""
        below = (values[:, self._below] - self._low) / self._from_low
        above = (self._high - values[:, self._above]) / self._from_high
        return torch.cat([below, above], 1).clamp_min(_NOTHING).log() @ self._changes

    def solve(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Points s (B, D) of coordinates w (B, D), always inside, and which of them (B,) converged."""
        if not w.shape[1]:
            return torch.zeros_like(w), torch.ones(len(w), dtype=torch.bool)
        parts = [self._solved(part) for part in w.split(max(1, _CHUNK // self._changes.numel()))]
        points, converged = zip(*parts, strict=True)
        return torch.cat(points), torch.cat(converged)

    def _solved(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Newton's method on the convex `phi(s) - w s`; samples leave it as they converge."""
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
        short = w - x.log() @ self._changes
        factor, failed = torch.linalg.cholesky_ex(gram(self._by_limit, 1 / x))
        move = torch.cholesky_solve(short[..., None], factor).squeeze(-1)
        lost = (failed > 0) | ~move.isfinite().all(1)
        move = torch.where(lost[:, None], 0.0, move)
        change = move @ self._by_limit
        reach = torch.where(change < 0, -x / change, torch.inf).amin(1, keepdim=True)
        share = (_SHARE * reach).clamp_max(1.0)
        # A long step goes on for as long as it leads down; a short one is as good as its model.
        far = (change.abs() > _FAR * x).any(1)
        for _ in range(_HALVINGS):
            beyond = far & (((w - (x + share * change).log() @ self._changes) * move).sum(1) < 0)
            if not beyond.any():
                break
            share = torch.where(beyond[:, None], share / 2, share)
        return share * move, share * change, x + share * change, lost
