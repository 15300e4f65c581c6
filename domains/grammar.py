"""The grammar of equations: from words to a tree. Nothing is ever evaluated as a program.

law     = side relation side
side    = ["+" | "-"] product { ("+" | "-") product }
product = factor { "*" factor }
factor  = number | name | name "(" side { "," name "=" name } ")" | "(" side ")" | ("+" | "-") factor
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NoReturn, cast

from lawful.domains.tokens import Token, fail, tokens

Relation = Literal["=", "<=", ">="]

_DEEPEST = 60


@dataclass(frozen=True)
class Number:
    """A number; no units of its own."""

    value: float
    column: int


@dataclass(frozen=True)
class Name:
    """A variable, one component of it (`part[SiO2]`), or a parameter."""

    name: str
    column: int


@dataclass(frozen=True)
class Sum:
    """Terms with their signs, +1 or -1."""

    terms: tuple[tuple[float, "Node"], ...]
    column: int


@dataclass(frozen=True)
class Product:
    """Factors, two or more."""

    factors: tuple["Node", ...]
    column: int


@dataclass(frozen=True)
class Call:
    """`sum(part, over=oxide)`: a function of one argument with options that are names."""

    function: str
    argument: "Node"
    column: int
    options: Mapping[str, Name] = field(default_factory=dict)


Node = Number | Name | Sum | Product | Call


@dataclass(frozen=True)
class Tree:
    """A law as it is written: two sides and what stands between them."""

    text: str
    left: Node
    relation: Relation
    right: Node


def parse_tree(text: str) -> Tree:
    """The tree of one equation or inequality.

    Raises:
        InputError: the text is no such thing; the message names the column, counted from 1.
    """
    return _Parser(text, tokens(text)).law()


class _Parser:
    """Recursive descent, one word ahead."""

    def __init__(self, text: str, words: list[Token]):
        self.text, self.words, self.position, self.depth = text, words, 0, 0

    @property
    def word(self) -> Token:
        return self.words[self.position]

    def take(self) -> Token:
        word = self.word
        self.position = min(self.position + 1, len(self.words) - 1)
        return word

    def at(self, *signs: str) -> bool:
        return self.word.kind == "sign" and self.word.text in signs

    def law(self) -> Tree:
        left = self.whole_side()
        if self.word.kind != "relation":
            self.unexpected(self.word, "no '=' or '<=' between two sides")
        relation = cast(Relation, self.take().text)
        right = self.whole_side()
        if self.word.kind == "relation":
            fail(self.text, self.word.column, "a second '=' or '<='; write one law a line")
        if self.word.kind != "end":
            self.unexpected(self.word)
        return Tree(self.text, left, relation, right)

    def whole_side(self) -> Node:
        if self.word.kind in ("relation", "end"):
            fail(self.text, self.word.column, "nothing on this side; write 0 if the law has no such terms")
        return self.side()

    def unexpected(self, word: Token, at_the_end: str = "") -> NoReturn:
        reason = f"{word.text!r} here makes no sum of terms such as 2 * Rain"
        fail(self.text, word.column, at_the_end if word.kind == "end" else reason)

    def side(self) -> Node:
        column = self.word.column
        terms = [(1.0, self.product())]
        while self.at("+", "-"):
            sign = -1.0 if self.take().text == "-" else 1.0
            terms.append((sign, self.product()))
        return terms[0][1] if len(terms) == 1 else Sum(tuple(terms), column)

    def product(self) -> Node:
        column = self.word.column
        factors = [self.factor()]
        while self.at("*"):
            self.take()
            factors.append(self.factor())
        return factors[0] if len(factors) == 1 else Product(tuple(factors), column)

    def factor(self) -> Node:
        word = self.take()
        if word.kind == "number":
            return Number(word.value, word.column)
        if word.kind == "name":
            return self.call(word) if self.at("(") else Name(word.text, word.column)
        self.depth += 1
        if self.depth > _DEEPEST:
            fail(self.text, word.column, "too deeply nested")
        node = self.within(word)
        self.depth -= 1
        return node

    def within(self, word: Token) -> Node:
        if word.text in ("+", "-") and word.kind == "sign":
            return Sum(((-1.0 if word.text == "-" else 1.0, self.factor()),), word.column)
        if word.text == "(" and word.kind == "sign":
            node = self.side()
            self.close()
            return node
        return self.unexpected(word, "a term is missing at the end")

    def call(self, function: Token) -> Node:
        self.take()
        self.depth += 1
        if self.depth > _DEEPEST:
            fail(self.text, function.column, "too deeply nested")
        argument = self.side()
        options: dict[str, Name] = {}
        while self.at(","):
            self.take()
            name, value = self.option()
            if name.text in options:
                fail(self.text, name.column, f"{name.text!r} is said twice")
            options[name.text] = Name(value.text, value.column)
        self.close()
        self.depth -= 1
        return Call(function.text, argument, function.column, options)

    def option(self) -> tuple[Token, Token]:
        name, equals, value = self.take(), self.take(), self.take()
        if (name.kind, equals.text, value.kind) != ("name", "=", "name"):
            fail(self.text, name.column, "expected an option such as over=oxide")
        return name, value

    def close(self) -> None:
        if not self.at(")"):
            fail(self.text, self.word.column, "a ')' is missing")
        self.take()
