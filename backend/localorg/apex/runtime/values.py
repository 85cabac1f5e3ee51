"""Values between the org's engine and Apex: the engine speaks REST's JSON types, Apex its own."""

from __future__ import annotations

import base64
import datetime
from decimal import Decimal
from typing import Any

from localorg.apex.values.collections import ApexList, ApexSet
from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.objects import ApexEnum
from localorg.apex.values.records import SObject
from localorg.schema import FieldType

__all__ = ["from_engine", "moment_of", "to_bind", "to_engine"]


def moment_of(text: str) -> datetime.datetime:
    """`2026-11-24T10:00:00.000+0000`."""
    return datetime.datetime.fromisoformat(text.replace("+0000", "+00:00").replace("Z", "+00:00"))


def _decimal(value: Any) -> Decimal:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return Decimal(int(value))
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def from_engine(value: Any, kind: FieldType) -> Any:
    """A value of a query's row as Apex has it."""
    if value is None:
        return None
    reader = _READERS.get(kind)
    return value if reader is None else reader(value)


_READERS: dict[FieldType, Any] = {
    FieldType.DOUBLE: _decimal,
    FieldType.CURRENCY: _decimal,
    FieldType.PERCENT: _decimal,
    FieldType.INT: int,
    FieldType.BOOLEAN: bool,
    FieldType.DATE: datetime.date.fromisoformat,
    FieldType.DATETIME: moment_of,
    FieldType.TIME: lambda text: datetime.time.fromisoformat(text.rstrip("Z")),
    FieldType.BASE64: lambda text: base64.b64decode(text) if isinstance(text, str) else text,
}


def to_engine(value: Any) -> Any:
    """A field's value on its way into the database."""
    if isinstance(value, datetime.datetime):
        return f"{value.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}+0000"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, ApexEnum):
        return value.name
    return value


def to_bind(value: Any) -> Any:
    """A bound expression's value: a record stands for its id, a collection for a list."""
    if isinstance(value, SObject):
        return value.values.get("Id")
    if isinstance(value, ApexList | ApexSet):
        return [to_bind(each) for each in value]
    if isinstance(value, dict):
        raise apex_error("QueryException", "Invalid bind expression type of Map for column")
    return to_engine(value)
