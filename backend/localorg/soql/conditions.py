"""WHERE and HAVING as SQL, with SOQL's meaning of null, case and type.

- text compares without regard to case; beyond ASCII that is done by a function of ours
- `!=` and NOT IN over a list also find rows where the field is null
- a boolean of a parent that is not there is false
- an empty string is null
- a date literal is a range of days, in the user's time zone for a datetime
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal

from localorg.errors import OrgError
from localorg.schema import FieldType
from localorg.soql.ast import (
    And,
    Bind,
    Comparison,
    Condition,
    DateLiteral,
    Includes,
    InList,
    InQuery,
    LiteralKind,
    Not,
    Or,
    Value,
)
from localorg.soql.dates import day_range, stored_date, stored_datetime, utc_midnight
from localorg.soql.functions import expression_sql
from localorg.soql.lexer import located, malformed
from localorg.soql.paths import Resolved, Scope
from localorg.store import is_id, to18

__all__ = ["condition_sql"]

_LARGE_LIST = 50


def condition_sql(scope: Scope, condition: Condition, inner: Callable[[InQuery], str]) -> str:
    """SQL of a condition; `inner` writes the SELECT of a semi-join.

    Raises OrgError: MALFORMED_QUERY, INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR.
    """
    return _Conditions(scope, inner).sql(condition)


class _Conditions:
    def __init__(self, scope: Scope, inner: Callable[[InQuery], str]) -> None:
        self.scope = scope
        self.statement = scope.statement
        self.inner = inner

    def sql(self, condition: Condition) -> str:
        match condition:
            case And(items):
                return _balanced([self.sql(item) for item in items], "AND")
            case Or(items):
                return _balanced([self.sql(item) for item in items], "OR")
            case Not(item):
                return f"(NOT coalesce({self.sql(item)}, 0))"
            case Comparison():
                return self.comparison(condition)
            case InList():
                return self.in_list(condition)
            case InQuery():
                return self.in_query(condition)
            case Includes():
                return self.includes(condition)

    def left(self, condition: Comparison | InList | InQuery | Includes) -> Resolved:
        left = expression_sql(self.scope, condition.left)
        unfit = left.field is not None and not left.field.filterable and not left.aggregate
        if unfit or left.type.is_compound or left.type is FieldType.BASE64:
            message = f"field '{left.names[-1]}' can not be filtered in a query call"
            raise self.statement.invalid_field(condition.left.position, message)
        if left.type is FieldType.BOOLEAN and left.outer:
            return Resolved(f"coalesce({left.sql}, 0)", left.type, left.field, left.names)
        return left

    # -- one value

    def comparison(self, condition: Comparison) -> str:
        left = self.left(condition)
        operator, right = condition.operator, condition.right
        if operator == "LIKE":
            return self.like(left, condition)
        if left.type is FieldType.MULTIPICKLIST and operator not in ("=", "!="):
            raise self.refused(condition, left)
        if isinstance(right, DateLiteral):
            return self.in_days(left, operator, right)
        value = self.value(left, right)
        if value is None:
            return self.null(left, operator)
        if operator not in ("=", "!="):
            if left.type is FieldType.BOOLEAN:
                raise self.refused(condition, left)
            return self.compared(left, operator, value)
        if operator == "=":
            return self.compared(left, "=", value)
        return self.compared(left, "IS NOT", value)

    def compared(self, left: Resolved, operator: str, value: object) -> str:
        mark = self.statement.bind(value)
        if isinstance(value, str) and left.type.is_text and not value.isascii() and operator in ("=", "IS NOT"):
            return f"(fold({left.sql}) {operator} fold({mark}))"
        return f"({left.sql} {operator} {mark})"

    @staticmethod
    def null(left: Resolved, operator: str) -> str:
        if operator == "=":
            return f"({left.sql} IS NULL)"
        return f"({left.sql} IS NOT NULL)" if operator == "!=" else "0"

    def like(self, left: Resolved, condition: Comparison) -> str:
        if not left.type.is_text or left.type is FieldType.MULTIPICKLIST:
            raise self.refused(condition, left)
        value = self.value(left, condition.right)
        if value is None:
            return self.null(left, "=")
        mark = self.statement.bind(value)
        if not str(value).isascii():
            return f"soql_like({left.sql}, {mark})"
        return f"({left.sql} LIKE {mark} ESCAPE '\\')"

    def in_days(self, left: Resolved, operator: str, literal: DateLiteral) -> str:
        if left.type not in (FieldType.DATE, FieldType.DATETIME):
            raise self.wrong_type(left, literal.position)
        settings = self.statement.settings
        try:
            first, after = day_range(literal.name, literal.count, settings.today, fiscal_start=settings.fiscal_start)
        except ValueError as beyond:
            raise malformed(self.statement.text, literal.position, f"Invalid date literal: {beyond}") from beyond
        if left.type is FieldType.DATE:
            low, high = stored_date(first), stored_date(after)
        else:
            low, high = utc_midnight(first, settings.time_zone), utc_midnight(after, settings.time_zone)
        bind = self.statement.bind
        if operator in ("=", "!="):
            inside = f"({left.sql} >= {bind(low)} AND {left.sql} < {bind(high)})"
            return inside if operator == "=" else f"(NOT coalesce({inside}, 0))"
        bound = {"<": ("<", low), "<=": ("<", high), ">": (">=", high), ">=": (">=", low)}[operator]
        return f"({left.sql} {bound[0]} {bind(bound[1])})"

    # -- many values

    def in_list(self, condition: InList) -> str:
        left = self.left(condition)
        values: list[object] = []
        ranges = []
        for item in self.spread(condition.values):
            if isinstance(item, DateLiteral):
                ranges.append(self.in_days(left, "=", item))
            else:
                values.append(self.value(left, item))
        present = list(dict.fromkeys(value for value in values if value is not None))
        has_null = len(values) > 0 and any(value is None for value in values)
        tests = [*ranges]
        if present:
            tests.append(self.member(left, present))
        if has_null:
            tests.append(f"({left.sql} IS NULL)")
        found = _balanced(tests, "OR") if tests else "0"
        return f"(NOT coalesce({found}, 0))" if condition.negated else found

    def member(self, left: Resolved, values: list[object]) -> str:
        bind = self.statement.bind
        folded = left.type.is_text and any(isinstance(value, str) and not value.isascii() for value in values)
        if folded:
            return f"(fold({left.sql}) IN ({', '.join(f'fold({bind(value)})' for value in values)}))"
        if len(values) > _LARGE_LIST:
            # One parameter, whatever the length; the column's own collation still decides.
            return f"({left.sql} IN (SELECT value FROM json_each({bind(json.dumps(values))})))"  # noqa: S608 -- API names and placeholders only
        return f"({left.sql} IN ({', '.join(bind(value) for value in values)}))"

    def in_query(self, condition: InQuery) -> str:
        left = self.left(condition)
        if not left.type.is_id:
            message = f"The left operand of a semi-join must be an id or reference field: {left.names[-1]}"
            raise malformed(self.statement.text, condition.left.position, message)
        return f"({left.sql} {'NOT ' if condition.negated else ''}IN ({self.inner(condition)}))"

    def includes(self, condition: Includes) -> str:
        left = self.left(condition)
        if left.type is not FieldType.MULTIPICKLIST:
            raise self.refused(condition, left)
        groups = []
        for item in self.spread(condition.values):
            value = self.value(left, item)
            wanted = [part.strip() for part in str(value or "").split(";") if part.strip()]
            marks = (self.statement.bind(f";{part.casefold()};") for part in wanted)
            tests = [f"instr(';' || fold({left.sql}) || ';', {mark}) > 0" for mark in marks]
            groups.append(f"({' AND '.join(tests)})" if tests else f"({left.sql} IS NULL)")
        found = _balanced(groups, "OR") if groups else "0"
        return f"(NOT coalesce({found}, 0))" if condition.negated else found

    def spread(self, values: tuple[Value, ...]) -> Iterable[Value | _Given]:
        """The values of a list, a bound collection's own among them."""
        for value in values:
            bound = self.statement.bound(value) if isinstance(value, Bind) else None
            if isinstance(value, Bind) and isinstance(bound, Iterable) and not isinstance(bound, str | bytes):
                yield from (_Given(item, value.position) for item in bound)
            else:
                yield value

    # -- values

    def value(self, left: Resolved, right: Value | _Given) -> object:
        """A literal or a bound value as the field's column holds it; None for null."""
        position = right.position
        if isinstance(right, Bind | _Given):
            given = self.statement.bound(right) if isinstance(right, Bind) else right.value
            try:
                return self.stored(left, _native(given, left.type), position)
            except (TypeError, ValueError) as wrong:
                raise self.wrong_type(left, position) from wrong
        if isinstance(right, DateLiteral):
            raise self.wrong_type(left, position)
        if right.kind is not LiteralKind.NULL and right.kind not in _ACCEPTED[_family(left.type)]:
            raise self.wrong_type(left, position)
        return self.stored(left, right.value, position)

    def stored(self, left: Resolved, value: object, position: int) -> object:
        if value is None or value == "":
            return None
        family = _family(left.type)
        if family == "id":
            if left.field is not None and left.field.loose:
                return value
            if not is_id(value):
                message = located(self.statement.text, position, f"invalid ID field: {value}")
                raise OrgError("INVALID_QUERY_FILTER_OPERATOR", message)
            return to18(str(value))
        if family == "boolean":
            return int(bool(value))
        if family == "datetime":
            return self.moment(left, str(value), position)
        if family == "date":
            return self.day(left, str(value)[:10], position)
        if family == "time":
            return self.time_of_day(left, str(value), position)
        if family == "number":
            return value if isinstance(value, int) and abs(value) < 2**63 else float(str(value))
        return str(value)

    def moment(self, left: Resolved, text: str, position: int) -> str:
        try:
            return stored_datetime(datetime.fromisoformat(text.replace("z", "Z").replace("t", "T")))
        except (ValueError, OverflowError) as wrong:
            raise self.wrong_type(left, position) from wrong

    def day(self, left: Resolved, text: str, position: int) -> str:
        try:
            return stored_date(date.fromisoformat(text))
        except ValueError as wrong:
            raise self.wrong_type(left, position) from wrong

    def time_of_day(self, left: Resolved, text: str, position: int) -> str:
        try:
            found = time.fromisoformat(text.rstrip("Zz"))
        except ValueError as wrong:
            raise self.wrong_type(left, position) from wrong
        return f"{found:%H:%M:%S}.{found.microsecond // 1000:03d}Z"

    # -- refusals

    def refused(self, condition: Comparison | Includes, left: Resolved) -> OrgError:
        kind = "ID" if left.type.is_id else left.type.value
        return self.statement.invalid_field(condition.position, f"invalid operator on {kind.lower()} field")

    def wrong_type(self, left: Resolved, position: int) -> OrgError:
        name = left.names[-1] if left.names else (left.function or "")
        kind = {"id": "string", "text": "string", "datetime": "dateTime"}.get(_family(left.type), left.type.value)
        quotes = "should be enclosed in quotes" if kind == "string" else "should not be enclosed in quotes"
        message = f"value of filter criterion for field '{name}' must be of type {kind} and {quotes}"
        return self.statement.invalid_field(position, message)


