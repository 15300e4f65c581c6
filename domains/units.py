"""Units as CF files write them, through pint and the registry of cf_xarray."""

import re
from functools import cache

import numpy as np
import pint
from cf_xarray.units import units as registry

from lawful.domains.errors import InputError

# Numbers raised to large powers, or to powers of powers, would be worked out for ever.
_MONSTER = re.compile(r"(\*\*|\^)\W*\d{3,}|(\*\*|\^)[^*^]*(\*\*|\^)|.{201}", re.DOTALL)


_MOLAR_MASS = (
    "; leave masses in their units and let a number in the law make amounts of them, as in 0.02495 * Ca (mmol/mg)"
)


@cache
def _unit(text: str) -> pint.Unit:
    try:
        if _MONSTER.search(text):
            raise ValueError("too large")
        # A spelling of UDUNITS that the registry does not know.
        return registry.Unit(re.sub(r"\bdeg(rees?)?_C\b", "degC", text) if text.strip() else "1")
    except Exception as error:
        raise InputError(f"units {text!r} are not understood; write them as CF does, such as 'W m-2'") from error


def require_units(text: str) -> None:
    """Raise InputError when units are not understood."""
    _unit(text)


def require_density(text: str) -> None:
    """Raise InputError when a density is not understood, or is none."""
    if _through_density("m3", "kg", text) is None:
        raise InputError(f"density {text!r} is not one; write it as '1000 kg m-3'")


def equivalent(first: str, second: str) -> bool:
    """Whether two spellings mean the same units, so that values need no conversion."""
    return first == second or _unit(first) == _unit(second)


def convert(value: np.ndarray | float, source: str, target: str, density: str | None = None) -> np.ndarray:
    """Values in `source` units as float64 values in `target` units; `density` turns volume into mass and back.

    Raises:
        InputError: the units are unknown, or one does not convert into the other; both are named.
    """
    values = np.asarray(value, dtype=np.float64)
    if equivalent(source, target):
        return values
    try:
        return np.asarray(registry.Quantity(values, _unit(source)).to(_unit(target)).magnitude, dtype=np.float64)
    except pint.DimensionalityError as error:
        through = _through_density(source, target, density) if density else None
        if through is None:
            hint = _MOLAR_MASS if between_mass_and_amount((source,), target) else ""
            raise InputError(f"units {source!r} do not convert into {target!r}{hint}") from error
        return values * through


def factor(sources: tuple[str, ...], target: str, density: str | None = None) -> float:
    """What turns a product of quantities in `sources` units into `target` units; 1.0 exactly where they are the same.

    Raises:
        InputError: the units are unknown, do not convert, or have another zero (degC and K).
    """
    if len(sources) == 1 and sources[0] == target:
        return 1.0
    product = _product(sources)
    if product == _unit(target):
        return 1.0
    zero, one = convert(np.array([0.0, 1.0]), str(product), target, density)
    if zero != 0.0:
        raise InputError(f"units {sources[0]!r} and {target!r} have different zeros")
    return float(one)


def between_mass_and_amount(sources: tuple[str, ...], target: str) -> bool:
    """Whether a molar mass, or one over it, is all that a product of quantities lacks to be in `target` units."""
    try:
        missing = _unit(target) / _product(sources)
    except InputError:
        return False
    return any((missing * _unit("g mol-1") ** power).dimensionless for power in (1, -1))


def _product(sources: tuple[str, ...]) -> pint.Unit:
    product = _unit("1")
    for source in sources:
        product = product * _unit(source)
    return product


def _through_density(source: str, target: str, density: str) -> float | None:
    """The factor from volume to mass, or back; None when density does not lead from one to the other either."""
    try:
        if _MONSTER.search(density):
            raise ValueError("too large")
        amount, _, units = density.strip().partition(" ")
        quantity = float(amount) * registry.Quantity(1.0, _unit(units))
    except Exception as error:
        raise InputError(f"density {density!r} is not understood; write it as '1000 kg m-3'") from error
    for power in (1, -1):
        try:
            return float((registry.Quantity(1.0, _unit(source)) * quantity**power).to(_unit(target)).magnitude)
        except pint.DimensionalityError:
            continue
    return None
