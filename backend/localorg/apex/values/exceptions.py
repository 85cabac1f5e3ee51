"""Apex exceptions are Python exceptions, so that try, catch and finally of generated code are Python's own.

Two families: what a program may catch, under `ApexException`; and what ends its transaction whatever it does
(`Fatal`: governor limits and failed assertions), which is no `Exception` of Python's either.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import Any, ClassVar, NoReturn

__all__ = [
    "PLATFORM_EXCEPTIONS",
    "ApexException",
    "AssertException",
    "Fatal",
    "LimitException",
    "apex_error",
    "apex_frames",
    "exception_class",
    "given",
    "null_pointer",
]


class ApexException(Exception):
    """System.Exception and everything under it. Attributes begin with x_ so that fields of programs never meet them."""

    type_name: ClassVar[str] = "System.Exception"

    def __init__(self, message: str | None = None, cause: ApexException | None = None) -> None:
        super().__init__(message)
        self.x_message = message
        self.x_cause = cause
        self.x_told = False
        self.x_frames: list[tuple[str, int]] | None = None
        self.x_rows: list[Any] = []

    def __str__(self) -> str:
        return f"{self.type_name}: {self.x_message if self.x_message is not None else 'Script-thrown exception'}"


class Fatal(BaseException):
    """Ends the transaction; no catch clause of a program sees it."""

    type_name: ClassVar[str] = "System.LimitException"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.x_message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.x_message}"


class LimitException(Fatal):
    """A governor limit was passed."""


class AssertException(Fatal):
    """An assertion failed."""

    type_name: ClassVar[str] = "System.AssertException"


def _declare(name: str, parent: type[ApexException] = ApexException, module: str = "System") -> type[ApexException]:
    return type(name.replace(".", ""), (parent,), {"type_name": f"{module}.{name}"})


PLATFORM_EXCEPTIONS: dict[str, type[ApexException]] = {
    "Exception": ApexException,
    **{
        name: _declare(name)
        for name in (
            "AsyncException",
            "CalloutException",
            "DmlException",
            "EmailException",
            "FinalException",
            "HandledException",
            "IllegalArgumentException",
            "InvalidParameterValueException",
            "JSONException",
            "ListException",
            "MathException",
            "NoAccessException",
            "NoDataFoundException",
            "NoSuchElementException",
            "NullPointerException",
            "QueryException",
            "RequiredFeatureMissingException",
            "SObjectException",
            "SecurityException",
            "SerializationException",
            "StringException",
            "TypeException",
            "UnexpectedException",
            "XmlException",
        )
    },
    "AuraHandledException": _declare("AuraHandledException"),
}


def exception_class(name: str) -> type[ApexException]:
    """A platform exception by its name without System."""
    return PLATFORM_EXCEPTIONS[name]


def apex_error(name: str, message: str) -> ApexException:
    """A platform exception to be raised by library code."""
    error = PLATFORM_EXCEPTIONS[name](message)
    error.x_frames = apex_frames(sys._getframe(1))
    return error


def null_pointer() -> NoReturn:
    """What any use of null ends in."""
    raise apex_error("NullPointerException", "Attempt to de-reference a null object")


def given(value: Any) -> Any:
    """A value that must not be null."""
    if value is None:
        null_pointer()
    return value


def apex_frames(frame: FrameType | TracebackType | None) -> list[tuple[str, int]]:
    """Apex frames from the inside out: (method as the platform prints it, line).

    Generated code is compiled under the file name `apex:...`, its functions are named for what they print, and its
    line numbers are the program's.
    """
    found: list[tuple[str, int]] = []
    if isinstance(frame, TracebackType):
        trace: TracebackType | None = frame
        while trace is not None:
            _append(found, trace.tb_frame, trace.tb_lineno)
            trace = trace.tb_next
        found.reverse()
        return found
    while frame is not None:
        _append(found, frame, frame.f_lineno)
        frame = frame.f_back
    return found


def _append(found: list[tuple[str, int]], frame: FrameType, line: int) -> None:
    lines = frame.f_globals.get("apex_lines")
    if lines is not None and frame.f_code.co_filename.startswith("apex:"):
        table, names = lines[frame.f_code.co_filename]
        found.append(
            (names.get(frame.f_code.co_qualname, frame.f_code.co_qualname), table[line] if line < len(table) else 0)
        )
