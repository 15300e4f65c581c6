"""How finely a file can hold a number: half the spacing of the stored representation."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.errors import InputError

_FRACTION_BITS = {"float64": 52, "float32": 23}
_SMALLEST_NORMAL = {"float64": 0.0, "float32": 2.0**-126}
_EXPONENT = np.int64(0x7FF0000000000000)
_PACKING = ("scale_factor", "add_offset")
_BITS, _DIGITS = "_QuantizeBitRoundNumberOfSignificantBits", "NumberOfSignificantDigits"


@dataclass(frozen=True)
class Storage:
    """What a variable's numbers are rounded to: steps of one size, decimal digits, or binary digits of a float.

    Attributes:
        described: for people, as "float32" or "int16 in steps of 0.01".
        fraction_bits: of a float, or what quantisation has left of them.
        smallest_normal: smallest normal number of the float; 0 where subnormal numbers do not matter.
        step: in the file's units, zero for floats.
        offset: of packed integers.
        scale: of packed integers: values are integers times `scale` plus `offset`; zero where they are not packed.
        rounding: relative, of `scale` and `offset`: such as 0.01 has in single precision.
        digits: significant decimal digits, None where there are none declared.
    """

    described: str
    fraction_bits: int = 52
    smallest_normal: float = 0.0
    step: float = 0.0
    offset: float = 0.0
    scale: float = 0.0
    rounding: float = 2.0**-52
    digits: int | None = None

    @property
    def packed(self) -> bool:
        """Whether the file holds integers that stand for other numbers."""
        return self.scale != 0

    def half_spacing(self, values: np.ndarray) -> np.ndarray | float:
        """Half the distance from |x| to the next larger number; float64 in and out, 0 where it underflows."""
        if self.step:
            return self.step / 2
        if self.digits is not None:
            with np.errstate(divide="ignore"):
                return 0.5 * 10.0 ** (np.floor(np.log10(np.abs(values))) + 1 - self.digits)
        # A float without the bits of its fraction is the power of two below it.
        power = (values.view(np.int64) & _EXPONENT).view(np.float64)
        if self.smallest_normal:
            np.maximum(power, self.smallest_normal, out=power)
        power *= 2.0 ** -(self.fraction_bits + 1)
        return power


def storage_of(array: xr.DataArray, step: float | None = None) -> Storage:
    """What the file says of a variable: its type, packing, or the digits that its values were rounded to.

    Reads `scale_factor` and `add_offset` (CF 8.1), `least_significant_digit`, and the attributes that netCDF's own
    quantisation leaves. `step` overrides them: the last printed digit, in the file's units.

    Raises:
        InputError: the type is none of float64, float32 and integers.
    """
    kind: Any = np.dtype(array.encoding.get("dtype", array.dtype))
    # An integer variable without packing is exact in float64.
    name = "float64" if kind.kind in "iu" else kind.name
    if name not in _FRACTION_BITS:
        raise InputError(f"{array.name} is stored as {name}: store it as float64, float32 or packed integers")
    if step is not None:
        return Storage(f"{kind.name} printed in steps of {step:g}", step=step)
    declared = {**array.encoding, **array.attrs}
    if kind.kind in "iu" and declared.get("scale_factor") is not None:
        scale, offset = float(declared["scale_factor"]), float(declared.get("add_offset") or 0.0)
        single = any(np.asarray(declared.get(key)).dtype == np.float32 for key in _PACKING)
        rounding = 2.0**-23 if single else 2.0**-52
        described = f"{kind.name} in steps of {abs(scale):g}"
        return Storage(described, step=abs(scale), offset=offset, scale=scale, rounding=rounding)
    return _rounded(name, declared)


def _rounded(name: str, declared: dict[Any, Any]) -> Storage:
    decimals, bits = declared.get("least_significant_digit"), declared.get(_BITS)
    digits = next((int(value) for key, value in declared.items() if str(key).endswith(_DIGITS)), None)
    if decimals is not None:
        return Storage(f"{name} rounded to {int(decimals)} decimals", step=10.0 ** -int(decimals))
    if digits is not None:
        return Storage(f"{name} rounded to {digits} digits", digits=digits)
    kept = _FRACTION_BITS[name] if bits is None else min(int(bits), _FRACTION_BITS[name])
    described = name if bits is None else f"{name} rounded to {kept} bits"
    return Storage(described, fraction_bits=kept, smallest_normal=_SMALLEST_NORMAL[name])


def float64_half_spacing(value: float) -> float:
    """Half the spacing of float64 at a value."""
    return math.ulp(value) / 2
