"""Least moves of all variables in a weighted metric, by way of the classes that the solver works on."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lawful.core.linear.structure.coefficients import Coefficients
from lawful.core.linear.structure.solver import Factored


@dataclass(frozen=True)
class StructuredMetric:
    """The face of the dense `WeightedMetric`; differentiable in `root`.

    Attributes:
        coefficients: the laws. root: (..., n), square roots of the weights. free: (..., n).
        class_weights: (..., q), float64. factored: the solver with these.
    """

    coefficients: Coefficients
    root: Tensor
    free: Tensor
    class_weights: Tensor
    factored: Factored

    @property
    def batch_shape(self) -> torch.Size:
        return torch.broadcast_shapes(self.root.shape[:-1], self.free.shape[:-1])

    @cached_property
    def all_free(self) -> bool:
        return bool(self.free.all())

    @property
    def _weights(self) -> Tensor:
        return self.root.double().square() * self.free

    @cached_property
    def log_det(self) -> Tensor:
        """(...), `log det(A W A^T)` over the independent laws."""
        return self.factored.log_det(self.class_weights)

    @property
    def explained(self) -> Tensor:
        """(..., n), the diagonal of `gain A W`: what the laws take of variances `W`."""
        taken, present = self.factored.leverage(self.class_weights), self.class_weights > 0
        each = torch.where(present, taken / torch.where(present, self.class_weights, 1.0), 0.0)
        spread = self.coefficients.to_variables(each)
        return self._weights.square() * (
            spread if self.coefficients.scale is None else self.coefficients.scale * spread
        )

    def move(self, residual: Tensor) -> Tensor:
        """The least move (..., n) that changes `A z` by `residual` (..., m); differentiable in both."""
        return self._weights * self.coefficients.to_variables(self.pulled(residual))

    def pulled(self, residual: Tensor) -> Tensor:
        """`A^T K^-1 residual` on classes, (..., m) -> (..., q)."""
        return self.factored.solve(residual)[0]

    def adjoint(self, gradient: Tensor, wants_b: bool = True) -> tuple[Tensor, Tensor | None]:
        """Gradients (..., n) and (..., m) by z and b of `z - move(A z - b)`, for that of the result (..., n)."""
        weighted = self._weights * gradient
        pulled, multipliers = self.factored.solve(self.coefficients.product(weighted))
        by_z = gradient - self.free * self.coefficients.to_variables(pulled)
        return by_z, multipliers if wants_b else None
