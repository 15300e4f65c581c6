"""Linear equations as scientists write them, `Kdown - Kup + Ldown - Lup = QN`, parsed without evaluating anything."""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, cast

from lawful.domains.errors import InputError

Relation = Literal["=", "<="]

# One character for one character, so that columns in messages are those of the user's text.
_TYPOGRAPHY = str.maketrans({"−": "-", "–": "-", "·": "*", "×": "*"})
_RELATIONS = ("<=", ">=", "≤", "≥", "==", "=")


@dataclass(frozen=True)
class ParsedEquation:
    """The law `sum(coefficients[name] * name) relation constant`, all variables on the left."""

    coefficients: Mapping[str, float]
    constant: float
    relation: Relation


@dataclass(frozen=True)
class _Linear:
    """A linear expression: coefficients of names, and a constant."""

    coefficients: dict[str, float]
    constant: float

    def scaled(self, factor: float) -> "_Linear":
        return _Linear({name: factor * value for name, value in self.coefficients.items()}, factor * self.constant)


def _total(parts: list[_Linear]) -> _Linear:
    coefficients: dict[str, float] = {}
    for part in parts:
        for name, value in part.coefficients.items():
            coefficients[name] = coefficients.get(name, 0.0) + value
    return _Linear(coefficients, sum(part.constant for part in parts))


def parse_equation(text: str) -> ParsedEquation:
    """Parse one linear equation or inequality.

    Names, numbers, `+`, `-`, `*` and brackets are understood, on both sides of `=`, `<=` or `>=`
    (`≤`, `≥` and the true minus sign are understood too; `>=` comes back turned round, as `<=`).

    Raises:
        InputError: the text is not such an equation; the message names the column, counted from 1.
    """
    position, sign = _find_relation(text)
    left = _parse_side(text, 0, position)
    right = _parse_side(text, position + len(sign), len(text))
    if sign in (">=", "≥"):
        left, right = right, left
    difference = _total([left, right.scaled(-1.0)])
    coefficients = {name: value for name, value in difference.coefficients.items() if value != 0.0}
    if not coefficients:
        _fail(text, 0, "no variable is left once both sides are put together")
    if not all(math.isfinite(value) for value in (*coefficients.values(), difference.constant)):
        _fail(text, 0, "a coefficient is too large for double precision")
    return ParsedEquation(coefficients, 0.0 - difference.constant, "=" if sign in ("=", "==") else "<=")


def _fail(text: str, column: int, reason: str) -> NoReturn:
    raise InputError(f"equation {text!r}, column {column + 1}: {reason}")


def _find_relation(text: str) -> tuple[int, str]:
    found: list[tuple[int, str]] = []
    column = 0
    while column < len(text):
        sign = next((s for s in _RELATIONS if text.startswith(s, column)), None)
        if sign:
            found.append((column, sign))
        column += len(sign) if sign else 1
    if not found:
        _fail(text, len(text.rstrip()), "no '=' or '<=' between two sides")
    if len(found) > 1:
        _fail(text, found[1][0], "a second '=' or '<='; write one law a line")
    return found[0]


def _parse_side(text: str, start: int, stop: int) -> _Linear:
    side = text[start:stop].translate(_TYPOGRAPHY)
    column = start + len(side) - len(side.lstrip())
    if not side.strip():
        _fail(text, start, "nothing on this side; write 0 if the law has no such terms")
    _check_characters(text, start, side)
    try:
        node = ast.parse(side.strip(), mode="eval").body
    except SyntaxError as error:
        # A side that stops short is reported on the line after it.
        offset = error.offset - 1 if error.lineno == 1 and error.offset else len(side.strip())
        _fail(text, column + offset, "not a sum of terms such as 2 * Rain")
    except (ValueError, MemoryError, RecursionError):
        _fail(text, column, "too long or too deeply nested")
    return _Reader(text, side.strip(), column).linear(node)


def _check_characters(text: str, start: int, side: str) -> None:
    for offset, character in enumerate(side):
        if not (character.isalnum() or character in "_+-*().% \t" or f"a{character}".isidentifier()):
            _fail(text, start + offset, f"character {character!r} has no place in a linear law")


@dataclass(frozen=True)
class _Reader:
    """Turns the syntax tree of one side into a linear expression; `column` is where the side starts."""

    text: str
    side: str
    column: int

    def linear(self, node: ast.expr) -> _Linear:
        try:
            return self._linear(node)
        except RecursionError:
            _fail(self.text, self.column, "too long or too deeply nested")

    def _linear(self, node: ast.expr) -> _Linear:
        if isinstance(node, ast.Name):
            return _Linear({node.id: 1.0}, 0.0)
        if isinstance(node, ast.Constant):
            return _Linear({}, self._number(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            return self._linear(node.operand).scaled(-1.0 if isinstance(node.op, ast.USub) else 1.0)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            return self._sum(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return self._product(node)
        return self._refuse(node, "only +, -, * and brackets are understood in a linear law")

    def _sum(self, node: ast.expr) -> _Linear:
        # A loop, not recursion: a sum of a thousand terms is a tree a thousand levels deep.
        signed = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            signed.append(self._linear(node.right).scaled(-1.0 if isinstance(node.op, ast.Sub) else 1.0))
            node = node.left
        return _total([self._linear(node), *reversed(signed)])

    def _product(self, node: ast.BinOp) -> _Linear:
        left, right = self._linear(node.left), self._linear(node.right)
        if left.coefficients and right.coefficients:
            self._refuse(node, "a product of two variables is not linear")
        return right.scaled(left.constant) if not left.coefficients else left.scaled(right.constant)

    def _number(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            self._refuse(node, f"{node.value!r} is not a number")
        try:
            return float(cast(float, node.value))
        except OverflowError:
            self._refuse(node, "a number is too large for double precision")

    def _refuse(self, node: ast.expr, reason: str) -> NoReturn:
        # The tree counts columns in UTF-8 bytes.
        offset = len(self.side.encode()[: node.col_offset].decode(errors="ignore"))
        _fail(self.text, self.column + offset, reason)
