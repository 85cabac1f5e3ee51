"""A value someone sent as the column keeps it, or the platform's reason to refuse it.

Text may come for every type (CSV knows no other); Python's own numbers, booleans, dates and datetimes
where they fit. Empty text is null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial

from localorg.records.outcomes import RowError
from localorg.schema import Field, FieldType
from localorg.soql import stored_datetime
from localorg.store import is_id, storable, to18

__all__ = ["Refusal", "Stored", "reader"]

Stored = str | int | float | None
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+")


class Refusal(Exception):
    """A value does not fit its field."""

    def __init__(self, code: str, message: str, field: Field) -> None:
        super().__init__(message)
        self.error = RowError(code, message, (field.api_name,))


def reader(field: Field) -> Callable[[object], Stored]:
    """A function that takes a value for a field as it is stored; it raises Refusal."""
    careful = partial(_READERS.get(field.type, _text), field)
    if field.type is FieldType.STRING or (field.type is FieldType.PICKLIST and not field.restricted):
        return _quick_text(field, careful)
    if field.type.is_number and field.type is not FieldType.INT:
        return _quick_number(field, careful)
    return careful


def _quick_text(field: Field, careful: Callable[[object], Stored]) -> Callable[[object], Stored]:
    """The usual case first: most values of most fields are short and plain."""
    length = field.length

    def read(value: object) -> Stored:
        if isinstance(value, str):
            text = value.strip()
            if 0 < len(text) <= length and text.isascii() and "\x00" not in text:
                return text
        return careful(value)

    return read


def _quick_number(field: Field, careful: Callable[[object], Stored]) -> Callable[[object], Stored]:
    bound = 10.0 ** ((field.precision or 18) - field.scale)

    def read(value: object) -> Stored:
        if value.__class__ is float and -bound < value < bound:
            return value
        return careful(value)

    return read


def _mistyped(field: Field, value: object) -> Refusal:
    return Refusal("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{field.label}: value not of required type: {value}", field)


def _text(field: Field, value: object) -> Stored:
    if not isinstance(value, str):
        raise _mistyped(field, value)
    text = storable(value if field.type is FieldType.TEXTAREA else value.strip())
    if not text:
        return None
    if field.length and len(text) > field.length:
        message = f"{field.label}: data value too large: {text} (max length={field.length})"
        raise Refusal("STRING_TOO_LONG", message, field)
    return text


def _email(field: Field, value: object) -> Stored:
    text = _text(field, value)
    if text is not None and not _EMAIL.fullmatch(str(text)):
        raise Refusal("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", field)
    return text


def _picklist(field: Field, value: object) -> Stored:
    text = _text(field, value)
    if text is None or not field.restricted:
        return text
    return _listed(field, str(text))


def _listed(field: Field, text: str) -> str:
    for item in field.picklist:
        if item.active and item.value.casefold() == text.casefold():
            return item.value
    message = f"{field.label}: bad value for restricted picklist field: {text}"
    raise Refusal("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field)


def _multipicklist(field: Field, value: object) -> Stored:
    text = _text(field, value)
    if text is None:
        return None
    parts = list(dict.fromkeys(part.strip() for part in str(text).split(";") if part.strip()))
    if field.restricted:
        parts = [_listed(field, part) for part in parts]
    order = {item.value: place for place, item in enumerate(field.picklist)}
    return ";".join(sorted(parts, key=lambda part: order.get(part, len(order)))) or None


def _boolean(field: Field, value: object) -> Stored:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "1", "false", "0"):
        return int(value.strip().lower() in ("true", "1"))
    if value == "":
        return 0
    raise _mistyped(field, value)


def _number(field: Field, value: object) -> Stored:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise _mistyped(field, value)
    if isinstance(value, str) and not value.strip():
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError) as wrong:
        raise _mistyped(field, value) from wrong
    whole_digits = (field.precision or 18) - field.scale
    if not abs(number) < 10**whole_digits:
        if not math.isfinite(number):
            raise _mistyped(field, value)
        message = f"{field.label}: value outside of valid range on numeric field: {value}"
        raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", message, field)
    # The places after the point are the user interface's affair: the API keeps what it is given
    # (Salesforce Help 000387302).
    return number


def _integer(field: Field, value: object) -> Stored:
    number = _number(field, value)
    if number is None:
        return None
    if float(number) != int(number):
        raise _mistyped(field, value)
    if not -(2**31) <= int(number) < 2**31:
        message = f"{field.label}: value outside of valid range on numeric field: {value}"
        raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", message, field)
    return int(number)


def _date(field: Field, value: object) -> Stored:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise _mistyped(field, value)
    text = value.strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10] if "T" in text else text).isoformat()
    except ValueError as wrong:
        raise _mistyped(field, value) from wrong


def _datetime(field: Field, value: object) -> Stored:
    if isinstance(value, datetime):
        return stored_datetime(value)
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00.000+0000"
    if not isinstance(value, str):
        raise _mistyped(field, value)
    text = value.strip()
    if not text:
        return None
    try:
        return stored_datetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as wrong:
        raise _mistyped(field, value) from wrong


def _time(field: Field, value: object) -> Stored:
    try:
        found = value if isinstance(value, time) else time.fromisoformat(str(value).strip().rstrip("Zz"))
    except ValueError as wrong:
        raise _mistyped(field, value) from wrong
    return f"{found:%H:%M:%S}.{found.microsecond // 1000:03d}Z"


def _reference(field: Field, value: object) -> Stored:
    if value == "":
        return None
    if field.loose and isinstance(value, str):
        return to18(value) if len(value) == 15 else value
    if not is_id(value):
        raise Refusal("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", field)
    return to18(str(value))


_READERS: dict[FieldType, Callable[[Field, object], Stored]] = {
    FieldType.BOOLEAN: _boolean,
    FieldType.INT: _integer,
    FieldType.DOUBLE: _number,
    FieldType.CURRENCY: _number,
    FieldType.PERCENT: _number,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.TIME: _time,
    FieldType.PICKLIST: _picklist,
    FieldType.MULTIPICKLIST: _multipicklist,
    FieldType.EMAIL: _email,
    FieldType.REFERENCE: _reference,
    FieldType.ID: _reference,
}
