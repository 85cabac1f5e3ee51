"""Values and types meeting at run time: instanceof, casts, and what a value's type is called."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from localorg.apex.types.classes import ClassInfo
from localorg.apex.types.conversion import cost
from localorg.apex.types.model import (
    BLOB,
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    DOUBLE,
    ID,
    INTEGER,
    LONG,
    NULL,
    OBJECT,
    STRING,
    TIME,
    Class,
    Platform,
    Record,
    Type,
)
from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.exceptions import PLATFORM_EXCEPTIONS, ApexException, apex_error
from localorg.apex.values.numbers import BoxedId, BoxedLong, to_decimal
from localorg.apex.values.objects import ApexEnum, ApexObject, UserException
from localorg.apex.values.records import SObject
from localorg.store.ids import to18

__all__ = ["as_id", "cast", "instance_of", "looks_like_id", "type_name", "type_of"]


def type_of(value: Any) -> Type:
    """The type a value has by itself; null has its own."""
    if isinstance(value, ApexObject | UserException):
        return Class(value.info)
    if isinstance(value, ApexList | ApexSet | ApexMap):
        return value.type
    own: Type | None = getattr(value, "apex_type", None)
    if own is not None:
        return own
    for python, type_ in _SCALARS:
        if isinstance(value, python):
            return type_
    if isinstance(value, ApexException):
        return Platform(value.type_name.split(".", 1)[-1])
    name = getattr(value, "apex_name", None)
    return Platform(name) if name else OBJECT


_SCALARS: tuple[tuple[type, Type], ...] = (
    (bool, BOOLEAN),
    (BoxedLong, LONG),
    (int, INTEGER),
    (float, DOUBLE),
    (Decimal, DECIMAL),
    (BoxedId, ID),
    (str, STRING),
    (datetime.datetime, DATETIME),
    (datetime.date, DATE),
    (datetime.time, TIME),
    (bytes, BLOB),
    (type(None), NULL),
)


def type_name(value: Any) -> str:
    """A type as the platform's messages spell it: Object inside a collection is ANY."""
    if isinstance(value, ApexEnum):
        return value.enum
    return str(type_of(value)).replace("<Object>", "<ANY>").replace(",Object>", ",ANY>")


def instance_of(value: Any, type_: Type) -> bool:
    """instanceof. null is an instance of nothing, a number of every wider type, a text that could be an id of Id."""
    if value is None:
        return False
    if isinstance(type_, Class):
        return _is_class(value, type_.info)
    if type_ == OBJECT:
        return True
    if type_ == ID:
        return looks_like_id(value)
    if type_ in _WIDER:
        return isinstance(value, _WIDER[type_]) and not isinstance(value, bool)
    if isinstance(type_, Platform) and type_.name in PLATFORM_EXCEPTIONS:
        return isinstance(value, PLATFORM_EXCEPTIONS[type_.name])
    if isinstance(type_, Record):
        return isinstance(value, SObject) and type_.name in ("", value.type)
    own = STRING if isinstance(value, str) else type_of(value)
    if isinstance(own, Platform) and isinstance(type_, Platform) and own.name == type_.name:
        return own == type_ or (bool(own.arguments) and cost(own, type_) is not None)
    return cost(own, type_) is not None and not {own, type_} & set(_NUMERIC)


# A number is an instance of every wider type too, as it may be assigned there.
_WIDER: dict[Type, tuple[type, ...]] = {LONG: (int,), DOUBLE: (int, float, Decimal), DECIMAL: (int, float, Decimal)}
_NUMERIC = (INTEGER, LONG, DOUBLE, DECIMAL, STRING, ID, DATE, DATETIME)


def _is_class(value: Any, info: ClassInfo) -> bool:
    if isinstance(value, ApexEnum):
        return value.enum == info.name
    if not isinstance(value, ApexObject | UserException):
        return False
    return any(isinstance(each, Class) and each.info.key == info.key for each in value.info.supertypes())


def cast(value: Any, type_: Type) -> Any:
    """(type) value, or System.TypeException."""
    if value is None or instance_of(value, type_):
        if type_ in (DOUBLE, DECIMAL) and value is not None:
            return _as_number(value, type_)
        return to18(value[:15]) if type_ == ID and value is not None else value
    if type_ == ID and isinstance(value, str):
        return as_id(value)
    if type_ == DATETIME and isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
    raise apex_error("TypeException", f"Invalid conversion from runtime type {type_name(value)} to {_shown(type_)}")


def _as_number(value: Any, type_: Type) -> Any:
    if type_ == DOUBLE:
        return float(value)
    return to_decimal(value)


def _shown(type_: Type) -> str:
    return str(type_).replace("<Object>", "<ANY>").replace(",Object>", ",ANY>")


def as_id(value: str | None) -> str | None:
    """A text as an Id of 18 characters, or System.StringException."""
    if value is None:
        return None
    if not looks_like_id(value):
        raise apex_error("StringException", f"Invalid id: {value}")
    return to18(value[:15])


def looks_like_id(text: object) -> bool:
    """15 or 18 letters and digits; the three of the checksum are made anew, not compared."""
    return isinstance(text, str) and len(text) in (15, 18) and text.isascii() and text.isalnum()
