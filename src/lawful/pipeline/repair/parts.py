"""Where in the file the numbers of variables lie: in variables of their own, in larger arrays, or scattered in them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import xarray as xr

from lawful.data_recipes.rewrite import Copy
from lawful.domains import View
from lawful.domains.components import IN_ARRAY
from lawful.domains.declarations import component
from lawful.reports.physics.columns import Block, Columns


class Parts(Protocol):
    """Numbers of the file by variable, and the way back to where they lie."""

    def read(self, samples: np.ndarray) -> list[np.ndarray]:
        """Those at flat positions of a block."""

    def put(self, samples: np.ndarray, numbers: Sequence[np.ndarray]) -> None:
        """Others in the place of those."""


class Array:
    """An array of the file that is written, or a part of it, as it lies in it."""

    def __init__(self, copy: Copy, name: str, index: tuple[slice, ...] = (slice(None),)):
        self._copy, self._name, self._index = copy, name, index
        self.numbers, self.changed = copy.read(name, index), False

    def write(self) -> None:
        """Put it back, unless nothing was changed."""
        if self.changed:
            self._copy.write(self._name, self._index, self.numbers)


class OfBlock:
    """Variables that lie in the file as they do in the block, with a dimension more where they are components."""

    def __init__(self, copy: Copy, columns: Columns, names: Sequence[str], block: Block):
        self._arrays: dict[str, Array] = {}
        self._parts = [self._part(copy, columns, name, block) for name in names]

    def _part(self, copy: Copy, columns: Columns, name: str, block: Block) -> "_Part":
        values = columns.of(name).array
        own = [str(dim) for dim in values.dims]
        index: list[slice] = [block.index[dim] for dim in own]
        array, axis, position = values.encoding.get(IN_ARRAY, (name, None, 0))
        if axis is not None:
            index.insert(axis, slice(None))
        if array not in self._arrays:
            self._arrays[array] = Array(copy, array, tuple(index))
        label = () if axis is None else (*[slice(None)] * axis, position)
        place = self._arrays[array].numbers[label].transpose([own.index(dim) for dim in columns.dims])
        return _Part(self._arrays[array], place)

    def read(self, samples: np.ndarray) -> list[np.ndarray]:
        """See `Parts`."""
        return [part.numbers[samples] for part in self._parts]

    def put(self, samples: np.ndarray, numbers: Sequence[np.ndarray]) -> None:
        """See `Parts`."""
        for part, new in zip(self._parts, numbers, strict=True):
            part.put(samples, new)
        for array in self._arrays.values():
            array.write()


class _Part:
    """A block of one variable, flat in the order of the samples; `place` is where it lies in the array."""

    def __init__(self, array: Array, place: np.ndarray):
        self._array, self._place = array, place
        self.numbers = place.reshape(-1).copy()

    def put(self, samples: np.ndarray, numbers: np.ndarray) -> None:
        if (self.numbers[samples] == numbers).all():
            return
        self.numbers[samples] = numbers
        self._place[...] = self.numbers.reshape(self._place.shape)
        self._array.changed = True


class Scattered:
    """Variables whose numbers lie anywhere in arrays of the file.

    Args:
        arrays: for each variable, whole.
        positions: for each variable the flat positions of its samples there, with their dimensions.
    """

    def __init__(self, arrays: Sequence[Array], positions: Sequence[np.ndarray]):
        self._arrays, self._positions = arrays, positions
        self._index: tuple[slice, ...] = ()

    @classmethod
    def of_view(cls, ds: xr.Dataset, arrays: Mapping[str, Array], view: View, columns: Columns) -> "Scattered":
        """The variables that a view takes out of a file which was read whole as `ds`."""
        numbered = view.of(ds.assign({name: _numbered(ds[name]) for name in arrays}))
        names = view.domain.names
        positions = [numbered.variables[name].transpose(*columns.dims).to_numpy() for name in names]
        return cls([arrays[(component(name) or (name,))[0]] for name in names], positions)

    def of(self, block: Block) -> "Scattered":
        """The same, for a block."""
        self._index = tuple(block.index.values())
        return self

    def read(self, samples: np.ndarray) -> list[np.ndarray]:
        """See `Parts`."""
        return [array.numbers.reshape(-1)[places] for array, places in self._placed(samples)]

    def put(self, samples: np.ndarray, numbers: Sequence[np.ndarray]) -> None:
        """See `Parts`; the arrays are written at the end."""
        for (array, places), new in zip(self._placed(samples), numbers, strict=True):
            if (array.numbers.reshape(-1)[places] != new).any():
                array.numbers.reshape(-1)[places] = new
                array.changed = True

    def _placed(self, samples: np.ndarray) -> list[tuple[Array, np.ndarray]]:
        found = [places[self._index].reshape(-1)[samples] for places in self._positions]
        return list(zip(self._arrays, found, strict=True))


def _numbered(values: xr.DataArray) -> xr.DataArray:
    """In the place of each number its flat position in the array."""
    return values.copy(data=np.arange(values.size).reshape(values.shape))
