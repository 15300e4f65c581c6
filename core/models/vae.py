"""A variational autoencoder on the coordinates of a chart (Kingma & Welling 2014, ICLR, arXiv:1312.6114)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lawful.core.coordinates import Chart
from lawful.core.models.base import Settings
from lawful.core.models.joint import JointModel
from lawful.core.models.networks import ResidualNetwork

_FREE_NATS = 0.05
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class VAEModel(JointModel):
    """Residuals `v | h ~ N(mean(h), scale(h)^2)` on the active coordinates, latent `h ~ N(0, I)`.

    The loss is the negative evidence lower bound, an upper bound on the negative log-likelihood. Standard deviations
    have a floor, without which the likelihood is unbounded.
    """

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        d, s = len(self.order), self.settings
        self.encoder = ResidualNetwork(2 * d + self.static_size, 2 * s.latent, s.joint_width, s.depth, 0.0)
        self.decoder = ResidualNetwork(s.latent + d + self.static_size, 2 * d, s.joint_width, s.depth, s.joint_dropout)

    def coordinate_loss(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Mean negative evidence lower bound; in evaluation with fixed noise."""
        v, there = self.residuals(static, w, on), on.to(static.dtype)
        mean, raw = self.encoder(torch.cat([v, there, static], -1)).chunk(2, -1)
        log_std = -softplus(-raw)
        fixed = None if self.training else torch.Generator(v.device).manual_seed(0)
        h = mean + log_std.exp() * torch.randn(mean.shape, generator=fixed, device=v.device)
        divergence = 0.5 * (mean**2 + (2 * log_std).exp() - 1) - log_std
        loc, scale = self._decoded(h, static, there)
        log_prob = -0.5 * ((v - loc) / scale) ** 2 - scale.log() - _LOG_SQRT_2PI
        evidence = ((log_prob * on).sum(-1) + self.residuals.log_det(static, on)).mean()
        # In training a latent pays nothing for its first twentieth of a nat, or none is ever used (Kingma et al. 2016,
        # arXiv:1606.04934).
        price = divergence.mean(0).clamp_min(_FREE_NATS).sum() if self.training else divergence.mean(0).sum()
        return price - evidence

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """A latent, then residuals given it."""
        there = on.to(static.dtype)
        h = torch.randn(len(on), self.settings.latent, generator=generator).to(static.device)
        loc, scale = self._decoded(h, static, there)
        v = loc + scale * torch.randn(loc.shape, generator=generator).to(static.device)
        return self.residuals.coordinates(static, v * there, on)

    def _decoded(self, h: Tensor, static: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        loc, raw = self.decoder(torch.cat([h, there, static], -1)).chunk(2, -1)
        return loc, self.settings.joint_floor + softplus(raw - 1.0)
