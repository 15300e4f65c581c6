"""Standard units: what lies between a chart's coordinates and what networks see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lawful.core.coordinates import Chart
from lawful.core.polyhedra import Link

_STILL = 1e-12
"""What varies by less is still but for rounding."""

_MARGIN = 0.1
_FAR = 8.0
_BEYOND = 4.0


class Standard(nn.Module):
    """Means and standard deviations of coordinates, of their physical values, and of given variables."""

    coordinate_mean: Tensor
    coordinate_std: Tensor
    physical_mean: Tensor
    physical_std: Tensor
    known_mean: Tensor
    known_std: Tensor
    lowest: Tensor
    highest: Tensor
    below: Tensor
    above: Tensor
    given_lowest: Tensor
    given_highest: Tensor

    def __init__(self, chart: Chart, order: list[int]):
        super().__init__()
        self.order, self.columns = order, chart.problem.columns
        self.link = chart.link[torch.tensor(order, dtype=torch.long)]
        self.links = [chart.link[torch.tensor([column])] for column in order]
        step = torch.zeros(chart.problem.columns, dtype=torch.float64)
        step[: chart.problem.n] = chart.problem.resolution
        self.step = step[order]
        self.given_columns = chart.problem.given.nonzero()[:, 0]
        self.given_link = chart.link[self.given_columns]
        for name, size in (
            ("coordinate", len(order)),
            ("physical", len(order)),
            ("known", 2 * len(self.given_columns)),
        ):
            self.register_buffer(f"{name}_mean", torch.zeros(size, dtype=torch.float64))
            self.register_buffer(f"{name}_std", torch.ones(size, dtype=torch.float64))
        for name in ("lowest", "highest", "below", "above"):
            self.register_buffer(name, torch.zeros(len(order), dtype=torch.float64))
        for name in ("given_lowest", "given_highest"):
            self.register_buffer(name, torch.zeros(len(self.given_columns), dtype=torch.float64))

    @property
    def given_size(self) -> int:
        """Number of inputs that the given variables make."""
        return 2 * len(self.given_columns)

    def fit(self, w: Tensor, on: Tensor) -> None:
        """Moments and ranges of coordinates `w` (B, columns), each over the events `on` (B, d) that have it."""
        w = w[:, self.order]
        self.coordinate_mean, std = _moments(w, on)
        # Coordinates have no units, values have: these vary where those do.
        varies = std > _STILL
        self.coordinate_std = std.where(varies, 1.0)
        self.physical_mean, std = _moments(self.link.forward(w), on)
        self.physical_std = std.where(varies & (std > 0), 1.0)
        u = (w - self.coordinate_mean) / self.coordinate_std
        low, high = u.where(on, torch.inf).amin(0), u.where(on, -torch.inf).amax(0)
        self.lowest, self.highest, span = low, high, high - low
        # Towards a bound coordinates are logarithmic and may be linear away from it, over a range far longer.
        median = u.where(on, torch.nan).nanmedian(0).values.nan_to_num()
        self.below, self.above = torch.minimum(span, 2 * (median - low)), torch.minimum(span, 2 * (high - median))

    def fit_given(self, z: Tensor) -> None:
        """Moments and ranges of the given variables of events `z` (B, n).

        Where a value lies many standard deviations off, such as the rain of the wettest hour, units are larger.
        """
        raw, count = self._raw_given(z), len(self.given_columns)
        self.known_mean, std = _moments(raw, raw.isfinite())
        self.known_std = std.where(std > _STILL * self.known_mean.abs(), 1.0)
        values = raw[:, :count]
        self.given_lowest, self.given_highest = values.amin(0), values.amax(0)
        farthest = (values - self.known_mean[:count]).abs().amax(0)
        self.known_std[:count] = torch.maximum(self.known_std[:count], farthest / _FAR)

    def targets(self, w: Tensor, on: Tensor) -> Tensor:
        """Coordinates of `w` (B, columns) in standard units `(B, d)` float32, zero where not `on` (B, d)."""
        u = (w[:, self.order] - self.coordinate_mean.cpu()) / self.coordinate_std.cpu()
        return u.float().to(on.device) * on

    def inputs(self, w: Tensor, on: Tensor) -> Tensor:
        """What later coordinates see `(B, d, 2)` float32: each coordinate and its physical value in standard units.

        A variable with a resolution is seen as the multiple that it will be, not as what it was spread to.
        """
        return self._seen(slice(None), self.link, w[:, self.order], on)

    def input(self, i: int, w: Tensor, on: Tensor) -> Tensor:
        """`inputs` of coordinate number i alone, `(B, 2)`."""
        which, column = slice(i, i + 1), slice(self.order[i], self.order[i] + 1)
        return self._seen(which, self.links[i], w[:, column], on[:, which])[:, 0]

    def _seen(self, which: slice, link: Link, y: Tensor, on: Tensor) -> Tensor:
        physical, step = link.forward(y), self.step[which]
        if (step > 0).any():
            physical = torch.where(step > 0, _nearest(physical, step), physical)
            y = torch.where(step > 0, link.inverse(physical), y)
        u = (y - self.coordinate_mean[which].cpu()) / self.coordinate_std[which].cpu()
        v = (physical - self.physical_mean[which].cpu()) / self.physical_std[which].cpu()
        return torch.stack([u, v], -1).float().to(on.device) * on[..., None]

    def coordinate(self, i: int, u: Tensor) -> Tensor:
        """Coordinate `(B,)` number i of its standard value."""
        return u * self.coordinate_std[i].cpu() + self.coordinate_mean[i].cpu()

    def range(self, i: int, static: Tensor) -> tuple[Tensor, Tensor]:
        """Least and greatest standard value (B,) of coordinate i, on the CPU, for events with these inputs `static`.

        Those of the training events and a tenth of their range, or of twice the way from the median to an end that is
        near. Where a given variable lies outside of its own range by some share of it, so may a coordinate: more rain
        than ever before runs off as more water than ever before.
        """
        room = _MARGIN + self._outside(static)
        lowest, highest, below, above = (x[i].cpu() for x in (self.lowest, self.highest, self.below, self.above))
        return lowest - room * below, highest + room * above

    def _outside(self, static: Tensor) -> Tensor:
        """By how many ranges (B,) the given variables, last in `static` (B, s), are outside of theirs, at most."""
        count = len(self.given_columns)
        if not count:
            return torch.zeros(len(static), dtype=torch.float64)
        values = static[:, static.shape[1] - 2 * count :][:, :count].double().cpu()
        mean, std = self.known_mean[:count].cpu(), self.known_std[:count].cpu()
        low, high = (self.given_lowest.cpu() - mean) / std, (self.given_highest.cpu() - mean) / std
        past = torch.maximum(low - values, values - high) / (high - low).where(high > low, torch.inf)
        return past.amax(-1).clamp_min(0.0)

    def given(self, z: Tensor) -> Tensor:
        """Given variables of events `z` (B, n) in standard units `(B, given_size)` float32; zero on a bound.

        Values count as they are up to four times as far off as any in training.
        """
        standard = torch.nan_to_num((self._raw_given(z) - self.known_mean.cpu()) / self.known_std.cpu())
        values, unbounded = standard.chunk(2, -1)
        far = _BEYOND * _FAR
        return torch.cat([values.clamp(-far, far), unbounded.clamp(-_FAR, _FAR)], -1).float()

    def _raw_given(self, z: Tensor) -> Tensor:
        values = z[:, self.given_columns]
        unbounded = self.given_link.inverse(values)
        return torch.cat([values, unbounded.where(unbounded.isfinite(), torch.nan)], -1)


def _nearest(physical: Tensor, step: Tensor) -> Tensor:
    """The nearest multiple of the step, one step from zero at least."""
    step = step.where(step > 0, 1.0)
    return (physical / step).round().clamp_min(1.0) * step


def _moments(x: Tensor, on: Tensor) -> tuple[Tensor, Tensor]:
    count = on.sum(0).clamp_min(1)
    mean = x.where(on, 0.0).sum(0) / count
    std = ((x - mean).square().where(on, 0.0).sum(0) / count).sqrt()
    return mean, std
