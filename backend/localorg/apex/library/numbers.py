"""Integer, Long, Double, Decimal and Math.

Apex Reference Guide: Integer, Long, Double, Decimal and Math Classes, RoundingMode Enum. Random numbers are the one
thing here that differs from run to run.
"""

from __future__ import annotations

import decimal
import math
import secrets
from decimal import Decimal
from typing import Any

from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.numbers import CONTEXT, to_decimal, wrap32, wrap64
from localorg.apex.values.objects import ApexEnum
from localorg.apex.values.text import to_text

INTEGER = platform_type("Integer")
LONG = platform_type("Long")
DOUBLE = platform_type("Double")
DECIMAL = platform_type("Decimal")
MATH = platform_type("Math")
platform_type(
    "RoundingMode",
    parent="Enum",
    constants=("CEILING", "DOWN", "FLOOR", "HALF_DOWN", "HALF_EVEN", "HALF_UP", "UNNECESSARY", "UP"),
)

_MODES = {
    "CEILING": decimal.ROUND_CEILING,
    "DOWN": decimal.ROUND_DOWN,
    "FLOOR": decimal.ROUND_FLOOR,
    "HALF_DOWN": decimal.ROUND_HALF_DOWN,
    "HALF_EVEN": decimal.ROUND_HALF_EVEN,
    "HALF_UP": decimal.ROUND_HALF_UP,
    "UP": decimal.ROUND_UP,
}


def _scaled(value: Decimal, scale: int, mode: ApexEnum | None = None) -> Decimal:
    if scale is None:
        null_pointer()
    name = "HALF_UP" if mode is None else mode.name
    unit = Decimal(1).scaleb(-scale)
    if name == "UNNECESSARY":
        exact = CONTEXT.quantize(value, unit)
        if exact != value:
            raise apex_error("MathException", "Rounding necessary")
        return exact
    return value.quantize(unit, rounding=_MODES[name], context=CONTEXT)


# ---- valueOf --------------------------------------------------------------------------------------------------------


def _whole(text: Any, kind: str, bits: int) -> int:
    if text is None:
        raise apex_error("NullPointerException", "Argument cannot be null.")
    cleaned = text.strip() if isinstance(text, str) else text
    digits = cleaned[1:] if cleaned[:1] in ("-", "+") else cleaned
    if not (digits.isascii() and digits.isdigit()) or not -(1 << bits - 1) <= int(cleaned) < 1 << bits - 1:
        raise apex_error("TypeException", f"Invalid {kind}: {text}")
    return int(cleaned)


INTEGER.static("Integer valueOf(String)")(lambda text: _whole(text, "integer", 32))
LONG.static("Long valueOf(String)")(lambda text: _whole(text, "long", 64))


@INTEGER.static("Integer valueOf(Object)")
def _integer_of(value: Any) -> int:
    if value is None:
        raise apex_error("NullPointerException", "Argument cannot be null.")
    if isinstance(value, str):
        return _whole(value, "integer", 32)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return wrap32(int(value))
    raise apex_error("TypeException", f"Invalid integer: {to_text(value)}")


def _decimal_of(value: Any) -> Decimal:
    if value is None:
        raise apex_error("NullPointerException", "Argument cannot be null.")
    if isinstance(value, str):
        try:
            parsed = Decimal(value.strip())
        except decimal.InvalidOperation:
            raise apex_error("TypeException", f"Invalid decimal: {value}") from None
        if not parsed.is_finite() or "_" in value:
            raise apex_error("TypeException", f"Invalid decimal: {value}")
        return parsed
    found = to_decimal(value)
    return Decimal(0) if found is None else found


for _type in ("String", "Double", "Long", "Integer", "Decimal", "Object"):
    DECIMAL.static(f"Decimal valueOf({_type})")(_decimal_of)


def _double_of(value: Any) -> float:
    if value is None:
        raise apex_error("NullPointerException", "Argument cannot be null.")
    try:
        return float(value)
    except ValueError:
        raise apex_error("TypeException", f"Invalid double: {value}") from None


