"""A neural spline flow on the coordinates of a face (Durkan et al. 2019, NeurIPS, arXiv:1906.04032), by zuko."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from zuko.nn import MaskedMLP
from zuko.transforms import MonotonicRQSTransform

from lawful.core.coordinates import Chart
from lawful.core.models.base import Settings
from lawful.core.models.joint import JointModel

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class NormalizingFlowModel(JointModel):
    """Residuals `v = f(x)` of `x ~ N(0, I)` through `settings.transforms` autoregressive splines.

    A coordinate that is not active is zero in every layer and no part of the density, which so is exact per face.
    """

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        d, s = len(self.order), self.settings
        orders = [torch.arange(d) if k % 2 == 0 else torch.arange(d).flip(0) for k in range(s.transforms)]
        self.layers = nn.ModuleList(_Layer(order, d + self.static_size, s) for order in orders)

    def log_prob(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Log density (B,) of the active coordinates in standard units."""
        x, log_det = self.residuals(static, w, on), self.residuals.log_det(static, on)
        context = torch.cat([on.to(static.dtype), static], -1)
        for layer in self.layers:
            x, gain = layer(x, context, on)
            log_det = log_det + gain
        return ((-0.5 * x**2 - _LOG_SQRT_2PI) * on).sum(-1) + log_det

    def coordinate_loss(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Mean negative log-likelihood of the active coordinates."""
        return -self.log_prob(static, w, on).mean()

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """Noise through the inverse layers."""
        x = torch.randn(on.shape, generator=generator).to(on.device) * on
        context = torch.cat([on.to(static.dtype), static], -1)
        for layer in reversed(self.layers):
            x = layer.inverse(x, context, on)  # type: ignore[operator]
        return self.residuals.coordinates(static, x, on)


class _Layer(nn.Module):
    """`x_i -> spline(x_i; those before it, context)`, the identity where not active."""

    def __init__(self, order: Tensor, context: int, settings: Settings):
        super().__init__()
        d, self.bins = len(order), settings.bins
        self.passes = order.argsort().tolist()
        before = order[:, None] > order
        seen = torch.cat([before, torch.ones(d, context, dtype=torch.bool)], -1)
        adjacency = seen.repeat_interleave(3 * self.bins - 1, 0)
        self.parameters_of = MaskedMLP(adjacency, hidden_features=[settings.joint_width] * 2, activation=nn.SiLU)

    def forward(self, x: Tensor, context: Tensor, on: Tensor) -> tuple[Tensor, Tensor]:
        """The next layer's input and the log determinant (B,) over the active coordinates."""
        y, log_slopes = self._spline(x, context).call_and_ladj(x)
        return y * on, (log_slopes * on).sum(-1)

    def inverse(self, y: Tensor, context: Tensor, on: Tensor) -> Tensor:
        """One coordinate after another, in the order of the layer."""
        x = torch.zeros_like(y)
        for i in self.passes:
            x[:, i] = self._spline(x, context).inv(y)[:, i] * on[:, i]
        return x

    def _spline(self, x: Tensor, context: Tensor) -> MonotonicRQSTransform:
        raw = self.parameters_of(torch.cat([x, context], -1)).unflatten(-1, (x.shape[-1], -1))
        return MonotonicRQSTransform(*raw.split([self.bins, self.bins, self.bins - 1], -1))
