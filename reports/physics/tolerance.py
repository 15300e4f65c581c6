"""How far a law may be off before it counts as broken."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.shaped import ShapedDomain

Kind = Literal["ulps", "units", "relative"]
_SPELLED = re.compile(r"(?:(?P<law>[^=]+)=)?(?P<value>[-+.\deE]+?)\s*(?P<kind>ulps|rel|)")
_KINDS: dict[str, Kind] = {"ulps": "ulps", "rel": "relative", "": "units"}


@dataclass(frozen=True)
class Tolerance:
    """So many ulps, units of the law, or parts of the law's gross flux."""

    kind: Kind
    value: float

    def exceeded(self, size: np.ndarray, gross: np.ndarray, ulps: np.ndarray) -> np.ndarray:
        """Which residuals are too large; arrays of one shape: |residual|, gross flux, residual in ulps."""
        if self.kind == "relative":
            return size > self.value * gross
        return (size if self.kind == "units" else ulps) > self.value

    def words(self, units: str) -> str:
        """As in "more than 8 ulps"."""
        return f"{self.value:g} {'ulps' if self.kind == 'ulps' else units if self.kind == 'units' else 'of its terms'}"


def parse_tolerances(texts: Iterable[str], domain: Domain | ShapedDomain) -> dict[str, Tolerance]:
    """Tolerances by law from `8ulps`, `1e-6` (units of the law), `1e-6rel` (of its gross flux), `data`, or LAW=these.

    `data` is what the domain declares for data; later texts take the place of earlier ones.

    Raises:
        InputError: a text is none of these, names no law, or asks for tolerances that the domain does not declare.
    """
    laws = domain.tolerances if isinstance(domain, ShapedDomain) else {law.name: law.tolerance for law in domain.laws}
    chosen: dict[str, Tolerance] = {}
    for text in texts:
        chosen |= _of_data(laws, domain.name) if text == "data" else _spelled(text, list(laws), domain.name)
    return chosen


def _spelled(text: str, laws: list[str], name: str) -> dict[str, Tolerance]:
    found = _SPELLED.fullmatch(text.strip())
    try:
        value = float(found["value"]) if found else -1.0
    except ValueError:
        value = -1.0
    if not found or not 0 <= value < float("inf"):
        raise InputError(f"--tol {text}: expected data, or a number such as 8ulps, 1e-6 (units of the law), 1e-6rel")
    if found["law"] and found["law"] not in laws:
        raise InputError(f"--tol {text}: domain {name!r} has no law {found['law']!r}; it has {', '.join(laws)}")
    tolerance = Tolerance(_KINDS[found["kind"]], value)
    return dict.fromkeys([found["law"]] if found["law"] else laws, tolerance)


def _of_data(laws: Mapping[str, float | None], name: str) -> dict[str, Tolerance]:
    declared = {law: Tolerance("units", tolerance) for law, tolerance in laws.items() if tolerance is not None}
    if not declared:
        raise InputError(f"--tol data: domain {name!r} declares no closure tolerances; give one in units")
    return declared
