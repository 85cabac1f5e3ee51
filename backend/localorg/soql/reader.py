"""A place in a list of tokens: what comes next, and how to take it or refuse it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from localorg.errors import OrgError
from localorg.soql.lexer import Token, TokenKind, malformed, tokens

__all__ = ["TokenReader"]

_DEEPEST = 60
_Item = TypeVar("_Item")


class TokenReader:
    """Reads a query's tokens from the front."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.at]

    def take(self) -> Token:
        """Take it."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Take these keywords if they come next, all of them."""
        for ahead, wanted in enumerate(words):
            token = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
            if token.kind is not TokenKind.NAME or token.upper != wanted:
                return False
        self.at += len(words)
        return True

    def symbol(self, wanted: str) -> bool:
        """Take this symbol if it comes next."""
        token = self.next
        if token.kind is TokenKind.SYMBOL and token.text == wanted:
            self.at += 1
            return True
        return False

    def expect(self, wanted: str) -> None:
        """Take this symbol; anything else is refused."""
        if not self.symbol(wanted):
            names = {")": "a right parentheses", "(": "a left parentheses"}
            raise self.fail(f"expecting {names.get(wanted, repr(wanted))}, found '{self.next.text}'")

    def name(self) -> Token:
        """Take a name; anything else is refused."""
        if self.next.kind is not TokenKind.NAME:
            raise self.unexpected()
        return self.take()

    def unexpected(self) -> OrgError:
        """What is raised at a token that has no business here."""
        return self.fail(f"unexpected token: '{self.next.text}'")

    def fail(self, message: str) -> OrgError:
        """What is raised at the next token."""
        return malformed(self.text, self.next.position, message)

    def listed(self, one: Callable[[], _Item]) -> tuple[_Item, ...]:
        """One or more, with commas between them."""
        found = [one()]
        while self.symbol(","):
            found.append(one())
        return tuple(found)

    def deeper(self) -> None:
        """Count one more level of nesting, and refuse too many."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fail("query is too complex")
