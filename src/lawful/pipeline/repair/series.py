"""Repairs windows that were cut out of series, of which neighbours share the state between them."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from lawful.data_recipes.rewrite import Copy
from lawful.data_recipes.windows import CUT
from lawful.domains import Domain
from lawful.domains.components import IN_ARRAY
from lawful.pipeline.repair.effect import Effect
from lawful.pipeline.repair.parts import Array, Scattered
from lawful.pipeline.repair.storing import Storing
from lawful.pipeline.repair.work import Found, Work


def cut_from_series(ds: xr.Dataset, domain: Domain) -> bool:
    """Whether the events of a data set are windows that were cut out of series."""
    return all(CUT in ds[name].encoding for name in domain.names)


class Series(Work):
    """Windows in the order of time, which are in memory.

    They are mended one after another. A window keeps the states that it shares with the one before, mended or not, and
    those that it shares with the one after where that is lawful, so that what was lawful stays as it was.
    """

    def __init__(self, ds: xr.Dataset, domain: Domain, effect: Effect):
        super().__init__(ds, domain, effect)
        self._arrays = [ds[name].encoding[IN_ARRAY][0] for name in domain.names]
        self._places = np.stack([_places(ds[name]) for name in domain.names], axis=-1)
        self._with_last, self._with_next = (np.zeros(self._places.shape, dtype=bool) for _ in range(2))
        for array in set(self._arrays):
            own = np.array(self._arrays) == array
            places = self._places[:, own]
            self._with_last[1:, own] = places[1:] <= places[:-1].max(axis=1, keepdims=True)
            self._with_next[:-1, own] = places[:-1] >= places[1:].min(axis=1, keepdims=True)

    def mend_in_turn(self, copy: Copy, nearest: Callable[[tuple[int, ...]], Found]) -> None:
        """Put lawful numbers in the place of unlawful ones; `nearest` is told which variables to hold."""
        arrays = {name: Array(copy, name) for name in set(self._arrays)}
        numbers = Scattered([arrays[name] for name in self._arrays], list(self._places.T))
        block = self.columns.whole()
        storing = Storing(self.columns, self._judges, self._domain)
        samples, before = self._unlawful(block)
        for turn in _turns(samples):
            held = self._held(samples)[turn]
            for kept in np.unique(held, axis=0):
                chosen, found = turn[(held == kept).all(axis=1)], nearest(tuple(np.flatnonzero(kept).tolist()))
                now = self._values(numbers.read(samples[chosen]))
                self._mend_block(block, numbers, found, storing, samples[chosen], now, was=before[chosen])
        for array in arrays.values():
            array.write()

    def _held(self, unlawful: np.ndarray) -> np.ndarray:
        """What windows keep for the sake of their neighbours, (unlawful, variable)."""
        free = np.isin(unlawful + 1, unlawful)[:, None]
        return self._with_last[unlawful] | (self._with_next[unlawful] & ~free)

    def _values(self, numbers: list[np.ndarray]) -> np.ndarray:
        pairs = zip(self.columns.columns, numbers, strict=True)
        return np.stack([column.values(column.unpacked(own))[0] for column, own in pairs], axis=-1)


def _places(values: xr.DataArray) -> np.ndarray:
    """Where along its series a component is, for each window."""
    found: np.ndarray = values.encoding[CUT][:, values.encoding[IN_ARRAY][2]]
    return found


def _turns(samples: np.ndarray) -> list[np.ndarray]:
    """Positions of windows that can be mended at the same time: the first of each run of neighbours, the second, ..."""
    first = np.flatnonzero(np.diff(samples, prepend=-2) > 1)
    turn = np.arange(len(samples)) - np.repeat(first, np.diff([*first, len(samples)]))
    return [np.flatnonzero(turn == k) for k in range(int(turn.max(initial=-1)) + 1)]
