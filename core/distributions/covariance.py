"""Covariances of a normal distribution before it is conditioned on laws: diagonal, low rank plus diagonal, full.

`free` (..., n) marks the variables that vary; the others have a fixed value, and here rows and columns of zeros.
Matrices that are inverted hold a one in their place.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import Numbered, at_sample, batch_of, float_dtype, refuse_where, require_finite


class Covariance(ABC):
    """What `ConstrainedNormal` asks of a covariance (..., n, n).

    Attributes:
        deviations: (..., n), standard deviations. noise_size: how many unit normals make a draw.
    """

    deviations: Tensor
    noise_size: int

    @abstractmethod
    def given(self, free: Tensor, gap: Tensor) -> tuple[Tensor | float, "Covariance"]:
        """The change of the mean, and the covariance, once variables that are not `free` are at `gap` from theirs."""

    @abstractmethod
    def metric(self, system: LinearSystem) -> Any:
        """The metric of this covariance on the free variables of `system`."""

    @abstractmethod
    def draw(self, noise: Tensor) -> Tensor:
        """(..., n) of this covariance from unit normals (..., noise_size)."""

    def around(self, centre: Tensor, noise: Tensor) -> Tensor:
        """`draw` about `centre`."""
        return centre + self.draw(noise)

    @abstractmethod
    def solve(self, X: Tensor) -> Tensor:
        """`S^-1 X` (..., n, k) over the free variables, zero elsewhere, float64."""

    def quadratic(self, gap: Tensor) -> Tensor:
        """`gap^T S^-1 gap` (...) for gap (..., n) of the free variables."""
        return (gap * self.solve(gap.unsqueeze(-1)).squeeze(-1)).sum(-1)

    def expected_quadratic(self, other: Any) -> Tensor:
        """`tr(S^-1 C)` (...) with C the covariance of the distribution `other`."""
        return self.solve(other.precise_covariance_matrix).diagonal(dim1=-2, dim2=-1).sum(-1)

    @property
    @abstractmethod
    def log_det(self) -> Tensor:
        """(...), `log det S` over the free variables, float64."""

    @property
    @abstractmethod
    def matrix(self) -> Tensor:
        """(..., n, n), float64."""


class Diagonal(Covariance):
    """Independent variables with standard deviations `scale` (..., n), zero or more."""

    def __init__(self, scale: Tensor, free: Tensor | None = None):
        float_dtype(scale.dtype)
        if scale.dim() == 0:
            raise ShapeError("Expected loc and scale of shape (..., n), got a scale without dimensions: expand it.")
        self.deviations, self.noise_size, self._free = scale, scale.shape[-1], free
        self._root = scale if free is None else torch.where(free, scale, 1.0)

    def given(self, free: Tensor, gap: Tensor) -> tuple[float, "Diagonal"]:
        return 0.0, Diagonal(torch.where(free, self.deviations, 0.0), free)

    def metric(self, system: LinearSystem) -> Any:
        return system.metric(self._root)

    def draw(self, noise: Tensor) -> Tensor:
        return self.deviations * noise

    def around(self, centre: Tensor, noise: Tensor) -> Tensor:
        if centre.dtype == noise.dtype == self.deviations.dtype:
            return torch.addcmul(centre, self.deviations, noise)
        return super().around(centre, noise)

    def solve(self, X: Tensor) -> Tensor:
        weights = self._root.double().square().reciprocal()
        weights = weights if self._free is None else weights * self._free
        return weights.unsqueeze(-1) * X

    def expected_quadratic(self, other: Any) -> Tensor:
        return self.solve(other.precise_variance.unsqueeze(-1)).squeeze(-1).sum(-1)

    @property
    def log_det(self) -> Tensor:
        return 2 * self._root.double().log().sum(-1)

    @property
    def matrix(self) -> Tensor:
        return torch.diag_embed(self.deviations.double().square())


def _root(variance: Tensor) -> Tensor:
    """Square roots whose derivative is zero at zero."""
    return torch.where(variance > 0, variance, 1.0).sqrt() * (variance > 0)


class LowRank(Covariance):
    """`factor factor^T + diag(scale^2)`.

    Args:
        factor: (..., n, p). scale: (..., n), above zero; it may be zero where the row of `factor` is zero.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit, or are not finite; a scale below zero; a variable that
            has a factor but no scale.
    """

    def __init__(self, factor: Tensor, scale: Tensor):
        if factor.dim() < 2 or factor.shape[-2:-1] != scale.shape[-1:]:
            raise ShapeError(
                f"Expected factor (..., n, p) and scale (..., n), got {tuple(factor.shape)}, {scale.shape}."
            )
        batch = batch_of(factor.shape[:-2], scale.shape[:-1])
        factor, scale = factor.expand(*batch, *factor.shape[-2:]), scale.expand(*batch, scale.shape[-1])
        _require_low_rank(factor, scale)
        bare = (scale == 0) & (factor != 0).any(-1)
        if bare.any():
            raise InvalidValueError(
                f"Variable {int(bare.nonzero()[0, -1])} has a factor but a scale of zero: give it a small scale."
            )
        self._factor, self._scale = factor, scale
        self.noise_size = scale.shape[-1] + factor.shape[-1]
        self.deviations = _root(scale.square() + factor.square().sum(-1))
        self._free = scale > 0

    def given(self, free: Tensor, gap: Tensor) -> tuple[Tensor, "LowRank"]:
        """The hidden factors have a normal posterior given the fixed variables; the others follow them as before."""
        seen = self._weights * ~free
        factor = self._factor.double()
        lower = torch.linalg.cholesky(self._capacitance(seen))
        told = factor.mT @ (seen * gap).unsqueeze(-1)
        shift = (factor @ torch.cholesky_solve(told, lower)).squeeze(-1)
        left = torch.linalg.solve_triangular(lower, factor.mT, upper=False).mT
        return torch.where(free, shift, 0.0), LowRank(left * free.unsqueeze(-1), self._scale.double() * free)

    def metric(self, system: LinearSystem) -> Any:
        return system.covariance_metric(self)

    def draw(self, noise: Tensor) -> Tensor:
        return self.times(noise.double().unsqueeze(-1)).squeeze(-1).to(noise.dtype)

    def times(self, X: Tensor) -> Tensor:
        """`F X` with `F = (diag(scale), factor)`."""
        n = self._scale.shape[-1]
        return self._scale.double().unsqueeze(-1) * X[..., :n, :] + self._factor.double() @ X[..., n:, :]

    def transposed_times(self, X: Tensor) -> Tensor:
        own, shared = self._scale.double().unsqueeze(-1) * X, self._factor.double().mT @ X
        lead = torch.broadcast_shapes(own.shape[:-2], shared.shape[:-2])
        return torch.cat((own.expand(*lead, *own.shape[-2:]), shared.expand(*lead, *shared.shape[-2:])), -2)

    def solve(self, X: Tensor) -> Tensor:
        weights = self._weights.unsqueeze(-1)
        told = self._factor.double().mT @ (weights * X)
        lower = torch.linalg.cholesky(self._capacitance(self._weights))
        explained = self._factor.double() @ torch.linalg.solve_triangular(
            lower.mT, torch.linalg.solve_triangular(lower, told, upper=False), upper=True
        )
        return weights * (X - explained)

    @property
    def log_det(self) -> Tensor:
        own = 2 * torch.where(self._free, self._scale, 1.0).double().log().sum(-1)
        return own + torch.logdet(self._capacitance(self._weights))

    @property
    def matrix(self) -> Tensor:
        factor = self._factor.double()
        return factor @ factor.mT + torch.diag_embed(self._scale.double().square())

    @property
    def _weights(self) -> Tensor:
        return torch.where(self._free, self._scale.double(), 1.0).square().reciprocal() * self._free

    def _capacitance(self, weights: Tensor) -> Tensor:
        """`I + factor^T diag(weights) factor` (..., p, p)."""
        factor = self._factor.double()
        eye = torch.eye(factor.shape[-1], dtype=torch.float64, device=factor.device)
        return eye + factor.mT @ (weights.unsqueeze(-1) * factor)


def _require_low_rank(factor: Tensor, scale: Tensor) -> None:
    variables = Numbered("variable", scale.shape[-1])
    require_finite(scale, "The scale", variables)
    bad = ~factor.isfinite().all(-1)
    if bad.any():
        *sample, i = bad.nonzero()[0].tolist()
        raise InvalidValueError(f"A factor of variable {i} is not finite{at_sample(tuple(sample))}.")
    refuse_where(scale < 0, scale, "The scale", variables, "zero or more")


class Full(Covariance):
    """Any covariance, by its Cholesky factor.

    Args:
        scale_tril: (..., n, n), lower triangular with positive diagonal; a variable that does not vary has a row and
            a column of zeros.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit.
    """

    def __init__(self, scale_tril: Tensor):
        n = scale_tril.shape[-1] if scale_tril.dim() > 1 else 0
        if scale_tril.shape[-2:] != (n, n) or n == 0:
            raise ShapeError(f"Expected scale_tril of shape (..., n, n), got {tuple(scale_tril.shape)}.")
        if not scale_tril.isfinite().all():
            raise InvalidValueError("Expected a scale_tril of numbers, got some that are not finite.")
        self.noise_size, self._tril = n, scale_tril.tril()
        self.deviations = _root(self._tril.square().sum(-1))
        diagonal = self._tril.diagonal(dim1=-2, dim2=-1)
        self._free = diagonal > 0
        still = (self.deviations == 0) & (self._tril == 0).all(-2)
        if not (self._free | still).all():
            raise InvalidValueError("Expected scale_tril with positive diagonal, or zeros in both row and column.")

    @classmethod
    def of(cls, covariance: Tensor) -> "Full":
        """From a covariance (..., n, n), positive definite but for rows and columns of zeros.

        Raises:
            ShapeError, InvalidValueError: it is not.
        """
        if covariance.dim() < 2 or covariance.shape[-1] != covariance.shape[-2]:
            raise ShapeError(f"Expected a covariance of shape (..., n, n), got {tuple(covariance.shape)}.")
        still = covariance.diagonal(dim1=-2, dim2=-1) == 0
        lower, info = torch.linalg.cholesky_ex(covariance + torch.diag_embed(still.to(covariance.dtype)))
        if (info != 0).any():
            raise InvalidValueError("Expected a positive definite covariance: add to its diagonal, or use LowRank.")
        return cls(lower * ~still.unsqueeze(-1))

    def given(self, free: Tensor, gap: Tensor) -> tuple[Tensor, "Full"]:
        """The normal distribution of the free variables given the others."""
        S = self.matrix
        seen = (~free & self._free).double()
        inner = S * seen.unsqueeze(-1) * seen.unsqueeze(-2) + torch.diag_embed(1 - seen)
        lower = torch.linalg.cholesky(inner)
        between = S * seen.unsqueeze(-1) * free.unsqueeze(-2)
        shift = between.mT @ torch.cholesky_solve((seen * gap).unsqueeze(-1), lower)
        half = torch.linalg.solve_triangular(lower, between, upper=False)
        left = S * free.unsqueeze(-1) * free.unsqueeze(-2) - half.mT @ half
        return shift.squeeze(-1), Full.of(left)

    def metric(self, system: LinearSystem) -> Any:
        return system.covariance_metric(self)

    def draw(self, noise: Tensor) -> Tensor:
        return (self._tril @ noise.unsqueeze(-1)).squeeze(-1)

    def times(self, X: Tensor) -> Tensor:
        return self._tril.double() @ X

    def transposed_times(self, X: Tensor) -> Tensor:
        return self._tril.double().mT @ X

    def solve(self, X: Tensor) -> Tensor:
        lower = self._invertible
        half = torch.linalg.solve_triangular(lower, X * self._free.unsqueeze(-1), upper=False)
        return torch.linalg.solve_triangular(lower.mT, half, upper=True)

    @property
    def log_det(self) -> Tensor:
        return 2 * self._invertible.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @property
    def matrix(self) -> Tensor:
        return self._tril.double() @ self._tril.double().mT

    @property
    def _invertible(self) -> Tensor:
        return self._tril.double() + torch.diag_embed((~self._free).double())
