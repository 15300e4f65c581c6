"""The variables of a domain, read block by block from a file as they are stored."""

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from lawful.data_recipes.blocks import blocks, stored_chunks
from lawful.data_recipes.cf import MISSING
from lawful.domains.declarations import component
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.shaped import PADDED
from lawful.domains.units import convert, equivalent
from lawful.reports.arrays import check_variables
from lawful.reports.stored import Storage, storage_of

_BLOCK = 2**19
_PIECE = 2**15


@dataclass(frozen=True)
class Column:
    """One variable: its numbers in the file, how finely these are stored, and the way to the domain's units.

    A number x of the file is `factor x + shift` in the units of the domain; its half spacing grows by `|factor|`.
    Where it is `padded`, +inf is no number of the file but a zero without rounding.
    """

    array: xr.DataArray
    storage: Storage
    factor: float = 1.0
    shift: float = 0.0

    @property
    def padded(self) -> bool:
        return bool(self.array.encoding.get(PADDED, False))

    @property
    def converted(self) -> bool:
        """Whether the units of the file are not those of the domain."""
        return (self.factor, self.shift) != (1.0, 0.0)

    def slack_at(self, bound: float) -> float:
        """How far unpacking and converting may take a number that stands for `bound` away from it."""
        if not (self.storage.packed or self.converted) or not math.isfinite(bound):
            return 0.0
        size = abs(bound) + abs(self.storage.offset * self.factor) + abs(self.shift)
        # A number that is half a step off stands for no bound.
        unpacking = min(2 * self.storage.rounding * size, abs(self.storage.scale * self.factor) / 4)
        return max(2.0**-51 * size, unpacking)

    def values(self, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
        """Float64 values in the domain's units and their half spacings, of numbers as they come from the file."""
        values, spacing = self._values(stored)
        if not self.padded:
            return values, spacing
        there = ~np.isposinf(stored)
        return np.where(there, values, 0.0), np.where(there, spacing, 0.0)

    def _values(self, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray | float]:
        numbers = stored.astype(np.float64, copy=False)
        if self.storage.packed and stored.dtype != np.float64:
            # Numbers unpacked in single precision lie beside the steps.
            steps = np.rint((numbers - self.storage.offset) / self.storage.scale)
            numbers = steps * self.storage.scale + self.storage.offset
        spacing = self.storage.half_spacing(numbers)
        if not self.converted:
            return numbers, spacing
        return numbers * self.factor + self.shift, spacing * abs(self.factor)

    def stored(self, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The numbers of type `dtype` that stand for float64 values in the domain's units, in the file."""
        numbers = (values - self.shift) / self.factor if self.converted else values
        if dtype.kind not in "iu":
            return numbers.astype(dtype)
        steps = np.rint((numbers - self.storage.offset) / self.storage.scale if self.storage.packed else numbers)
        limits = np.iinfo(dtype)
        return np.clip(steps, limits.min, limits.max).astype(dtype)

    def missing(self, stored: np.ndarray) -> np.ndarray:
        """Which numbers, as they lie in the file, stand for a missing value there."""
        encoding = self.array.encoding
        return np.isin(stored, [encoding[key] for key in MISSING if key in encoding])

    def unpacked(self, stored: np.ndarray) -> np.ndarray:
        """Float64 numbers in the file's units, of numbers as they lie in the file."""
        numbers = stored.astype(np.float64)
        return numbers * self.storage.scale + self.storage.offset if self.storage.packed else numbers


@dataclass(frozen=True)
class Piece:
    """Some thousand samples in a row: `start` is where they begin in their block, flattened.

    `positions` are those of its samples after `start`, where some were left out.
    """

    start: int
    values: list[np.ndarray]
    spacing: list[np.ndarray | float]
    finite: bool = True
    positions: np.ndarray | None = None

    def flat(self, sample: int) -> int:
        """Where in the block a sample is."""
        return self.start + (sample if self.positions is None else int(self.positions[sample]))

    @property
    def span(self) -> slice | np.ndarray:
        """Where in the block all its samples are, as an index."""
        return slice(self.start, self.start + self.size) if self.positions is None else self.start + self.positions

    def of_finite(self) -> "Piece":
        """The samples all of whose values are finite."""
        if self.finite:
            return self
        positions = np.flatnonzero(np.logical_and.reduce([np.isfinite(column) for column in self.values]))
        return self.only(positions)

    def only(self, positions: np.ndarray) -> "Piece":
        """Some of the samples, by their place among those that are left."""
        values = [column[positions] for column in self.values]
        spacing = [h[positions] if isinstance(h, np.ndarray) else h for h in self.spacing]
        if self.positions is not None:
            positions = self.positions[positions]
        return replace(self, values=values, spacing=spacing, finite=True, positions=positions)

    @property
    def size(self) -> int:
        return int(self.values[0].size)


@dataclass(frozen=True)
class Block:
    """A part of the file that fits in memory: slices by dimension, and the stored numbers of each variable, flat."""

    index: dict[str, slice]
    numbers: list[np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(part.stop - part.start for part in self.index.values())


class Columns:
    """All variables of a domain in one data set, with the same dimensions in the same order.

    Args:
        ds: opened, not necessarily loaded.
        domain: variables and their units.
        steps: last printed digit by variable, in the domain's units, where the file does not tell.

    Raises:
        InputError: a variable or the event dimension is missing, dimensions differ between variables, or units do not
            convert; it is named.
    """

    def __init__(self, ds: xr.Dataset, domain: Domain, steps: Mapping[str, float] | None = None):
        check_variables(ds, domain)
        self.notes: list[str] = []
        self.dims = tuple(str(dim) for dim in ds[domain.names[0]].dims)
        self.sizes = {dim: ds.sizes[dim] for dim in self.dims}
        self._density = domain.density
        self.columns = [self._column(ds[v.name], v.units, (steps or {}).get(v.name)) for v in domain.variables]
        self._by_name = dict(zip(domain.names, self.columns, strict=True))

    def _column(self, array: xr.DataArray, units: str, step: float | None) -> Column:
        stated, name = str(array.attrs.get("units", units)), (component(str(array.name)) or (array.name,))[0]
        try:
            if equivalent(stated, units):
                return Column(array, storage_of(array, step))
            shift, one = (float(value) for value in convert(np.array([0.0, 1.0]), stated, units, self._density))
        except InputError as error:
            raise InputError(f"variable {name!r}: {error}") from error
        # Of the difference as it is, one conversion would be rounded twice.
        factor = float(convert(1.0, stated, units, self._density)) if shift == 0 else one - shift
        note = f"{name} converted from {stated!r} to {units!r}"
        self.notes += [note] if note not in self.notes else []
        return Column(array, storage_of(array, None if step is None else step / abs(factor)), factor, shift)

    def of(self, name: str) -> Column:
        """The column of a variable."""
        return self._by_name[name]

    @property
    def samples(self) -> int:
        return int(np.prod([*self.sizes.values()], dtype=np.int64))

    def blocks_ahead(self) -> Iterator[Block]:
        """`blocks`, each read by another thread while the one before is worked on; no file may be written meanwhile."""
        pending = self.blocks()
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(next, pending, None)
            while (block := coming.result()) is not None:
                coming = reader.submit(next, pending, None)
                yield block

    def blocks(self) -> Iterator[Block]:
        """The whole file, one block after another."""
        first = self.columns[0].array
        chunks = stored_chunks(self.dims, first.encoding)
        for index in blocks(self.sizes, chunks, _BLOCK):
            yield self._block(index)

    def whole(self) -> Block:
        """The whole file as one block, where it is in memory."""
        return self._block({dim: slice(0, size) for dim, size in self.sizes.items()})

    def _block(self, index: dict[str, slice]) -> Block:
        return Block(index, [self._numbers(column.array, index) for column in self.columns])

    def _numbers(self, array: xr.DataArray, index: dict[str, slice]) -> np.ndarray:
        part: Any = array.isel(index).transpose(*self.dims).values
        return np.ascontiguousarray(part).reshape(-1)

    def pieces(self, block: Block) -> Iterator[Piece]:
        """A block in parts small enough for a processor's cache."""
        for start in range(0, block.numbers[0].size, _PIECE):
            parts = [numbers[start : start + _PIECE] for numbers in block.numbers]
            pairs = [column.values(part) for column, part in zip(self.columns, parts, strict=True)]
            values, spacing = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            # A NaN among them makes the largest NaN; -inf makes the smallest -inf.
            finite = all(np.isfinite(column.max()) and np.isfinite(column.min()) for column in values)
            yield Piece(start, values, spacing, finite)
