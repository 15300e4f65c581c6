"""Keeps the memory in bounds that the NetCDF library sets aside for decompressed chunks of each variable."""

from collections.abc import Iterator
from contextlib import contextmanager

import netCDF4

_ALL = 2**27
_LEAST = 2**20


@contextmanager
def bounded_chunk_cache(variables: int) -> Iterator[None]:
    """Files opened inside keep at most 128 MiB of chunks for so many variables, rather than 64 MiB for each."""
    size, elements, preemption = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(min(size, max(_LEAST, _ALL // max(variables, 1))), elements, preemption)
    try:
        yield
    finally:
        netCDF4.set_chunk_cache(size, elements, preemption)
