"""Formula fields in SQL: worked out when they are read, from the row's own columns and its parents'.

Only what has the same meaning in SQL is here; a formula field that needs more is refused when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from localorg.errors import OrgError
from localorg.formula import Binary, Call, Constant, Node, Path, Unary

__all__ = ["Columns", "check_formula_field", "formula_sql"]

# The SQL of a path, and whether it is text; and the placeholder of a constant.
Columns = Callable[[Path], tuple[str, bool]]
Bind = Callable[[object], str]


def formula_sql(node: Node, column: Columns, bind: Bind, *, today: str, now: str) -> str:
    """An SQL expression for a formula.

    Raises OrgError FIELD_INTEGRITY_EXCEPTION for a function that is not supported in a formula field.
    """
    return _Writer(column, bind, today, now).sql(node)


def check_formula_field(node: Node) -> None:
    """Refuse a formula that has no SQL here.

    Raises OrgError FIELD_INTEGRITY_EXCEPTION.
    """
    formula_sql(node, lambda _path: ("NULL", False), lambda _value: "?", today="", now="")


class _Writer:
    def __init__(self, column: Columns, bind: Bind, today: str, now: str) -> None:
        self.column = column
        self.bind = bind
        self.today = today
        self.now = now

    def sql(self, node: Node) -> str:
        match node:
            case Constant(value):
                return self.constant(value)
            case Path():
                return self.column(node)[0]
            case Unary(operator, operand):
                return f"(NOT coalesce({self.sql(operand)}, 0))" if operator == "!" else f"(-{self.sql(operand)})"
            case Binary(operator, left, right):
                return self.binary(operator, left, right)
            case Call(name, arguments):
                return self.call(name, arguments)

    def constant(self, value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return str(int(value))
        return self.bind(value if isinstance(value, str) else float(str(value)))

    def is_text(self, node: Node) -> bool:
        match node:
            case Constant(value):
                return isinstance(value, str)
            case Path():
                return self.column(node)[1]
            case Binary(operator, left, right):
                return operator == "&" or (operator == "+" and (self.is_text(left) or self.is_text(right)))
            case Call(name, arguments):
                if name in ("IF", "CASE", "BLANKVALUE", "NULLVALUE"):
                    return self.is_text(arguments[-1])
                return name in _TEXTS
        return False

    def binary(self, operator: str, left: Node, right: Node) -> str:
        first, second = self.sql(left), self.sql(right)
        if operator in ("&&", "||"):
            return f"({first} {'AND' if operator == '&&' else 'OR'} {second})"
        if operator == "&" or (operator == "+" and (self.is_text(left) or self.is_text(right))):
            return f"(coalesce({first}, '') || coalesce({second}, ''))"
        if operator in ("=", "!="):
            words = "IS" if operator == "=" else "IS NOT"
            return f"(nullif({first}, '') {words} nullif({second}, ''))"
        if operator in ("<", "<=", ">", ">="):
            return f"coalesce({first} {operator} {second}, 0)"
        if operator == "/":
            return f"({first} * 1.0 / nullif({second}, 0))"
        if operator == "^":
            return f"pow({first}, {second})"
        return f"({first} {operator} {second})"

    def call(self, name: str, arguments: tuple[Node, ...]) -> str:
        if name in ("TODAY", "NOW"):
            return self.bind(self.today if name == "TODAY" else self.now)
        given = [self.sql(item) for item in arguments]
        if name == "CASE":
            pairs = zip(given[1:-1:2], given[2:-1:2], strict=True)
            return f"CASE {given[0]} {' '.join(f'WHEN {a} THEN {b}' for a, b in pairs)} ELSE {given[-1]} END"
        write = _CALLS.get(name)
        if write is None:
            message = f"Error: function {name} is not supported in a formula field of a local org"
            raise OrgError("FIELD_INTEGRITY_EXCEPTION", message)
        return write(given)


_TEXTS = frozenset({"TEXT", "LEFT", "RIGHT", "MID", "UPPER", "LOWER", "TRIM", "SUBSTITUTE"})
_CALLS: Mapping[str, Callable[[list[str]], str]] = {
    "AND": lambda a: f"({' AND '.join(f'coalesce({x}, 0)' for x in a)})",
    "OR": lambda a: f"({' OR '.join(f'coalesce({x}, 0)' for x in a)})",
    "NOT": lambda a: f"(NOT coalesce({a[0]}, 0))",
    "IF": lambda a: f"CASE WHEN {a[0]} THEN {a[1]} ELSE {a[2]} END",
    "ISBLANK": lambda a: f"(nullif({a[0]}, '') IS NULL)",
    "ISNULL": lambda a: f"(nullif({a[0]}, '') IS NULL)",
    "BLANKVALUE": lambda a: f"coalesce(nullif({a[0]}, ''), {a[1]})",
    "NULLVALUE": lambda a: f"coalesce(nullif({a[0]}, ''), {a[1]})",
    "ISPICKVAL": lambda a: f"(nullif({a[0]}, '') IS nullif({a[1]}, ''))",
    "TEXT": lambda a: f"CAST({a[0]} AS TEXT)",
    "VALUE": lambda a: f"CAST(nullif({a[0]}, '') AS REAL)",
    "LEN": lambda a: f"length(coalesce({a[0]}, ''))",
    "LEFT": lambda a: f"substr({a[0]}, 1, {a[1]})",
    "RIGHT": lambda a: f"substr({a[0]}, -{a[1]})",
    "MID": lambda a: f"substr({a[0]}, {a[1]}, {a[2]})",
    "UPPER": lambda a: f"upper({a[0]})",
    "LOWER": lambda a: f"lower({a[0]})",
    "TRIM": lambda a: f"trim({a[0]})",
    "SUBSTITUTE": lambda a: f"replace({a[0]}, {a[1]}, {a[2]})",
    "CONTAINS": lambda a: f"(instr({a[0]}, {a[1]}) > 0)",
    "BEGINS": lambda a: f"(instr({a[0]}, {a[1]}) = 1)",
    "ABS": lambda a: f"abs({a[0]})",
    "ROUND": lambda a: f"round({a[0]}, {a[1]})",
    "MIN": lambda a: f"min({', '.join(a)})" if len(a) > 1 else a[0],
    "MAX": lambda a: f"max({', '.join(a)})" if len(a) > 1 else a[0],
    "YEAR": lambda a: f"CAST(substr({a[0]}, 1, 4) AS INTEGER)",
    "MONTH": lambda a: f"CAST(substr({a[0]}, 6, 2) AS INTEGER)",
    "DAY": lambda a: f"CAST(substr({a[0]}, 9, 2) AS INTEGER)",
    "DATEVALUE": lambda a: f"substr({a[0]}, 1, 10)",
}
