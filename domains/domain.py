"""What a domain is: declarations that agree with one another, and the linear algebra they amount to."""

import hashlib
import json
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from lawful.domains.declarations import Blocks, Context, Declaration, Law, Ratio, Variable
from lawful.domains.errors import InputError

if TYPE_CHECKING:
    from lawful.core import LinearSystem


class Domain(Declaration):
    """Physical laws over named variables with units; event_dim is the dimension along which events lie."""

    name: str
    title: str
    description: str = ""
    event: str
    event_dim: str
    variables: tuple[Variable, ...] = Field(min_length=1)
    laws: tuple[Law, ...]
    ratios: tuple[Ratio, ...] = ()
    context: tuple[Context, ...] = ()
    blocks: Blocks
    closure: Literal["refuse", "project"] = "refuse"
    sample: str = ""
    note: str = ""
    references: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in the order of every array here."""
        return tuple(variable.name for variable in self.variables)

    def variable(self, name: str) -> Variable:
        """The variable of that name; InputError names the known ones."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise InputError(f"domain {self.name!r} has no variable {name!r}; it has {', '.join(self.names)}")

    @property
    def equalities(self) -> tuple[Law, ...]:
        """Laws written with `=`."""
        return tuple(law for law in self.laws if law.is_equality)

    @property
    def inequalities(self) -> tuple[Law, ...]:
        """Laws written with `<=` or `>=`."""
        return tuple(law for law in self.laws if not law.is_equality)

    def matrix(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Equalities as `A z = b`: A (m, n) float64, b (m,), and the names of the laws."""
        return self._rows(self.equalities)

    def inequality_matrix(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Inequalities as `C z <= d`: C (k, n) float64, d (k,), and the names of the laws."""
        return self._rows(self.inequalities)

    def _rows(self, laws: tuple[Law, ...]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        rows = [[law.parsed.coefficients.get(name, 0.0) for name in self.names] for law in laws]
        matrix = np.array(rows, dtype=np.float64).reshape(len(laws), len(self.names))
        return (
            matrix,
            np.array([law.parsed.constant for law in laws], dtype=np.float64),
            tuple(law.name for law in laws),
        )

    @property
    def lower(self) -> np.ndarray:
        """Lower bounds (n,), -inf where there is none."""
        return np.array([-np.inf if v.lower is None else v.lower for v in self.variables], dtype=np.float64)

    @property
    def upper(self) -> np.ndarray:
        """Upper bounds (n,), +inf where there is none."""
        return np.array([np.inf if v.upper is None else v.upper for v in self.variables], dtype=np.float64)

    def system(self) -> "LinearSystem":
        """The equalities, factorised."""
        # Here, because torch is slow to import and readers do not need it.
        from lawful.core import LinearSystem

        matrix, constants, names = self.matrix()
        return LinearSystem(matrix, constants, names=names, columns=self.names)

    def law_hash(self) -> str:
        """SHA-256 over names, units, bounds, laws and ratios: what a checkpoint or an ensemble was made for.

        Wording does not count: descriptions, references and the spelling of an equation may change.
        """
        content = {
            "variables": [
                v.model_dump(include={"name", "units", "lower", "upper", "resolution"}) for v in self.variables
            ],
            "laws": [_canonical(law) for law in self.laws],
            "ratios": [ratio.model_dump(exclude={"description"}) for ratio in self.ratios],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @model_validator(mode="after")
    def _names_agree(self) -> "Domain":
        for what, names in (
            ("variable or ratio", [*self.names, *(r.name for r in self.ratios)]),
            ("law", self._law_names),
        ):
            twice = sorted({name for name in names if list(names).count(name) > 1})
            if twice:
                raise ValueError(f"two {what}s are called {', '.join(twice)}")
        for where, name in self._uses():
            if name not in self.names:
                raise ValueError(f"{where} names {name!r}, which is no variable; there are {', '.join(self.names)}")
        return self

    @model_validator(mode="after")
    def _units_agree(self) -> "Domain":
        for law in self.laws:
            for name, coefficient in law.parsed.coefficients.items():
                if abs(coefficient) == 1.0 and not _same_units(self.variable(name).units, law.units):
                    raise ValueError(
                        f"law {law.name!r} is in {law.units!r}, but {name} is in {self.variable(name).units!r}"
                    )
        return self

    @property
    def _law_names(self) -> tuple[str, ...]:
        return tuple(law.name for law in self.laws)

    def _uses(self) -> list[tuple[str, str]]:
        in_laws = [(f"law {law.name!r}", name) for law in self.laws for name in law.parsed.coefficients]
        in_ratios = [(f"ratio {r.name!r}", name) for r in self.ratios for name in (r.numerator, r.denominator)]
        return in_laws + in_ratios


def _canonical(law: Law) -> dict[str, object]:
    parsed = law.parsed
    return {
        "name": law.name,
        "units": law.units,
        "coefficients": dict(parsed.coefficients),
        "constant": parsed.constant,
        "relation": parsed.relation,
    }


def _same_units(first: str, second: str) -> bool:
    if first == second:
        return True
    # Here, because pint is slow to import and seldom needed.
    from lawful.domains.units import equivalent

    return equivalent(first, second)
