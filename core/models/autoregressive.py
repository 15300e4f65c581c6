"""The default family: coordinates one after another, each a mixture of normals, with exact likelihood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.models.base import Batch, Settings
from lawful.core.models.conditionals import MixtureConditionals, mixture_moments
from lawful.core.models.face import FaceModel

_REDRAWS = 8


class AutoregressiveModel(FaceModel):
    """`p(coordinates | ...) = prod_i p(w_i | state, context, given, w_1 ... w_{i-1})`; the loss is the mean negative
    log-likelihood of events in standard units."""

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        self.coordinates = MixtureConditionals(self.static_size, len(self.order), self.settings)

    def start(self, static: Tensor, w: Tensor, on: Tensor) -> None:
        """Mixtures of regressions."""
        inputs, targets = self.standard.inputs(w, on), self.standard.targets(w, on)
        self.coordinates.start_from_regression(static, inputs, targets, on)

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        """The linear parts start from exact regressions, move ten times slower and do not decay."""
        linear = self.coordinates.linear
        matrices, rest = super().parameter_groups(decay)
        matrices["params"] = [p for p in matrices["params"] if p is not linear]
        return [matrices, rest, {"params": [linear], "weight_decay": 0.0, "pace": 0.1}]

    def coordinate_loss(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Mean negative log-likelihood of the active coordinates."""
        inputs, targets = self.standard.inputs(w, on), self.standard.targets(w, on)
        return -(self.coordinates.log_prob(static, inputs, targets) * on).sum(-1).mean()

    @torch.no_grad()
    def moments(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and variance (B, d) float64, on the CPU, of each coordinate given those before it; zero where off."""
        static, on = self._static(batch.ids, self._known(batch.context, batch.z)), self._on(batch.ids)
        mean, variance = mixture_moments(*self.coordinates(static, self.standard.inputs(batch.w, on)))
        unit, centre = self.standard.coordinate_std.cpu(), self.standard.coordinate_mean.cpu()
        return (mean.double().cpu() * unit + centre) * on.cpu(), variance.double().cpu() * unit**2 * on.cpu()

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """One coordinate after another."""
        dynamic = torch.zeros(len(static), len(self.order), 2, device=static.device)
        w = torch.zeros(len(static), self.chart.problem.columns, dtype=torch.float64)
        for i, column in enumerate(self.order):
            u = self._inside(i, static, dynamic, generator)
            w[:, column] = torch.where(on[:, i].cpu(), self.standard.coordinate(i, u), 0.0)
            dynamic[:, i] = self.standard.input(i, w, on)
        return w

    def _inside(self, i: int, static: Tensor, dynamic: Tensor, generator: torch.Generator) -> Tensor:
        """Draws within the range of coordinates: mixtures have tails that the data do not."""
        u = self.coordinates.sample(i, static, dynamic, generator).double()
        low, high = self.standard.range(i, static)
        for _ in range(_REDRAWS):
            outside = (u < low) | (u > high)
            if not outside.any():
                return u
            again = outside.to(static.device)
            u[outside] = self.coordinates.sample(i, static[again], dynamic[again], generator).double()
        return u.clamp(low, high)
