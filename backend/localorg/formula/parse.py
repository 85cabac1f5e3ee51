"""A formula as a tree.

```
or      := and ("||" and)*            and     := equal ("&&" equal)*
equal   := order (("="|"=="|"!="|"<>") order)*          order := sum (("<"|"<="|">"|">=") sum)*
sum     := product (("+"|"-"|"&") product)*             product := power (("*"|"/") power)*
power   := unary ("^" unary)*         unary   := ("-"|"+"|"!"|NOT) unary | primary
primary := number | "text" | TRUE | FALSE | NULL | name(arguments) | path | ( or )
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from localorg.errors import OrgError

__all__ = ["Binary", "Call", "Constant", "Node", "Path", "Unary", "parse_formula", "paths_of"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number (Decimal), text, boolean or null."""

    value: Decimal | str | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """`Amount`, `Account.Owner.Name`, `$User.Id`, `$Record.Amount`."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Call:
    """A function; name in capitals."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`-` or `!`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """One of + - * / ^ & = != < <= > >= && ||."""

    operator: str
    left: Node
    right: Node


Node = Constant | Path | Call | Unary | Binary

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|/\*.*?\*/)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    | (?P<name>\$?[A-Za-z_][A-Za-z0-9_]*(?:\.\$?[A-Za-z_][A-Za-z0-9_]*)*(?:\#[A-Za-z_]\w*)?)
    | (?P<symbol>&&|\|\||<>|!=|==|<=|>=|[-+*/^&=<>!(),])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DEEPEST = 60
# Operator as written: how tightly it binds, and what it is called in the tree.
_OPERATORS: Mapping[str, tuple[int, str]] = {
    "||": (1, "||"), "&&": (2, "&&"), "=": (3, "="), "==": (3, "="), "!=": (3, "!="), "<>": (3, "!="),
    "<": (4, "<"), "<=": (4, "<="), ">": (4, ">"), ">=": (4, ">="), "+": (5, "+"), "-": (5, "-"), "&": (5, "&"),
    "*": (6, "*"), "/": (6, "/"), "^": (7, "^"),
}  # fmt: skip


def parse_formula(text: str) -> Node:
    """Read a formula.

    Raises OrgError FIELD_INTEGRITY_EXCEPTION that says where it goes wrong.
    """
    return _Parser(text).whole()


def paths_of(node: Node) -> Iterator[Path]:
    """Every path a formula reads."""
    match node:
        case Path():
            yield node
        case Call(_, arguments):
            for item in arguments:
                yield from paths_of(item)
        case Unary(_, operand):
            yield from paths_of(operand)
        case Binary(_, left, right):
            yield from paths_of(left)
            yield from paths_of(right)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.at = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.binary(1)
        if self.at < len(self.tokens):
            raise _wrong(f"Syntax error. Extra '{self.tokens[self.at][1]}'")
        return node

    def binary(self, tightness: int) -> Node:
        """An expression of operators that bind at least so tightly; those of one level go from left to right."""
        node = self.unary()
        while (found := _OPERATORS.get(self.symbol())) is not None and found[0] >= tightness:
            self.at += 1
            node = Binary(found[1], node, self.binary(found[0] + 1))
        return node

    def symbol(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "symbol":
            return self.tokens[self.at][1]
        return ""

    def unary(self) -> Node:
        if self.symbol() in ("-", "+", "!"):
            operator = self.symbol()
            self.at += 1
            self.deeper()
            operand = self.unary()
            self.depth -= 1
            return operand if operator == "+" else Unary(operator, operand)
        return self.primary()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _wrong("Formula is too complex")

    def primary(self) -> Node:
        if self.at >= len(self.tokens):
            raise _wrong("Syntax error. Missing operand at the end")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return Constant(Decimal(text))
        if kind == "text":
            return Constant(_ESCAPE.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text[1:-1]))
        if kind == "name":
            return self.named(text)
        if text != "(":
            raise _wrong(f"Syntax error. Found '{text}'")
        self.deeper()
        node = self.binary(1)
        self.depth -= 1
        self.expect(")")
        return node

    def named(self, text: str) -> Node:
        if self.symbol() == "(":
            self.at += 1
            self.deeper()
            arguments: list[Node] = []
            while self.symbol() != ")" or arguments:
                arguments.append(self.binary(1))
                if self.symbol() != ",":
                    break
                self.at += 1
            self.depth -= 1
            self.expect(")")
            return Call(text.upper(), tuple(arguments))
        if text.upper() in ("TRUE", "FALSE"):
            return Constant(text.upper() == "TRUE")
        if text.upper() == "NULL":
            return Constant(None)
        return Path(tuple(text.split(".")))

    def expect(self, wanted: str) -> None:
        if self.symbol() != wanted:
            raise _wrong(f"Syntax error. Missing '{wanted}'")
        self.at += 1


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _wrong(f"Syntax error. Found '{text[place]}'")
        if match.lastgroup != "space":
            yield str(match.lastgroup), match.group()
        place = match.end()


def _wrong(message: str) -> OrgError:
    return OrgError("FIELD_INTEGRITY_EXCEPTION", f"Error: {message}")
