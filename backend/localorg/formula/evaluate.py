"""What a formula comes to, for one record.

Numbers are Decimal, dates `date`, moments `datetime` in UTC. Text that is not there is empty text; any
other value that is not there is None: arithmetic on it gives None, comparing by size gives false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Protocol

from localorg.errors import OrgError
from localorg.formula.parse import Binary, Call, Constant, Node, Path, Unary, paths_of

__all__ = ["FUNCTIONS", "Scope", "check_formula", "evaluate"]


class Scope(Protocol):
    """The record a formula is about, and the world around it."""

    @property
    def is_new(self) -> bool:
        """Whether the record is being made."""

    @property
    def now(self) -> datetime:
        """The org's time, UTC."""

    @property
    def today(self) -> date:
        """The day in the user's time zone."""

    def value(self, path: Path) -> Any:
        """What the path holds."""

    def prior(self, path: Path) -> Any:
        """What it held before this change; for a new record what it holds."""


def check_formula(node: Node, exists: Callable[[Path], bool]) -> None:
    """Refuse what cannot be evaluated here: functions outside the list, wrong arguments, unknown fields.

    Raises OrgError FIELD_INTEGRITY_EXCEPTION.
    """
    for path in paths_of(node):
        if not exists(path):
            raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"Error: Field {path} does not exist. Check spelling.")
    _check_calls(node)


def _check_calls(node: Node) -> None:
    match node:
        case Unary(_, operand):
            _check_calls(operand)
        case Binary(_, left, right):
            _check_calls(left)
            _check_calls(right)
        case Call(name, arguments):
            if name not in FUNCTIONS:
                raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"Error: Unknown function {name}. Check spelling.")
            fewest, most = FUNCTIONS[name]
            if not fewest <= len(arguments) <= most:
                message = f"Error: Incorrect number of parameters for function '{name}()'."
                raise OrgError("FIELD_INTEGRITY_EXCEPTION", message)
            for item in arguments:
                _check_calls(item)


def evaluate(node: Node, scope: Scope) -> Any:
    """The formula's value; None where it has none (a division by zero, a text taken for a number): #Error!."""
    try:
        return _value(node, scope)
    except _NO_VALUE:
        return None


_NO_VALUE = (
    DivisionByZero,
    InvalidOperation,
    Overflow,
    OverflowError,
    TypeError,
    ValueError,
    AttributeError,
    re.error,
)


def _value(node: Node, scope: Scope) -> Any:
    match node:
        case Constant(value):
            return value
        case Path():
            return scope.value(node)
        case Unary(operator, operand):
            value = _value(operand, scope)
            if operator == "!":
                return not value
            return None if value is None else -value
        case Binary(operator, left, right):
            return _binary(operator, left, right, scope)
        case Call(name, arguments):
            lazy = _LAZY.get(name)
            if lazy is not None:
                return lazy(arguments, scope)
            return _EAGER[name](*(_value(item, scope) for item in arguments))


def _binary(operator: str, left: Node, right: Node, scope: Scope) -> Any:
    if operator == "&&":
        return bool(_value(left, scope)) and bool(_value(right, scope))
    if operator == "||":
        return bool(_value(left, scope)) or bool(_value(right, scope))
    first, second = _value(left, scope), _value(right, scope)
    if operator in ("=", "!="):
        return _same(first, second) == (operator == "=")
    if operator == "&" or (operator == "+" and (isinstance(first, str) or isinstance(second, str))):
        return _text(first) + _text(second)
    if first is None or second is None:
        return False if operator in _ORDERS else None
    if operator in _ORDERS:
        return _ORDERS[operator](*_comparable(first, second))
    return _arithmetic(operator, first, second)


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _comparable(first: Any, second: Any) -> tuple[Any, Any]:
    if isinstance(first, datetime) != isinstance(second, datetime):
        return _day(first), _day(second)
    return first, second


def _same(first: Any, second: Any) -> bool:
    if first in (None, "") or second in (None, ""):
        return first in (None, "") and second in (None, "")
    first, second = _comparable(first, second)
    return bool(first == second)


def _arithmetic(operator: str, first: Any, second: Any) -> Any:
    if isinstance(first, date) or isinstance(second, date):
        if operator == "+":
            return (
                first + timedelta(days=float(second)) if isinstance(first, date) else second + timedelta(float(first))
            )
        if isinstance(second, date):
            gap = _moment(first) - _moment(second) if isinstance(first, datetime) else first - second
            return Decimal(str(gap / timedelta(days=1)))
        return first - timedelta(days=float(second))
    match operator:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second
        case "/":
            return first / second
        case _:
            return first**second


# -- functions


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else str(value)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)


def _day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value


def _date_of(value: Any) -> date | None:
    if value is None or isinstance(value, date):
        day: date | None = _day(value)
        return day
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        return None


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value).strip()) if value not in (None, "") else None
    except InvalidOperation:
        return None


def _rounded(value: Decimal | None, places: Decimal, rounding: str = ROUND_HALF_UP) -> Decimal | None:
    return None if value is None else value.quantize(Decimal(1).scaleb(-int(places)), rounding)


def _upwards(value: Decimal | None, towards: str, away: str) -> Decimal | None:
    return None if value is None else value.to_integral_value(towards if value >= 0 else away)


def _case(arguments: Sequence[Node], scope: Scope) -> Any:
    wanted = _value(arguments[0], scope)
    for place in range(1, len(arguments) - 1, 2):
        if _same(wanted, _value(arguments[place], scope)):
            return _value(arguments[place + 1], scope)
    return _value(arguments[-1], scope)


