"""Linear equations as scientists write them, `Kdown - Kup + Ldown - Lup = QN`, parsed without evaluating anything."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lawful.domains.evaluate import Scope, difference
from lawful.domains.forms import Form
from lawful.domains.grammar import parse_tree
from lawful.domains.tokens import fail

Relation = Literal["=", "<="]


@dataclass(frozen=True)
class ParsedEquation:
    """The law `sum(coefficients[name] * name) + sum(products[f, name] * f * name) relation constant`.

    In `products` the file gives the value of `f` for each event.
    """

    coefficients: Mapping[str, float]
    constant: float
    relation: Relation
    products: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable of the law, once."""
        return tuple(dict.fromkeys([*self.coefficients, *(name for pair in self.products for name in pair)]))

    def row(self, names: Sequence[str]) -> list[float]:
        """The law's row of a matrix over the variables `names`; zero for those that are not in it."""
        return [self.coefficients.get(name, 0.0) for name in names]


def parse_equation(text: str, coefficients: frozenset[str] = frozenset()) -> ParsedEquation:
    """Parse one linear equation or inequality between single variables, or components such as `part[SiO2]`.

    Names, numbers, `+`, `-`, `*` and brackets are understood, on both sides of `=`, `<=` or `>=`
    (`≤`, `≥` and the true minus sign are understood too; `>=` comes back turned round, as `<=`). Variables among
    `coefficients` may multiply others.

    Raises:
        InputError: the text is not such an equation; the message names the column, counted from 1.
    """
    tree = parse_tree(text)
    (form,) = difference(tree, Scope(coefficients=coefficients, open=True)).forms
    return parsed(form, "=" if tree.relation == "=" else "<=", text)


def parsed(form: Form, relation: Relation, text: str) -> ParsedEquation:
    """The law `form relation 0`; InputError when no variable is left or a number is too large."""
    terms: dict[tuple[str, ...], float] = {}
    for (names, _), value in form.items():
        terms[names] = terms.get(names, 0.0) + value
    constant = terms.pop((), 0.0)
    terms = {names: value for names, value in terms.items() if value != 0.0}
    if not terms:
        fail(text, 0, "no variable is left once both sides are put together")
    if not all(math.isfinite(value) for value in (*terms.values(), constant)):
        fail(text, 0, "a coefficient is too large for double precision")
    single = {names[0]: value for names, value in terms.items() if len(names) == 1}
    pairs = {(names[0], names[1]): value for names, value in terms.items() if len(names) == 2}
    return ParsedEquation(single, 0.0 - constant, relation, pairs)


def written(law: ParsedEquation) -> str:
    """The law as text that parses to the same numbers."""
    terms = [(value, name) for name, value in law.coefficients.items()]
    terms += [(value, f"{factor} * {name}") for (factor, name), value in law.products.items()]
    words = " ".join(_term(value, name) for value, name in terms)
    return f"{words.removeprefix('+ ')} {law.relation} {law.constant!r}"


def _term(value: float, name: str) -> str:
    sign, size = "-" if value < 0 else "+", abs(value)
    return f"{sign} {name}" if size == 1.0 else f"{sign} {size!r} * {name}"
