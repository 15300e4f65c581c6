"""What events say of the coordinates that suit them."""

from __future__ import annotations

from collections.abc import Iterable
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

_MORE = tuple(digit * 10.0**k for k in range(10) for digit in (1.0, 3.0))
"""Of a link by itself, as long as it is linear at the largest values, so that draws are not far beyond them."""

_SOME, _MOST = 64, 1000
_WORTH = 2.0
"""By how much the log density of a value has to rise: less is not worth the linear relations that are given up."""
_LINEAR = 1 / 3
"""Of the largest distance from a bound: a link by itself is linear from there on."""
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


def likeliest_together(link: Link, extended: Tensor, columns: Tensor) -> Link:
    """The link with the scales of `columns` (C,), which have one bound, all times one factor, under which the values
    between the bounds of events `extended` (N, columns) are likeliest, if each column is normal by itself.

    Where laws are solved for a variable that has a bound, all others move with it, in these units. Those that lie on
    many scales, as concentrations do, then have to be logarithmic up to their largest values, or the least error of a
    large one takes a small one to nothing.
    """
    likelihoods = _likelihoods(link[columns], extended[:: -(-len(extended) // _MOST), columns], FACTORS)
    return _scaled(link, columns, max(FACTORS, key=likelihoods.__getitem__))


def likeliest_apart(link: Link, extended: Tensor, columns: Tensor) -> Link:
    """The same with a factor for each of `columns` (C,), where laws are solved for variables without bounds.

    Where a variable lies on many scales, as trickles do, its largest values would else set the unit in which networks
    see all of them, and the least errors take small values to nothing.
    """
    for column in columns.split(1):
        part, values = link[column], extended[:, column]
        values = values[(values > part.lower) & (values < part.upper)][:, None]
        if not len(values):
            continue
        largest = torch.minimum(values - part.lower, part.upper - values).amax()
        factors = [f for f in _MORE if f == 1.0 or part.scale * f <= _LINEAR * largest]
        likelihoods = _likelihoods(part, values[:: -(-len(values) // _MOST)], factors)
        best = max(factors, key=likelihoods.__getitem__)
        if likelihoods[best] - likelihoods[1.0] > _WORTH:
            link = _scaled(link, column, best)
    return link


def _likelihoods(link: Link, values: Tensor, factors: Iterable[float]) -> dict[float, float]:
    """How likely `values` (N, C) are, of those that lie between bounds, with the scales of a link times each factor."""
    active = values.isfinite() & (values > link.lower) & (values < link.upper)

    def likelihood(factor: float) -> float:
        each = Link(link.lower, link.upper, link.scale * factor)
        y = torch.where(active, each.inverse(values), 0.0)
        log_slope = each.log_slope(y) + each.unit.log()
        return _normality(y, -torch.where(active, log_slope, 0.0).sum(1), active)

    return {factor: likelihood(factor) for factor in factors}


def _scaled(link: Link, columns: Tensor, factor: float) -> Link:
    return Link(link.lower, link.upper, link.scale.index_copy(0, columns, link.scale[columns] * factor))


def _normality(w: Tensor, log_det: Tensor, active: Tensor) -> float:
    """How likely coordinates w (N, D) are if each of those that are `active` (N, D) is normal by itself, with `log_det`
    (N,) of the map that made them: the mean over events, but for a constant."""
    count = active.sum(0).clamp_min(1)
    mean = (w * active).sum(0) / count
    variance = ((w - mean) * active).square().sum(0) / count
    tiny = torch.finfo(variance.dtype).tiny
    return float((log_det - (0.5 * variance.clamp_min(tiny).log() * active).sum(1)).mean())
