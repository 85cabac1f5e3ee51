"""Values as text, three ways: String.valueOf, concatenation (dates in GMT) and what a debug line shows."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.exceptions import ApexException
from localorg.apex.values.objects import ApexEnum, ApexObject, UserException
from localorg.apex.values.records import SObject
from localorg.apex.values.size import held

__all__ = ["concat", "date_text", "datetime_text", "double_text", "to_text"]


def concat(value: Any) -> str:
    """A value as an operand of + beside a string: `null`, dates with a time of zero, Datetime in GMT."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return f"{date_text(value)} 00:00:00"
    return to_text(value)


def to_text(value: Any) -> str:
    """The value as String.valueOf shows it, Datetime in GMT (the caller moves it to the user's zone first)."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return double_text(value)
    return _other_text(value)


def _other_text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return datetime_text(value)
    if isinstance(value, datetime.date):
        return date_text(value)
    if isinstance(value, datetime.time):
        return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    if isinstance(value, bytes):
        return f"Blob[{len(value)}]"
    if isinstance(value, ApexEnum):
        return value.name
    if isinstance(value, ApexList):
        return f"({', '.join(map(_inside, value))})"
    if isinstance(value, ApexSet):
        return "{" + ", ".join(map(_inside, value)) + "}"
    if isinstance(value, ApexMap):
        return "{" + ", ".join(f"{_inside(k)}={_inside(v)}" for k, v in value.items()) + "}"
    if isinstance(value, SObject):
        return f"{value.type}:{{{', '.join(f'{k}={_inside(v)}' for k, v in value.values.items())}}}"
    if isinstance(value, UserException):
        method = value.info.method_of_arity("tostring", 0)
        return str(value) if method is None else str(getattr(value, method.python)())
    if isinstance(value, ApexException):
        return str(value)
    if isinstance(value, ApexObject):
        return _object_text(value)
    return str(value)


def _inside(value: Any) -> str:
    return held(concat(value))


def _object_text(value: ApexObject) -> str:
    method = value.info.method_of_arity("tostring", 0)
    if method is not None:
        return str(getattr(value, method.python)())
    shown = [
        f"{field.name}={_inside(getattr(value, field.python))}"
        for info in reversed(list(value.info.ancestors()))
        for field in info.fields.values()
        if not field.static and not field.getter and not field.setter
    ]
    return f"{value.info.name.rsplit('.', 1)[-1]}:[{', '.join(shown)}]"


def date_text(value: datetime.date) -> str:
    """yyyy-MM-dd."""
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def datetime_text(value: datetime.datetime) -> str:
    """yyyy-MM-dd HH:mm:ss as the value stands."""
    return f"{value.year:04d}-{value:%m-%d %H:%M:%S}"


def double_text(value: float) -> str:
    """Java's Double.toString."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    if 1e-3 <= abs(value) < 1e7:
        plain = format(Decimal(repr(value)), "f")
        return plain if "." in plain else plain + ".0"
    digits = Decimal(repr(value)).as_tuple().digits
    exponent = Decimal(repr(value)).adjusted()
    text = "".join(map(str, digits)).rstrip("0")
    return f"{'-' if value < 0 else ''}{text[0]}.{text[1:] or '0'}E{exponent}"
