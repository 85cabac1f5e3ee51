"""What grows is measured before it is made: one call may not take the memory of all orgs.

Apex Developer Guide, "Execution Governors and Limits": 12 MB of heap is the most any transaction has, and a text's
character or a list's entry takes some of it. The running count of a transaction is `runtime.limits`; these two bounds
need no transaction.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, TypeVar

from localorg.apex.values.exceptions import LimitException

__all__ = ["LONGEST_TEXT", "MOST_ELEMENTS", "held", "room_for", "seats_for"]

LONGEST_TEXT = 12_000_000  # characters or bytes
MOST_ELEMENTS = 3_000_000  # of a collection, at four bytes each

_Text = TypeVar("_Text", str, bytes)


def room_for(length: int) -> int:
    """The length of a text about to be made. Raises LimitException past the heap."""
    if length > LONGEST_TEXT:
        raise LimitException(f"Apex heap size too large: {length}")
    return length


def held(text: _Text) -> _Text:
    """A text that has just been made, where it could not be measured before."""
    room_for(len(text))
    return text


def seats_for(count: int, more: Any = ()) -> int:
    """How many elements a collection is about to have: count, and those of another. Raises LimitException."""
    total = count + (len(more) if isinstance(more, Sized) else 0)
    if total > MOST_ELEMENTS:
        raise LimitException(f"Apex heap size too large: {total * 4}")
    return total