def _is_changed(arguments: Sequence[Node], scope: Scope) -> bool:
    [path] = arguments
    return isinstance(path, Path) and not scope.is_new and not _same(scope.value(path), scope.prior(path))


def _prior(arguments: Sequence[Node], scope: Scope) -> Any:
    [path] = arguments
    return scope.prior(path) if isinstance(path, Path) else None


def _if(arguments: Sequence[Node], scope: Scope) -> Any:
    return _value(arguments[1] if _value(arguments[0], scope) else arguments[2], scope)


def _begins(text: Any, start: Any) -> bool:
    return _text(text).startswith(_text(start))


def _find(wanted: Any, text: Any, start: Any = Decimal(1)) -> Decimal:
    return Decimal(_text(text).find(_text(wanted), max(int(start) - 1, 0)) + 1)


def _add_months(value: Any, months: Any) -> Any:
    if value is None or months is None:
        return None
    year, month = divmod(value.year * 12 + value.month - 1 + int(months), 12)
    first = value.replace(year=year, month=month + 1, day=1)
    after = first.replace(year=year + (month == 11), month=(month + 1) % 12 + 1)
    return first.replace(day=min(value.day, (after - timedelta(days=1)).day))


_LAZY: Mapping[str, Callable[[Sequence[Node], Scope], Any]] = {
    "AND": lambda items, scope: all(_value(item, scope) for item in items),
    "OR": lambda items, scope: any(_value(item, scope) for item in items),
    "IF": _if,
    "CASE": _case,
    "ISCHANGED": _is_changed,
    "PRIORVALUE": _prior,
    "ISNEW": lambda _items, scope: scope.is_new,
    "TODAY": lambda _items, scope: scope.today,
    "NOW": lambda _items, scope: scope.now,
}
_EAGER: Mapping[str, Callable[..., Any]] = {
    "NOT": lambda value: not value,
    "ISBLANK": lambda value: value in (None, ""),
    "ISNULL": lambda value: value in (None, ""),
    "BLANKVALUE": lambda value, other: other if value in (None, "") else value,
    "NULLVALUE": lambda value, other: other if value in (None, "") else value,
    "ISPICKVAL": _same,
    "INCLUDES": lambda value, wanted: _text(wanted) in _text(value).split(";"),
    "ISNUMBER": lambda value: _number(value) is not None,
    "TEXT": _text,
    "VALUE": _number,
    "LEN": lambda text: Decimal(len(_text(text))),
    "LEFT": lambda text, count: _text(text)[: max(int(count), 0)],
    "RIGHT": lambda text, count: _text(text)[-int(count) :] if count > 0 else "",
    "MID": lambda text, start, count: _text(text)[max(int(start) - 1, 0) :][: max(int(count), 0)],
    "UPPER": lambda text: _text(text).upper(),
    "LOWER": lambda text: _text(text).lower(),
    "TRIM": lambda text: _text(text).strip(),
    "CONTAINS": lambda text, wanted: _text(wanted) in _text(text),
    "BEGINS": _begins,
    "FIND": _find,
    "SUBSTITUTE": lambda text, old, new: _text(text).replace(_text(old), _text(new)),
    "REGEX": lambda text, pattern: re.fullmatch(_text(pattern), _text(text)) is not None,
    "ABS": lambda value: None if value is None else abs(value),
    "ROUND": _rounded,
    "CEILING": lambda value: _upwards(value, ROUND_CEILING, ROUND_FLOOR),  # away from zero, as Salesforce has it
    "FLOOR": lambda value: _upwards(value, ROUND_FLOOR, ROUND_CEILING),
    "MOD": lambda value, by: (
        None if value is None or by is None else value - by * (value / by).to_integral_value(ROUND_FLOOR)
    ),
    "MIN": lambda *values: min((value for value in values if value is not None), default=None),
    "MAX": lambda *values: max((value for value in values if value is not None), default=None),
    "DATE": lambda year, month, day: date(int(year), int(month), int(day)),
    "DATEVALUE": _date_of,
    "ADDMONTHS": _add_months,
    "YEAR": lambda value: None if value is None else Decimal(value.year),
    "MONTH": lambda value: None if value is None else Decimal(value.month),
    "DAY": lambda value: None if value is None else Decimal(value.day),
    "WEEKDAY": lambda value: None if value is None else Decimal((value.weekday() + 1) % 7 + 1),
}
_MANY = 100
_ARITY: Mapping[str, tuple[int, int]] = {
    "AND": (1, _MANY), "OR": (1, _MANY), "IF": (3, 3), "CASE": (4, _MANY), "ISNEW": (0, 0), "TODAY": (0, 0),
    "NOW": (0, 0), "MIN": (1, _MANY), "MAX": (1, _MANY), "FIND": (2, 3), "MID": (3, 3), "SUBSTITUTE": (3, 3),
    "DATE": (3, 3), "BLANKVALUE": (2, 2), "NULLVALUE": (2, 2), "ISPICKVAL": (2, 2), "INCLUDES": (2, 2),
    "LEFT": (2, 2), "RIGHT": (2, 2), "CONTAINS": (2, 2), "BEGINS": (2, 2), "REGEX": (2, 2), "ROUND": (2, 2),
    "MOD": (2, 2), "ADDMONTHS": (2, 2),
}  # fmt: skip

# Every function there is, with the fewest and the most arguments it takes.
FUNCTIONS: Mapping[str, tuple[int, int]] = {name: _ARITY.get(name, (1, 1)) for name in (*_LAZY, *_EAGER)}