DOUBLE.static("Double valueOf(String)")(_double_of)
DOUBLE.static("Double valueOf(Object)")(_double_of)

# ---- formats and conversions ----------------------------------------------------------------------------------------


def _grouped(value: Any) -> str:
    """The user's locale, en_US: groups of three, up to three decimals."""
    if isinstance(value, float | Decimal):
        rounded = _scaled(to_decimal(value) or Decimal(0), 3, None).normalize(CONTEXT)
        text = format(rounded, ",f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return format(int(value), ",d")


for _owner in (INTEGER, LONG, DOUBLE, DECIMAL):
    _owner.method("String format()")(_grouped)
for _owner in (LONG, DOUBLE, DECIMAL):
    _owner.method("Integer intValue()")(lambda value: wrap32(int(value)))
for _owner in (DOUBLE, DECIMAL):
    _owner.method("Long longValue()")(lambda value: wrap64(int(value)))
DECIMAL.method("Double doubleValue()")(float)
DOUBLE.method("Double doubleValue()")(float)
DOUBLE.method("Long round()")(lambda value: wrap64(math.floor(value + 0.5)))

# ---- Decimal --------------------------------------------------------------------------------------------------------


def _scale_of(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


DECIMAL.method("Decimal abs()")(CONTEXT.abs)
DECIMAL.method("Decimal setScale(Integer)")(_scaled)
DECIMAL.method("Decimal setScale(Integer, RoundingMode)")(_scaled)
DECIMAL.method("Integer scale()")(_scale_of)
DECIMAL.method("Integer precision()")(lambda value: len(value.as_tuple().digits))
DECIMAL.method("Long round()")(lambda value: wrap64(int(_scaled(value, 0))))
DECIMAL.method("Long round(RoundingMode)")(lambda value, mode: wrap64(int(_scaled(value, 0, mode))))
DECIMAL.method("String toPlainString()")(lambda value: format(value, "f"))
DECIMAL.method("Decimal stripTrailingZeros()")(lambda value: value.normalize(CONTEXT) if value else Decimal(0))


@DECIMAL.method("Decimal pow(Integer)")
def _decimal_pow(value: Decimal, exponent: int) -> Decimal:
    if exponent is None:
        null_pointer()
    if not 0 <= exponent <= 32767:
        raise apex_error("MathException", "Invalid exponent")
    result = Decimal(1)
    for _ in range(exponent):
        result = CONTEXT.multiply(result, value)
    return result


@DECIMAL.method("Decimal divide(Decimal, Integer)")
def _divide(value: Decimal, divisor: Decimal, scale: int) -> Decimal:
    return _divide_by(value, divisor, scale, ApexEnum("RoundingMode", "HALF_UP", 5))


@DECIMAL.method("Decimal divide(Decimal, Integer, RoundingMode)")
def _divide_by(value: Decimal, divisor: Decimal, scale: int, mode: ApexEnum) -> Decimal:
    if divisor is None or scale is None or mode is None:
        null_pointer()
    if divisor == 0:
        raise apex_error("MathException", "Divide by 0")
    wide = decimal.Context(prec=CONTEXT.prec, rounding=decimal.ROUND_DOWN)
    quotient = wide.divide(value, divisor)
    return _scaled(quotient, scale, mode)


# ---- Math -----------------------------------------------------------------------------------------------------------


def _checked(*values: Any) -> None:
    if any(value is None for value in values):
        null_pointer()


def _unary(function: Any) -> Any:
    def applied(value: Any) -> Any:
        _checked(value)
        return function(value)

    return applied


for _type in ("Integer", "Long", "Double", "Decimal"):
    MATH.static(f"{_type} abs({_type})")(_unary(lambda v: CONTEXT.abs(v) if isinstance(v, Decimal) else abs(v)))

    def _max(a: Any, b: Any) -> Any:
        _checked(a, b)
        return b if b > a else a

    def _min(a: Any, b: Any) -> Any:
        _checked(a, b)
        return b if b < a else a

    MATH.static(f"{_type} max({_type}, {_type})")(_max)
    MATH.static(f"{_type} min({_type}, {_type})")(_min)


def _mod(value: Any, divisor: Any) -> Any:
    _checked(value, divisor)
    if divisor == 0:
        raise apex_error("MathException", "Divide by 0")
    rest = abs(value) % abs(divisor)
    return rest if value >= 0 else -rest


MATH.static("Integer mod(Integer, Integer)")(_mod)
MATH.static("Long mod(Long, Long)")(_mod)


def _real(function: Any) -> Any:
    """A function of reals: NaN outside its domain, as in Java."""

    def applied(value: Any) -> float:
        _checked(value)
        try:
            return float(function(float(value)))
        except (ValueError, OverflowError):
            return math.nan

    return applied


def _java_log(value: float) -> float:
    return -math.inf if value == 0 else math.log(value)


def _cube_root(value: float) -> float:
    root = round(abs(value) ** (1 / 3))
    exact = root if root**3 == abs(value) else abs(value) ** (1 / 3)
    return math.copysign(exact, value)


for _name, _function in {
    "acos": math.acos, "asin": math.asin, "atan": math.atan, "cos": math.cos, "sin": math.sin, "tan": math.tan,
    "cosh": math.cosh, "sinh": math.sinh, "tanh": math.tanh, "exp": math.exp, "log": _java_log,
    "log10": lambda v: -math.inf if v == 0 else math.log10(v), "cbrt": _cube_root, "sqrt": math.sqrt,
    "rint": lambda v: float(round(v)), "signum": lambda v: math.copysign(1.0, v) if v else 0.0,
}.items():  # fmt: skip
    MATH.static(f"Double {_name}(Double)")(_real(_function))
for _name, _way in {"ceil": decimal.ROUND_CEILING, "floor": decimal.ROUND_FLOOR}.items():
    MATH.static(f"Double {_name}(Double)")(_real(math.ceil if _name == "ceil" else math.floor))
    MATH.static(f"Decimal {_name}(Decimal)")(
        _unary(lambda v, way=_way: v.quantize(Decimal(1), rounding=way, context=CONTEXT))
    )
MATH.static("Decimal signum(Decimal)")(_unary(lambda v: Decimal((v > 0) - (v < 0))))


MATH.static("Double sqrt(Decimal)")(_real(math.sqrt))
MATH.static("Long roundToLong(Double)")(_unary(lambda v: wrap64(math.floor(v + 0.5))))
MATH.static("Long roundToLong(Decimal)")(_unary(lambda v: wrap64(int(_scaled(v, 0)))))
MATH.static("Integer round(Double)")(_unary(lambda v: wrap32(math.floor(v + 0.5))))
MATH.static("Integer round(Decimal)")(
    _unary(lambda v: wrap32(int(_scaled(v, 0, ApexEnum("RoundingMode", "HALF_EVEN", 4)))))
)


@MATH.static("Double pow(Double, Double)")
def _pow(base: float, exponent: float) -> float:
    _checked(base, exponent)
    try:
        result = float(base) ** float(exponent)
    except ZeroDivisionError:
        return math.inf
    except OverflowError:
        return math.inf
    return result if isinstance(result, float) else math.nan


@MATH.static("Double atan2(Double, Double)")
def _atan2(y: float, x: float) -> float:
    _checked(y, x)
    return math.atan2(y, x)


@MATH.static("Double random()")
def _random() -> float:
    return secrets.randbits(53) / (1 << 53)


MATH.constant("PI", "Double", math.pi)
MATH.constant("E", "Double", math.e)
INTEGER.constant("MAX_VALUE", "Integer", 2**31 - 1)
INTEGER.constant("MIN_VALUE", "Integer", -(2**31))
LONG.constant("MAX_VALUE", "Long", 2**63 - 1)
LONG.constant("MIN_VALUE", "Long", -(2**63))
