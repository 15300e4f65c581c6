"""From a model to events: draw, decode, draw again what is not lawful as stored, and count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import holds
from lawful.core.errors import LawfulError
from lawful.core.models.base import GenerativeModel

_ROUNDS = 50
_DOUBT = 3


class InfeasibleEventsError(LawfulError, ValueError):
    """No lawful event was found for some contexts or given values; `events` are their numbers."""

    def __init__(self, events: list[int]):
        self.events = events
        super().__init__(f"no lawful event found for event {events[0]} in {_ROUNDS} draws ({len(events)} such events)")


@dataclass(frozen=True)
class Sampled:
    """Events `z` (B, n) as stored, and how many draws were thrown away because no lawful event has that pattern."""

    z: Tensor
    redrawn: int


def sample_events(
    model: GenerativeModel,
    chart: Chart,
    context: Tensor,
    given: Tensor,
    generator: torch.Generator,
    *,
    dtype: torch.dtype = torch.float64,
    progress: Callable[[int], None] = lambda done: None,
    doubted: Callable[[list[int]], None] = lambda events: None,
    chunk: int = 16384,
) -> Sampled:
    """One event for each row of `context` (B, c) and `given` (B, n), lawful in the precision `dtype`.

    `progress` is told how many are done. `doubted` gets the numbers of events for which three draws were unlawful, and
    may raise what explains it before many more are tried.

    Raises:
        InfeasibleEventsError: some events stay unlawful after many draws.
    """
    z = torch.zeros(len(context), chart.problem.n, dtype=dtype)
    redrawn = 0
    for start in range(0, len(context), chunk):
        todo = torch.arange(start, min(start + chunk, len(context)))
        for drawn in range(_ROUNDS):
            if drawn == _DOUBT:
                doubted(todo.tolist())
            ids, w = model.sample(context[todo], given[todo], generator)
            decoded = chart.decode(w, ids, given[todo], generator)
            good = decoded.lawful.clone()
            if dtype != decoded.z.dtype:
                good &= holds(chart.problem, decoded.z, dtype)
            z[todo[good]] = chart.problem.bounds.clip(decoded.z[good].to(dtype))
            todo = todo[~good]
            redrawn += len(todo)
            if not len(todo):
                break
        else:
            raise InfeasibleEventsError(todo.tolist())
        progress(min(chunk, len(context) - start))
    return Sampled(z, redrawn)


def law_residual(
    model: GenerativeModel, chart: Chart, context: Tensor, given: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    """The largest misfit of a law, in ulps, over lawful draws, and the share of draws that are not lawful."""
    ids, w = model.sample(context, given, generator)
    decoded = chart.decode(w, ids, given)
    ulps = chart.problem.system.ulps(decoded.z[decoded.lawful])
    return ulps.max().item() if ulps.numel() else 0.0, 1.0 - decoded.lawful.double().mean().item()
