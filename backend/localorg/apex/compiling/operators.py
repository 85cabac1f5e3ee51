"""Operators: which operands they take, what they give, and their Python."""

from __future__ import annotations

from localorg.apex.compiling.code import Code
from localorg.apex.faults import At, CompileError
from localorg.apex.types.conversion import NUMBERS, castable, cost
from localorg.apex.types.model import (
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    DOUBLE,
    ID,
    INTEGER,
    LONG,
    NULL,
    OBJECT,
    STRING,
    TIME,
    VOID,
    Type,
)

__all__ = ["binary", "concatenation_part", "condition", "unary"]

_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_SUFFIX: dict[Type, str] = {INTEGER: "i", LONG: "l", DOUBLE: "f", DECIMAL: "d"}
_BITS = {"&": "bit_and", "|": "bit_or", "^": "bit_xor"}
_SHIFTS = {"<<": "shift_left", ">>": "shift_right", ">>>": "shift_unsigned"}
_MOVES: dict[Type, str] = {DATE: "date_plus", DATETIME: "datetime_plus", TIME: "time_plus"}
_EQUALITY = frozenset({"==", "!=", "<>", "===", "!=="})
_ORDER = {"<": ("less", False), ">": ("less", True), "<=": ("less_equal", False), ">=": ("less_equal", True)}


def condition(code: Code, at: At, what: str = "Condition expression must be of type Boolean") -> str:
    """A Boolean for Python's own if, and, or, not; null is refused as the platform does."""
    if code.type != BOOLEAN:
        raise CompileError(f"{what}: {code.type}", at)
    return code.text if code.nonnull else f"truth({code.text})"


def unary(operator: str, operand: Code, at: At) -> Code:
    """+ - ! ~."""
    if operator == "!":
        return Code(f"(not {condition(operand, at, 'Boolean negation must use a Boolean expression')})", BOOLEAN, True)
    if operand.type not in NUMBERS:
        raise CompileError("Arithmetic expressions must use numeric arguments", at)
    if operator == "~":
        if operand.type not in (INTEGER, LONG):
            raise CompileError("Bitwise expressions must use Integer or Long arguments", at)
        return Code(f"bit_not({operand.text})", operand.type, True)
    if operator == "+":
        return operand
    text = f"neg({operand.text})"
    if operand.type in (INTEGER, LONG):
        text = f"{'wrap32' if operand.type == INTEGER else 'wrap64'}({text})"
    return Code(text, operand.type, True)


def binary(operator: str, left: Code, right: Code, at: At) -> Code:
    """Every operator of two operands but ?? and assignment."""
    for side in (left, right):
        if side.type == VOID:
            raise CompileError("Expression of type void is not allowed here", at)
    if operator in ("&&", "||"):
        word, name = ("and", "AND") if operator == "&&" else ("or", "OR")
        message = f"{name} operator can only be applied to Boolean expressions"
        sides = [condition(side, at, message) for side in (left, right)]
        return Code(f"({sides[0]} {word} {sides[1]})", BOOLEAN, True)
    if operator in _EQUALITY:
        return _equality(operator, left, right, at)
    if operator in _ORDER:
        return _order(operator, left, right, at)
    if operator in _BITS:
        return _bits(operator, left, right, at)
    if operator in _SHIFTS:
        return _shift(operator, left, right, at)
    if operator in _ARITHMETIC:
        return _arithmetic(operator, left, right, at)
    raise CompileError(f"Unexpected token '{operator}'.", at)


def concatenation_part(code: Code) -> str:
    """An operand of + beside a String; a sum within a sum is measured with the whole."""
    if code.type == STRING and code.nonnull:
        return code.text.removeprefix("hold")
    if code.type == INTEGER and code.nonnull:
        return f"str({code.text})"
    return f"concat({code.text})"


def _joined(left: Code, right: Code) -> Code:
    return Code(f"hold({concatenation_part(left)} + {concatenation_part(right)})", STRING, True)


def _arithmetic(operator: str, left: Code, right: Code, at: At) -> Code:
    if operator == "+" and STRING in (left.type, right.type):
        return _joined(left, right)
    if left.type in (DATE, DATETIME, TIME) and operator in "+-" and right.type in NUMBERS:
        return _moved(operator, left, right, at)
    if left.type not in NUMBERS or right.type not in NUMBERS:
        if operator == "+" and ID in (left.type, right.type):
            return _joined(left, right)
        if DATE in (left.type, right.type) or DATETIME in (left.type, right.type):
            raise CompileError("Date/time expressions must use Integer or Long or Double arguments", at)
        raise CompileError("Arithmetic expressions must use numeric arguments", at)
    wider = NUMBERS[max(NUMBERS.index(left.type), NUMBERS.index(right.type))]
    name = f"{_ARITHMETIC[operator]}_{_SUFFIX[wider]}"
    return Code(f"{name}({left.to(wider)}, {right.to(wider)})", wider, True)


