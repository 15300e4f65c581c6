"""A variational autoencoder whose decoder's draws go through a strategy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lawful.core.models.base import Settings
from lawful.core.models.networks import ResidualNetwork
from lawful.core.models.raw import RawModel, Space
from lawful.core.strategies import Strategy
from lawful.core.strategies.subspace import normal_log_prob

_FREE_NATS = 0.05


class RawVAE(RawModel):
    """`y | h ~ N(loc(h), scale(h)^2)` made lawful by the strategy, with latent `h ~ N(0, I)`.

    The loss is the negative evidence lower bound (Kingma & Welling 2014, arXiv:1312.6114) with the density of the
    strategy's draws. For a strategy without one, it is that of normal variables about `apply(loc)`, as in C-DGM (Stoian
    et al., ICLR 2024, arXiv:2402.04823).
    """

    name = "vae"

    def __init__(self, layer: Strategy, space: Space, context_size: int, settings: Settings | None = None):
        super().__init__(layer, space, context_size, settings)
        s = self.settings
        self.encoder = ResidualNetwork(self.n + self.known, 2 * s.latent, s.joint_width, s.depth, 0.0)
        self.decoder = ResidualNetwork(s.latent + self.known, 2 * self.n, s.joint_width, s.depth, s.joint_dropout)

    def loss(self, u: Tensor, context: Tensor) -> Tensor:
        """Mean negative evidence lower bound, and the strategy's penalty of a draw."""
        known = self._known(context)
        mean, raw = self.encoder(torch.cat([self._standard(u), known], -1)).chunk(2, -1)
        log_std = -softplus(-raw)
        loc, scale = self._decoded(mean + log_std.exp() * torch.randn_like(mean), known)
        divergence = (0.5 * (mean**2 + (2 * log_std).exp() - 1) - log_std).mean(0)
        # A latent pays nothing for its first twentieth of a nat (Kingma et al. 2016, arXiv:1606.04934).
        price = divergence.clamp_min(_FREE_NATS).sum() if self.training else divergence.sum()
        drawn = loc + scale * torch.randn_like(loc)
        return price - self._log_prob(u, loc, scale).mean() + self.layer.penalty(drawn).mean()

    def draw(self, context: Tensor) -> Tensor:
        """A latent, then a draw of the strategy."""
        h = torch.randn(len(context), self.settings.latent)
        return self.layer.sample(*self._decoded(h, self._known(context)))

    def _log_prob(self, u: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        if self.layer.guarantee.density:
            return self.layer.log_prob(u, loc, scale)
        return normal_log_prob(u, self.layer.apply(loc, scale), scale, self.layer.system.free)

    def _decoded(self, h: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        v, raw = self.decoder(torch.cat([h, known], -1)).chunk(2, -1)
        return self._raw(v), self.raw_std * (self.settings.joint_floor + softplus(raw - 1.0)).double()
