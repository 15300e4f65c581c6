"""Flow matching whose estimate of the end of the path goes through a strategy."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from lawful.core.models.base import Settings
from lawful.core.models.networks import ResidualNetwork, fourier_features
from lawful.core.models.raw import RawModel, Space
from lawful.core.strategies import Strategy

_TIMES, _LAST = 8, 0.98


class RawFlowMatching(RawModel):
    """`x_t = (1 - t) x_0 + t x_1` from `x_0 ~ N(0, I)` to standardised events x_1 (Lipman 2023, arXiv:2210.02747).

    The network estimates x_1, of which the strategy makes a lawful one, and the velocity is `(x_1 - x_t) / (1 - t)`.
    This is consistent for every strategy: the mean of x_1 given x_t is on the laws and within the bounds, which are
    convex. The last estimate, finished, is the sample.
    """

    name = "flow-matching"

    def __init__(self, layer: Strategy, space: Space, context_size: int, settings: Settings | None = None):
        super().__init__(layer, space, context_size, settings)
        s = self.settings
        self.velocity = ResidualNetwork(
            self.n + 2 * _TIMES + self.known, self.n, s.joint_width, s.depth, s.joint_dropout
        )

    def loss(self, u: Tensor, context: Tensor) -> Tensor:
        """Mean squared error of the velocity, a variable, and the strategy's penalty of the estimate."""
        v, known = self._standard(u), self._known(context)
        noise, t = torch.randn_like(v), _LAST * torch.rand(len(v), 1)
        raw = self._end((1 - t) * noise + t * v, t, known)
        made = self.layer.apply(raw, self.raw_std.expand_as(raw))
        error = (self._standard(made) - v) / (1 - t)
        return error.square().mean() + self.layer.penalty(made).mean()

    def draw(self, context: Tensor) -> Tensor:
        """Noise, carried to the end by Euler steps."""
        known = self._known(context)
        x = torch.randn(len(known), self.n)
        times = torch.linspace(0.0, _LAST, self.settings.steps + 1).tolist()
        for t, after in pairwise(times):
            raw = self._end(x, x.new_full((len(x), 1), t), known)
            made = self._standard(self.layer.apply(raw, self.raw_std.expand_as(raw)))
            x = x + (after - t) / (1 - t) * (made - x)
        raw = self._end(x, x.new_full((len(x), 1), _LAST), known)
        return self.layer.finish(raw, self.raw_std.expand_as(raw))

    def _end(self, x: Tensor, t: Tensor, known: Tensor) -> Tensor:
        """Raw values (B, n) of the end of the path that is at x (B, n) at time t (B, 1)."""
        velocity = self.velocity(torch.cat([x, fourier_features(t, _TIMES), known], -1))
        # The part that is right for normal data, so that the network learns what is not normal.
        return self._raw(x * t / (t**2 + (1 - t) ** 2) + (1 - t) * velocity)
