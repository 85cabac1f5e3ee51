"""Expressions: grammar nodes to tree nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tree_sitter import Node

from localorg.apex.faults import CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.syntax.tree import Source, place

__all__ = ["read_expression", "read_type", "string_value"]

_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_BIND = "bound_apex_expression"
_MAX_INTEGER, _MAX_LONG = 2**31 - 1, 2**63 - 1


def read_type(source: Source, node: Node) -> n.TypeRef:
    """A type as written; arrays become lists."""
    at = place(node)
    if node.type == "array_type":
        element = _field(node, "element")
        result = read_type(source, element)
        for _ in range(source.text(_field(node, "dimensions")).count("[")):
            result = n.TypeRef(at, "List", (result,))
        return result
    if node.type == "generic_type":
        base, *rest = source.children(node)
        arguments = tuple(read_type(source, child) for child in source.children(rest[0]))
        return n.TypeRef(at, _compact(source.text(base)), arguments)
    if node.type in ("annotated_type", "java_type"):
        raise source.unsupported(node.type, node)
    text = source.text(node)
    if "<" in text:  # a scoped type with arguments inside it, as Outer.Inner<T>
        raise source.unsupported(f"type {text}", node)
    return n.TypeRef(at, _compact(text))


def read_expression(source: Source, node: Node) -> n.Expression:
    """Any expression. Raises CompileError for a kind outside the subset."""
    reader = _READERS.get(node.type)
    if reader is None:
        raise source.unsupported(node.type.replace("_", " "), node)
    return reader(source, node)


def string_value(source: Source, node: Node) -> str:
    """A string literal without its quotes and escapes."""
    body = source.text(node)[1:-1]
    if "\n" in body:
        raise CompileError("Line breaks not allowed in string literals", place(node))
    if "\\" not in body:
        return body
    out: list[str] = []
    position = 0
    while position < len(body):
        character = body[position]
        if character != "\\":
            out.append(character)
            position += 1
            continue
        escape = body[position + 1 : position + 2]
        if escape == "u" and len(body) >= position + 6:
            out.append(chr(int(body[position + 2 : position + 6], 16)))
            position += 6
        elif escape in _ESCAPES and escape:
            out.append(_ESCAPES[escape])
            position += 2
        else:
            raise CompileError(f"Invalid string literal '{body}'. Illegal character sequence '\\{escape}'", place(node))
    return "".join(out)


def _compact(text: str) -> str:
    return "".join(text.split())


def _field(node: Node, name: str) -> Node:
    found = node.child_by_field_name(name)
    if found is None:
        raise CompileError(f"Unexpected token '{node.type}'.", place(node))
    return found


def _sub(source: Source, node: Node, field: str) -> n.Expression:
    return read_expression(source, _field(node, field))


def _arguments(source: Source, node: Node) -> tuple[n.Expression, ...]:
    holder = node.child_by_field_name("arguments")
    if holder is None:
        return ()
    return tuple(read_expression(source, child) for child in source.children(holder))


def _is_safe(node: Node) -> bool:
    return any(child.type == "safe_navigation_operator" for child in node.children)


def _integer(source: Source, node: Node, *, negative: bool = False) -> n.Literal:
    text = source.text(node)
    is_long = text[-1] in "lL"
    value = int(text.rstrip("lL")) * (-1 if negative else 1)
    limit = _MAX_LONG if is_long else _MAX_INTEGER
    if not -limit - 1 <= value <= limit:
        kind = "Long" if is_long else "Integer"
        raise CompileError(f"Illegal {kind.lower()}: {text}", place(node))
    return n.Literal(place(node), "Long" if is_long else "Integer", value)


def _decimal(source: Source, node: Node) -> n.Expression:
    text = source.text(node)
    if text[-1] in "dD":
        return n.Literal(place(node), "Double", text[:-1])
    if text[-1] in "fF":
        raise CompileError(f"Unexpected token '{text}'.", place(node))
    return n.Literal(place(node), "Decimal", text)


def _select(source: Source, node: Node) -> n.Expression:
    at, name = place(node), source.text(_field(node, "field"))
    target = _field(node, "object")
    if name.lower() == "class":
        return n.ClassLiteral(at, n.TypeRef(place(target), _compact(source.text(target))))
    return n.Select(place(_field(node, "field")), read_expression(source, target), name, _is_safe(node))


def _call(source: Source, node: Node) -> n.Expression:
    target = node.child_by_field_name("object")
    name = _field(node, "name")
    return n.Call(
        place(name),
        None if target is None else read_expression(source, target),
        source.text(name),
        _arguments(source, node),
        _is_safe(node),
    )


def _new(source: Source, node: Node) -> n.Expression:
    if any(child.type == "class_body" for child in node.children):
        raise source.unsupported("anonymous class", node)
    return n.New(place(node), read_type(source, _field(node, "type")), _arguments(source, node))


def _new_list(source: Source, node: Node) -> n.Expression:
    at = place(node)
    written = read_type(source, _field(node, "type"))
    dimensions = node.child_by_field_name("dimensions")
    value = node.child_by_field_name("value")
    if dimensions is not None:
        written = n.TypeRef(at, "List", (written,))
    if value is None:
        if dimensions is None or dimensions.type != "dimensions_expr":
            raise CompileError("Unexpected token ']'.", at)
        return n.NewArray(at, written, read_expression(source, source.children(dimensions)[0]))
    return n.NewList(at, written, tuple(read_expression(source, child) for child in source.children(value)))


def _new_map(source: Source, node: Node) -> n.Expression:
    pairs = []
    for pair in source.children(_field(node, "value")):
        key, value = source.children(pair)
        pairs.append((read_expression(source, key), read_expression(source, value)))
    return n.NewMap(place(node), read_type(source, _field(node, "type")), tuple(pairs))


def _unary(source: Source, node: Node) -> n.Expression:
    operator, operand = source.text(_field(node, "operator")), _field(node, "operand")
    if operator == "-" and operand.type == "int":
        return _integer(source, operand, negative=True)
    return n.Unary(place(node), operator, read_expression(source, operand))


def _update(source: Source, node: Node) -> n.Expression:
    operator, operand = _field(node, "operator"), _field(node, "operand")
    prefix = operator.start_byte < operand.start_byte
    return n.Update(place(node), source.text(operator), read_expression(source, operand), prefix)


def _binary(source: Source, node: Node) -> n.Expression:
    operator = _field(node, "operator")
    return n.Binary(place(operator), source.text(operator), _sub(source, node, "left"), _sub(source, node, "right"))


def _assign(source: Source, node: Node) -> n.Expression:
    operator = source.text(_field(node, "operator"))
    return n.Assign(place(node), _sub(source, node, "left"), operator, _sub(source, node, "right"))


def _query(source: Source, node: Node) -> n.Expression:
    body = source.children(node)[0]
    if body.type == "sosl_query_body":
        raise source.unsupported("SOSL", node)
    marks: list[Node] = []
    _collect_marks(body, marks)
    binds = [mark for mark in marks if mark.type == _BIND]
    parts: list[bytes] = []
    start = body.start_byte
    for mark in marks:
        text = f":b{binds.index(mark)} " if mark.type == _BIND else " "
        parts += [source.bytes[start : mark.start_byte], text.encode()]
        start = mark.end_byte
    parts.append(source.bytes[start : body.end_byte])
    expressions = tuple(read_expression(source, source.children(bind)[0]) for bind in binds)
    return n.Query(place(node), b"".join(parts).decode(), expressions)


def _collect_marks(node: Node, into: list[Node]) -> None:
    """Bound expressions and comments, in order."""
    for child in node.named_children:
        if child.type in (_BIND, "line_comment", "block_comment"):
            into.append(child)
        else:
            _collect_marks(child, into)


def _class_literal(source: Source, node: Node) -> n.Expression:
    return n.ClassLiteral(place(node), read_type(source, source.children(node)[0]))


def _instance_of(source: Source, node: Node) -> n.Expression:
    return n.InstanceOf(place(node), _sub(source, node, "left"), read_type(source, _field(node, "right")))


def _cast(source: Source, node: Node) -> n.Expression:
    return n.Cast(place(node), read_type(source, _field(node, "type")), _sub(source, node, "value"))


def _conditional(source: Source, node: Node) -> n.Expression:
    parts = [_sub(source, node, part) for part in ("condition", "consequence", "alternative")]
    return n.Conditional(place(node), *parts)


def _index(source: Source, node: Node) -> n.Expression:
    return n.Index(place(node), _sub(source, node, "array"), _sub(source, node, "index"))


_READERS: Mapping[str, Callable[[Source, Node], n.Expression]] = {
    "identifier": lambda s, x: n.Name(place(x), s.text(x)),
    "this": lambda _, x: n.This(place(x)),
    "super": lambda _, x: n.Super(place(x)),
    "int": _integer,
    "decimal_floating_point_literal": _decimal,
    "boolean": lambda s, x: n.Literal(place(x), "Boolean", s.text(x).lower() == "true"),
    "null_literal": lambda _, x: n.Literal(place(x), "null", None),
    "string_literal": lambda s, x: n.Literal(place(x), "String", string_value(s, x)),
    "parenthesized_expression": lambda s, x: read_expression(s, s.children(x)[0]),
    "field_access": _select,
    "method_invocation": _call,
    "object_creation_expression": _new,
    "array_creation_expression": _new_list,
    "map_creation_expression": _new_map,
    "array_access": _index,
    "unary_expression": _unary,
    "update_expression": _update,
    "binary_expression": _binary,
    "instanceof_expression": _instance_of,
    "cast_expression": _cast,
    "ternary_expression": _conditional,
    "assignment_expression": _assign,
    "class_literal": _class_literal,
    "query_expression": _query,
}
