"""How residuals add up and drift along the events of each series."""

import math
from typing import Any

import numpy as np

from lawful.reports.physics.columns import Block
from lawful.reports.physics.place import Where

_STRETCHES = 64
_MOST_SERIES = 2**20


class Along:
    """Sums of one law's residuals along the event dimension, in up to 64 stretches of equal length.

    A series is what has one member and one place. Sums of a series are known at the ends of stretches.
    """

    def __init__(self, sizes: dict[str, int], event_dim: str, where: Where):
        self._dim, self._where = event_dim, where
        self._axis = list(sizes).index(event_dim)
        self._length = max(1, math.ceil(sizes[event_dim] / _STRETCHES))
        self._events = sizes[event_dim]
        stretches = math.ceil(self._events / self._length)
        self._sums, self._counts = np.zeros(stretches), np.zeros(stretches, dtype=np.int64)
        shape = [size for dim, size in sizes.items() if dim != event_dim]
        self._running = np.zeros(shape) if math.prod(shape) <= _MOST_SERIES else None
        self._largest = 0.0
        self._at: dict[str, Any] | None = None

    def add(self, block: Block, residuals: np.ndarray, judged: np.ndarray | None) -> None:
        """Take in a block's residuals, flat, zero where `judged` is False; None says that all were judged."""
        part = block.index[self._dim]
        first = part.start // self._length
        starts = np.maximum(np.arange(first, -(-part.stop // self._length)) * self._length, part.start) - part.start
        found = slice(first, first + len(starts))
        sums = np.moveaxis(np.add.reduceat(residuals.reshape(block.shape), starts, axis=self._axis), self._axis, 0)
        self._sums[found] += sums.reshape(len(starts), -1).sum(axis=1)
        lengths = np.diff([*starts, part.stop - part.start])
        others = residuals.size // (part.stop - part.start)
        self._counts[found] += lengths * others if judged is None else self._judged(block, judged, starts)
        if self._running is not None:
            self._run(block, sums, self._running)

    def absorb(self, other: "Along") -> None:
        """Take in other series over the same events."""
        self._sums += other._sums
        self._counts += other._counts
        if abs(other._largest) > abs(self._largest):
            self._largest, self._at = other._largest, other._at

    def _judged(self, block: Block, judged: np.ndarray, starts: np.ndarray) -> np.ndarray:
        counts = np.add.reduceat(judged.reshape(block.shape).astype(np.int64), starts, axis=self._axis)
        return np.moveaxis(counts, self._axis, 0).reshape(len(starts), -1).sum(axis=1)

    def _run(self, block: Block, sums: np.ndarray, totals: np.ndarray) -> None:
        others = tuple(part for dim, part in block.index.items() if dim != self._dim)
        running = totals[others] + np.cumsum(sums, axis=0)
        totals[others] = running[-1]
        best = int(np.abs(running).argmax())
        value = float(running.reshape(-1)[best])
        if abs(value) > abs(self._largest):
            self._largest, self._at = value, self._named(block, np.unravel_index(best, running.shape))

    def _named(self, block: Block, at: tuple[Any, ...]) -> dict[str, Any]:
        part = block.index[self._dim]
        end = min((part.start // self._length + int(at[0]) + 1) * self._length, part.stop) - part.start - 1
        offsets = [int(offset) for offset in at[1:]]
        offsets.insert(self._axis, end)
        return self._where.at(block.index, int(np.ravel_multi_index(offsets, block.shape)))

    def largest(self) -> dict[str, Any] | None:
        """The largest sum of one series from its start on, and where it ends; None where there are too many series."""
        return None if self._at is None else {**self._at, "sum": self._largest}

    def stretches(self) -> list[dict[str, Any]]:
        """Mean signed residual of each stretch, with the label of its first event; None where nothing was judged."""
        starts = [stretch * self._length for stretch in range(len(self._sums))]
        pairs = zip(starts, self._sums, self._counts, strict=True)
        return [
            {"from": self._where.label(self._dim, start), "mean": float(total / count) if count else None}
            for start, total, count in pairs
        ]

    def drift(self) -> float | None:
        """Change of the mean residual from first to last event, by least squares over the stretches; None for one."""
        used = self._counts > 0
        if used.sum() < 2:
            return None
        middles = (np.flatnonzero(used) + 0.5) * self._length
        weights = self._counts[used] / self._counts[used].sum()
        means = self._sums[used] / self._counts[used]
        middles -= weights @ middles
        slope = (weights * middles) @ means / ((weights * middles) @ middles)
        return float(slope * (self._events - 1))
