"""How a change is measured: variable by variable, or by the covariance of the ensemble itself."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lawful.core.distributions import Full
from lawful.core.linear import LinearSystem
from lawful.core.polyhedra import Inequalities, Polyhedron

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
        self._independent = Independent(covariance.diagonal())

    def on_laws(self, system: LinearSystem, z: Tensor) -> Tensor:
        """See `Metric`."""
        return system.with_fixed(system.project_with(self._given(system.free).metric(system), z))

    def within(self, inside: Polyhedron, z: Tensor) -> Tensor:
        """See `Metric`.

        In coordinates in which the covariance is the identity, where bounds are inequalities; a last step in the
        variables themselves puts what is on a bound there exactly.
        """
        white = _Whitened.of(inside, self._given(inside.system.free).matrix)
        near = inside.system.with_fixed(white.project(inside, z))
        snapped = inside.bounds.clip(torch.where(_meets(near, inside.bounds.lower), inside.bounds.lower, near))
        snapped = torch.where(_meets(near, inside.bounds.upper), inside.bounds.upper, snapped)
        return inside.project(inside.system.with_fixed(snapped), self._independent._variances)

    def _given(self, free: Tensor) -> Full:
        """The covariance of the free variables, once the others are where they are."""
        return Full.of(self._covariance).given(free, torch.zeros(len(free), dtype=torch.float64))[1]


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
        """The nearest w of z (samples, n), as z again."""
        system, limits = inside.system, inside.inequalities
        room = limits.d - torch.where(system.free, 0.0, system.fixed) @ limits.C.mT
        w = torch.linalg.solve_triangular(self.root, z[:, self.free].mT, upper=False).mT
        if room.dim() == 1 or bool((room == room[:1]).all()):
            near = self._polyhedron(inside, system.b, room.reshape(-1, room.shape[-1])[0]).project(w)
        else:
            # What is held in a sample decides how much room its inequalities leave.
            b = system.b.expand(len(z), -1)
            each = zip(b, room, w, strict=True)
            near = torch.stack([self._polyhedron(inside, *parts).project(one) for *parts, one in each])
        return z.index_copy(-1, self.free, near @ self.root.mT)

    def _polyhedron(self, inside: Polyhedron, b: Tensor, room: Tensor) -> Polyhedron:
        """The set of w, for right-hand sides b and the limits that inequalities leave to free variables."""
        system, bounds = inside.system, inside.bounds
        lower, upper = bounds.lower[self.free], bounds.upper[self.free]
        low, high = lower.isfinite(), upper.isfinite()
        C = torch.cat([inside.inequalities.C[:, self.free] @ self.root, -self.root[low], self.root[high]])
        d = torch.cat([room, -lower[low], upper[high]])
        laws = LinearSystem(system.A[:, self.free] @ self.root, b, names=system.names)
        return Polyhedron(laws, inequalities=Inequalities(C, d))


def _meets(z: Tensor, bound: Tensor) -> Tensor:
    return (z - bound).abs() <= _SAME * z.abs().amax(0).clamp_min(1.0)
