"""Projection on a polyhedron: on the active face exactly, laws to rounding, no bound passed; differentiable.

The derivative is that on the face (implicit function theorem): moves of z within the face, in the metric. Weights act
as a move of z by `(z' - z) / weights dweights`. While the face stays, the projection is linear in z: its second
derivative by z is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.linear.exact import matvec
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra.bounds import Bounds
from lawful.core.polyhedra.corners import at_corners
from lawful.core.polyhedra.lagrangian import Face, NotConvergedError, nearest, require_solved
from lawful.core.polyhedra.laws import coefficients, keep_limits, worst_misfit
from lawful.core.polyhedra.reduced import Reduced

_ULPS = LAWFUL_ULPS / 2
"""Laws of the hull are moved laws, whose right-hand sides are known a rounding less well."""

_PLAIN_ROUNDS = 2
_MOST_ROUNDS = 40
"""Few samples need more than two: variables that laws and active bounds pin to zero may come there by halves."""
_UNKNOWN, _LESS, _SUMS = 1e-14, 1e-3, 1e-15
_CHUNK = 2**17


@dataclass(frozen=True)
class Projector:
    """The projection on the part of `hull` within `bounds` and the limits of `reduced`."""

    hull: LinearSystem
    reduced: Reduced
    bounds: Bounds

    def __call__(self, z: Tensor, weights: Tensor, inside: Tensor, stored: torch.dtype) -> Tensor:
        """Nearest points in float64 of z (..., n), within bounds rounded to dtype `stored`; `inside` (...) stay."""
        flat = z.reshape(-1, z.shape[-1])
        weights = weights if weights.dim() == 1 else weights.expand_as(z).reshape(flat.shape)
        return _Project.apply(flat, weights, self, inside.reshape(-1), stored, z.shape[:-1]).reshape(z.shape)

    def at(self, samples: Tensor, batch: torch.Size) -> _Samples:
        """Right-hand sides, their rounding and base points of some of the flattened `batch`."""
        hull, reduced = self.hull, self.reduced
        parts = (hull.b, hull.b_rounding, hull.fixed, reduced.base)
        return _Samples(self, *(_take(x, samples, batch) for x in parts))


def _take(x: Tensor, samples: Tensor, batch: torch.Size) -> Tensor:
    return x if x.dim() == 1 else x.expand(*batch, x.shape[-1]).flatten(0, -2)[samples]


@dataclass(frozen=True)
class _Samples:
    """What differs between samples, () or (B,) leading: the projection of those samples."""

    projector: Projector
    b: Tensor
    rounding: Tensor
    fixed: Tensor
    base: Tensor

    def __getitem__(self, kept: Tensor) -> _Samples:
        parts = (self.b, self.rounding, self.fixed, self.base)
        return _Samples(self.projector, *(x if x.dim() == 1 else x[kept] for x in parts))

    def solve(self, z: Tensor, weights: Tensor) -> tuple[Tensor, Face]:
        """Nearest points (B, n) of z (B, n), and their active faces.

        Residuals in plain float64 bring laws to a few ulps; compensated ones, which cost more, settle the rest.
        """
        hull = self.projector.hull
        reduced = self._around(self.projector.bounds.clip(z))
        t, face = nearest(reduced, z, weights)
        moved = torch.where(hull.free, reduced.z(t), self.fixed)
        # Between active bounds, laws may ask for zeros: what is less than its own rounding is one.
        unknown = _UNKNOWN * (reduced.base.abs() + t.norm(dim=-1, keepdim=True) * reduced.moves.norm(dim=1))
        for _ in range(_PLAIN_ROUNDS):
            moved, _ = self._finished(moved, matvec(coefficients(hull), moved) - self.b, face, unknown)
        return self._settled(moved, face, unknown, weights), face

    def _around(self, z: Tensor) -> Reduced:
        """Bases near z (B, n): moves far longer than those sought would cost these their digits."""
        reduced, base = self.projector.reduced, self.base.expand_as(z)
        base = base + (z - base) @ reduced.coordinates.T @ reduced.moves.T
        # Long moves of small variables leave a rounding in large ones.
        hull = self.projector.hull
        base = base - hull.unweighted.move(matvec(coefficients(hull), base) - self.b)
        return replace(reduced, base=base, start=reduced.values(base))

    def _settled(self, z: Tensor, face: Face, unknown: Tensor, weights: Tensor) -> Tensor:
        """z with every law to 8 ulps; a variable that leaves its bounds on the way joins the active ones."""
        z, todo = z.clone(), torch.arange(len(z), device=z.device)
        some, now = self, z
        for number in range(_MOST_ROUNDS):
            wrong, residual = some._missed(now)
            if not wrong.any():
                return z
            todo, some, face, unknown = todo[wrong], some[wrong], face[wrong], unknown[wrong]
            now, residual = now[wrong], residual[wrong]
            # In turn and ever less, as what was taken for a zero by mistake would be so again.
            zero = unknown * _LESS ** (number // 2) * (number % 2)
            now, beyond = some._finished(now, residual, face, zero)
            z[todo] = now
            if beyond.any():
                face = face.joined(beyond, face.reduced.values(now))
        z[todo] = some._at_corners(now, weights.expand(z.shape)[todo])
        return z

    def _at_corners(self, z: Tensor, weights: Tensor) -> Tensor:
        """Lawful points (B, n) near z (B, n)."""
        require_solved(z)
        hull, bounds, reduced = self.projector.hull, self.projector.bounds, self.projector.reduced
        system = (
            hull
            if self.b.dim() == 1
            else LinearSystem(coefficients(hull), self.b, b_rounding=self.rounding, check=False)
        )
        reduced = replace(reduced, base=self.base)
        points, found = at_corners(system, hull.free, bounds, reduced, z, weights, self._keeps)
        if found.all():
            return points
        raise NotConvergedError(
            f"A projected sample misses a law or an inequality by more than {LAWFUL_ULPS:g} ulps within its bounds: "
            "bounds may lie closer to each other than numbers resolve, or the sample 1e12 times as far from them."
        )

    def _keeps(self, z: Tensor, samples: Tensor) -> Tensor:
        """Whether points (K, n) of `samples` (K,) obey all laws and inequalities."""
        return ~self[samples]._missed(z)[0]

    def _missed(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Which samples (B,) of z (B, n) miss a law or an inequality, and residuals (B, m). NaN is not lawful."""
        residual = self.projector.hull.residual(z, self.b)
        holds = worst_misfit(self.projector.hull, z, residual, self.rounding) <= _ULPS
        reduced = self.projector.reduced
        return ~(holds & keep_limits(*reduced.limits, z, torch.float64) & reduced.keeps_still(z)), residual

    def _finished(self, z: Tensor, residual: Tensor, face: Face, unknown: Tensor) -> tuple[Tensor, Tensor]:
        """z less its residual by a move within the face, and the rows (B, R) that this takes beyond a limit."""
        reduced = face.reduced
        back = -self.projector.hull.unweighted.move(residual)
        goal = face.limit - reduced.values(z) - reduced.values(back)
        z = z + back + face.least(z.new_zeros(len(z), reduced.dimension), goal) @ reduced.moves.T
        z = self._on_face(torch.where(z.abs() <= unknown, 0.0, z), face)
        return self.projector.bounds.clip(z), self._beyond(z) & ~face.active

    def _beyond(self, z: Tensor) -> Tensor:
        """Rows (B, R) of z (B, n) that pass their limits; those that are sums by more than rounding."""
        reduced = self.projector.reduced
        values = reduced.values(z)
        sums = reduced.variables >= z.shape[-1]
        C, d = reduced.limits
        allowed = torch.zeros_like(values)
        allowed[:, sums] = _SUMS * (z.abs() @ C.abs().mT + d.abs())
        return (values < reduced.low - allowed) | (values > reduced.high + allowed)

    def _on_face(self, z: Tensor, face: Face) -> Tensor:
        single = face.reduced.variables < z.shape[-1]
        columns = face.reduced.variables[single]
        z = z.clone()
        z[:, columns] = torch.where(face.active[:, single], face.limit[:, single], z[:, columns])
        return z


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        weights: Tensor,
        projector: Projector,
        inside: Tensor,
        stored: torch.dtype,
        batch: torch.Size,
    ) -> Tensor:
        differentiable = any(ctx.needs_input_grad[:2])
        todo = torch.arange(len(z)) if differentiable else (~inside).nonzero()[:, 0]
        result, faces = z.clone(), []
        for samples in todo.split(max(1, _CHUNK // z.shape[-1])):
            some = weights if weights.dim() == 1 else weights[samples]
            try:
                result[samples], face = projector.at(samples, batch).solve(z[samples], some)
            except NotConvergedError as error:
                error.sample = None if error.sample is None else int(samples[error.sample])
                raise
            faces.append((samples, face if differentiable else None))
        result = projector.bounds.clip(result.to(stored)).double()
        result = torch.where(inside.unsqueeze(-1), z, result)
        ctx.faces, ctx.projector = faces, projector
        ctx.save_for_backward(z, weights, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        z, weights, result = ctx.saved_tensors
        if torch.is_grad_enabled() and ctx.needs_input_grad[1]:
            raise InvalidValueError(
                "The projection within bounds has no second derivatives by weights: detach them where gradients are "
                "differentiated themselves (create_graph=True)."
            )
        by_z = torch.zeros_like(z)
        for samples, face in ctx.faces:
            gradient = gradients[0][samples] @ face.reduced.moves
            by_z[samples] = face.least(gradient, torch.zeros_like(face.limit)) @ face.reduced.moves.T
        by_z = by_z / weights
        by_weights = by_z * (result - z) / weights if ctx.needs_input_grad[1] else None
        if by_weights is not None and weights.dim() == 1:
            by_weights = by_weights.sum(0)
        return by_z, by_weights, None, None, None, None
