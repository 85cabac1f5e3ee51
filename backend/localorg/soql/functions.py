"""SOQL's functions as SQL over an argument's column.

Dates are ISO text, so most parts of them are a slice. A datetime's parts are those of UTC, unless
`convertTimezone` moves it into the user's zone first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from localorg.schema import FieldType
from localorg.soql.ast import Expression, Function
from localorg.soql.lexer import malformed
from localorg.soql.paths import Resolved, Scope

__all__ = ["AGGREGATES", "expression_sql"]

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})


def expression_sql(scope: Scope, expression: Expression) -> Resolved:
    """A field path or a function call as SQL.

    Raises OrgError: INVALID_FIELD, MALFORMED_QUERY.
    """
    if not isinstance(expression, Function):
        return scope.resolve(expression)
    if expression.name in AGGREGATES:
        return _aggregate(scope, expression)
    if expression.name in _DATE_PARTS:
        return _date_part(scope, expression)
    if expression.name in _SHOWN:
        return _SHOWN[expression.name](scope, expression)
    raise malformed(scope.statement.text, expression.position, f"Invalid function name: {expression.name}")


def _one(scope: Scope, call: Function) -> Resolved:
    if len(call.arguments) != 1:
        raise malformed(scope.statement.text, call.position, f"Incorrect number of arguments for function {call.name}")
    return expression_sql(scope, call.arguments[0])


def _aggregate(scope: Scope, call: Function) -> Resolved:
    if call.name == "COUNT" and not call.arguments:
        return Resolved("COUNT(*)", FieldType.INT, aggregate=True, function="COUNT")
    argument = _one(scope, call)
    name = argument.names[-1] if argument.names else ""
    refused = scope.statement.invalid_field(
        call.position, f"field {name} does not support aggregate operator {call.name}"
    )
    if argument.aggregate or argument.type.is_compound or argument.type is FieldType.BASE64:
        raise refused
    if call.name in ("SUM", "AVG"):
        if not argument.type.is_number:
            raise refused
        kind = FieldType.DOUBLE if call.name == "AVG" else argument.type
        return Resolved(f"{call.name}({argument.sql})", kind, names=argument.names, aggregate=True, function=call.name)
    if call.name in ("MIN", "MAX"):
        if argument.type is FieldType.BOOLEAN or argument.type.is_id:
            raise refused
        sql = f"{call.name}({argument.sql})"
        return Resolved(sql, argument.type, argument.field, argument.names, aggregate=True, function=call.name)
    distinct = "DISTINCT " if call.name == "COUNT_DISTINCT" else ""
    sql = f"COUNT({distinct}{argument.sql})"
    return Resolved(sql, FieldType.INT, names=argument.names, aggregate=True, function=call.name)


def _year(x: str, _start: int) -> str:
    return f"CAST(substr({x}, 1, 4) AS INTEGER)"


def _month(x: str, _start: int) -> str:
    return f"CAST(substr({x}, 6, 2) AS INTEGER)"


def _day(x: str, _start: int) -> str:
    return f"CAST(substr({x}, 9, 2) AS INTEGER)"


def _fiscal_month(x: str, start: int) -> str:
    return f"(({_month(x, start)} - {start} + 12) % 12 + 1)"


def _fiscal_year(x: str, start: int) -> str:
    later = f" + ({_month(x, start)} >= {start})" if start > 1 else ""
    return f"({_year(x, start)}{later})"


_DATE_PARTS: Mapping[str, Callable[[str, int], str]] = {
    "CALENDAR_YEAR": _year,
    "CALENDAR_MONTH": _month,
    "CALENDAR_QUARTER": lambda x, start: f"(({_month(x, start)} + 2) / 3)",
    "DAY_IN_MONTH": _day,
    "DAY_IN_WEEK": lambda x, _start: f"(CAST(strftime('%w', substr({x}, 1, 10)) AS INTEGER) + 1)",
    "DAY_IN_YEAR": lambda x, _start: f"CAST(strftime('%j', substr({x}, 1, 10)) AS INTEGER)",
    "DAY_ONLY": lambda x, _start: f"substr({x}, 1, 10)",
    "HOUR_IN_DAY": lambda x, _start: f"CAST(substr({x}, 12, 2) AS INTEGER)",
    "WEEK_IN_MONTH": lambda x, start: f"(({_day(x, start)} + 6) / 7)",
    "WEEK_IN_YEAR": lambda x, _start: f"((CAST(strftime('%j', substr({x}, 1, 10)) AS INTEGER) + 6) / 7)",
    "FISCAL_MONTH": _fiscal_month,
    "FISCAL_QUARTER": lambda x, start: f"(({_fiscal_month(x, start)} + 2) / 3)",
    "FISCAL_YEAR": _fiscal_year,
}
_ONLY_DATETIME = frozenset({"DAY_ONLY", "HOUR_IN_DAY"})


def _date_part(scope: Scope, call: Function) -> Resolved:
    argument = _one(scope, call)
    dated = argument.type is FieldType.DATETIME or (argument.type is FieldType.DATE and call.name not in _ONLY_DATETIME)
    if not dated:
        name = argument.names[-1] if argument.names else ""
        message = f"Invalid function {call.name} for field {name}"
        raise malformed(scope.statement.text, call.position, message)
    sql = _DATE_PARTS[call.name](argument.sql, scope.statement.settings.fiscal_start)
    kind = FieldType.DATE if call.name == "DAY_ONLY" else FieldType.INT
    return Resolved(sql, kind, names=argument.names, outer=argument.outer, function=call.name)


def _convert_time_zone(scope: Scope, call: Function) -> Resolved:
    argument = _one(scope, call)
    if argument.type is not FieldType.DATETIME:
        raise malformed(scope.statement.text, call.position, "convertTimezone takes a dateTime field")
    sql = f"local_time({argument.sql}, {scope.statement.constant(scope.statement.settings.time_zone)})"
    return Resolved(sql, FieldType.DATETIME, names=argument.names, outer=argument.outer, function=call.name)


def _to_label(scope: Scope, call: Function) -> Resolved:
    argument = _one(scope, call)
    values = argument.field.picklist if argument.field else ()
    labels = [item for item in values if item.shown != item.value]
    sql = argument.sql
    if labels:
        bind = scope.statement.constant
        cases = " ".join(f"WHEN {bind(item.value)} THEN {bind(item.shown)}" for item in labels)
        sql = f"CASE {argument.sql} {cases} ELSE {argument.sql} END"
    return _shown(argument, sql, call)


def _format(scope: Scope, call: Function) -> Resolved:
    argument = _one(scope, call)
    sql = argument.sql
    if argument.type.is_number:
        places = argument.field.scale if argument.field else 0
        sql = f"grouped({argument.sql}, {places})"
    return _shown(argument, f"CASE WHEN {argument.sql} IS NULL THEN NULL ELSE {sql} END", call)


def _unchanged(scope: Scope, call: Function) -> Resolved:
    argument = _one(scope, call)
    return _shown(argument, argument.sql, call, kind=argument.type)


def _shown(argument: Resolved, sql: str, call: Function, *, kind: FieldType = FieldType.STRING) -> Resolved:
    return Resolved(
        sql, kind, argument.field, argument.names, argument.objects, argument.presence,
        outer=argument.outer, aggregate=argument.aggregate, function=call.name,
    )  # fmt: skip


_SHOWN: Mapping[str, Callable[[Scope, Function], Resolved]] = {
    "CONVERTTIMEZONE": _convert_time_zone,
    "TOLABEL": _to_label,
    "FORMAT": _format,
    "CONVERTCURRENCY": _unchanged,
}
