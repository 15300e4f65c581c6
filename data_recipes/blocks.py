"""Cuts files that do not fit in memory into blocks that do, along the chunks that the file is stored in."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

Block = dict[str, slice]
_CHUNK_MAY_EXCEED = 8


def blocks(sizes: Mapping[str, int], chunks: Mapping[str, int], most: int) -> Iterator[Block]:
    """Slices that cover an array once, in the order in which it is stored, each of `most` values or fewer.

    A block holds whole chunks, so that none is decompressed twice, where a chunk has no more than 8 times `most`.

    Args:
        sizes: length of each dimension, slowest first.
        chunks: length of a chunk along each; 1, or nothing, where the array is contiguous.
        most: values of a block.
    """
    lengths = block_lengths(sizes, chunks, most)
    starts = (range(0, sizes[dim], lengths[dim]) for dim in sizes)
    for corner in itertools.product(*starts):
        ends = (min(start + lengths[dim], sizes[dim]) for dim, start in zip(sizes, corner, strict=True))
        yield {dim: slice(start, end) for dim, start, end in zip(sizes, corner, ends, strict=True)}


def block_lengths(sizes: Mapping[str, int], chunks: Mapping[str, int], most: int) -> dict[str, int]:
    """How long a block is along each dimension: one chunk, then more of them, those of the last dimension first."""
    lengths = {dim: max(1, min(chunks.get(dim, 1), size)) for dim, size in sizes.items()}
    if math.prod(lengths.values()) > _CHUNK_MAY_EXCEED * most:
        lengths = dict.fromkeys(sizes, 1)
    for dim in reversed(list(sizes)):
        room = max(1, most // math.prod(lengths.values()))
        lengths[dim] = max(1, min(lengths[dim] * room, sizes[dim]))
        if lengths[dim] < sizes[dim]:
            break
    return lengths


def stored_chunks(dims: Sequence[str], encoding: Mapping[str, object]) -> dict[str, int]:
    """Length of a chunk along each dimension of a variable, as its encoding tells; empty for contiguous ones.

    A variable that was cut out of a larger one has the encoding of that, which says nothing of its own chunks.
    """
    lengths = encoding.get("chunksizes")
    if not isinstance(lengths, tuple | list) or len(lengths) != len(dims):
        return {}
    return dict(zip(dims, lengths, strict=True))
