"""Record ids: 15 characters that tell case apart, 18 with a checksum for tools that do not.

Three characters name the object, two the org, then a zero and nine of a sequence kept in the org's file.
Base 62 in ASCII order: within one object ids sort as their rows were made.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["instance_code", "is_id", "make_ids", "to15", "to18"]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]


def is_id(text: object) -> bool:
    """Whether it has the form of a record id; an 18-character one also its checksum right."""
    if not isinstance(text, str) or not _ID.fullmatch(text):
        return False
    return len(text) == 15 or to18(text[:15])[15:] == text[15:].upper()


def to15(record_id: str) -> str:
    """The case-sensitive form."""
    return record_id[:15]


def to18(record_id: str) -> str:
    """The form with a checksum; an id that has one keeps its characters, its case repaired from it."""
    if len(record_id) == 18:
        return record_id
    return record_id + _check(record_id[:5]) + _check(record_id[5:10]) + _check(record_id[10:15])


def instance_code(number: int) -> str:
    """Two characters that tell an org's ids from those of the others; 0 <= number < 3844."""
    return _PAIRS[number]


def make_ids(prefix: str, instance: str, first: int, count: int) -> list[str]:
    """`count` ids of 18 characters, from sequence number `first` on."""
    head = f"{prefix}{instance}0"
    made = []
    for number in range(first, first + count):
        high, low = divmod(number, 3844 * 3844)
        body = f"{head}{_nine(high, low)}"
        made.append(body + _check(body[:5]) + _check(body[5:10]) + _check(body[10:]))
    return made


def _nine(high: int, low: int) -> str:
    upper, lower = divmod(low, 3844)
    top, digit = divmod(high, 62)
    return f"{_five(top)[1:]}{_DIGITS[digit]}{_PAIRS[upper]}{_PAIRS[lower]}"


def _five(number: int) -> str:
    digits = ""
    for _ in range(5):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits


@lru_cache(maxsize=65536)
def _check(five: str) -> str:
    return _CHECK[sum(1 << place for place, letter in enumerate(five) if "A" <= letter <= "Z")]
