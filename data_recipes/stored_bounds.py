"""Which numbers of a file stand for a bound that the file cannot hold, or that comes out beside it."""

import numpy as np
import xarray as xr

_CONVERSION = 4 * np.finfo(np.float64).eps


def stands_for(
    values: xr.DataArray, numbers: np.ndarray, bound: float, place: float, *, neighbours: bool = True
) -> np.ndarray:
    """Mask of the `numbers` of a file that a `bound`, at `place` in the units of the file, has become there.

    These are numbers at the place but for the rounding of unpacking or of a conversion of units, and both `neighbours`
    in single precision of a place that this does not hold: the nearest number, and the one that keeps within.

    Args:
        values: the variable, with the packing of the file in its encoding.
        numbers: its values as float64.
        bound: in the units of the domain.
        place: the same in the units of the file.
    """
    near = _unpacking(values, place) if _packed(values) else _CONVERSION * abs(place) * (place != bound)
    mask = np.abs(numbers - place) <= near
    if not neighbours or _packed(values) or np.float32(place) == place:
        return mask
    return mask | _beside(numbers, place)


def _packed(values: xr.DataArray) -> bool:
    return any(values.encoding.get(key) is not None for key in ("scale_factor", "add_offset"))


def _unpacking(values: xr.DataArray, place: float) -> float:
    """How far the rounding of unpacking may take a number from its place; none where that is no less than a step."""
    step, offset = (values.encoding.get(key) for key in ("scale_factor", "add_offset"))
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    rounding = float(2 * np.finfo(kind).eps) * (abs(float(offset or 0.0)) + abs(place))
    return rounding if rounding < abs(float(1.0 if step is None else step)) / 2 else 0.0


def _beside(numbers: np.ndarray, place: float) -> np.ndarray:
    """Mask of the numbers that are the largest below a place, or the least above it, in single precision.

    A place that conversion has taken off such a number by its own rounding has no others beside it.
    """
    nearest = np.float32(place)
    if abs(float(nearest) - place) <= _CONVERSION * abs(place):
        return np.zeros(numbers.shape, dtype=bool)
    other = np.nextafter(nearest, np.float32(-np.inf if nearest > place else np.inf))
    return (numbers == float(nearest)) | (numbers == float(other))
