"""A SOQL query as a tree of frozen values. `position` is an offset in the query's text.

```
Query.select: FieldPath | Function (with an alias) | FieldsFunction | SubQuery
Query.where:  And | Or | Not | Comparison | InList | InQuery | Includes
operands:     FieldPath | Function;   values: Literal | DateLiteral | Bind
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "And",
    "Bind",
    "Comparison",
    "Condition",
    "DateLiteral",
    "Expression",
    "FieldPath",
    "FieldsFunction",
    "Function",
    "InList",
    "InQuery",
    "Includes",
    "Literal",
    "LiteralKind",
    "Not",
    "Or",
    "Order",
    "Query",
    "SelectItem",
    "Source",
    "SubQuery",
    "Value",
    "binds_of",
]


@dataclass(frozen=True, slots=True)
class FieldPath:
    """`Name`, or `Account.Owner.Name` from the object asked for upwards."""

    parts: tuple[str, ...]
    position: int

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Function:
    """`COUNT()`, `SUM(Amount)`, `CALENDAR_YEAR(CreatedDate)`; name in capitals."""

    name: str
    arguments: tuple[FieldPath | Function, ...]
    position: int


Expression = FieldPath | Function


class LiteralKind(Enum):
    """What a literal was written as."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    DATE = "date"
    DATETIME = "dateTime"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written out: str, int, float, bool or None; dates, times and datetimes as ISO text."""

    kind: LiteralKind
    value: str | int | float | bool | None
    position: int


@dataclass(frozen=True, slots=True)
class DateLiteral:
    """`TODAY`, `LAST_N_DAYS:30`; name in capitals."""

    name: str
    count: int | None
    position: int


@dataclass(frozen=True, slots=True)
class Bind:
    """`:expression` of Apex; text is the expression as written, position where it begins (after the colon)."""

    text: str
    position: int


Value = Literal | DateLiteral | Bind


@dataclass(frozen=True, slots=True)
class Comparison:
    """operator is one of = != < <= > >= LIKE."""

    left: Expression
    operator: str
    right: Value
    position: int


@dataclass(frozen=True, slots=True)
class InList:
    """`IN ('a', 'b')`, or `IN :names` with the bind alone."""

    left: Expression
    values: tuple[Value, ...]
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class InQuery:
    """A semi-join, or with `negated` an anti-join."""

    left: Expression
    query: Query
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class Includes:
    """Multi-select picklists: any of the values; one value may ask for several at once (`'a;b'`)."""

    left: Expression
    values: tuple[Value, ...]
    negated: bool
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    item: Condition


@dataclass(frozen=True, slots=True)
class And:
    """All conditions hold."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some condition holds."""

    items: tuple[Condition, ...]


Condition = Comparison | InList | InQuery | Includes | Not | And | Or


@dataclass(frozen=True, slots=True)
class FieldsFunction:
    """`FIELDS(ALL)`; kind is ALL, STANDARD or CUSTOM."""

    kind: str
    position: int


@dataclass(frozen=True, slots=True)
class SubQuery:
    """A query over a child relationship, inside SELECT."""

    query: Query
    position: int


@dataclass(frozen=True, slots=True)
class SelectItem:
    """One entry of the select list."""

    item: Expression | FieldsFunction | SubQuery
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What FROM names: an object, or in a sub-query a relationship; further sources name a path of the first."""

    path: tuple[str, ...]
    alias: str | None
    position: int

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Order:
    """nulls_first None means the platform's default: first ascending, last descending."""

    item: Expression
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT. `text` is the whole statement it was written in, for messages.

    security: what WITH asks for: SECURITY_ENFORCED, USER_MODE, SYSTEM_MODE or None.
    limit, offset: a number, or a bind of Apex.
    """

    select: tuple[SelectItem, ...]
    source: Source
    text: str
    joined: tuple[Source, ...] = ()
    scope: str | None = None
    where: Condition | None = None
    security: str | None = None
    group_by: tuple[Expression, ...] = ()
    having: Condition | None = None
    order_by: tuple[Order, ...] = ()
    limit: int | Bind | None = None
    offset: int | Bind | None = None
    locked: str | None = None
    all_rows: bool = False


def binds_of(query: Query) -> Iterator[Bind]:
    """Every bind of a query and its sub-queries, in no particular order."""
    for item in query.select:
        if isinstance(item.item, SubQuery):
            yield from binds_of(item.item.query)
    for condition in (query.where, query.having):
        if condition is not None:
            yield from _binds(condition)
    for bound in (query.limit, query.offset):
        if isinstance(bound, Bind):
            yield bound


def _binds(condition: Condition) -> Iterator[Bind]:
    if isinstance(condition, And | Or):
        for item in condition.items:
            yield from _binds(item)
    elif isinstance(condition, Not):
        yield from _binds(condition.item)
    elif isinstance(condition, Comparison):
        if isinstance(condition.right, Bind):
            yield condition.right
    elif isinstance(condition, InQuery):
        yield from binds_of(condition.query)
    else:
        yield from (value for value in condition.values if isinstance(value, Bind))
