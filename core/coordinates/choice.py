"""What events say of the coordinates that suit them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lawful.core.coordinates.rooms import Rooms

if TYPE_CHECKING:
    from lawful.core.coordinates.chart import Chart

STEADY = 0.95
"""Less than this share is too little of `steadiness`."""

SHARPNESSES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
"""That are tried."""

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
    parts = z[some], ids[some], active[some]
    return max(map(rooms.sharpened, SHARPNESSES), key=lambda each: _log_likelihood(each, *parts))


def _log_likelihood(rooms: Rooms, z: Tensor, ids: Tensor, active: Tensor) -> float:
    """The mean over events, but for a constant."""
    w, count = rooms.encode(z, ids, active), active.sum(0).clamp_min(1)
    mean = w.sum(0) / count
    variance = ((w - mean) * active).square().sum(0) / count
    tiny = torch.finfo(variance.dtype).tiny
    return float((rooms.log_det(z, ids) - (0.5 * variance.clamp_min(tiny).log() * active).sum(1)).mean())
