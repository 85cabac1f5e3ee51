"""A recursive-descent parser for SOQL. What it accepts, it accepts to the last token.

```
query     := SELECT items FROM source [, source]* [USING SCOPE name] [WHERE condition] [WITH security]
             [GROUP BY expressions [HAVING condition]] [ORDER BY orders] [LIMIT n] [OFFSET n]
             [FOR VIEW|REFERENCE|UPDATE] [ALL ROWS]
condition := unary (AND unary)* | unary (OR unary)*        mixed without brackets is an error
unary     := NOT unary | ( condition ) | expression operator value
```
"""

from __future__ import annotations

import re
from functools import lru_cache

from localorg.errors import OrgError
from localorg.soql.ast import (
    And,
    Bind,
    Comparison,
    Condition,
    DateLiteral,
    Expression,
    FieldPath,
    FieldsFunction,
    Function,
    Includes,
    InList,
    InQuery,
    Literal,
    LiteralKind,
    Not,
    Or,
    Order,
    Query,
    SelectItem,
    Source,
    SubQuery,
    Value,
)
from localorg.soql.dates import is_date_literal
from localorg.soql.lexer import TokenKind, malformed
from localorg.soql.reader import TokenReader

__all__ = ["parse", "unescaped"]

_AFTER_SOURCE = frozenset(
    {"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "USING", "WITH", "FOR", "ALL", "UPDATE", "AND", "OR"}
)
# No field, alias or bind begins with one of these.
_RESERVED = frozenset(
    [
        "AND",
        "ASC",
        "DESC",
        "EXCLUDES",
        "FROM",
        "HAVING",
        "IN",
        "INCLUDES",
        "LIKE",
        "LIMIT",
        "NOT",
        "NULL",
        "NULLS",
        "OR",
        "SELECT",
        "USING",
        "WHERE",
        "WITH",
    ]
)
_COMPARISONS = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_LONGEST = 100_000
_SHORT = 4_000
_ESCAPES = {
    "n": "\n",
    "N": "\n",
    "r": "\r",
    "R": "\r",
    "t": "\t",
    "T": "\t",
    "b": "\b",
    "B": "\b",
    "f": "\f",
    "F": "\f",
}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def parse(text: str) -> Query:
    """Read one query.

    Raises OrgError MALFORMED_QUERY, pointing at the place.
    """
    if len(text) > _LONGEST:
        raise OrgError("MALFORMED_QUERY", f"SOQL statements cannot be longer than {_LONGEST} characters.")
    return _kept(text) if len(text) <= _SHORT else _Parser(text).whole()


@lru_cache(maxsize=1024)
def _kept(text: str) -> Query:
    """Programs ask the same few queries over and over; a query is frozen, so one tree serves all of them."""
    return _Parser(text).whole()


def unescaped(text: str, *, keep: str = "") -> str:
    """A string literal's text with its escapes replaced; those of the characters in `keep` stay."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _unescape(found[1], keep), text)


def _unescape(escape: str, keep: str) -> str:
    if escape in keep:
        return "\\" + escape
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    return _ESCAPES.get(escape, escape)


class _Parser(TokenReader):
    def whole(self) -> Query:
        query = self.query()
        if self.next.kind is not TokenKind.END:
            raise self.unexpected()
        return query

    # -- clauses

    def query(self) -> Query:
        self.deeper()
        if not self.word("SELECT"):
            raise self.unexpected()
        select = self.listed(self.select_item)
        if not self.word("FROM"):
            raise self.unexpected()
        source, *joined = self.listed(self.source)
        scope = self.name().text if self.word("USING", "SCOPE") else None
        where = self.condition() if self.word("WHERE") else None
        security = self.security()
        group_by = self.listed(self.expression) if self.word("GROUP", "BY") else ()
        having = self.condition() if self.word("HAVING") else None
        order_by = self.listed(self.order) if self.word("ORDER", "BY") else ()
        limit = self.count() if self.word("LIMIT") else None
        offset = self.count() if self.word("OFFSET") else None
        locked = self.locked()
        all_rows = self.word("ALL", "ROWS")
        self.depth -= 1
        return Query(
            select, source, self.text, tuple(joined), scope, where, security, group_by, having, order_by,
            limit, offset, locked, all_rows,
        )  # fmt: skip

    def select_item(self) -> SelectItem:
        position = self.next.position
        if self.symbol("("):
            query = self.query()
            self.expect(")")
            return SelectItem(SubQuery(query, position))
        if self.next.upper == "TYPEOF" and self.tokens[self.at + 1].kind is TokenKind.NAME:
            raise self.fail("TYPEOF is not supported in this query")
        item = self.selected()
        alias = None
        if self.next.kind is TokenKind.NAME and self.next.upper not in _RESERVED:
            alias = self.take().text
        return SelectItem(item, alias)

    def source(self) -> Source:
        position = self.next.position
        path = self.path()
        alias = None
        self.word("AS")
        if self.next.kind is TokenKind.NAME and self.next.upper not in _AFTER_SOURCE:
            alias = self.take().text
        return Source(path, alias, position)

    def security(self) -> str | None:
        if not self.word("WITH"):
            return None
        if self.next.upper in ("SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"):
            return self.take().upper
        if self.next.upper == "DATA":
            raise self.fail("Data category filtering is not supported")
        raise self.unexpected()

    def order(self) -> Order:
        item = self.expression()
        descending = self.word("DESC")
        if not descending:
            self.word("ASC")
        nulls = None
        if self.word("NULLS", "FIRST"):
            nulls = True
        elif self.word("NULLS", "LAST"):
            nulls = False
        return Order(item, descending, nulls)

    def count(self) -> int | Bind:
        if self.next.text == ":":
            return self.bind()
        token = self.next
        if token.kind is not TokenKind.NUMBER or not token.text.isdigit():
            raise self.unexpected()
        return int(self.take().text)

    def locked(self) -> str | None:
        if not self.word("FOR"):
            return None
        if self.next.upper not in ("VIEW", "REFERENCE", "UPDATE"):
            raise self.unexpected()
        found = self.take().upper
        while self.symbol(",") and self.next.upper in ("VIEW", "REFERENCE"):
            self.take()
        return found

    # -- expressions

    def path(self) -> tuple[str, ...]:
        parts = [self.name().text]
        while self.symbol("."):
            parts.append(self.name().text)
        return tuple(parts)

    def selected(self) -> Expression | FieldsFunction:
        position = self.next.position
        if self.next.upper in _RESERVED:
            raise self.unexpected()
        parts = self.path()
        if not self.symbol("("):
            return FieldPath(parts, position)
        if len(parts) > 1:
            raise self.unexpected()
        name = parts[0].upper()
        if name == "FIELDS":
            return self.fields_function(position)
        if name in ("ROLLUP", "CUBE"):
            raise malformed(self.text, position, f"GROUP BY {name} is not supported in this query")
        if name in ("DISTANCE", "GEOLOCATION"):
            raise malformed(self.text, position, f"{name} function is not supported in this query")
        if self.symbol(")"):
            return Function(name, (), position)
        self.deeper()
        arguments = self.listed(self.expression)
        self.depth -= 1
        self.expect(")")
        return Function(name, arguments, position)

    def expression(self) -> Expression:
        found = self.selected()
        if isinstance(found, FieldsFunction):
            raise malformed(self.text, found.position, f"unexpected token: 'FIELDS({found.kind})'")
        return found

    def fields_function(self, position: int) -> FieldsFunction:
        kind = self.name().upper
        self.expect(")")
        if kind not in ("ALL", "STANDARD", "CUSTOM"):
            raise malformed(self.text, position, f"unexpected token: 'FIELDS({kind})'")
        return FieldsFunction(kind, position)

    # -- conditions

    def condition(self) -> Condition:
        self.deeper()
        first = self.unary()
        found = first
        for word, make in (("AND", And), ("OR", Or)):
            if self.next.upper == word and self.next.kind is TokenKind.NAME:
                items = [first]
                while self.word(word):
                    items.append(self.unary())
                found = make(tuple(items))
                break
        if self.next.kind is TokenKind.NAME and self.next.upper in ("AND", "OR"):
            raise self.unexpected()
        self.depth -= 1
        return found

    def unary(self) -> Condition:
        if self.word("NOT"):
            self.deeper()
            item = self.unary()
            self.depth -= 1
            return Not(item)
        if self.symbol("("):
            inside = self.condition()
            self.expect(")")
            return inside
        return self.test()

    def test(self) -> Condition:
        left = self.expression()
        position = self.next.position
        if self.word("NOT", "IN"):
            return self.membership(left, negated=True, position=position)
        if self.word("IN"):
            return self.membership(left, negated=False, position=position)
        if self.word("LIKE"):
            return Comparison(left, "LIKE", self.value(like=True), position)
        for word in ("INCLUDES", "EXCLUDES"):
            if self.word(word):
                return Includes(left, self.values(), word == "EXCLUDES", position)
        token = self.next
        if token.kind is not TokenKind.SYMBOL or token.text not in _COMPARISONS:
            raise self.unexpected()
        self.take()
        return Comparison(left, _COMPARISONS[token.text], self.value(), position)

    def membership(self, left: Expression, *, negated: bool, position: int) -> Condition:
        ahead = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if self.next.text == "(" and ahead.kind is TokenKind.NAME and ahead.upper == "SELECT":
            self.take()
            query = self.query()
            self.expect(")")
            return InQuery(left, query, negated, position)
        return InList(left, self.values(), negated, position)

    def values(self) -> tuple[Value, ...]:
        if self.next.text == ":" and self.next.kind is TokenKind.SYMBOL:
            return (self.bind(),)
        self.expect("(")
        found = self.listed(self.value)
        self.expect(")")
        return found

    def value(self, *, like: bool = False) -> Value:
        token = self.next
        position = token.position
        if token.kind is TokenKind.SYMBOL and token.text == ":":
            return self.bind()
        if token.kind is TokenKind.NAME:
            return self.word_value()
        self.take()
        if token.kind is TokenKind.STRING:
            return Literal(LiteralKind.STRING, unescaped(token.text, keep="%_\\" if like else ""), position)
        if token.kind is TokenKind.NUMBER:
            whole = token.text.lstrip("+-").isdigit()
            return Literal(LiteralKind.NUMBER, int(token.text) if whole else float(token.text), position)
        if token.kind in (TokenKind.DATE, TokenKind.DATETIME, TokenKind.TIME):
            return Literal(_DATED[token.kind], token.text, position)
        self.at -= 1
        raise self.unexpected()

    def word_value(self) -> Value:
        token = self.take()
        if token.upper in _WORDS:
            kind, value = _WORDS[token.upper]
            return Literal(kind, value, token.position)
        counted = self.next.text == ":" and self.tokens[min(self.at + 1, len(self.tokens) - 1)].text.isdigit()
        if not is_date_literal(token.upper, counted=counted):
            self.at -= 1
            raise self.unexpected()
        count = None
        if counted:
            self.take()
            count = int(self.take().text)
        return DateLiteral(token.upper, count, token.position)

    def bind(self) -> Bind:
        """Take `:` and the Apex expression after it: names, calls, indexes, in as many brackets as it opens."""
        self.take()
        start = self.next.position
        first = self.at
        self.primary()
        if self.at == first:
            raise self.unexpected()
        last = self.tokens[self.at - 1]
        quotes = 2 if last.kind is TokenKind.STRING else 0
        return Bind(self.text[start : last.position + len(last.text) + quotes], start)

    def primary(self) -> None:
        if self.next.text == "(":
            self.bracketed("(", ")")
        elif self.next.kind in (TokenKind.NAME, TokenKind.STRING, TokenKind.NUMBER):
            self.take()
        while self.next.kind is TokenKind.SYMBOL:
            if self.symbol("."):
                self.name()
            elif self.next.text == "(":
                self.bracketed("(", ")")
            elif self.next.text == "[":
                self.bracketed("[", "]")
            elif self.next.text == "?" and self.tokens[self.at + 1].text == ".":
                self.take()
            else:
                return

    def bracketed(self, opening: str, closing: str) -> None:
        depth = 0
        while True:
            token = self.next
            if token.kind is TokenKind.END:
                raise self.fail(f"expecting '{closing}', found '<EOF>'")
            self.take()
            if token.kind is TokenKind.SYMBOL and token.text == opening:
                depth += 1
            elif token.kind is TokenKind.SYMBOL and token.text == closing:
                depth -= 1
                if depth == 0:
                    return


_WORDS: dict[str, tuple[LiteralKind, bool | None]] = {
    "NULL": (LiteralKind.NULL, None),
    "TRUE": (LiteralKind.BOOLEAN, True),
    "FALSE": (LiteralKind.BOOLEAN, False),
}
_DATED = {
    TokenKind.DATE: LiteralKind.DATE,
    TokenKind.DATETIME: LiteralKind.DATETIME,
    TokenKind.TIME: LiteralKind.TIME,
}
