"""Units as CF files write them, through pint and the registry of cf_xarray."""

from functools import cache

import numpy as np
import pint
from cf_xarray.units import units as registry

from lawful.domains.errors import InputError


@cache
def _unit(text: str) -> pint.Unit:
    try:
        return registry.Unit(text if text.strip() else "1")
    except Exception as error:
        raise InputError(f"units {text!r} are not understood; write them as CF does, such as 'W m-2'") from error


def equivalent(first: str, second: str) -> bool:
    """Whether two spellings mean the same units, so that values need no conversion."""
    return first == second or _unit(first) == _unit(second)


def convert(value: np.ndarray | float, source: str, target: str) -> np.ndarray:
    """Values in `source` units as float64 values in `target` units.

    Raises:
        InputError: the units are unknown, or one does not convert into the other; both are named.
    """
    values = np.asarray(value, dtype=np.float64)
    if equivalent(source, target):
        return values
    try:
        return np.asarray(registry.Quantity(values, _unit(source)).to(_unit(target)).magnitude, dtype=np.float64)
    except pint.DimensionalityError as error:
        raise InputError(f"units {source!r} do not convert into {target!r}") from error
