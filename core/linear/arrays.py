"""Arrays of any kind in, float64 tensors out; checks of shapes and values that name the offender."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError

FLOAT_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def float_dtype(dtype: Any) -> torch.dtype:
    """`torch.float32` or `torch.float64` from a torch dtype, a NumPy dtype or a name."""
    try:
        name = str(dtype).removeprefix("torch.") if isinstance(dtype, torch.dtype) else np.dtype(dtype).name
    except TypeError:  # Of pandas, with missing values of their own.
        name = str(dtype)
    if name not in FLOAT_DTYPES:
        raise InvalidValueError(f"Expected float32 or float64, got {name}: convert the values first.")
    return FLOAT_DTYPES[name]


def source_dtype(x: Any) -> torch.dtype:
    """The floating-point format `x` is stored in; float64 for integers and Python numbers."""
    dtype = getattr(x, "dtype", None)
    if dtype is None or (isinstance(dtype, np.dtype) and dtype.kind in "iub"):
        return torch.float64
    if isinstance(dtype, torch.dtype) and not dtype.is_floating_point:
        return torch.float64
    return float_dtype(dtype)


def device_of(x: Any) -> torch.device:
    """Where `x` lies; the CPU for what is no tensor."""
    return x.device if isinstance(x, Tensor) else torch.device("cpu")


def as_float64(x: Any, device: torch.device | None = None) -> Tensor:
    """`x` as a float64 tensor; tensors keep their device and their place in the autograd graph."""
    if isinstance(x, Tensor) and not x.is_complex():
        return x.to(torch.float64)
    return torch.from_numpy(numbers(x)).to(device)


def numbers(x: Any) -> np.ndarray:
    """A copy of `x` as a float64 array; tensors without their gradient, NaN where masked, complex numbers refused."""
    values = x.detach().cpu().numpy() if isinstance(x, Tensor) else x
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError, np.exceptions.ComplexWarning) as error:
        raise InvalidValueError(f"Expected real numbers, in lists of equal length: {error}.") from error


def as_bool(x: Any, device: torch.device | None = None) -> Tensor:
    """`x` as a boolean tensor; anything but booleans is refused, since an index list would pass for a mask."""
    mask = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x)).to(device)
    if mask.dtype != torch.bool:
        raise InvalidValueError(f"Expected a boolean mask, got {mask.dtype}: True marks a free variable.")
    return mask


def require_last(x: Tensor, size: int, what: str, of: str) -> Tensor:
    """`x`, if its last dimension has `size` entries, else ShapeError."""
    if x.dim() == 0 or x.shape[-1] != size:
        raise ShapeError(f"Expected {what} of shape (..., {size}), one entry per {of}, got {tuple(x.shape)}.")
    return x


def require_finite(x: Tensor, what: str, labels: Sequence[str]) -> None:
    """InvalidValueError naming the first NaN or infinity of `x` (..., len(labels))."""
    bad = ~torch.isfinite(x.detach())
    if bad.any():
        first = tuple(bad.nonzero()[0].tolist())
        raise InvalidValueError(
            f"{what} of {labels[first[-1]]!r} is {x[first].item()}{at_sample(first[:-1])} ({int(bad.sum())} bad "
            "in all): fill or mask missing values first."
        )


def refuse_where(bad: Tensor, x: Tensor, what: str, labels: Sequence[str], expected: str) -> None:
    """InvalidValueError naming the first entry of `x` (..., len(labels)) that is `bad`, and what was `expected`."""
    if bad.any():
        *sample, i = bad.nonzero()[0].tolist()
        value, where = x[(*sample, i)].item(), at_sample(tuple(sample))
        raise InvalidValueError(f"{what} of {labels[i]!r} is {value:g}{where}: expected {expected}.")


def batch_of(*shapes: Sequence[int]) -> torch.Size:
    """The common batch shape, else ShapeError."""
    distinct = {tuple(shape) for shape in shapes} - {()}
    if len(distinct) < 2:  # torch takes long over the usual case
        return torch.Size(*distinct)
    try:
        return torch.broadcast_shapes(*distinct)
    except RuntimeError as error:
        raise ShapeError(f"Batch shapes {[tuple(s) for s in shapes]} do not broadcast together.") from error


class Numbered(Sequence[str]):
    """`size` names, "law 0", "law 1" and so on, made when they are asked for: there may be a million."""

    def __init__(self, what: str, size: int):
        self._what, self._range = what, range(size)

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, index: Any) -> Any:
        chosen = self._range[index]
        return [f"{self._what} {i}" for i in chosen] if isinstance(chosen, range) else f"{self._what} {chosen}"


def labels(names: Sequence[str] | None, size: int, default: str, what: str) -> Sequence[str]:
    """`names` checked for number and repetition, or `default` with a running number."""
    if names is None or (isinstance(names, Numbered) and len(names) == size):
        return Numbered(default, size) if names is None else names
    if len(names) != size or len(set(names)) != size:
        raise ShapeError(f"Expected {size} different {what}, got {list(names)}.")
    return tuple(names)


def at_sample(index: tuple[int, ...]) -> str:
    """`' in sample 3'`, or nothing where there is no batch."""
    if not index:
        return ""
    return f" in sample {index[0] if len(index) == 1 else index}"
