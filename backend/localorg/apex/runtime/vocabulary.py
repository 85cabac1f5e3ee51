"""The words generated code speaks besides its own classes: every global it may use."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from localorg.apex.library import SYMBOLS
from localorg.apex.library.language import type_value
from localorg.apex.library.records import label
from localorg.apex.library.schema import field_token, object_token
from localorg.apex.runtime import data, kinds
from localorg.apex.values import equality, numbers, records
from localorg.apex.values.collections import ApexList, ApexMap, ApexSet
from localorg.apex.values.exceptions import (
    PLATFORM_EXCEPTIONS,
    ApexException,
    Fatal,
    apex_error,
    apex_frames,
    null_pointer,
)
from localorg.apex.values.objects import ApexEnum, ApexObject, UserException
from localorg.apex.values.size import seats_for
from localorg.apex.values.text import concat

__all__ = ["VOCABULARY"]


def truth(value: bool | None) -> bool:
    """A Boolean where Python branches on it."""
    if value is None:
        null_pointer()
    return value


def put(target: Any, name: str, value: Any) -> Any:
    """`target.name = value` as an expression."""
    setattr(target, name, value)
    return value


def put_static(owner: Any, name: str, value: Any) -> Any:
    """A static field set from outside: the class starts first, or its start would overwrite the value."""
    if owner.pending:
        owner.initialise()
    setattr(owner, name, value)
    return value


def second(_: Any, value: Any) -> Any:
    """What a postfix ++ leaves: the value from before."""
    return value


def field_boolean(record: Any, name: str) -> Any:
    """A checkbox of an SObject: false where it was never set."""
    value = records.get_field(record, name)
    return False if value is None else value


def enum_values(cls: Any) -> ApexList:
    """Enum.values()."""
    from localorg.apex.types.model import Class

    return ApexList(Class(cls.info), cls.all)


def enum_value(cls: Any, name: str | None) -> ApexEnum:
    """Enum.valueOf(name)."""
    if name is None:
        null_pointer()
    for each in cls.all:
        if each.name.lower() == name.lower():
            return each  # type: ignore[no-any-return]  # a class's constants
    raise apex_error("NoSuchElementException", f"No enum constant {cls.info.name}.{name}")


def bit_not(value: Any) -> Any:
    """~."""
    if value is None:
        null_pointer()
    return ~value


def bit_and(a: Any, b: Any) -> Any:
    """&, on numbers and Booleans."""
    if a is None or b is None:
        null_pointer()
    return a & b


def bit_or(a: Any, b: Any) -> Any:
    """|."""
    if a is None or b is None:
        null_pointer()
    return a | b


def bit_xor(a: Any, b: Any) -> Any:
    """^."""
    if a is None or b is None:
        null_pointer()
    return a ^ b


def shift_left(a: Any, b: Any, bits: int) -> int:
    """<<; only the low five or six bits of the distance count."""
    if a is None or b is None:
        null_pointer()
    moved = a << (b & (bits - 1))
    return numbers.wrap32(moved) if bits == 32 else numbers.wrap64(moved)


def shift_right(a: Any, b: Any, bits: int) -> int:
    """>>, keeping the sign."""
    if a is None or b is None:
        null_pointer()
    return int(a >> (b & (bits - 1)))


def shift_unsigned(a: Any, b: Any, bits: int) -> int:
    """>>>, filling with zeros."""
    if a is None or b is None:
        null_pointer()
    moved = (a & ((1 << bits) - 1)) >> (b & (bits - 1))
    return numbers.wrap32(moved) if bits == 32 else numbers.wrap64(moved)


def date_plus(value: Any, days: Any) -> datetime.date:
    """Date + days."""
    if value is None or days is None:
        null_pointer()
    return value + datetime.timedelta(days=days)  # type: ignore[no-any-return]  # a date


def datetime_plus(value: Any, days: Any) -> datetime.datetime:
    """Datetime + days, fractions too."""
    if value is None or days is None:
        null_pointer()
    return value + datetime.timedelta(milliseconds=int(days * 86_400_000))  # type: ignore[no-any-return]  # a datetime


def time_plus(value: Any, milliseconds: Any) -> datetime.time:
    """Time + milliseconds, round the clock."""
    if value is None or milliseconds is None:
        null_pointer()
    base = datetime.datetime(2000, 1, 1, value.hour, value.minute, value.second, value.microsecond)
    return (base + datetime.timedelta(milliseconds=milliseconds)).time()


def start_of_day(value: datetime.date | None) -> datetime.datetime | None:
    """A Date used as a Datetime: midnight GMT."""
    if value is None:
        return None
    return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)


def exception_init(error: ApexException, *arguments: Any) -> ApexException:
    """The constructors every exception has: (), (message), (cause), (message, cause)."""
    for each in arguments:
        if isinstance(each, ApexException):
            error.x_cause = each
        else:
            error.x_message = each
    return error


def thrown(error: Any) -> ApexException:
    """What `throw` raises; where it was first thrown stays with it."""
    import sys

    if error is None:
        null_pointer()
    if error.x_frames is None:
        error.x_frames = apex_frames(sys._getframe(1))
    return error  # type: ignore[no-any-return]  # the checker lets only exceptions through


def caught(error: ApexException) -> ApexException:
    """What a catch clause binds."""
    if error.x_frames is None:
        error.x_frames = apex_frames(error.__traceback__)
    return error


def alive() -> bool:
    """Whether a finally block still runs: not after a limit or a failed assertion."""
    return not isinstance(sys.exception(), Fatal | RecursionError)


def each_of(values: Any) -> Iterator[Any]:
    """A for loop over an Iterable or Iterator of the program or the platform."""
    if isinstance(values, ApexObject):
        iterator = values if values.implements("Iterator") else values.call("iterator")
        while iterator.call("hasnext"):
            yield iterator.call("next")
    else:
        yield from values


def only_row(rows: Any) -> Any:
    """A query's one row, for assignment to one SObject."""
    if rows is None or len(rows) == 0:
        raise apex_error("QueryException", "List has no rows for assignment to SObject")
    if len(rows) > 1:
        raise apex_error("QueryException", "List has more than 1 row for assignment to SObject")
    return rows[0]


def first_row(rows: Any) -> Any:
    """The same where `??` says what stands in for no row."""
    return None if not rows else only_row(rows)


VOCABULARY: dict[str, object] = {
    **SYMBOLS,
    **{name: getattr(numbers, name) for name in numbers.__all__},
    **{name: getattr(equality, name) for name in equality.__all__},
    **{name: getattr(records, name) for name in records.__all__},
    **{name: getattr(data, name) for name in data.__all__},
    **{name: getattr(kinds, name) for name in kinds.__all__},
    **{
        each.__name__: each
        for each in (
            truth, put, put_static, second, field_boolean, enum_values, enum_value, bit_not, bit_and, bit_or, bit_xor,
            shift_left, shift_right, shift_unsigned, date_plus, datetime_plus, time_plus, start_of_day,
            exception_init, thrown, caught, alive, each_of, only_row, first_row, concat, seats_for,
            ApexList, ApexSet, ApexMap, ApexEnum, ApexObject, UserException, Decimal,
        )
    },
    **{each.__name__: each for each in (type_value, label, object_token, field_token)},
    "npe": null_pointer,
    "exceptions": PLATFORM_EXCEPTIONS,
}  # fmt: skip
