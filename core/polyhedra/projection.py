"""Projection on a polyhedron: on the active face exactly, laws to rounding, no bound passed; differentiable.

The derivative is that on the face (implicit function theorem): moves of z within the face, in the metric. Weights act
as a move of z by `(z' - z) / weights dweights`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lawful.core.linear import LinearSystem
from lawful.core.linear.exact import matvec
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.core.polyhedra.bounds import Bounds
from lawful.core.polyhedra.lagrangian import Face, NotConvergedError, nearest
from lawful.core.polyhedra.laws import Laws, coefficients
from lawful.core.polyhedra.reduced import Reduced

_PLAIN_ROUNDS = 2
_ROUNDS = 6
_MOST_ROUNDS = 200
"""Few samples need more than two: variables that laws and active bounds pin to zero may come there by halves."""
_UNKNOWN = 1e-14
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

    @cached_property
    def laws(self) -> Laws:
        """The hull's laws."""
        return Laws(self.hull)

    def at(self, samples: Tensor, batch: torch.Size) -> _Samples:
        """Right-hand sides, their rounding and base points of some of the flattened `batch`."""
        hull, reduced = self.hull, self.reduced
        parts = (hull.b, hull.b_rounding, hull.fixed, reduced.base, reduced.start)
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
    start: Tensor

    def __getitem__(self, kept: Tensor) -> _Samples:
        parts = (self.b, self.rounding, self.fixed, self.base, self.start)
        return _Samples(self.projector, *(x if x.dim() == 1 else x[kept] for x in parts))

    def solve(self, z: Tensor, weights: Tensor) -> tuple[Tensor, Face]:
        """Nearest points (B, n) of z (B, n), and their active faces.

        Residuals in plain float64 bring laws to a few ulps; compensated ones, which cost more, settle the rest.
        """
        reduced, hull = replace(self.projector.reduced, base=self.base), self.projector.hull
        t, face = nearest(reduced, z, weights, self.start.expand(len(z), -1))
        moved = torch.where(hull.free, reduced.z(t), self.fixed)
        # Between active bounds, laws may ask for zeros: what is less than its own rounding is one.
        unknown = _UNKNOWN * (self.base.abs() + t.norm(dim=-1, keepdim=True) * reduced.moves.norm(dim=1))
        for _ in range(_PLAIN_ROUNDS):
            moved, _ = self._finished(moved, matvec(coefficients(hull), moved) - self.b, face, unknown)
        return self._settled(moved, face, unknown), face

    def _settled(self, z: Tensor, face: Face, unknown: Tensor) -> Tensor:
        """z with every law to 8 ulps; a variable that leaves its bounds on the way joins the active ones."""
        z, todo = z.clone(), torch.arange(len(z), device=z.device)
        some, now = self, z
        for number in range(_MOST_ROUNDS):
            wrong, residual = some._missed(now)
            if not wrong.any():
                return z
            todo, some, face, unknown = todo[wrong], some[wrong], face[wrong], unknown[wrong]
            now, residual = now[wrong], residual[wrong]
            if number == _ROUNDS:
                moved = some._by_room(now, face)
                z[todo] = now = torch.where(some._missed(moved)[0][:, None], now, moved)
                continue
            now, beyond = some._finished(now, residual, face, unknown)
            z[todo] = now
            if beyond.any():
                face = face.joined(beyond, face.reduced.values(now))
        raise NotConvergedError(
            f"{len(todo)} of {len(z)} projected samples miss a law by more than {LAWFUL_ULPS:g} ulps within their "
            "bounds: bounds may lie closer to each other than numbers resolve."
        )

    def _missed(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Which samples (B,) of z (B, n) miss a law, and residuals (B, m). What is not a number is not lawful."""
        residual = self.projector.laws.residual(z, self.b)
        return ~(self.projector.laws.ulps(z, residual, self.rounding) <= LAWFUL_ULPS), residual

    def _by_room(self, z: Tensor, face: Face) -> Tensor:
        """z (B, n) moved in proportion to the room that variables have; as it is where inequalities are active.

        A law of small terms that follows from laws of large ones is met to their rounding only, unless small terms
        move with it.
        """
        hull, bounds = self.projector.hull, self.projector.bounds
        tight = face.active & (face.reduced.variables >= z.shape[-1])
        if hull.batch_shape or tight.any():
            return z
        room = torch.minimum(z - bounds.lower, bounds.upper - z).minimum(z.abs())
        free = hull.free & (room > 0)
        laws = hull.restrict(free, z, check=False)
        moved = bounds.clip(laws.project_with(laws.metric(torch.where(free, room, 1.0)), z))
        return torch.where(free, moved, z)

    def _finished(self, z: Tensor, residual: Tensor, face: Face, unknown: Tensor) -> tuple[Tensor, Tensor]:
        """z less its residual by a move within the face, and the rows (B, R) that this takes beyond a limit."""
        reduced = face.reduced
        back = -self.projector.hull.unweighted.move(residual)
        goal = face.limit - reduced.values(z) - reduced.values(back)
        z = z + back + face.least(z.new_zeros(len(z), reduced.dimension), goal) @ reduced.moves.T
        z = self._on_face(torch.where(z.abs() <= unknown, 0.0, z), face)
        values = reduced.values(z)
        beyond = ((values < reduced.low) | (values > reduced.high)) & ~face.active
        return self.projector.bounds.clip(z), beyond & (reduced.variables < z.shape[-1])

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
            result[samples], face = projector.at(samples, batch).solve(z[samples], some)
            faces.append((samples, face if differentiable else None))
        result = projector.bounds.clip(result.to(stored)).double()
        result = torch.where(inside.unsqueeze(-1), z, result)
        ctx.faces, ctx.projector = faces, projector
        ctx.save_for_backward(z, weights, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        z, weights, result = ctx.saved_tensors
        by_z = torch.zeros_like(z)
        for samples, face in ctx.faces:
            gradient = gradients[0][samples] @ face.reduced.moves
            by_z[samples] = face.least(gradient, torch.zeros_like(face.limit)) @ face.reduced.moves.T
        by_z = by_z / weights
        by_weights = by_z * (result - z) / weights if ctx.needs_input_grad[1] else None
        if by_weights is not None and weights.dim() == 1:
            by_weights = by_weights.sum(0)
        return by_z, by_weights, None, None, None, None
