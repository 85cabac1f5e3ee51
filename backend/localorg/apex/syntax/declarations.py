"""Declarations: a file to its one class, an anonymous block to its parts."""

from __future__ import annotations

import re
from functools import lru_cache

from tree_sitter import Node

from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.syntax.expressions import read_expression, read_type, string_value
from localorg.apex.syntax.statements import read_block, read_statement
from localorg.apex.syntax.tree import Source, place

__all__ = ["parse_anonymous", "parse_class"]

_KINDS = {"class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "enum"}


@lru_cache(maxsize=512)
def parse_class(text: str, name: str) -> n.TypeDeclaration:
    """The one top-level type of a class file.

    Trees do not change and follow from the text alone, so orgs that hold the same class share its tree.

    name: the file's name, for messages.
    Raises CompileError.
    """
    source = Source(text, name)
    children = source.children(source.root)
    for child in children:
        if child.type == "trigger_declaration":
            raise source.unsupported("trigger", child)
        if child.type not in _KINDS:
            raise CompileError(f"Unexpected token '{source.text(child).split()[0]}'.", place(child))
    if not children:
        raise CompileError("Unexpected token '<EOF>'.", At(1, 1))
    if len(children) > 1:
        raise CompileError(f"Unexpected token '{source.text(children[1]).split()[0]}'.", place(children[1]))
    return _type(source, children[0])


def parse_anonymous(text: str) -> n.Anonymous:
    """A block for executeAnonymous. Raises CompileError."""
    source = Source(text, "AnonymousBlock", lenient=True)
    methods: list[n.MethodDeclaration] = []
    types: list[n.TypeDeclaration] = []
    rest = bytearray(source.bytes)
    for child in source.children(source.root):
        if child.type == "trigger_declaration":
            raise source.unsupported("trigger", child)
        if child.has_error:
            continue
        if child.type in _KINDS:
            types.append(_type(source, child))
        elif child.type == "method_declaration":
            methods.append(_method(source, child))
        else:
            continue
        rest[child.start_byte : child.end_byte] = re.sub(
            rb"[^\n]", b" ", source.bytes[child.start_byte : child.end_byte]
        )
    return n.Anonymous(_statements(rest.decode()), tuple(methods), tuple(types))


def _statements(text: str) -> tuple[n.Statement, ...]:
    """Statements without the declarations among them, read in braces: outside, `List<X> y` is a comparison.

    The opening brace moves the first line by one column.
    """
    try:
        source = Source("{" + text + "\n}", "AnonymousBlock")
    except CompileError as error:
        if error.at.line > text.count("\n") or not "".join(text.splitlines()[error.at.line :]).strip():
            raise CompileError(error.message.replace("'}'", "'<EOF>'"), error.at) from None
        raise
    return read_block(source, source.children(source.root)[0]).statements


def _type(source: Source, node: Node) -> n.TypeDeclaration:
    modifiers, annotations = _modifiers(source, node)
    name = _need(node, "name")
    if node.child_by_field_name("type_parameters") is not None:
        raise CompileError("Type parameters are not allowed on this type", place(node))
    parent = node.child_by_field_name("superclass")
    holders = [c for c in node.named_children if c.type in ("interfaces", "extends_interfaces")]
    interfaces = tuple(
        read_type(source, each) for holder in holders for each in source.children(source.children(holder)[0])
    )
    body = _need(node, "body")
    kind = _KINDS[node.type]
    if kind == "enum":
        constants = tuple(source.text(_need(c, "name")) for c in source.children(body))
        return n.TypeDeclaration(place(node), kind, modifiers, annotations, source.text(name), None, (), (), constants)
    members = [_member(source, child) for child in source.children(body) if child.type != ";"]
    return n.TypeDeclaration(
        place(node),
        kind,
        modifiers,
        annotations,
        source.text(name),
        None if parent is None else read_type(source, source.children(parent)[0]),
        interfaces,
        tuple(members),
        end_line=node.end_point[0] + 1,
    )


def _member(source: Source, node: Node) -> n.Member:
    if node.type in _KINDS:
        return _type(source, node)
    if node.type in ("field_declaration", "constant_declaration"):
        return _field(source, node)
    if node.type in ("method_declaration", "constructor_declaration"):
        return _method(source, node)
    if node.type == "static_initializer":
        return n.Initializer(place(node), static=True, body=read_block(source, source.children(node)[0]))
    if node.type == "block":
        return n.Initializer(place(node), static=False, body=read_block(source, node))
    raise source.unsupported(node.type.replace("_", " "), node)


def _field(source: Source, node: Node) -> n.Member:
    modifiers, annotations = _modifiers(source, node)
    written = read_type(source, _need(node, "type"))
    accessors = next((c for c in node.children if c.type == "accessor_list"), None)
    if accessors is not None:
        found: dict[str, tuple[frozenset[str], n.Block | None]] = {}
        for accessor in source.children(accessors):
            body = accessor.child_by_field_name("body")
            found[source.text(_need(accessor, "accessor")).lower()] = (
                _modifiers(source, accessor)[0],
                None if body is None else read_block(source, body),
            )
        name = _need(_need(node, "declarator"), "name")
        return n.PropertyDeclaration(
            place(name), modifiers, annotations, written, source.text(name), found.get("get"), found.get("set")
        )
    variables = []
    for declarator in node.children_by_field_name("declarator"):
        name, value = _need(declarator, "name"), declarator.child_by_field_name("value")
        variables.append(
            n.DeclaredVariable(
                place(name), source.text(name), None if value is None else read_expression(source, value)
            )
        )
    return n.FieldDeclaration(place(node), modifiers, annotations, written, tuple(variables))


def _method(source: Source, node: Node) -> n.MethodDeclaration:
    modifiers, annotations = _modifiers(source, node)
    for annotation in annotations:
        if annotation.name == "future":
            raise source.unsupported("@future", node)
    if "webservice" in modifiers:
        raise source.unsupported("webservice", node)
    parameters = tuple(
        n.Parameter(place(child), read_type(source, _need(child, "type")), source.text(_need(child, "name")))
        for child in source.children(_need(node, "parameters"))
    )
    result, body, name = node.child_by_field_name("type"), node.child_by_field_name("body"), _need(node, "name")
    return n.MethodDeclaration(
        place(name),
        modifiers,
        annotations,
        None if result is None else read_type(source, result),
        source.text(name),
        parameters,
        None if body is None else _body(source, body),
        At(node.end_point[0] + 1, node.end_point[1] + 1),
    )


def _body(source: Source, node: Node) -> n.Block:
    """A constructor's body may begin with `this(...)` or `super(...)`: a call without a target."""
    statements: list[n.Statement] = []
    for child in source.children(node):
        if child.type == "explicit_constructor_invocation":
            which = source.text(_need(child, "constructor")).lower()
            arguments = tuple(read_expression(source, c) for c in source.children(_need(child, "arguments")))
            call = n.Call(place(child), None, which, arguments, safe=False)
            statements.append(n.ExpressionStatement(place(child), call))
        else:
            statements.append(read_statement(source, child))
    return n.Block(place(node), tuple(statements))


def _modifiers(source: Source, node: Node) -> tuple[frozenset[str], tuple[n.Annotation, ...]]:
    words: set[str] = set()
    annotations: list[n.Annotation] = []
    holder = next((c for c in node.children if c.type == "modifiers"), None)
    for child in [] if holder is None else source.children(holder):
        if child.type == "annotation":
            annotations.append(_annotation(source, child))
        else:
            words.add(" ".join(source.text(child).lower().split()))
    if "testmethod" in words:
        annotations.append(n.Annotation(place(node), "istest", ()))
    return frozenset(words), tuple(annotations)


def _annotation(source: Source, node: Node) -> n.Annotation:
    values: list[tuple[str, str]] = []
    holder = node.child_by_field_name("arguments")
    for child in [] if holder is None else source.children(holder):
        if child.type == "annotation_key_value":
            value = _need(child, "value")
            text = string_value(source, value) if value.type == "string_literal" else source.text(value)
            values.append((source.text(_need(child, "key")).lower(), text))
        elif child.type == "string_literal":
            values.append(("value", string_value(source, child)))
    return n.Annotation(place(node), source.text(_need(node, "name")).lower(), tuple(values))


def _need(node: Node, field: str) -> Node:
    found = node.child_by_field_name(field)
    if found is None:
        raise CompileError(f"Unexpected token '{node.type}'.", place(node))
    return found
