"""One small mixture-density network a coordinate, all evaluated at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, silu, softplus

from lawful.core.models.base import Settings
from lawful.core.models.regression import fit_regression_mixture
from lawful.core.precision import full_precision

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class MixtureConditionals(nn.Module):
    """`p(u_i | static, u_1 ... u_{i-1})`, a mixture of normals for each of `count` coordinates.

    Means are linear in the inputs plus the output of a network with two hidden layers (mixture density network,
    Bishop 1994; mixture of experts, Jordan & Jacobs 1994, doi:10.1162/neco.1994.6.2.181). Each coordinate has two
    inputs for those after it: itself, and its value in physical space. `stretch` (count,) is the logarithm of a factor
    by which each mixture is wider about its mean than it was trained to be.
    """

    visible: Tensor
    stretch: Tensor

    def __init__(self, static: int, count: int, settings: Settings):
        super().__init__()
        inputs, width, experts = static + 2 * count, settings.width, settings.experts
        self.settings = settings
        visible = torch.zeros(count, 1, inputs)
        for i in range(count):
            visible[i, :, : static + 2 * i] = 1.0
        self.register_buffer("visible", visible, persistent=False)
        self.register_buffer("stretch", torch.zeros(count))
        self.linear = nn.Parameter(torch.zeros(count, inputs, experts))
        self.weights = nn.ParameterList(
            [
                nn.Parameter(torch.randn(count, inputs, width) / inputs**0.5),
                nn.Parameter(torch.randn(count, width, width) / width**0.5),
                nn.Parameter(torch.zeros(count, width, 3 * experts)),
            ]
        )
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(count, 1, w.shape[-1])) for w in self.weights])

    def forward(self, static: Tensor, dynamic: Tensor, which: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, means and log standard deviations `(coordinates, B, K)`.

        `static` (B, s); `dynamic` (B, count, 2), of which each coordinate sees those before it only.
        """
        inputs = torch.cat([static, dynamic.flatten(1)], -1) * self.visible[which]
        hidden = inputs
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = silu(torch.baddbmm(bias[which], hidden, weight[which]))
            hidden = dropout(hidden, self.settings.dropout, self.training)
        out = torch.baddbmm(self.biases[-1][which], hidden, self.weights[-1][which])
        logits, means, raw = out.to(inputs.dtype).chunk(3, -1)
        # The regressions are good to a thousandth and better, which mixed precision of networks must not spoil.
        with full_precision(inputs):
            lines = inputs @ self.linear[which]
        floor = math.log(self.settings.floor)
        return stretched(logits.log_softmax(-1), means + lines, floor + softplus(raw - floor), self.stretch[which])

    def log_prob(self, static: Tensor, dynamic: Tensor, u: Tensor) -> Tensor:
        """Log density `(B, count)` of each coordinate `u` (B, count) given the inputs that those before it make."""
        logits, means, log_scales = self(static, dynamic)
        return log_density(logits, means, log_scales, u)

    def sample(self, i: int, static: Tensor, dynamic: Tensor, generator: torch.Generator) -> Tensor:
        """Draws `(B,)` of coordinate i."""
        logits, means, log_scales = (x[0].cpu() for x in self(static, dynamic, slice(i, i + 1)))
        expert = torch.multinomial(logits.exp(), 1, generator=generator)
        noise = torch.randn(len(static), 1, generator=generator)
        return (means.gather(1, expert) + log_scales.gather(1, expert).exp() * noise)[:, 0]

    @torch.no_grad()
    def start_from_regression(self, static: Tensor, dynamic: Tensor, u: Tensor, active: Tensor) -> None:
        """Set linear parts and biases to regression mixtures of `u` (B, count), where `active` (B, count)."""
        inputs = torch.cat([static, dynamic.flatten(1)], -1)
        K, floor = self.settings.experts, math.log(self.settings.floor)
        for i, rows in enumerate(active.T):
            X = (inputs * self.visible[i])[rows].double()
            start = fit_regression_mixture(X, u[rows, i].double(), K, floor=self.settings.floor)
            above = (start.scales.log() - floor).clamp_min(1e-2)
            self.linear[i] = start.weights.T
            self.biases[-1][i, 0] = torch.cat([start.shares.log(), start.intercepts, floor + above.expm1().log()])


def log_density(logits: Tensor, means: Tensor, log_scales: Tensor, u: Tensor) -> Tensor:
    """Log density (B, d) at `u` (B, d) of mixtures (d, B, K)."""
    z = (u.T[..., None] - means) * (-log_scales).exp()
    return torch.logsumexp(logits - 0.5 * z**2 - log_scales - _LOG_SQRT_2PI, -1).T


def mixture_moments(logits: Tensor, means: Tensor, log_scales: Tensor) -> tuple[Tensor, Tensor]:
    """Means and variances (B, d) of mixtures (d, B, K)."""
    p = logits.exp()
    mean = (p * means).sum(-1, keepdim=True)
    variance = (p * ((means - mean).square() + (2 * log_scales).exp())).sum(-1)
    return mean[..., 0].T, variance.T


def stretched(logits: Tensor, means: Tensor, log_scales: Tensor, by: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mixtures (d, B, K) made wider about their means by factors of which `by` (d,) are the logarithms."""
    if not by.any():
        return logits, means, log_scales
    by = by[:, None, None]
    centre = (logits.exp() * means).sum(-1, keepdim=True)
    return logits, centre + by.exp() * (means - centre), log_scales + by
