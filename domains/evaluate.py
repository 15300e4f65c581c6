"""From the tree of an equation to linear forms: what names stand for, a scope says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from lawful.domains.forms import (
    FormError,
    Vector,
    differences,
    number,
    plus,
    scaled,
    times,
    total,
    variable,
    weighted_mean,
)
from lawful.domains.grammar import Call, Name, Node, Number, Product, Sum, Tree
from lawful.domains.tokens import fail


@dataclass(frozen=True)
class Grouping:
    """Which block of dimension `into` each label along `over` belongs to."""

    over: str
    into: str
    blocks: Mapping[str, str]


@dataclass(frozen=True)
class Scope:
    """What names stand for; an `open` scope takes an unknown name for a variable of its own.

    `coefficients` are variables that may multiply others: the file gives them.
    """

    names: Mapping[str, Vector] = field(default_factory=dict)
    groupings: Mapping[str, Grouping] = field(default_factory=dict)
    coefficients: frozenset[str] = frozenset()
    open: bool = False


def difference(tree: Tree, scope: Scope) -> Vector:
    """Left side minus right side; turned round for `>=`, so that the law reads `= 0` or `<= 0`.

    Raises:
        InputError: a name is unknown, or the law is not linear; the message names the column.
    """
    reader = _Reader(tree.text, scope)
    left, right = reader.side(tree.left), reader.side(tree.right)
    if tree.relation == ">=":
        left, right = right, left
    try:
        return plus(left, scaled(right, -1.0))
    except FormError as error:
        return fail(tree.text, 0, str(error))


@dataclass(frozen=True)
class _Reader:
    text: str
    scope: Scope

    def side(self, node: Node) -> Vector:
        try:
            return self.read(node)
        except FormError as error:
            return self.refuse(node, str(error))

    def read(self, node: Node) -> Vector:
        if isinstance(node, Number):
            return number(node.value)
        if isinstance(node, Name):
            return self.name(node)
        if isinstance(node, Sum):
            return self.sum(node)
        if isinstance(node, Product):
            return self.product(node)
        return self.call(node)

    def name(self, node: Name) -> Vector:
        if node.name in self.scope.names:
            return self.scope.names[node.name]
        if self.scope.open:
            return variable(node.name)
        known = ", ".join(list(self.scope.names)[:20]) or "none"
        return self.refuse(node, f"{node.name!r} is no variable; there are {known}")

    def sum(self, node: Sum) -> Vector:
        parts = [scaled(self.side(term), sign) for sign, term in node.terms]
        if all(part.dim is None for part in parts):
            return Vector((total(tuple(part.forms[0] for part in parts)),))
        whole = parts[0]
        for part in parts[1:]:
            try:
                whole = plus(whole, part)
            except FormError as error:
                self.refuse(node, str(error))
        return whole

    def product(self, node: Product) -> Vector:
        whole = self.side(node.factors[0])
        for factor in node.factors[1:]:
            try:
                whole = times(whole, self.side(factor), self.scope.coefficients)
            except FormError as error:
                self.refuse(node, str(error))
        return whole

    def call(self, node: Call) -> Vector:
        known = {"sum": {"over"}, "diff": {"over"}, "mean": {"over", "weights", "by"}}
        if node.function not in known:
            self.refuse(node, f"no function {node.function!r}; only sum, diff and mean are understood in a linear law")
        for option in node.options:
            if option not in known[node.function]:
                self.refuse(node.options[option], f"{node.function} has no option {option!r}")
        vector = self.side(node.argument)
        self.require_dimension(node, vector)
        if node.function == "diff":
            return differences(vector)
        return Vector((total(vector.forms),)) if node.function == "sum" else self.mean(node, vector)

    def require_dimension(self, node: Call, vector: Vector) -> None:
        """`sum` and `mean` say over which dimension, and it must be that of what they work on."""
        over = node.options.get("over")
        if over is None and node.function != "diff":
            self.refuse(node, f"say over which dimension, as in {node.function}(part, over=oxide)")
        if over is not None and over.name != vector.dim:
            lies = f"lies along {vector.dim!r}" if vector.dim else "lies along no dimension of the event"
            self.refuse(over, f"what {node.function} works on {lies}, not along {over.name!r}")

    def mean(self, node: Call, vector: Vector) -> Vector:
        weights = node.options.get("weights")
        grouping = self.grouping(node.options["by"], vector) if "by" in node.options else None
        return weighted_mean(
            vector,
            self.name(weights) if weights else None,
            grouping.blocks if grouping else None,
            grouping.into if grouping else None,
        )

    def grouping(self, name: Name, vector: Vector) -> Grouping:
        grouping = self.scope.groupings.get(name.name)
        if grouping is None or grouping.over != vector.dim:
            self.refuse(name, f"{name.name!r} is no parameter along {vector.dim!r} that says into which block")
        return grouping

    def refuse(self, node: Node, reason: str) -> NoReturn:
        fail(self.text, node.column, reason)
