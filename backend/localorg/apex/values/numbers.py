"""Numbers as the platform computes them: 32- and 64-bit wrap-around, BigDecimal scales, null refused.

Integer and Long are Python ints, Double is float, Decimal is decimal.Decimal. A Long or an Id that becomes an Object
keeps its kind by being a `BoxedLong` or `BoxedId`.
"""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from typing import Any

from localorg.apex.values.exceptions import apex_error, null_pointer

__all__ = [
    "CONTEXT",
    "BoxedId",
    "BoxedLong",
    "add_d",
    "add_f",
    "add_i",
    "add_l",
    "box_id",
    "box_long",
    "div_d",
    "div_f",
    "div_i",
    "div_l",
    "mul_d",
    "mul_f",
    "mul_i",
    "mul_l",
    "neg",
    "sub_d",
    "sub_f",
    "sub_i",
    "sub_l",
    "to_decimal",
    "to_double",
    "to_integer",
    "to_long",
    "wrap32",
    "wrap64",
]

# Exact for every sum and product a program can reach; only a division rounds, and says how.
CONTEXT = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP, Emax=999999, Emin=-999999)
_DIVISION = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_UP)
_MAX32, _MAX64 = 0x7FFFFFFF, 0x7FFFFFFFFFFFFFFF


class BoxedLong(int):
    """A Long held as an Object."""

    __slots__ = ()


class BoxedId(str):
    """An Id held as an Object."""

    __slots__ = ()


def box_long(value: int | None) -> BoxedLong | None:
    """A Long on its way into an Object."""
    return None if value is None else BoxedLong(value)


def box_id(value: str | None) -> BoxedId | None:
    """An Id on its way into an Object."""
    return None if value is None else BoxedId(value)


def wrap32(value: int) -> int:
    """Two's complement, 32 bits."""
    return ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def wrap64(value: int) -> int:
    """Two's complement, 64 bits."""
    return ((value + 0x8000000000000000) & 0xFFFFFFFFFFFFFFFF) - 0x8000000000000000


def add_i(a: Any, b: Any) -> int:
    """Integer + Integer."""
    if a is None or b is None:
        null_pointer()
    r: int = a + b
    return r if -_MAX32 <= r <= _MAX32 else wrap32(r)


def sub_i(a: Any, b: Any) -> int:
    """Integer - Integer."""
    if a is None or b is None:
        null_pointer()
    r: int = a - b
    return r if -_MAX32 <= r <= _MAX32 else wrap32(r)


def mul_i(a: Any, b: Any) -> int:
    """Integer * Integer."""
    if a is None or b is None:
        null_pointer()
    r: int = a * b
    return r if -_MAX32 <= r <= _MAX32 else wrap32(r)


def _quotient(a: Any, b: Any) -> int:
    if a is None or b is None:
        null_pointer()
    if b == 0:
        raise apex_error("MathException", "Divide by 0")
    q: int = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def div_i(a: Any, b: Any) -> int:
    """Integer / Integer, towards zero."""
    return wrap32(_quotient(a, b))


def add_l(a: Any, b: Any) -> int:
    """Long + Long."""
    if a is None or b is None:
        null_pointer()
    r: int = a + b
    return r if -_MAX64 <= r <= _MAX64 else wrap64(r)


def sub_l(a: Any, b: Any) -> int:
    """Long - Long."""
    if a is None or b is None:
        null_pointer()
    r: int = a - b
    return r if -_MAX64 <= r <= _MAX64 else wrap64(r)


def mul_l(a: Any, b: Any) -> int:
    """Long * Long."""
    if a is None or b is None:
        null_pointer()
    r: int = a * b
    return r if -_MAX64 <= r <= _MAX64 else wrap64(r)


def div_l(a: Any, b: Any) -> int:
    """Long / Long, towards zero."""
    return wrap64(_quotient(a, b))


def add_f(a: Any, b: Any) -> float:
    """Double + Double."""
    if a is None or b is None:
        null_pointer()
    return float(a + b)


def sub_f(a: Any, b: Any) -> float:
    """Double - Double."""
    if a is None or b is None:
        null_pointer()
    return float(a - b)


def mul_f(a: Any, b: Any) -> float:
    """Double * Double."""
    if a is None or b is None:
        null_pointer()
    return float(a * b)


def div_f(a: Any, b: Any) -> float:
    """Double / Double."""
    if a is None or b is None:
        null_pointer()
    if b == 0:
        raise apex_error("MathException", "Divide by 0")
    return float(a / b)


def add_d(a: Any, b: Any) -> Decimal:
    """Decimal + Decimal: exact, at the larger scale."""
    if a is None or b is None:
        null_pointer()
    return CONTEXT.add(a, b)


def sub_d(a: Any, b: Any) -> Decimal:
    """Decimal - Decimal: exact, at the larger scale."""
    if a is None or b is None:
        null_pointer()
    return CONTEXT.subtract(a, b)


def mul_d(a: Any, b: Any) -> Decimal:
    """Decimal * Decimal: exact, at the sum of the scales."""
    if a is None or b is None:
        null_pointer()
    return CONTEXT.multiply(a, b)


def div_d(a: Any, b: Any) -> Decimal:
    """Decimal / Decimal: 34 significant digits, the quotient's ideal scale kept where it is exact."""
    if a is None or b is None:
        null_pointer()
    if b == 0:
        raise apex_error("MathException", "Divide by 0")
    return _DIVISION.divide(a, b)


def neg(a: Any) -> Any:
    """Unary minus on any number."""
    if a is None:
        null_pointer()
    return CONTEXT.minus(a) if isinstance(a, Decimal) else -a


def to_decimal(value: Any) -> Decimal | None:
    """Any number as a Decimal. A Double takes its shortest decimal form, as BigDecimal.valueOf does."""
    if value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            raise apex_error("TypeException", "Infinite or NaN")
        return Decimal(repr(value))
    return Decimal(value)


def to_double(value: Any) -> float | None:
    """Any number as a Double."""
    return None if value is None else float(value)


def to_integer(value: Any) -> int | None:
    """Any number as an Integer: fraction cut, then wrapped."""
    return None if value is None else wrap32(int(value))


def to_long(value: Any) -> int | None:
    """Any number as a Long: fraction cut, then wrapped."""
    return None if value is None else wrap64(int(value))