def _balanced(tests: list[str], word: str) -> str:
    """Tests joined two by two: SQLite counts how deep an expression goes, not how long it is."""
    while len(tests) > 1:
        tests = [f"({f' {word} '.join(tests[at : at + 2])})" for at in range(0, len(tests), 2)]
    return tests[0]


class _Given:
    """One value out of a bound collection."""

    __slots__ = ("position", "value")

    def __init__(self, value: object, position: int) -> None:
        self.value = value
        self.position = position


_ACCEPTED = {
    "text": {LiteralKind.STRING},
    "id": {LiteralKind.STRING},
    "boolean": {LiteralKind.BOOLEAN},
    "number": {LiteralKind.NUMBER},
    "date": {LiteralKind.DATE},
    "datetime": {LiteralKind.DATETIME},
    "time": {LiteralKind.TIME},
}


def _family(kind: FieldType) -> str:
    if kind.is_id:
        return "id"
    if kind.is_number:
        return "number"
    if kind in (FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME, FieldType.TIME):
        return kind.value
    return "text"


def _native(value: object, kind: FieldType) -> object:
    """A bound Python value as a literal of its kind would have been read.

    Raises TypeError, ValueError where it does not fit the field.
    """
    family = _family(kind)
    if value is None:
        return None
    if family == "boolean" and not isinstance(value, bool):
        raise TypeError
    if family == "number":
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise TypeError
        return int(value) if isinstance(value, int) else float(value)
    if family == "datetime" and isinstance(value, date) and not isinstance(value, datetime):
        return f"{value.isoformat()}T00:00:00+00:00"
    if isinstance(value, datetime):
        return stored_datetime(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if family in ("text", "id") and isinstance(value, bool | int | float | Decimal):
        raise TypeError
    return value
