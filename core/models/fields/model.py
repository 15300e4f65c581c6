"""Flow matching of fields on a grid (Lipman et al. 2023, arXiv:2210.02747), with a U-Net for the velocity.

The velocity lives in the coordinates of a chart (`charts.py`), so that every state on the way decodes to a field on the
laws. With a coarse field given it makes a fine one whose block means are exact: downscaling.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from lawful.core.errors import InvalidValueError
from lawful.core.models.base import Trainable
from lawful.core.models.fields.batch import Fields
from lawful.core.models.fields.charts import FieldChart
from lawful.core.models.fields.neighbours import carried_on
from lawful.core.models.fields.regression import fit_places
from lawful.core.models.fields.unet import UNet
from lawful.core.models.networks import fourier_features

_TIMES = 8


@dataclass(frozen=True)
class FieldSettings:
    """Size of the U-Net, steps of Heun's method in sampling, and whether columns are periodic, as longitudes are."""

    width: int = 32
    levels: int = 2
    steps: int = 20
    periodic: bool = False


class FieldModel(Trainable):
    """`p(fine field | coarse field, context)`: residuals of a linear regression on the coarse field, by flow matching.

    The regression sees the 3 by 3 coarse cells around a block and says a value for each place in it, the same for all
    blocks. Where the grid has no cells, coordinates are zero; the network is told where that is, and draws are NaN.

    Args:
        chart: of the fields. context: number of context fields.
    """

    unit: Tensor
    context_moments: Tensor
    weights: Tensor

    def __init__(self, chart: FieldChart, context: int = 0, settings: FieldSettings | None = None):
        super().__init__()
        self.chart, self.settings = chart, settings or FieldSettings()
        channels, s = chart.coordinates, self.settings
        self.told = len(chart.told(torch.zeros(1, *chart.blocks.coarse_shape).double())[0])
        inputs = channels + self.told + context + (not chart.blocks.whole)
        self.velocity = UNet(inputs, channels, 2 * _TIMES, s.width, s.levels, periodic=s.periodic)
        cells = chart.blocks.block[0] * chart.blocks.block[1]
        self.register_buffer("weights", torch.zeros(9 * self.told + 1, channels * cells, dtype=torch.float64))
        self.register_buffer("unit", torch.ones(channels, 1, 1, dtype=torch.float64))
        self.register_buffer("context_moments", torch.tensor([0.0, 1.0])[:, None].repeat(1, context))

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        """Convolutions need little decay."""
        return super().parameter_groups(0.1 * decay)

    @torch.no_grad()
    def initialise(self, events: Fields, train: Tensor) -> None:
        """The regression, and the units of what it leaves, from the fields `train`."""
        known = self._seen(events[train])
        if not known.z.isfinite().all():
            raise InvalidValueError("Fields to learn from must be finite in every cell.")
        blocks = self.chart.blocks
        # torch warns of a standard deviation of nothing.
        if known.context.shape[1]:
            told = known.context[..., blocks.inside]
            mean, std = told.mean((0, 2)), told.std((0, 2), correction=0)
            self.context_moments.copy_(torch.stack([mean, std.where(std > 0, 1.0)]))
        x = self.chart.encode(known.z, known.coarse, torch.Generator().manual_seed(0))
        y = blocks.split(x).permute(0, 2, 3, 1, 4).flatten(1, 2)
        inside = blocks.split(blocks.inside).flatten(0, 1)
        self.weights.copy_(fit_places(self._around(known.coarse).flatten(1, 2), y, inside).flatten(1))
        left = x - self._regressed(known.coarse)
        self.unit.copy_(blocks.per_cell(left.square()).sqrt().clamp_min(1e-12)[:, None, None])

    def loss(self, batch: Fields) -> Tensor:
        """Mean squared error of the velocity, a coordinate; in evaluation at fixed times and noise."""
        device = self.weights.device
        fixed = None if self.training else torch.Generator().manual_seed(0)
        batch = self._seen(batch)
        v = self.residuals(batch, fixed)
        noise = self._noise(v.shape, fixed).to(device)
        t = (torch.arange(len(v)) + torch.rand(1, generator=fixed)) / len(v)
        t = t[torch.randperm(len(t), generator=fixed)][:, None].to(device)
        at = t[..., None, None]
        error = self._velocity((1 - at) * noise + at * v, t, self._known(batch)) - (v - noise)
        blocks = self.chart.blocks
        return blocks.within(error).square().mean() / blocks.inside.double().mean().item()

    def residuals(self, batch: Fields, generator: torch.Generator | None = None) -> Tensor:
        """What the regression leaves of coordinates, in standard units, (B, channels, H, W) float32."""
        x = self.chart.encode(batch.z, batch.coarse, generator)
        return ((x - self._regressed(batch.coarse)) / self.unit.cpu()).float().to(self.weights.device)

    @torch.no_grad()
    def sample(self, fields: Fields, generator: torch.Generator, *, dtype: torch.dtype = torch.float64) -> Tensor:
        """A fine field (B, C, H, W) in `dtype` for each coarse one, on the CPU, lawful in that precision.

        NaN where the grid has no cells.

        Raises:
            InvalidValueError: a coarse field that no fine one of these bounds can have.
        """
        seen = self._seen(fields)
        self._require_possible(seen.coarse)
        drawn = self.chart.decode(self._drawn(seen, generator), seen.coarse)
        return self._shown(self.chart.finish(drawn, seen.coarse, dtype))

    @torch.no_grad()
    def states(self, fields: Fields, generator: torch.Generator) -> list[Tensor]:
        """The fields (B, C, H, W) that sampling goes through, from noise to the last."""
        states: list[Tensor] = []
        seen = self._seen(fields)
        self._drawn(seen, generator, states)
        return [self._shown(self.chart.decode(x, seen.coarse)) for x in states]

    @torch.no_grad()
    def law_residual(self, fields: Fields, generator: torch.Generator) -> tuple[float, float]:
        """The largest misfit of a law in draws, in ulps; no draw is unlawful."""
        few = fields[torch.arange(min(len(fields), 16))]
        z = self.chart.blocks.within(self.sample(few, generator))
        return self.chart.system(few.coarse).ulps(z.flatten(1)).max().item(), 0.0

    def _drawn(self, fields: Fields, generator: torch.Generator, states: list[Tensor] | None = None) -> Tensor:
        """Coordinates (B, channels, H, W) float64 on the CPU."""
        device, known = self.weights.device, self._known(fields)
        shape = (len(fields), self.chart.coordinates, *self.chart.blocks.shape[1:])
        x, regressed = self._noise(shape, generator).to(device), self._regressed(fields.coarse)
        times = torch.linspace(0.0, 1.0, self.settings.steps + 1).tolist()
        for t, after in pairwise(times):
            if states is not None:
                states.append(regressed + self.unit.cpu() * x.cpu())
            first = self._flow(x, t, known)
            second = self._flow(x + (after - t) * first, after, known)
            x = x + (after - t) * (first + second) / 2
        return regressed + self.unit.cpu() * x.cpu()

    def _flow(self, x: Tensor, t: float, known: Tensor) -> Tensor:
        velocity = self._velocity(x, x.new_full((len(x), 1), t), known)
        return (self.chart.tangent((velocity * self.unit).cpu().double()).to(x.device) / self.unit).to(x.dtype)

    def _velocity(self, x: Tensor, t: Tensor, known: Tensor) -> Tensor:
        at = t[..., None, None]
        # The part that is right for independent normal residuals, so that the network learns what they are not.
        linear = (2 * at - 1) / (at**2 + (1 - at) ** 2) * x
        return linear + self.velocity(torch.cat([x, known], 1), fourier_features(t, _TIMES)).to(x.dtype)

    def _noise(self, shape: Any, generator: torch.Generator | None) -> Tensor:
        unit = self.unit.cpu()
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        return (self.chart.tangent(noise * unit) / unit).float()

    def _known(self, fields: Fields) -> Tensor:
        told = self.chart.blocks.spread(self._told(fields.coarse)).float()
        mean, std = self.context_moments.cpu()[..., None, None]
        blocks = self.chart.blocks
        mask = [] if blocks.whole else [blocks.inside.float().expand(len(told), 1, -1, -1)]
        context = blocks.within((fields.context - mean) / std)
        return torch.cat([told, context, *mask], 1).to(self.weights.device)

    def _regressed(self, coarse: Tensor) -> Tensor:
        """(B, channels, H, W) float64 on the CPU."""
        said = self._around(coarse) @ self.weights.cpu()
        by_cell = said.unflatten(-1, (self.chart.coordinates, -1)).permute(0, 3, 1, 2, 4)
        return self.chart.tangent(self.chart.blocks.join(by_cell))

    def _around(self, coarse: Tensor) -> Tensor:
        """The coarse cells around each, and a one: (B, h, w, 9 told + 1)."""
        told = nn.functional.pad(self._told(coarse), (1, 1, 1, 1), mode="replicate")
        windows = nn.functional.unfold(told, 3).mT.unflatten(1, coarse.shape[-2:])
        return torch.cat([windows, windows.new_ones(*windows.shape[:-1], 1)], -1)

    def _told(self, coarse: Tensor) -> Tensor:
        """What is told of the coarse field, (B, told, h, w), carried on into blocks without a cell."""
        told, blocks = self.chart.told(coarse), self.chart.blocks
        return told if blocks.filled.all() else carried_on(told, blocks.filled.expand(told.shape))

    def _seen(self, fields: Fields) -> Fields:
        """The same with zeros where the grid has no cells."""
        blocks = self.chart.blocks
        blocks.require(fields.coarse)
        coarse = blocks.of_filled(fields.coarse)
        if not coarse.isfinite().all():
            where = tuple((~coarse.isfinite()).nonzero()[0].tolist())
            raise InvalidValueError(f"Expected coarse fields to be finite; at {where} one is {coarse[where].item()}.")
        context = blocks.within(fields.context)
        if not context.isfinite().all():
            raise InvalidValueError("Expected context fields to be finite.")
        return Fields(coarse, blocks.within(fields.z), context)

    def _shown(self, z: Tensor) -> Tensor:
        """NaN where the grid has no cells."""
        return z if self.chart.blocks.whole else z.where(self.chart.blocks.inside, torch.nan)

    def _require_possible(self, coarse: Tensor) -> None:
        if not self.chart.possible(coarse).all():
            where = tuple((~self.chart.possible(coarse)).nonzero()[0].tolist())
            raise InvalidValueError(f"No fine field has the coarse value {coarse[where].item():g} at {where}.")
