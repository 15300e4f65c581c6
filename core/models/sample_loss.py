"""A variational autoencoder with a lawful distribution for a decoder, which learns by a loss on draws from it.

Li, Sahu, Van den Broeck, Zeng (2025), arXiv:2502.05416. For laws without bounds; what it learns depends on the gradient
estimator (`core/distributions/gradients.py`), and `docs/models.md` has the comparison.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lawful.core.coordinates import Chart
from lawful.core.distributions import ConstrainedNormal
from lawful.core.distributions.gradients import Estimator, expected_loss
from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.models.base import Batch, Settings
from lawful.core.models.face import FaceModel
from lawful.core.models.networks import ResidualNetwork

_SAMPLES = 4
_NOISE = 0.3

SampleLoss = Callable[[Tensor, Tensor], Tensor]
"""From draws (samples, B, n) and events (B, n), in standard units, to losses (samples, B)."""


def squared_error(draws: Tensor, events: Tensor) -> Tensor:
    """Reconstruction, as by a normal variable of fixed variance; the less spread in the draws the better."""
    return (draws - events).square().sum(-1) / (2 * _NOISE**2)


def energy_score(draws: Tensor, events: Tensor) -> Tensor:
    """A proper score (Gneiting & Raftery 2007, doi:10.1198/016214506000001437): wants the right spread too.

    Half the distance between two draws counts. Where gradients are taken all of it does, for one draw at a time has
    one.
    """
    share = 1.0 if torch.is_grad_enabled() else 0.5
    return (_length(draws - events) - share * _length(draws - draws.detach().roll(1, 0))) / _NOISE


class SampleLossVAE(FaceModel):
    """`z | h ~ ConstrainedNormal(mean(h), scale(h), laws)` in standard units, `h ~ N(0, I)`.

    The loss is the expected `sample_loss` of draws, with the gradient of an `estimator`, plus the divergence of the
    encoder's latent from its prior.

    Raises:
        InvalidValueError: there are bounds, given variables, inequalities, or more than one state.
    """

    centre: Tensor
    unit: Tensor

    def __init__(
        self,
        chart: Chart,
        settings: Settings | None = None,
        *,
        estimator: Estimator = "pathwise",
        sample_loss: SampleLoss = energy_score,
    ):
        super().__init__(chart, 0, settings)
        problem, s = chart.problem, self.settings
        bounded = torch.cat([problem.lower, problem.upper]).isfinite().any()
        if bounded or problem.given.any() or len(problem.d) or len(chart.states.table) > 1:
            raise InvalidValueError(
                "A loss on samples is for laws alone: no bounds, inequalities, given values, atoms."
            )
        self.estimator, self.sample_loss = estimator, sample_loss
        self.encoder = ResidualNetwork(problem.n, 2 * s.latent, s.joint_width, s.depth, 0.0)
        self.decoder = ResidualNetwork(s.latent, 2 * problem.n, s.joint_width, s.depth, s.joint_dropout)
        self.register_buffer("centre", torch.zeros(problem.n, dtype=torch.float64))
        self.register_buffer("unit", torch.ones(problem.n, dtype=torch.float64))

    @torch.no_grad()
    def initialise(self, events: Batch, train: Tensor) -> None:
        """Standard units of the training events."""
        super().initialise(events, train)
        self.centre.copy_(events.z[train].mean(0))
        spread = events.z[train].std(0)
        self.unit.copy_(spread.where(spread > 0, 1.0))

    def loss(self, batch: Batch) -> Tensor:
        """Expected loss of draws and divergence, mean over events; in evaluation by fixed noise."""
        v = ((batch.z.to(self.unit.device) - self.centre) / self.unit).float()
        with torch.random.fork_rng(enabled=not self.training):
            if not self.training:
                torch.manual_seed(0)
            mean, raw = self.encoder(v).chunk(2, -1)
            log_std = -softplus(-raw)
            h = mean + log_std.exp() * torch.randn_like(mean)
            drawn = expected_loss(self._decoded(h), lambda z: self.sample_loss(z, v), self.estimator, _SAMPLES)
        divergence = 0.5 * (mean**2 + (2 * log_std).exp() - 1) - log_std
        return (drawn + divergence.sum(-1)).mean()

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """A latent, then a lawful event given it, in the coordinates of the chart."""
        h = torch.randn(len(on), self.settings.latent, generator=generator).to(static.device)
        with torch.random.fork_rng():
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            v = self._decoded(h).sample()
        z = (v.double() * self.unit + self.centre).cpu()
        return self.chart.encode(z, torch.zeros(len(z), dtype=torch.long), generator)

    def _decoded(self, h: Tensor) -> ConstrainedNormal:
        problem = self.chart.problem
        A, c = problem.A.to(self.unit.device), self.centre
        laws = LinearSystem(A * self.unit, problem.b.to(self.unit.device) - A @ c)
        loc, raw = self.decoder(h).chunk(2, -1)
        return ConstrainedNormal(loc, self.settings.joint_floor + softplus(raw - 1.0), laws)


def _length(x: Tensor) -> Tensor:
    return x.square().sum(-1).add(1e-12).sqrt()
