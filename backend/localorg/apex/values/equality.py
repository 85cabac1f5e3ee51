"""== and order as the operators see them: text without case, null below text and never below numbers.

Collections, equals() and sort have the other kind, Python's own on these values: see `order_key`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.objects import ApexEnum, ApexObject

__all__ = ["compare_text", "equal", "equal_ids", "equal_text", "less", "less_equal", "order_key", "same"]


def equal_text(a: Any, b: Any) -> bool:
    """String == String."""
    if a is None or b is None:
        return a is b
    return bool(a == b or a.lower() == b.lower())


def equal_ids(a: Any, b: Any) -> bool:
    """Id == Id or Id == String: 15 and 18 characters of one id are equal, case counts."""
    if a is None or b is None:
        return a is b
    if a == b:
        return True
    return len(a) != len(b) and min(len(a), len(b)) == 15 and a[:15] == b[:15]


def equal(a: Any, b: Any) -> bool:
    """== of everything else. A class's own equals decides where there is one."""
    if a is None or b is None:
        return a is b
    if isinstance(a, bool) is not isinstance(b, bool):
        return False
    if isinstance(a, float) and isinstance(b, Decimal):
        return Decimal(repr(a)) == b
    if isinstance(b, float) and isinstance(a, Decimal):
        return Decimal(repr(b)) == a
    return bool(a == b)


def same(a: Any, b: Any) -> bool:
    """===: the same object in memory; values of primitive types compare by value."""
    if isinstance(a, ApexObject | list | dict) or isinstance(b, ApexObject | list | dict):
        return a is b
    if hasattr(a, "values") and hasattr(b, "values"):
        return a is b
    return bool(a == b)


def compare_text(a: Any, b: Any) -> int:
    """Negative, 0 or positive; null is below any text; case does not count."""
    if a is None or b is None:
        return (a is not None) - (b is not None)
    left, right = a.lower(), b.lower()
    return int(left > right) - int(left < right)


def less(a: Any, b: Any) -> bool:
    """< on numbers and dates: false where either is null."""
    return False if a is None or b is None else bool(a < b)


def less_equal(a: Any, b: Any) -> bool:
    """<= on numbers and dates: false where either is null, unless both are."""
    return (a is b) if a is None or b is None else bool(a <= b)


def order_key(value: Any) -> tuple[int, Any]:
    """Sort key of a primitive for List.sort: nulls first, text by code point, enums by ordinal."""
    if value is None:
        return (0, 0)
    if isinstance(value, ApexEnum):
        return (1, value.ordinal)
    if isinstance(value, bytes | dict | list):
        raise apex_error("ListException", "One or more of the items in this list is not Comparable.")
    return (1, value)
