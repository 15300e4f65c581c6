"""What events say of the coordinates that suit them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lawful.core.coordinates.rooms import Rooms
from lawful.core.polyhedra import Link

if TYPE_CHECKING:
    from lawful.core.coordinates.chart import Chart

STEADY = 0.95
"""Less than this share is too little of `steadiness`."""

SHARPNESSES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Of rooms, that are tried."""

FACTORS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Of the scales of links, that are tried."""

_SOME, _MOST = 64, 1000
_OFF, _NEAR = 0.01, 0.2
_STILL = 1e-12


def steadiness(chart: Chart, z: Tensor, ids: Tensor) -> float:
    """The share of events `z` (N, n) of which near and lawful ones are made when each coordinate is off by a hundredth
    of its standard deviation, as those that a model makes are; of some events.

    Near is an event none of whose variables is off by more than a fifth of its standard deviation.
    """
    some, generator = slice(None, None, max(1, len(z) // _SOME)), torch.Generator().manual_seed(0)
    w = chart.encode(z[some], ids[some], generator)
    noise = torch.randn(w.shape, dtype=w.dtype, generator=generator)
    moved = w + _OFF * w.std(0, correction=0) * noise * chart.coordinate[ids[some]]
    made, deviation = chart.decode(moved, ids[some], z[some]), z.std(0, correction=0)
    varies = deviation > _STILL * z.abs().amax(0)
    near = ((made.z - z[some]).abs() <= _NEAR * deviation)[:, varies].all(1)
    return (made.lawful & near).double().mean().item()


def likeliest(rooms: Rooms, z: Tensor, ids: Tensor, active: Tensor) -> Rooms:
    """The rooms of that sharpness under which events `z` (N, n) in states `ids` are likeliest, if each of their
    `active` (N, columns) coordinates is normal by itself (as Box & Cox 1964, J. R. Stat. Soc. B 26, 211-252, choose a
    power)."""
    some = slice(None, None, -(-len(z) // _MOST))
    z, ids, active = z[some], ids[some], active[some]

    def likelihood(each: Rooms) -> float:
        return _normality(each.encode(z, ids, active), each.log_det(z, ids), active)

    return max(map(rooms.sharpened, SHARPNESSES), key=likelihood)


def likeliest_link(link: Link, extended: Tensor, columns: Tensor) -> Link:
    """The link with the scales of `columns` (C,), all times one factor, under which the values between the bounds of
    events `extended` (N, columns) are likeliest, if each column is normal by itself.

    Where laws are solved for a variable that has a bound, all others move with it, in these units. Those that lie on
    many scales, as concentrations do, then have to be logarithmic up to their largest values, or the least error of a
    large one takes a small one to nothing.
    """
    values = extended[:: -(-len(extended) // _MOST), columns]
    lower, upper, scale = link.lower[columns], link.upper[columns], link.scale[columns]
    active = values.isfinite() & (values > lower) & (values < upper)

    def likelihood(factor: float) -> float:
        each = Link(lower, upper, scale * factor)
        y = torch.where(active, each.inverse(values), 0.0)
        return _normality(y, -torch.where(active, each.derivative(y).log(), 0.0).sum(1), active)

    return Link(link.lower, link.upper, link.scale.index_copy(0, columns, scale * max(FACTORS, key=likelihood)))


def _normality(w: Tensor, log_det: Tensor, active: Tensor) -> float:
    """How likely coordinates w (N, D) are if each of those that are `active` (N, D) is normal by itself, with `log_det`
    (N,) of the map that made them: the mean over events, but for a constant."""
    count = active.sum(0).clamp_min(1)
    mean = (w * active).sum(0) / count
    variance = ((w - mean) * active).square().sum(0) / count
    tiny = torch.finfo(variance.dtype).tiny
    return float((log_det - (0.5 * variance.clamp_min(tiny).log() * active).sum(1)).mean())
