"""How a change is measured: variable by variable, or by the covariance of the ensemble itself."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.linalg import null_space
from torch import Tensor

from lawful.core.distributions import Full
from lawful.core.linear import LinearSystem
from lawful.core.polyhedra import Polyhedron
from lawful.core.polyhedra.laws import limits_left
from lawful.core.polyhedra.least_distance import least_move
from lawful.core.strategies.finishing import Finishing

_SHRINKAGE = 0.01
_SAME = 1e-11


class Metric(Protocol):
    """Nearest states, and which variables are held where they are (n,)."""

    held: Tensor

    def on_laws(self, system: LinearSystem, z: Tensor) -> Tensor:
        """The nearest states (samples, n) to z (samples, n) that obey the laws alone."""

    def within(self, inside: Polyhedron, z: Tensor) -> Tensor:
        """The nearest states (samples, n) to z (samples, n) that obey laws, bounds and inequalities."""


class Independent:
    """`sum((z' - z)^2 / variance)`; a variable of variance zero is held."""

    def __init__(self, variances: Tensor):
        self.held = variances == 0
        self._variances = torch.where(self.held, 1.0, variances)

    def on_laws(self, system: LinearSystem, z: Tensor) -> Tensor:
        """See `Metric`."""
        return system.with_fixed(system.project(z, self._variances))

    def within(self, inside: Polyhedron, z: Tensor) -> Tensor:
        """See `Metric`."""
        return inside.project(z, self._variances)


class Correlated:
    """`(z' - z)^T S^-1 (z' - z)`, the Mahalanobis distance: variables that go together in the file move together.

    The covariance is shrunk a hundredth of the way to its diagonal, since that of an ensemble that nearly obeys its
    laws is singular (Ledoit and Wolf 2004, doi:10.1016/S0047-259X(03)00096-4, who choose the share by the data).
    Variables of variance zero are held.

    Args:
        covariance: (n, n), positive semidefinite.
    """

    def __init__(self, covariance: Tensor):
        diagonal = torch.diag(covariance.diagonal())
        self._covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * diagonal
        self.held = covariance.diagonal() == 0

    def on_laws(self, system: LinearSystem, z: Tensor) -> Tensor:
        """See `Metric`."""
        return system.with_fixed(system.project_with(self._given(system.free).metric(system), z))

    def within(self, inside: Polyhedron, z: Tensor) -> Tensor:
        """See `Metric`.

        In coordinates in which the covariance is the identity, where bounds are inequalities; a last step in the
        variables themselves puts what is on a bound there exactly. Where it cannot, the nearest states are those of the
        variances alone.
        """
        white = _Whitened.of(inside, self._given(inside.system.free).matrix)
        near = inside.system.with_fixed(white.project(inside, z))
        lower, upper = inside.bounds.lower, inside.bounds.upper
        spread = self._covariance.diagonal().sqrt()
        at_low, at_high = _meets(near, lower, spread), _meets(near, upper, spread)
        snapped = inside.system.with_fixed(torch.where(at_low, lower, torch.where(at_high, upper, near)))
        C, room = inside.inequalities.C * inside.system.free, limits_left(inside.system, inside.inequalities)[0]
        tight = room - snapped @ C.mT <= _SAME * (room.abs() + snapped.abs() @ C.abs().mT)
        finished = Finishing(inside)(snapped, at_low | at_high, tight)
        # Near corners a covariance that is next to singular leaves a law missed, and may lead far: variances do not.
        missed = ~inside.contains(finished).unsqueeze(-1)
        variances = torch.where(self.held, 1.0, self._covariance.diagonal())
        return inside.project(torch.where(missed, z, finished), variances)

    def _given(self, free: Tensor) -> Full:
        """The covariance of the free variables, once the others are where they are."""
        return Full.of(self._covariance).given(free, torch.zeros(len(free), dtype=torch.float64))[1]


def metric_of(sigma: np.ndarray, covariance: np.ndarray | None) -> Metric:
    """The metric of sigmas (variable,), with the correlations of a covariance or without."""
    if covariance is None:
        return Independent(torch.from_numpy(sigma**2))
    spread = np.sqrt(np.diagonal(covariance))
    scale = np.where(spread > 0, spread, 1.0)
    correlations = covariance / (scale[:, None] * scale)
    np.fill_diagonal(correlations, 1.0)
    return Correlated(torch.from_numpy(correlations * sigma[:, None] * sigma))


@dataclass(frozen=True)
class _Whitened:
    """Free variables `z = root w` of identity covariance."""

    free: Tensor
    root: Tensor

    @classmethod
    def of(cls, inside: Polyhedron, covariance: Tensor) -> "_Whitened":
        free = inside.system.free.nonzero()[:, 0]
        return cls(free, torch.linalg.cholesky(covariance[free][:, free]))

    def project(self, inside: Polyhedron, z: Tensor) -> Tensor:
        """The nearest w of z (samples, n), as z again; on the laws alone where nothing is within all limits."""
        system = inside.system
        A, b = _unit_rows((system.A[:, self.free] @ self.root).numpy(), system.b.numpy())
        C, d = _unit_rows(*self._limits(inside))
        w = torch.linalg.solve_triangular(self.root, z[:, self.free].mT, upper=False).mT.numpy()
        lawful = w - (w @ A.T - b) @ np.linalg.pinv(A).T
        basis = null_space(A)
        room = np.broadcast_to(d - lawful @ C.T, (len(w), len(C)))
        moves = [least_move(C @ basis, own) for own in room]
        near = lawful + np.stack([np.zeros(basis.shape[1]) if move is None else move[0] for move in moves]) @ basis.T
        return z.index_copy(-1, self.free, torch.from_numpy(near) @ self.root.mT)

    def _limits(self, inside: Polyhedron) -> tuple[np.ndarray, np.ndarray]:
        """`C w <= d`: what inequalities leave to the free variables, which may differ per sample, and bounds."""
        limits, bounds = inside.inequalities, inside.bounds
        lower, upper = bounds.lower[self.free], bounds.upper[self.free]
        low, high = lower.isfinite(), upper.isfinite()
        room, _ = limits_left(inside.system, inside.inequalities)
        beyond = torch.cat([-lower[low], upper[high]])
        C = torch.cat([limits.C[:, self.free] @ self.root, -self.root[low], self.root[high]])
        return C.numpy(), torch.cat([room, beyond.expand(*room.shape[:-1], -1)], -1).numpy()


def _unit_rows(A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m, n) of length one, and their right-hand sides (..., m): those of other units are no smaller."""
    size = np.linalg.norm(A, axis=1)
    size = np.where(size > 0, size, 1.0)
    return A / size[:, None], b / size


def _meets(z: Tensor, bound: Tensor, spread: Tensor) -> Tensor:
    # A value without measure in one sample says nothing of others.
    size = torch.minimum(z.abs().amax(0), z.abs().amax(-1, keepdim=True))
    return (z - bound).abs() <= _SAME * size.maximum(spread)
