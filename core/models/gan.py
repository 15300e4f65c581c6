"""A Wasserstein GAN with gradient penalty on the coordinates of a chart.

Arjovsky, Chintala, Bottou (2017), arXiv:1701.07875; Gulrajani et al. (2017), NeurIPS, arXiv:1704.00028.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lawful.core.coordinates import Chart
from lawful.core.models.base import Batch, Settings, Turn
from lawful.core.models.joint import JointModel
from lawful.core.models.networks import ResidualNetwork

_PENALTY = 0.3
_CRITIC_STEPS = 3
_BETAS = (0.0, 0.9)
_DRAWS = 32


class GANModel(JointModel):
    """Residuals `v = g(noise)` that a critic cannot tell from those of events, by the difference of its means.

    The critic takes several steps for each of the generator's, so that it stays near the distance it stands for. There
    is no likelihood: `loss`, by which weights are judged, is the energy score, and training minimises it nowhere.
    """

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        d, s = len(self.order), self.settings
        self.noise = max(d, s.latent)
        self.generator = ResidualNetwork(self.noise + d + self.static_size, d, s.joint_width, s.depth, 0.0)
        self.critic = ResidualNetwork(2 * d + self.static_size, 1, s.joint_width, s.depth, 0.0)

    def turns(self, decay: float) -> list[Turn]:
        """The critic; then what it judges, and the states, which are learned by likelihood."""
        judged = [p for name, p in self.named_parameters() if not name.startswith("critic.")]
        return [
            Turn("critic_loss", _group(list(self.critic.parameters())), _CRITIC_STEPS, _BETAS),
            Turn("generator_loss", _group(judged), betas=_BETAS),
        ]

    def critic_loss(self, batch: Batch) -> Tensor:
        """How much higher the critic rates generated residuals than those of events, and its gradient's misfit to 1."""
        static, on = self._seen(batch)
        true = self.residuals(static, batch.w, on)
        with torch.no_grad():
            made = self._made(static, on)
        between = torch.lerp(true, made, torch.rand(len(true), 1, device=true.device)).requires_grad_()
        (slope,) = torch.autograd.grad(self._rated(between, static, on).sum(), between, create_graph=True)
        penalty = ((slope * on).square().sum(-1).add(1e-12).sqrt() - 1).square().mean()
        return (self._rated(made, static, on) - self._rated(true, static, on)).mean() + _PENALTY * penalty

    def generator_loss(self, batch: Batch) -> Tensor:
        """How low the critic rates generated residuals, and the negative log-likelihood of states."""
        static, on = self._seen(batch)
        return self.state_loss(batch) - self._rated(self._made(static, on), static, on).mean()

    def coordinate_loss(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """The mean energy score of residuals (Gneiting & Raftery 2007, doi:10.1198/016214506000001437); in evaluation
        by fixed noise."""
        fixed = None if self.training else torch.Generator(static.device).manual_seed(0)
        made = torch.stack([self._made(static, on, fixed) for _ in range(_DRAWS)])
        off = _length(made - self.residuals(static, w, on)).mean()
        return off - 0.5 * _length(made - made.roll(1, 0)).mean()

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """Noise through the generator."""
        noise = torch.randn(len(on), self.noise, generator=generator).to(on.device)
        return self.residuals.coordinates(static, self._carried(noise, static, on), on)

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self._static(batch.ids, self._known(batch.context, batch.z)), self._on(batch.ids)

    def _made(self, static: Tensor, on: Tensor, generator: torch.Generator | None = None) -> Tensor:
        noise = torch.randn(len(on), self.noise, generator=generator, device=static.device)
        return self._carried(noise, static, on)

    def _carried(self, noise: Tensor, static: Tensor, on: Tensor) -> Tensor:
        return self.generator(torch.cat([noise, on.to(static.dtype), static], -1)) * on

    def _rated(self, v: Tensor, static: Tensor, on: Tensor) -> Tensor:
        return self.critic(torch.cat([v, on.to(static.dtype), static], -1))


def _group(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    return [{"params": parameters, "weight_decay": 0.0, "pace": 1.0}]


def _length(x: Tensor) -> Tensor:
    return x.square().sum(-1).add(1e-12).sqrt()
