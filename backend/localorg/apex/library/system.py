"""System and Assert: debug lines, assertions, the clock, what kind of code is running.

Apex Reference Guide: System Class, Assert Class. A failed assertion cannot be caught.
"""

from __future__ import annotations

import datetime
import sys
from typing import Any, NoReturn

from localorg.apex.runtime.kinds import instance_of, type_name
from localorg.apex.types.platform import platform_type
from localorg.apex.values.equality import equal
from localorg.apex.values.exceptions import AssertException, apex_frames
from localorg.apex.values.text import concat

platform_type(
    "LoggingLevel",
    parent="Enum",
    constants=("NONE", "INTERNAL", "FINEST", "FINER", "FINE", "DEBUG", "INFO", "WARN", "ERROR"),
)
SYSTEM = platform_type("System")
ASSERT = platform_type("Assert")


def _line() -> int:
    frames = apex_frames(sys._getframe(2))
    return frames[0][1] if frames else 0


@SYSTEM.static("void debug(Object)", runtime=True)
def _debug(rt: Any, value: Any) -> None:
    rt.debug_line("DEBUG", concat(value), _line())


@SYSTEM.static("void debug(LoggingLevel, Object)", runtime=True)
def _debug_level(rt: Any, level: Any, value: Any) -> None:
    rt.debug_line(level.name if level is not None else "DEBUG", concat(value), _line())


# ---- assertions -----------------------------------------------------------------------------------------------------


def _fail(message: Any = None, detail: str = "") -> NoReturn:
    parts = ["Assertion Failed", *([concat(message)] if message is not None else []), *([detail] if detail else [])]
    error = AssertException(": ".join(parts))
    error.x_frames = apex_frames(sys._getframe(2))  # type: ignore[attr-defined]  # read by the test runner
    raise error


def _are_equal(expected: Any, actual: Any, message: Any = None) -> None:
    if not equal(expected, actual):
        _fail(message, f"Expected: {concat(expected)}, Actual: {concat(actual)}")


def _are_not_equal(expected: Any, actual: Any, message: Any = None) -> None:
    if equal(expected, actual):
        _fail(message, f"Same value: {concat(expected)}")


def _is_true(value: Any, message: Any = None) -> None:
    if value is not True:
        _fail(message)


def _assert_true(value: Any, message: Any = None) -> None:
    if value is not True:
        _fail(message, f"Expected: true, Actual: {concat(value)}")


def _assert_false(value: Any, message: Any = None) -> None:
    if value is not False:
        _fail(message, f"Expected: false, Actual: {concat(value)}")


def _is_null(value: Any, message: Any = None) -> None:
    if value is not None:
        _fail(message, f"Expected: null, Actual: {concat(value)}")


def _is_not_null(value: Any, message: Any = None) -> None:
    if value is None:
        _fail(message, "Expected: not null, Actual: null")


def _explicit_fail(message: Any = None) -> None:
    _fail(message)


def _of_type(value: Any, wanted: Any, message: Any = None) -> None:
    if not instance_of(value, wanted.type):
        _fail(message, f"Expected type: {wanted}, Actual type: {type_name(value)}")


def _not_of_type(value: Any, wanted: Any, message: Any = None) -> None:
    if instance_of(value, wanted.type):
        _fail(message, f"Not expected type: {wanted}")


for _owner, _written, _function in (
    (SYSTEM, "void assert(Boolean", _is_true),
    (SYSTEM, "void assertEquals(Object, Object", _are_equal),
    (SYSTEM, "void assertNotEquals(Object, Object", _are_not_equal),
    (ASSERT, "void areEqual(Object, Object", _are_equal),
    (ASSERT, "void areNotEqual(Object, Object", _are_not_equal),
    (ASSERT, "void isTrue(Boolean", _assert_true),
    (ASSERT, "void isFalse(Boolean", _assert_false),
    (ASSERT, "void isNull(Object", _is_null),
    (ASSERT, "void isNotNull(Object", _is_not_null),
    (ASSERT, "void isInstanceOfType(Object, Type", _of_type),
    (ASSERT, "void isNotInstanceOfType(Object, Type", _not_of_type),
):
    _owner.static(f"{_written})")(_function)
    _owner.static(f"{_written}, Object)")(_function)
ASSERT.static("void fail()")(_explicit_fail)
ASSERT.static("void fail(Object)")(_explicit_fail)


# ---- clock and context ----------------------------------------------------------------------------------------------


@SYSTEM.static("Datetime now()", runtime=True)
def _now(rt: Any) -> datetime.datetime:
    return rt.now()  # type: ignore[no-any-return]  # the org's clock


@SYSTEM.static("Date today()", runtime=True)
def _today(rt: Any) -> datetime.date:
    return rt.now().astimezone(rt.zone).date()  # type: ignore[no-any-return]  # the org's clock


@SYSTEM.static("Long currentTimeMillis()", runtime=True)
def _millis(rt: Any) -> int:
    return int(rt.now().timestamp() * 1000)


@SYSTEM.static("Boolean equals(Object, Object)")
def _equals(left: Any, right: Any) -> bool:
    return equal(left, right)


@SYSTEM.static("Integer hashCode(Object)")
def _hash_code(value: Any) -> int:
    return ((hash(value) + 0x80000000) & 0xFFFFFFFF) - 0x80000000


for _kind in ("Batch", "Future", "Queueable", "Scheduled"):

    def _is_kind(rt: Any, kind: str = _kind.lower()) -> bool:
        return bool(rt.kind == kind)

    SYSTEM.static(f"Boolean is{_kind}()", runtime=True)(_is_kind)
