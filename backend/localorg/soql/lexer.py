"""SOQL's tokens, each with its place in the text, and how the platform points at a wrong one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from localorg.errors import OrgError

__all__ = ["Token", "TokenKind", "located", "malformed", "tokens"]


class TokenKind(Enum):
    """What a token is."""

    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    text:     as written; for a STRING without its quotes, escapes still in.
    position: offset in the query's text.
    """

    kind: TokenKind
    text: str
    position: int

    @property
    def upper(self) -> str:
        """The text in capitals, to compare with a keyword."""
        return self.text.upper()


_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<time>\d\d:\d\d:\d\d(?:\.\d+)?[Zz])
    | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol><=|>=|!=|<>|[=<>(),.:\[\]+\-*/&|?!"])
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {kind.value: kind for kind in TokenKind}


def tokens(text: str) -> list[Token]:
    """All tokens of a query, an END last.

    Raises OrgError MALFORMED_QUERY at a character that begins none.
    """
    found = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            quote = text[place] == "'"
            what = (
                "Invalid string literal"
                if quote
                else f"line 1:{place} no viable alternative at character '{text[place]}'"
            )
            raise malformed(text, place, what)
        group = match.lastgroup or ""
        if group == "string":
            found.append(Token(TokenKind.STRING, match.group()[1:-1], place))
        elif group != "space":
            found.append(Token(_KINDS[group], match.group(), place))
        place = match.end()
    found.append(Token(TokenKind.END, "<EOF>", len(text)))
    return found


def malformed(text: str, position: int, message: str) -> OrgError:
    """A MALFORMED_QUERY that points at a place in the text."""
    return OrgError("MALFORMED_QUERY", located(text, position, message))


_AROUND = 40


def located(text: str, position: int, message: str) -> str:
    """The platform's form: the line at fault, a caret under the place, row and column, what is wrong."""
    before = text[:position]
    row = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1)
    line = text.splitlines()[row - 1] if row <= len(text.splitlines()) else ""
    start = max(0, column - _AROUND)
    shown = line[start : column + _AROUND]
    return f"\n{shown}\n{' ' * (column - start)}^\nERROR at Row:{row}:Column:{column + 1}\n{message}"
