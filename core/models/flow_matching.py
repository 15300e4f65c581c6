"""Flow matching: a velocity field that carries noise to data along straight lines, and its diffusion.

Lipman et al. (2023), ICLR, arXiv:2210.02747; stochastic sampler: Ma et al. (2024), arXiv:2401.08740 (SiT). The field
lives in the coordinates of a chart, so that every state on the way decodes to an event on the laws and in its bounds.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.models.base import Settings
from lawful.core.models.joint import JointModel
from lawful.core.models.networks import ResidualNetwork, fourier_features

_TIMES = 8


class FlowMatchingModel(JointModel):
    """Residuals `v` along `x_t = (1 - t) x_0 + t v` from `x_0 ~ N(0, I)`, with the network as `E[v - x_0 | x_t]`.

    `settings.steps` Heun steps when sampling; with `settings.churn` > 0 the same model as a diffusion, whose noise of
    variance `2 churn (1 - t)` a unit of time is undone by the score that the velocity implies.
    """

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        d, s = len(self.order), self.settings
        inputs = 2 * d + 2 * _TIMES + self.static_size
        self.velocity = ResidualNetwork(inputs, d, s.joint_width, s.depth, s.joint_dropout)

    def coordinate_loss(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Mean squared error of the velocity, a coordinate; in evaluation at fixed times and noise."""
        v = self.residuals(static, w, on)
        fixed = None if self.training else torch.Generator(v.device).manual_seed(0)
        noise = torch.randn(v.shape, generator=fixed, device=v.device) * on
        t = (torch.arange(len(v), device=v.device)[:, None] + torch.rand(1, generator=fixed, device=v.device)) / len(v)
        t = t[torch.randperm(len(t), generator=fixed, device=v.device)]
        error = self._velocity((1 - t) * noise + t * v, t, static, on) - (v - noise)
        return (error**2 * on).sum(-1).mean() / on.sum(-1).float().mean().clamp_min(1.0)

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """Noise, carried to coordinates."""
        x = torch.randn(on.shape, generator=generator).to(on.device) * on
        times = torch.linspace(0.0, 1.0, self.settings.steps + 1).tolist()
        for t, after in pairwise(times):
            x = self._step(x, t, after, static, on, generator)
        return self.residuals.coordinates(static, x, on)

    def _step(
        self, x: Tensor, t: float, after: float, static: Tensor, on: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Heun's step of the flow, after noise of the diffusion and its drift."""
        churn, span = self.settings.churn, after - t
        first = self._velocity(x, x.new_full((len(x), 1), t), static, on)
        if churn:
            # x_0 given x_t is x - t v in the mean, and the score is minus that over 1 - t.
            noise = torch.randn(x.shape, generator=generator).to(x.device) * on
            x = x - span * churn * (x - t * first) + (2 * churn * (1 - t) * span) ** 0.5 * noise
            first = self._velocity(x, x.new_full((len(x), 1), t), static, on)
        second = self._velocity(x + span * first, x.new_full((len(x), 1), after), static, on)
        return x + span * (first + second) / 2

    def _velocity(self, x: Tensor, t: Tensor, static: Tensor, on: Tensor) -> Tensor:
        inputs = torch.cat([x, on.to(x.dtype), fourier_features(t, _TIMES), static], -1)
        # The part that is right for normal residuals, so that the network learns what is not normal.
        linear = (2 * t - 1) / (t**2 + (1 - t) ** 2) * x
        return (linear + self.velocity(inputs)) * on
