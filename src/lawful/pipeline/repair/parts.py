"""Where in the file the numbers of variables lie, which may be parts of larger arrays."""

import numpy as np

from lawful.data_recipes.rewrite import Copy
from lawful.domains.components import IN_ARRAY
from lawful.reports.physics.columns import Block, Columns


class Array:
    """A block of one array of the file that is written, as it lies in it, with all labels where it has any."""

    def __init__(self, copy: Copy, name: str, index: tuple[slice, ...]):
        self._copy, self._name, self._index = copy, name, index
        self.numbers, self.changed = copy.read(name, index), False

    def write(self) -> None:
        """Put it back, unless nothing was changed."""
        if self.changed:
            self._copy.write(self._name, self._index, self.numbers)


class Part:
    """A block of one variable in the file that is written, flat in the order of the samples."""

    def __init__(self, copy: Copy, name: str, columns: Columns, block: Block, arrays: dict[str, Array]):
        values = columns.of(name).array
        own = [str(dim) for dim in values.dims]
        index: list[slice] = [block.index[dim] for dim in own]
        array, axis, position = values.encoding.get(IN_ARRAY, (name, None, 0))
        if axis is not None:
            index.insert(axis, slice(None))
        if array not in arrays:
            arrays[array] = Array(copy, array, tuple(index))
        self._array, numbers = arrays[array], arrays[array].numbers
        label = () if axis is None else (*[slice(None)] * axis, position)
        self._place = numbers[label].transpose([own.index(dim) for dim in columns.dims])
        self.numbers = self._place.reshape(-1).copy()

    def put(self, samples: np.ndarray, numbers: np.ndarray) -> None:
        """Take in numbers at flat positions, unless they are there."""
        if (self.numbers[samples] == numbers).all():
            return
        self.numbers[samples] = numbers
        self._place[...] = self.numbers.reshape(self._place.shape)
        self._array.changed = True
