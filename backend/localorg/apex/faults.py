"""What can go wrong before a program runs; what goes wrong while it runs are Apex exceptions (`values.exceptions`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from localorg.errors import LocalOrgError

__all__ = ["At", "CompileError", "Problem"]


class At(NamedTuple):
    """Where something stands: line and column, both from 1, as in the platform's compile errors."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One compile error as the platform reports it. class_name: the top-level class, or "" for anonymous code."""

    class_name: str
    message: str
    line: int
    column: int


class CompileError(LocalOrgError):
    """The program is refused here, before anything ran."""

    def __init__(self, message: str, at: At) -> None:
        super().__init__(f"{message} (line {at.line}, column {at.column})")
        self.message = message
        self.at = at
