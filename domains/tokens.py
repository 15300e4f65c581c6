"""The words of an equation: names, numbers and signs, each with the column where it stands."""

import math
import re
from dataclasses import dataclass
from typing import Literal, NoReturn
from unicodedata import normalize

from lawful.domains.errors import InputError

Kind = Literal["number", "name", "sign", "relation", "end"]

# One character for one character, so that columns in messages are those of the user's text.
_TYPOGRAPHY = str.maketrans({"−": "-", "–": "-", "·": "*", "×": "*"})
_RELATIONS = {"<=": "<=", ">=": ">=", "≤": "<=", "≥": ">=", "==": "=", "=": "="}
_NUMBER = re.compile(r"(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LABEL = re.compile(r"\[([^\[\]]+)\]")


@dataclass(frozen=True)
class Token:
    """One word of an equation; `column` is counted from 0, `value` is that of a number."""

    kind: Kind
    text: str
    column: int
    value: float = 0.0


def fail(text: str, column: int, reason: str) -> NoReturn:
    """Raise InputError that names the equation and the column, counted from 1."""
    raise InputError(f"equation {text!r}, column {column + 1}: {reason}")


def tokens(text: str) -> list[Token]:
    """The words of an equation, with one of kind `end` behind the last.

    A component of a variable, `part[SiO2]`, is one name. `≤`, `≥`, `==` and typographical signs come in plain form.

    Raises:
        InputError: a character has no place in a linear law, or a number is too large.
    """
    plain = text.translate(_TYPOGRAPHY)
    found: list[Token] = []
    column = 0
    while column < len(plain):
        if plain[column] in " \t":
            column += 1
            continue
        word, after = _next(text, plain, column)
        found.append(word)
        column = after
    return [*found, Token("end", "", len(text.rstrip()))]


def _next(text: str, plain: str, column: int) -> tuple[Token, int]:
    character = plain[column]
    for spelling, relation in _RELATIONS.items():
        if plain.startswith(spelling, column):
            return Token("relation", relation, column), column + len(spelling)
    if character in "+-*(),":
        return Token("sign", character, column), column + 1
    if character.isidentifier():
        return _name(text, plain, column)
    number = _NUMBER.match(plain, column)
    if number:
        return _number(text, number)
    return fail(text, column, f"character {character!r} has no place in a linear law")


def _name(text: str, plain: str, column: int) -> tuple[Token, int]:
    stop = column + 1
    while stop < len(plain) and f"a{plain[stop]}".isidentifier():
        stop += 1
    # The micro sign and the Greek mu are one letter.
    name = normalize("NFKC", plain[column:stop])
    label = _LABEL.match(text, stop)
    if label:
        return Token("name", f"{name}[{label[1].strip()}]", column), label.end()
    return Token("name", name, column), stop


def _number(text: str, found: re.Match[str]) -> tuple[Token, int]:
    column, stop = found.span()
    if stop < len(text) and f"a{text[stop]}".isidentifier():
        fail(text, stop, f"{text[stop]!r} right behind a number; write 2 * x for a multiple of x")
    value = float(found[0])
    if not math.isfinite(value):
        fail(text, column, "a number is too large for double precision")
    return Token("number", found[0], column, value), stop
