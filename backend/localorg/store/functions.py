"""What SQL needs and SQLite lacks: comparison of text beyond ASCII, and SOQL's LIKE on it."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["register"]


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the functions `fold`, `soql_like`, `local_time` and `grouped`."""
    connection.create_function("fold", 1, _fold, deterministic=True)
    connection.create_function("soql_like", 2, _like, deterministic=True)
    connection.create_function("local_time", 2, _local_time, deterministic=True)
    connection.create_function("grouped", 2, _grouped, deterministic=True)


def _fold(text: object) -> str | None:
    return None if text is None else str(text).casefold()


def _like(text: object, pattern: str) -> int | None:
    return None if text is None else int(_compiled(pattern).fullmatch(str(text)) is not None)


def _grouped(number: float | None, places: int) -> str | None:
    """A number as people read it: thousands apart, that many decimal places."""
    return None if number is None else f"{number:,.{places}f}"


def _local_time(moment: str | None, time_zone: str) -> str | None:
    """A stored moment as a clock in the time zone shows it."""
    if moment is None:
        return None
    local = datetime.fromisoformat(moment).astimezone(ZoneInfo(time_zone))
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """`%` is any text, `_` any one character, a backslash takes the next one as it is."""
    parts = []
    letters = iter(pattern)
    for letter in letters:
        if letter == "\\":
            parts.append(re.escape(next(letters, "\\")))
        elif letter in "%_":
            parts.append(".*" if letter == "%" else ".")
        else:
            parts.append(re.escape(letter))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