def _moved(operator: str, left: Code, right: Code, at: At) -> Code:
    if left.type in (DATE, TIME) and right.type not in (INTEGER, LONG):
        raise CompileError("Date/time expressions must use Integer or Long or Double arguments", at)
    amount = right.text if operator == "+" else f"neg({right.text})"
    name = _MOVES[left.type]
    return Code(f"{name}({left.text}, {amount})", left.type, True)


def _comparable(left: Type, right: Type) -> bool:
    if NULL in (left, right) or OBJECT in (left, right):
        return True
    if left in NUMBERS and right in NUMBERS:
        return True
    return cost(left, right) is not None or cost(right, left) is not None or castable(left, right)


def _equality(operator: str, left: Code, right: Code, at: At) -> Code:
    if not _comparable(left.type, right.type):
        raise CompileError(f"Comparison arguments must be compatible types: {left.type}, {right.type}", at)
    negative = operator in ("!=", "<>", "!==")
    if left.is_null or right.is_null:
        other = right if left.is_null else left
        return Code(f"({other.text} is {'not ' if negative else ''}None)", BOOLEAN, True)
    types = {left.type, right.type}
    if operator in ("===", "!=="):
        name = "same"
    elif types == {STRING}:
        name = "equal_text"
    elif ID in types and types <= {ID, STRING}:
        name = "equal_ids"
    elif types <= {INTEGER, LONG}:
        return Code(f"({left.text} {'!=' if negative else '=='} {right.text})", BOOLEAN, True)
    elif types <= set(NUMBERS) and len(types) > 1:
        wider = max(types, key=lambda each: NUMBERS.index(each))
        text = f"equal({left.to(wider)}, {right.to(wider)})"
        return Code(f"(not {text})" if negative else text, BOOLEAN, True)
    else:
        name = "equal"
    text = f"{name}({left.text}, {right.text})"
    return Code(f"(not {text})" if negative else text, BOOLEAN, True)


def _order(operator: str, left: Code, right: Code, at: At) -> Code:
    function, swapped = _ORDER[operator]
    types = {left.type, right.type}
    a, b = (right, left) if swapped else (left, right)
    if types <= {STRING, ID, NULL}:
        sign = "<" if function == "less" else "<="
        return Code(f"(compare_text({a.text}, {b.text}) {sign} 0)", BOOLEAN, True)
    if types <= {*NUMBERS, NULL}:
        if types == {INTEGER} and left.nonnull and right.nonnull:
            return Code(f"({left.text} {operator} {right.text})", BOOLEAN, True)
        return Code(f"{function}({a.text}, {b.text})", BOOLEAN, True)
    if types <= {DATE, NULL} or types <= {TIME, NULL}:
        return Code(f"{function}({a.text}, {b.text})", BOOLEAN, True)
    if types <= {DATE, DATETIME, NULL}:
        return Code(f"{function}({a.to(DATETIME)}, {b.to(DATETIME)})", BOOLEAN, True)
    raise CompileError(f"Comparison arguments must be compatible types: {left.type}, {right.type}", at)


def _bits(operator: str, left: Code, right: Code, at: At) -> Code:
    types = {left.type, right.type}
    if types == {BOOLEAN}:
        return Code(f"{_BITS[operator]}({left.text}, {right.text})", BOOLEAN, True)
    if types <= {INTEGER, LONG}:
        return Code(f"{_BITS[operator]}({left.text}, {right.text})", LONG if LONG in types else INTEGER, True)
    raise CompileError("Bitwise expressions must use Integer, Long or Boolean arguments", at)


def _shift(operator: str, left: Code, right: Code, at: At) -> Code:
    if left.type not in (INTEGER, LONG) or right.type not in (INTEGER, LONG):
        raise CompileError("Shift expressions must use Integer or Long arguments", at)
    bits = 32 if left.type == INTEGER else 64
    return Code(f"{_SHIFTS[operator]}({left.text}, {right.text}, {bits})", left.type, True)
